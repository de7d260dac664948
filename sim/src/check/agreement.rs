//! Check 2: what an offset holds is fixed when it is first read.

use super::Check;
use crate::ledger::{Ledger, Place, Views};

/// Its row.
pub const ROW: Check = Check {
    number: 2,
    name: "agreement",
    demands: "an offset never holds another record than the one first read there",
    check,
};

/// Whether everything read now is what was read there before, and nothing read before is missing.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (&part, view) in views {
        for &(offset, id) in &view.records {
            let place = Place { part, offset };
            if let Some(before) = ledger.first_seen(place).filter(|before| *before != id) {
                return Err(format!("{place:?} held {before:?} and holds {id:?} now"));
            }
        }
    }
    for (place, id) in ledger.seen() {
        let Some(view) = views.get(&place.part) else { continue };
        if place.offset >= view.end {
            return Err(format!("{id:?} was read at {place:?}, the log ends at {} now", view.end));
        }
    }
    Ok(())
}
