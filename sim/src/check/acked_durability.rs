//! Check 1: every acknowledged record is in the log at its offset.
//!
//! Of a topic with `flush=relaxed` a crash may take what was not durable yet, and nothing else: from the end of what a process
//! had appended, without a hole, nothing that a reader may have been given, and nothing that is older than a few
//! syncs of the journal.

use super::Check;
use crate::ledger::relaxed::Relaxed;
use crate::ledger::{Ledger, Part, Place, RecordId, Views};
use std::collections::BTreeMap;

/// Its row.
pub const ROW: Check = Check {
    number: 1,
    name: "acked_durability",
    demands: "every acknowledged record is at its offset, unless a crash may have taken it",
    check,
};

/// What one process had acknowledged of a partition before it was durable: by offset, and whether it is there.
type Tail = BTreeMap<i64, (RecordId, Relaxed, bool)>;

/// Whether every acknowledged record is at its offset, unless that lies below the log's start. What becomes of one that the
/// simulator damaged is another check's business.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    let mut tails: BTreeMap<(Part, usize), Tail> = BTreeMap::new();
    for (id, sent) in ledger.sent() {
        let (Some(offset), Some(view)) = (sent.acked, views.get(&sent.part)) else { continue };
        let part = sent.part;
        if offset < view.start || ledger.is_damaged(Place { part, offset }) {
            continue;
        }
        let there = view.at(offset);
        match sent.relaxed {
            Some(relaxed) => {
                let tail = tails.entry((part, ledger.life_of(part, relaxed.accepted))).or_default();
                if let Some((other, ..)) = tail.insert(offset, (id, relaxed, there == Some(id))) {
                    return Err(format!(
                        "{id:?} and {other:?} were both acknowledged at {offset} of {part:?}"
                    ));
                }
            }
            None if there == Some(id) => {}
            None => {
                return Err(format!(
                    "{id:?} was acknowledged at {offset} of {part:?}, there is {there:?}"
                ));
            }
        }
    }
    tails.iter().try_for_each(|((part, _), tail)| may_be_lost(ledger, *part, tail))
}

/// Whether a crash may have taken what is missing.
fn may_be_lost(ledger: &Ledger, part: Part, tail: &Tail) -> Result<(), String> {
    let Some((&offset, (id, relaxed, _))) = tail.iter().find(|(_, (.., there))| !there) else {
        return Ok(());
    };
    let lost = |why: String| Err(format!("{id:?} was acknowledged at {offset} of {part:?}: {why}"));
    let Some(death) = ledger.end_of(part, relaxed.accepted) else {
        return lost("it is gone without a crash".to_owned());
    };
    if let Some((at, (later, ..))) = tail.range(offset..).find(|(_, (.., there))| *there) {
        return lost(format!("it is gone, and {later:?} behind it is there, at {at}"));
    }
    let durable = ledger.durable(part, death);
    if offset < durable {
        return lost(format!("it is gone, and all below {durable} was durable"));
    }
    let syncs = death.syncs - relaxed.syncs.min(death.syncs);
    if syncs > ledger.syncs_max {
        return lost(format!("it is gone, after {syncs} syncs of the journal"));
    }
    Ok(())
}
