//! What must hold of every run. Checks read the ledger and what a reader found, never the broker.
//!
//! The numbers are those of the design's list. Each takes time linear in the history.

pub mod acked_durability;
pub mod agreement;
pub mod dense_offsets;
pub mod idempotence;
pub mod no_invention;

use crate::ledger::{Ledger, Views};

/// A check: its name, what it demands in one line, and the check itself; `Err` says what it found.
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What it demands.
    pub demands: &'static str,
    /// The check.
    pub check: fn(&Ledger, &Views) -> Result<(), String>,
}

/// Every check.
pub const CHECKS: &[Check] = &[
    Check {
        name: "acked_durability",
        demands: "every acknowledged record is at its offset",
        check: acked_durability::check,
    },
    Check {
        name: "agreement",
        demands: "an offset never holds another record than the one first read there",
        check: agreement::check,
    },
    Check {
        name: "dense_offsets",
        demands: "offsets run from log start to high watermark without gaps",
        check: dense_offsets::check,
    },
    Check {
        name: "no_invention",
        demands: "every record read was sent to that partition and not refused",
        check: no_invention::check,
    },
    Check {
        name: "idempotence",
        demands: "an idempotent producer's records are there once and in order",
        check: idempotence::check,
    },
];

/// Runs every check; the first that fails, with what it found.
pub fn all(ledger: &Ledger, views: &Views) -> Result<(), (&'static str, String)> {
    CHECKS.iter().try_for_each(|c| (c.check)(ledger, views).map_err(|what| (c.name, what)))
}

#[cfg(test)]
mod tests;
