//! Check 15: what consumers see goes forward, and offsets that they look up are the right ones.
//!
//! That nothing is skipped, repeated or taken back, and that nobody is told OFFSET_OUT_OF_RANGE without need, is seen while
//! they read. What they looked up is held here against all records whose offsets are known. A log may have been cut while it
//! was searched, and may have grown: what was deleted before the question must not be the answer, and what was there
//! through all of it must not be passed by.

use super::Check;
use crate::ledger::{Ledger, Lookup, Part, Place, Views};
use std::collections::BTreeMap;

/// Its row.
pub const ROW: Check = Check {
    number: 15,
    name: "consumer_view",
    demands: "consumers go forward, and offsets looked up by time are the right ones",
    check,
};

/// Timestamps by offset, as far as they are known.
type Times = Vec<Option<i64>>;

/// Whether every offset that was looked up was right.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    if ledger.lookups.is_empty() {
        return Ok(());
    }
    let mut times: BTreeMap<Part, Times> = BTreeMap::new();
    let acked = ledger.sent().filter_map(|(id, sent)| Some((sent.part, sent.sure()?, id)));
    let seen = ledger.seen().map(|(place, id)| (place.part, place.offset, id));
    let read = views.iter().flat_map(|(part, view)| view.records.iter().map(|r| (*part, r.0, r.1)));
    for (part, offset, id) in acked.chain(seen).chain(read) {
        let Some(sent) = ledger.of(id) else { continue };
        if ledger.is_damaged(Place { part, offset }) {
            continue; // it may be passed by
        }
        let times = times.entry(part).or_default();
        let at = offset.max(0) as usize;
        if times.len() <= at {
            times.resize(at + 1, None);
        }
        times[at] = Some(sent.at_ms).filter(|_| ledger.is_dated(sent, offset));
    }
    let none = Times::new();
    for lookup in &ledger.lookups {
        let times = times.get(&lookup.part).unwrap_or(&none);
        right(lookup, times).map_err(|what| format!("{lookup:?}: {what}"))?;
    }
    Ok(())
}

/// Whether an answer was right.
fn right(lookup: &Lookup, times: &Times) -> Result<(), String> {
    let Lookup { timestamp, known, start_max, found, .. } = *lookup;
    if let Some((offset, at_ms)) = found {
        let there = times.get(offset as usize).copied().flatten();
        if offset < known.floor {
            return Err(format!("the log had started at {} before", known.floor));
        }
        if there.is_some_and(|there| there != at_ms) {
            return Err(format!("the record there has timestamp {there:?}"));
        }
    }
    // What was there from before the question until after the answer.
    let until = found.filter(|_| timestamp >= 0).map_or(known.end, |f| f.0.min(known.end));
    let from = usize::try_from(start_max).unwrap_or(usize::MAX).min(times.len());
    let sure = &times[from..(until.max(0) as usize).clamp(from, times.len())];
    let bound = if timestamp >= 0 { timestamp } else { found.map_or(i64::MIN, |f| f.1 + 1) };
    match sure.iter().position(|there| there.is_some_and(|there| there >= bound)) {
        Some(at) => Err(format!("passed by offset {}, of {:?}", from + at, sure[at])),
        None => Ok(()),
    }
}
