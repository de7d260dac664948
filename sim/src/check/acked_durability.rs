//! Check 1: every acknowledged record is in the log at its offset.

use super::Check;
use crate::ledger::{Ledger, Place, Views};

/// Its row.
pub const ROW: Check = Check {
    number: 1,
    name: "acked_durability",
    demands: "every acknowledged record is at its offset",
    check,
};

/// Whether every acknowledged record is at its offset, unless that lies below the log's start. What becomes of one that the
/// simulator damaged is another check's business.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (id, sent) in ledger.sent() {
        let (Some(offset), Some(view)) = (sent.acked, views.get(&sent.part)) else { continue };
        if offset < view.start || ledger.is_damaged(Place { part: sent.part, offset }) {
            continue;
        }
        match view.at(offset) {
            Some(there) if there == id => {}
            there => {
                let part = sent.part;
                return Err(format!(
                    "{id:?} was acknowledged at {offset} of {part:?}, there is {there:?}"
                ));
            }
        }
    }
    Ok(())
}
