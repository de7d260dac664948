//! What must hold of every run. One file for each, one row in [`CHECKS`]. Checks read the ledger and what a reader
//! found, never the broker.
//!
//! The numbers are those of the design's list. Each takes time linear in the history. Besides these, what clients
//! see is held against the ledger while they see it, and the run itself fails when something panics, ends itself without a
//! reason, sends what cannot be read, or does not converge.

mod acked_durability;
mod agreement;
mod consumer_view;
mod dense_offsets;
mod idempotence;
mod image_kept;
mod metadata_linearizable;
mod no_invention;
mod over_budget;
mod recovery_idempotent;
mod resources;
mod retention;

use crate::failure::Failure;
use crate::heap::{Nanos, SECOND};
use crate::ledger::{Ledger, Sent, Views};
use crate::scenario::{BadInput, Params};

/// A check.
pub struct Check {
    /// Its number in the design's list.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// What it demands, in one line.
    pub demands: &'static str,
    /// The check itself; `Err` says what it found.
    pub check: fn(&Ledger, &Views) -> Result<(), String>,
}

/// Every check, by number.
pub const CHECKS: &[Check] = &[
    acked_durability::ROW,
    image_kept::ROW,
    agreement::ROW,
    dense_offsets::ROW,
    no_invention::ROW,
    idempotence::ROW,
    retention::ROW,
    metadata_linearizable::ROW,
    consumer_view::ROW,
    recovery_idempotent::ROW,
    resources::ROW,
    over_budget::ROW,
];

/// What a run fails by besides, while it runs: name, and what is demanded. They have no file: whoever sees it says so.
pub const OF_THE_RUN: &[(&str, &str)] = &[
    ("no_panic", "no code of the broker panics"),
    ("never_fatal", "the broker ends itself only where its disk gives it a reason"),
    ("nothing_faulty", "nothing is damaged but what a fault damaged"),
    ("served_bytes", "every served byte passes its CRC and is what was sent (of check 16)"),
    ("wire", "every frame parses with an independent codec at its version (check 19)"),
    ("legal_answers", "every answer is one that Kafka gives to what was asked (check 19)"),
    ("liveness", "the broker comes to an end of whatever it begins (check 17)"),
    (CONVERGED, "when all faults are over every operation ends within a bound (check 17)"),
    ("harness", "a run does some work, and its faults find something to harm"),
];

/// The name of the liveness check in scenarios: it has a parameter and no row, since the run itself is the check.
pub const CONVERGED: &str = "converged";

/// Which checks a scenario wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// By index in [`CHECKS`].
    names: Vec<bool>,
    /// How long the liveness phase may take.
    pub converged_within: Nanos,
}

impl Default for Wanted {
    fn default() -> Wanted {
        Wanted { names: vec![true; CHECKS.len()], converged_within: 60 * SECOND }
    }
}

impl Wanted {
    /// Reads the `[[check]]`s of a scenario. Without any, or with `converged` alone, every check runs.
    pub fn read(root: &Params<'_>) -> Result<Wanted, BadInput> {
        let mut wanted = Wanted::default();
        let mut chosen = vec![false; CHECKS.len()];
        for params in root.tables("check")? {
            let kind = params.required("kind")?;
            if kind == CONVERGED {
                let within = params.time("within")?;
                wanted.converged_within = within.unwrap_or(wanted.converged_within);
            } else {
                let found = CHECKS.iter().position(|c| c.name == kind);
                let names = CHECKS.iter().map(|c| c.name).chain([CONVERGED]);
                let names: Vec<&str> = names.collect();
                chosen[found.ok_or_else(|| params.wrong_choice("kind", &names))?] = true;
            }
            params.finish()?;
        }
        if chosen.contains(&true) {
            wanted.names = chosen;
        }
        Ok(wanted)
    }
}

/// Whether anything is missing that was acknowledged before it was durable.
pub fn lost_tail(ledger: &Ledger, views: &Views) -> bool {
    let gone = |(id, sent): (_, &Sent)| {
        let view = sent.relaxed.and_then(|_| views.get(&sent.part));
        view.zip(sent.acked).is_some_and(|(view, at)| at >= view.start && view.at(at) != Some(id))
    };
    ledger.sent().any(gone)
}

/// Runs every check that is wanted; the first that fails, with what it found.
pub fn all(wanted: &Wanted, ledger: &Ledger, views: &Views) -> Result<(), Failure> {
    let checks = CHECKS.iter().zip(&wanted.names).filter(|(_, wanted)| **wanted);
    checks
        .map(|(c, _)| c)
        .try_for_each(|c| (c.check)(ledger, views).map_err(|what| Failure::new(c.name, what)))
}

#[cfg(test)]
mod tests;
