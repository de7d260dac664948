//! The keys that can be set on a group.
//!
//! A group takes what it does not say from the broker's key `group.` + its own name, within the bounds
//! that the broker's keys `group.consumer.min.…` and `group.consumer.max.…` set.

use super::lookup::Lookup;
use super::table::{self, Value, ValueError};
use std::collections::BTreeMap;

/// A key of a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupRow {
    /// Name.
    pub name: &'static str,
    /// The broker's key that decides where the group says nothing; it has the same type and check.
    pub source: &'static str,
    /// The broker's keys between whose values it must lie.
    pub bounds: (&'static str, &'static str),
    /// What it does.
    pub doc: &'static str,
}

/// All of them.
pub const GROUP: &[GroupRow] = &[
    GroupRow {
        name: HEARTBEAT,
        source: "group.consumer.heartbeat.interval.ms",
        bounds: (
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.max.heartbeat.interval.ms",
        ),
        doc: "How often a member of a consumer group (KIP-848) must be heard of, in ms.",
    },
    GroupRow {
        name: SESSION,
        source: "group.consumer.session.timeout.ms",
        bounds: ("group.consumer.min.session.timeout.ms", "group.consumer.max.session.timeout.ms"),
        doc: "How long a member of a consumer group (KIP-848) may be silent before it is taken for dead, in ms.",
    },
];

const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const SESSION: &str = "consumer.session.timeout.ms";

/// Why a group cannot have these settings. The words are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// A key that groups do not have.
    #[error("Unknown group config name: {0}")]
    Unknown(String),
    /// A value that its key does not take.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A value below the broker's bound.
    #[error("{0} must be greater than or equal to {1}")]
    Small(&'static str, &'static str),
    /// A value above the broker's bound.
    #[error("{0} must be less than or equal to {1}")]
    Large(&'static str, &'static str),
    /// A member would be dead before it is heard of.
    #[error("{SESSION} must be greater than {HEARTBEAT}")]
    Order,
}

/// The row of a group's key.
pub fn row(name: &str) -> Option<&'static GroupRow> {
    GROUP.iter().find(|row| row.name == name)
}

/// Checks everything that is to be set on a group.
pub fn check(lookup: Lookup<'_>, set: &BTreeMap<String, String>) -> Result<(), GroupError> {
    let mut values = BTreeMap::new();
    for (key, value) in set {
        let row = row(key).ok_or_else(|| GroupError::Unknown(key.clone()))?;
        let source = table::broker(row.source).expect("a source is a broker's key");
        let parsed = source.parse(value).map_err(|e| ValueError { name: key.clone(), ..e })?;
        if let Value::Number(n) = parsed {
            values.insert(row.name, n);
        }
    }
    if let (Some(session), Some(heartbeat)) = (values.get(SESSION), values.get(HEARTBEAT))
        && session <= heartbeat
    {
        return Err(GroupError::Order);
    }
    for row in GROUP {
        let (min, max) = row.bounds;
        match values.get(row.name) {
            Some(n) if *n < lookup.number(min) => return Err(GroupError::Small(row.name, min)),
            Some(n) if *n > lookup.number(max) => return Err(GroupError::Large(row.name, max)),
            _ => {}
        }
    }
    Ok(())
}
