//! Check 16: what a process knows, the next one finds, however often and wherever within its recovery one of them ends.
//!
//! When everything has come to rest, each process is killed and another one begins, twice; then one ends within its recovery. What is
//! known of each log must stay the same (its leader epoch alone goes on), and so must every record that is read once more.

use super::Check;
use crate::ledger::{Births, Ledger, Place, REREAD, Views};
use sordini_core::census::{Census, Knowledge};

/// Its row.
pub const ROW: Check = Check {
    number: 16,
    name: "recovery_idempotent",
    demands: "what a process knows, the next one finds, also after an end within recovery",
    check,
};

/// A wall clock that was so far ahead may have had producers expire.
const EXPIRY_MS: i64 = 3_600_000;

/// Whether each life knew what the one before knew, and whether what is read then is what was read.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for births in &ledger.births {
        for pair in births.lives.windows(2) {
            let [(before, a), (after, b)] = pair else { unreachable!("windows of two") };
            let live = *before == Births::AT_REST;
            if live && births.harmed {
                continue; // what was damaged under a living process may be found by the next one only
            }
            let producers = !births.misread && ledger.ahead_ms < EXPIRY_MS;
            same(ledger, a, b, (live, producers)).map_err(|what| {
                format!("node {}, from {before} to {after}: {what}", births.node)
            })?;
        }
    }
    reread(ledger, views)
}

fn same(
    ledger: &Ledger,
    a: &Census,
    b: &Census,
    (live, producers): (bool, bool),
) -> Result<(), String> {
    if a.metadata != b.metadata {
        return Err("the metadata are others".into());
    }
    if !a.logs.keys().eq(b.logs.keys()) {
        let [a, b] = [a, b].map(|census| census.logs.keys().collect::<Vec<_>>());
        return Err(format!("the logs were {a:?}, and are {b:?}"));
    }
    let pairs = a.logs.iter().zip(b.logs.values());
    pairs.into_iter().try_for_each(|((log, a), b)| {
        known(ledger, a, b, (live, producers)).map_err(|what| {
            let (topic, partition) = &a.partition;
            format!("{log}, partition {partition} of {topic}, {what}")
        })
    })
}

fn known(
    ledger: &Ledger,
    a: &Knowledge,
    b: &Knowledge,
    (live, producers): (bool, bool),
) -> Result<(), String> {
    if a.end != b.end {
        return Err(format!("ended at {}, and ends at {}", a.end, b.end));
    }
    // Time goes on, and retention with it.
    let may_expire = ledger.named(&a.partition.0).any(|topic| ledger.may_expire(topic));
    if a.durable_start > b.start || a.start < b.start && !may_expire {
        return Err(format!("started at {}, and starts at {}", a.durable_start, b.start));
    }
    let start = a.start.max(b.start);
    let faulty = |known: &Knowledge| -> Vec<(u64, u64)> {
        let spans = known.faulty.iter().map(|span| (span.from.0.max(start.0), span.to.0));
        spans.filter(|(from, to)| from < to).collect()
    };
    if faulty(a) != faulty(b) {
        return Err(format!("lacked {:?}, and lacks {:?}", faulty(a), faulty(b)));
    }
    let forgotten = a.producers.iter().find(|(id, window)| b.producers.get(id) != Some(window));
    let invented = b.producers.keys().find(|id| !a.producers.contains_key(id));
    // A living process forgets producers that have been silent for long, and need not write that down.
    if !producers {
        return Ok(());
    }
    match (forgotten, invented) {
        (Some((id, _)), _) => {
            Err(format!("knew the last batches of producer {id}, and knows others"))
        }
        (None, Some(id)) if !live => Err(format!("did not know producer {id}, and does")),
        _ => Ok(()),
    }
}

/// Whether every record that is still there is the one that was there. What was on its way when it was read first may have come behind
/// it, and what could not be read may be readable now.
fn reread(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (part, again) in &ledger.reread {
        let Some(view) = views.get(part) else { continue };
        if again.end < view.end {
            return Err(format!("{part:?} ended at {}, and ends at {}", view.end, again.end));
        }
        let from = again.start.max(view.end - REREAD);
        for (at, id) in view.records.iter().filter(|(at, _)| *at >= from) {
            let now = again.at(*at);
            let lost = again.refused.binary_search(at).is_ok()
                && ledger.is_damaged(Place { part: *part, offset: *at });
            if now != Some(*id) && !lost {
                return Err(format!("{part:?} had {id:?} at {at}, and has {now:?}"));
            }
        }
    }
    Ok(())
}
