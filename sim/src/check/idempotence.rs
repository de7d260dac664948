//! Check 8: what an idempotent producer sent is committed once at most, in the order of sending.

use crate::ledger::{Ledger, Views};
use std::collections::BTreeMap;

/// Whether each idempotent client's records rise in each partition. Their numbers rise as they are sent.
pub fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (partition, view) in views {
        let mut last = BTreeMap::new();
        for (offset, id) in &view.records {
            let Some(sent) = ledger.sent().get(id).filter(|sent| sent.idempotent) else { continue };
            if let Some((at, before)) = last.insert(sent.client, (offset, id))
                && before >= id
            {
                return Err(format!(
                    "client {}: {id:?} is at {offset} of partition {partition}, behind {before:?} at {at}",
                    sent.client
                ));
            }
        }
    }
    Ok(())
}
