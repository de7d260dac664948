//! Check 8: what an idempotent producer sent is committed once at most, in the order of sending.

use super::Check;
use crate::ledger::{Ledger, Views};
use std::collections::BTreeMap;

/// Its row.
pub const ROW: Check = Check {
    number: 8,
    name: "idempotence",
    demands: "an idempotent producer's records are there once and in order",
    check,
};

/// Whether each idempotent client's records rise in each partition. Their numbers rise as they are sent.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (part, view) in views {
        let mut last = BTreeMap::new();
        for (offset, id) in &view.records {
            if !ledger.of(*id).is_some_and(|sent| sent.idempotent) {
                continue;
            }
            if let Some((at, before)) = last.insert(id.client(), (offset, id))
                && before >= id
            {
                let client = id.client();
                return Err(format!(
                    "client {client}: {id:?} is at {offset} of {part:?}, behind {before:?} at {at}"
                ));
            }
        }
    }
    Ok(())
}
