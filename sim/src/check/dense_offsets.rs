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

/// Whether each partition's records have every offset once, in order. Those that were damaged may be refused instead.
fn check(_: &Ledger, views: &Views) -> Result<(), String> {
    for (part, view) in views {
        let mut found: Vec<i64> = view.records.iter().map(|(offset, _)| *offset).collect();
        if !view.refused.is_empty() {
            found.extend(&view.refused);
            found.sort_unstable();
        }
        let found = found.into_iter();
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
