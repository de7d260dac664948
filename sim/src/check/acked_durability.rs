//! Check 1: every acknowledged record is in the log at its offset.

use crate::ledger::{Ledger, RecordId, Views};
use std::collections::BTreeMap;

/// Whether every acknowledged record is at its offset, unless that lies below the log's start.
pub fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    let found: BTreeMap<(i32, i64), RecordId> = views
        .iter()
        .flat_map(|(partition, view)| view.records.iter().map(|(at, id)| ((*partition, *at), *id)))
        .collect();
    for (id, sent) in ledger.sent() {
        let Some(place) = sent.acked else { continue };
        let start = views.get(&place.partition).map_or(0, |view| view.start);
        if place.offset < start {
            continue;
        }
        match found.get(&(place.partition, place.offset)) {
            Some(there) if there == id => {}
            there => {
                return Err(format!("{id:?} was acknowledged at {place:?}, there is {there:?}"));
            }
        }
    }
    Ok(())
}
