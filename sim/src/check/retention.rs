//! Check 12: nothing goes before its time, and nothing that is gone comes back.
//!
//! Below its start a log may lack what somebody asked to delete, what is older than the limit, and what lies
//! before as many bytes as the limit wants. Bytes that cannot be read are in the files all the same, and count.
//! A broker whose clock is ahead believes that a record is older than it is, and so does one whose clock was behind when it
//! appended it: a timestamp in the future keeps nothing longer than that moment would.

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
        if let Some(records) = gone.get_mut(&part).filter(|_| is_away(&views[&part], offset)) {
            records.insert(offset, id);
        }
    }
    let expired = |(part, records): (&Part, &BTreeMap<i64, RecordId>)| {
        let extent = ledger.extent(*part).cloned().unwrap_or_default();
        expired(ledger, *part, &extent, &views[part], records)
    };
    gone.iter().try_for_each(expired)
}

/// Whether a record's bytes must be known from elsewhere: it is gone, or was not given.
fn is_away(view: &View, offset: i64) -> bool {
    offset < view.start || view.refused.binary_search(&offset).is_ok()
}

/// Whether every record that is gone, and that nobody asked to delete, is old or has enough behind it.
///
/// # Parameters
/// - `away`: all that is gone or was not given, as far as somebody knows what it was.
fn expired(
    ledger: &Ledger,
    part: Part,
    extent: &Extent,
    view: &View,
    away: &BTreeMap<i64, RecordId>,
) -> Result<(), String> {
    let bytes = |id: &RecordId| ledger.of(*id).map_or(0, |sent| i64::from(sent.bytes));
    let left: i64 = view.records.iter().map(|(_, id)| bytes(id)).sum();
    // What was behind a record may be gone too by now, by its age or since more has come.
    let mut behind: i64 = left + away.values().map(bytes).sum::<i64>();
    // Of an offset that nobody heard of we only know that no batch was longer than the longest.
    let of_part = ledger.sent().filter(|(_, sent)| sent.part == part);
    let longest = of_part.map(|(_, sent)| i64::from(sent.bytes)).max().unwrap_or(0);
    let refused = view.refused.len() as i64;
    // Where the broker compresses anew, nobody else knows how long a batch became.
    let unknown = ledger.configs.is_touched((part.topic, "compression.type"));
    let ever = ledger.retention(part.topic, i64::MIN, i64::MAX);
    if ever.bytes.is_some() && unknown {
        return Ok(());
    }
    let mut starts = extent.starts.iter().peekable();
    for ((&offset, id), known) in away.range(..view.start).zip((0..away.len() as i64).rev()) {
        behind -= bytes(id);
        let unheard = view.start - offset - 1 + refused - known;
        let most = behind + unheard * longest;
        let enough = ever.bytes.is_some_and(|limit| most >= limit);
        let Some(sent) = ledger.of(*id).filter(|_| offset >= extent.ceiling.max(0)) else {
            continue;
        };
        if enough {
            continue;
        }
        while starts.next_if(|(_, start)| *start <= offset).is_some() {}
        let Some((told_ms, _)) = starts.peek() else { continue };
        let dated = if sent.at_ms < 0 { sent.sent_ms } else { sent.at_ms.min(sent.sent_ms) };
        let age = told_ms + ledger.ahead_ms + ledger.behind_ms - dated;
        let Some(limit) = ledger.retention(part.topic, sent.sent_ms, *told_ms).ms else {
            return Err(format!(
                "{id:?} at {offset} of {part:?} is gone, no limit on age held, and at most {most} bytes are left"
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
