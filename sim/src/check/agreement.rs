//! Check 2: what an offset holds is fixed when it is first read.

use crate::ledger::{Ledger, Place, Views};

/// Whether everything read now is what was read there before, and nothing read before is missing.
pub fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (&partition, view) in views {
        for &(offset, id) in &view.records {
            let place = Place { partition, offset };
            if let Some(before) = ledger.seen().get(&place).filter(|before| **before != id) {
                return Err(format!("{place:?} held {before:?} and holds {id:?} now"));
            }
        }
    }
    for (place, id) in ledger.seen() {
        let Some(view) = views.get(&place.partition) else { continue };
        if place.offset >= view.end {
            return Err(format!("{id:?} was read at {place:?}, the log ends at {} now", view.end));
        }
    }
    Ok(())
}
