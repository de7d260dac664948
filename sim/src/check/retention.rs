//! Check 12: nothing goes before its time, and nothing that is gone comes back.
//!
//! Below its start a log may lack what somebody asked to delete, what is older than the limit, and what lies
//! before as many bytes as the limit wants. A broker whose clock is ahead believes that a record is older than it is; a timestamp
//! in the future keeps nothing longer than the moment of its appending would.

use super::Check;
use crate::ledger::{Extent, Ledger, Part, RecordId, View, Views};
use std::collections::BTreeMap;

/// Its row.
pub const ROW: Check = Check {
    number: 12,
    name: "retention",
    demands: "nothing newer than the limit goes, nothing deleted comes back",
    check,
};

/// Whether every log starts where it may.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    let mut gone: BTreeMap<Part, BTreeMap<i64, RecordId>> = BTreeMap::new();
    for (&part, view) in views {
        let extent = ledger.extent(part).cloned().unwrap_or_default();
        if view.start < extent.floor {
            let (floor, start) = (extent.floor, view.start);
            return Err(format!("{part:?} started at {floor}, and starts at {start} now"));
        }
        if view.start > extent.ceiling && extent.open == 0 {
            if !ledger.may_expire(part.topic) {
                let (start, max) = (view.start, extent.ceiling);
                return Err(format!("{part:?} starts at {start}; nobody asked beyond {max}"));
            }
            gone.insert(part, BTreeMap::new());
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    let acked = ledger.sent().filter_map(|(id, sent)| Some((sent.part, sent.sure()?, id)));
    let seen = ledger.seen().map(|(place, id)| (place.part, place.offset, id));
    for (part, offset, id) in acked.chain(seen) {
        if let Some(records) = gone.get_mut(&part).filter(|_| offset < views[&part].start) {
            records.insert(offset, id);
        }
    }
    let expired = |(part, records): (&Part, &BTreeMap<i64, RecordId>)| {
        let extent = ledger.extent(*part).cloned().unwrap_or_default();
        expired(ledger, *part, &extent, &views[part], records)
    };
    gone.iter().try_for_each(expired)
}

/// Whether every record that is gone, and that nobody asked to delete, is old or has enough behind it.
fn expired(
    ledger: &Ledger,
    part: Part,
    extent: &Extent,
    view: &View,
    gone: &BTreeMap<i64, RecordId>,
) -> Result<(), String> {
    let left = view.records.iter().filter_map(|(_, id)| ledger.of(*id));
    let behind: i64 = left.map(|sent| i64::from(sent.bytes)).sum();
    // Where the broker compresses anew, nobody else knows how long a batch became.
    let unknown = ledger.configs.is_touched((part.topic, "compression.type"));
    let ever = ledger.retention(part.topic, i64::MIN, i64::MAX);
    if ever.bytes.is_some_and(|limit| behind >= limit || unknown) {
        return Ok(());
    }
    // Who cannot be sure of a record's time knows when it was sent, and how far a broker may have been behind then.
    let itself = ledger.configs.is_touched((part.topic, "message.timestamp.type"));
    let behind_ms = if itself { ledger.behind_ms } else { 0 };
    let mut starts = extent.starts.iter().peekable();
    for (&offset, id) in gone.range(extent.ceiling.max(0)..) {
        let Some(sent) = ledger.of(*id) else { continue };
        while starts.next_if(|(_, start)| *start <= offset).is_some() {}
        let Some((told_ms, _)) = starts.peek() else { continue };
        let dated = if sent.at_ms < 0 { sent.sent_ms } else { sent.at_ms.min(sent.sent_ms) };
        let age = told_ms + ledger.ahead_ms + behind_ms - dated;
        let Some(limit) = ledger.retention(part.topic, sent.sent_ms, *told_ms).ms else {
            return Err(format!(
                "{id:?} at {offset} of {part:?} is gone, no limit on age held, and only {behind} bytes are left"
            ));
        };
        if age < limit {
            return Err(format!(
                "{id:?} at {offset} of {part:?} was gone {age} ms after its time; the limit is {limit} ms"
            ));
        }
    }
    Ok(())
}
