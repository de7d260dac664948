//! Check 7: nothing is read that was not sent there, and nothing that was refused.

use super::Check;
use crate::ledger::{Ledger, Views};

/// Its row.
pub const ROW: Check = Check {
    number: 7,
    name: "no_invention",
    demands: "every record read was sent to that partition and not refused",
    check,
};

/// Whether every record read was sent to its partition and not refused.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (part, view) in views {
        for (offset, id) in &view.records {
            match ledger.of(*id) {
                Some(sent) if ledger.belongs(sent.part, *part) && !sent.refused => {}
                sent => return Err(format!("{id:?} is at {offset} of {part:?}: {sent:?}")),
            }
        }
    }
    Ok(())
}
