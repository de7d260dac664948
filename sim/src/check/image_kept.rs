//! Check 1 for a run that begins on a real data directory: what that held is still there.
//!
//! Nobody in the run writes to those topics. From the front of a log retention may take records, as the topic's settings want it;
//! nothing else may change, and what the simulator damaged may be refused.

use super::Check;
use crate::ledger::{Ledger, Place, View, Views};

/// Its row.
pub const ROW: Check = Check {
    number: 1,
    name: "image_kept",
    demands: "what the data directory held before the run is there after it",
    check,
};

/// Whether each log of the directory is what it was, as far as it was read again.
fn check(ledger: &Ledger, _: &Views) -> Result<(), String> {
    for (&part, was) in &ledger.image {
        let Some(now) = ledger.image_now.get(&part) else { continue };
        let damaged = |offset| ledger.is_damaged(Place { part, offset });
        let topic = &ledger.topics[usize::from(part.topic.0)].name;
        kept(was, now, damaged).map_err(|what| format!("{topic}-{}: {what}", part.partition))?;
    }
    Ok(())
}

fn kept(was: &View, now: &View, damaged: impl Fn(i64) -> bool) -> Result<(), String> {
    if now.start < was.start || now.end < was.end {
        let (from, to) = (now.start, now.end);
        return Err(format!(
            "it went from {} to {}, and goes from {from} to {to} now",
            was.start, was.end
        ));
    }
    for (offset, id) in was.records.iter().filter(|(offset, _)| *offset >= now.start) {
        let refused = || damaged(*offset) && now.refused.binary_search(offset).is_ok();
        match now.at(*offset) {
            Some(there) if there == *id => {}
            None if refused() => {}
            Some(_) => return Err(format!("another record is at {offset} than before the run")),
            None => return Err(format!("what was at {offset} before the run is gone")),
        }
    }
    Ok(())
}
