//! Check 7: nothing is read that was not sent there, and nothing that was refused.

use crate::ledger::{Ledger, Views};

/// Whether every record read was sent to its partition and not refused.
pub fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (&partition, view) in views {
        for (offset, id) in &view.records {
            match ledger.sent().get(id) {
                Some(sent) if sent.partition == partition && !sent.refused => {}
                sent => {
                    return Err(format!(
                        "{id:?} is at {offset} of partition {partition}: {sent:?}"
                    ));
                }
            }
        }
    }
    Ok(())
}
