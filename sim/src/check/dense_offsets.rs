//! Check 6: offsets are dense, from the log's start to its high watermark.

use super::Check;
use crate::ledger::{Ledger, Views};

/// Its row.
pub const ROW: Check = Check {
    number: 6,
    name: "dense_offsets",
    demands: "offsets run from log start to high watermark without gaps",
    check,
};

/// Whether each partition's records have every offset once, in order.
fn check(_: &Ledger, views: &Views) -> Result<(), String> {
    for (part, view) in views {
        let found = view.records.iter().map(|(offset, _)| *offset);
        if !found.clone().eq(view.start..view.end) {
            let (start, end) = (view.start, view.end);
            let wrong = found.clone().zip(start..).find(|(a, b)| a != b);
            return Err(format!(
                "{part:?} goes from {start} to {end}, {} records were read, the first wrong \
                 offset is {wrong:?}",
                found.count()
            ));
        }
    }
    Ok(())
}
