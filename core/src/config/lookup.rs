//! Where a value comes from: the layers of configuration, nearest first.
//!
//! Kafka shows them in DescribeConfigs as *sources*, and each layer that has a value as a *synonym*.

use super::broker::BrokerConfig;
use super::table::{self, Row, Value};
use crate::metadata::{Metadata, Resource};

/// The layer that a value comes from, with Kafka's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Set on the topic.
    Topic = 1,
    /// Set on this broker while it runs.
    Broker = 2,
    /// Set for all brokers while they run.
    Cluster = 3,
    /// Given when the broker started.
    Given = 4,
    /// Nobody said anything.
    Default = 5,
    /// Set on the subscription of client metrics.
    ClientMetrics = 7,
    /// Set on the group.
    Group = 8,
}

/// A layer's word on a key, as it was said: not parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The key in that layer.
    pub name: String,
    /// The value; none where it is never shown.
    pub value: Option<String>,
    /// The layer.
    pub layer: Layer,
}

/// All layers of this broker.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a> {
    /// What was set while running.
    pub metadata: &'a Metadata,
    /// What was given at the start.
    pub config: &'a BrokerConfig,
}

impl<'a> Lookup<'a> {
    /// What a layer says of a broker's key.
    fn said(&self, layer: Layer, key: &str) -> Option<&'a str> {
        let set =
            |resource: &Resource| self.metadata.configs(resource).get(key).map(String::as_str);
        match layer {
            Layer::Broker => set(&Resource::broker(Some(self.config.node_id))),
            Layer::Cluster => set(&Resource::broker(None)),
            Layer::Given => self.config.given.get(key).map(String::as_str),
            Layer::Default => table::broker(key).and_then(|row| row.default),
            Layer::Topic | Layer::ClientMetrics | Layer::Group => None,
        }
    }

    /// The word that holds for a broker's key, and whose it is.
    pub fn broker(&self, key: &str) -> Option<(&'a str, Layer)> {
        LAYERS.iter().find_map(|layer| Some((self.said(*layer, key)?, *layer)))
    }

    /// The number that holds for a broker's key: what is kept elsewhere than in topics asks here each time, so
    /// that a change holds at once. The key must be a number with a default.
    pub fn number(&self, key: &str) -> i64 {
        let row = table::broker(key).expect("the program asks for keys in the table");
        let said = self.broker(key).and_then(|(value, _)| row.parse(value).ok());
        let default = || row.parse(row.default.expect("it has a default")).expect("which fits");
        match said.unwrap_or_else(default) {
            Value::Number(n) => n,
            other => panic!("{key} is a number in the table, not {other:?}"),
        }
    }

    /// The value that holds for a topic's key on a topic with these settings, as it is shown, and whose it is.
    pub fn topic(&self, row: &Row, set: &impl Settings) -> (String, Layer) {
        if let Some(value) = set.setting(row.name) {
            return (value.to_owned(), Layer::Topic);
        }
        for (key, factor) in row.sources {
            if let Some((value, layer)) = self.broker(key) {
                return (scaled(key, value, *factor), layer);
            }
        }
        (row.default.unwrap_or_default().to_owned(), Layer::Default)
    }

    /// Every word on a broker's key, nearest first. Keys that say the same in other units come after those of
    /// the same layer, and what comes before the key's own first word is not shown, as in Kafka.
    pub fn synonyms(&self, key: &str) -> Vec<Synonym> {
        let sensitive = table::broker(key).is_some_and(Row::sensitive);
        let mut all = Vec::new();
        for layer in LAYERS {
            for name in family(key) {
                if let Some(value) = self.said(layer, name) {
                    let value = (!sensitive).then(|| value.to_owned());
                    all.push(Synonym { name: (*name).to_owned(), value, layer });
                }
            }
        }
        let first = all.iter().position(|s| s.name == key).unwrap_or(all.len());
        all.split_off(first)
    }
}

/// What is set on one topic.
pub trait Settings {
    /// The value of a key, as it was set.
    fn setting(&self, key: &str) -> Option<&str>;
}

impl Settings for std::collections::BTreeMap<String, String> {
    fn setting(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

const LAYERS: [Layer; 4] = [Layer::Broker, Layer::Cluster, Layer::Given, Layer::Default];

/// A broker's key in the units of the topic's. Less than nothing is -1, no limit; see `log.retention.hours`.
fn scaled(key: &str, value: &str, factor: i64) -> String {
    if factor == 1 {
        return value.to_owned();
    }
    match table::broker(key).and_then(|row| row.parse(value).ok()) {
        Some(Value::Number(n)) if n < 0 => "-1".into(),
        Some(Value::Number(n)) => n.saturating_mul(factor).to_string(),
        _ => value.to_owned(),
    }
}

/// The keys that say the same thing, the one that counts first.
fn family(key: &str) -> &[&str] {
    const FAMILIES: [&[&str]; 4] = [
        &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
        &["log.roll.ms", "log.roll.hours"],
        &["log.roll.jitter.ms", "log.roll.jitter.hours"],
        &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
    ];
    // The scheduler's interval stands for the other, but not the other way round.
    let found = FAMILIES.into_iter().find(|f| f.contains(&key));
    match (found, table::broker(key)) {
        (Some(family), _) if key != "log.flush.scheduler.interval.ms" => family,
        (_, Some(row)) => std::slice::from_ref(&row.name),
        _ => &[],
    }
}
