//! Check 6: offsets are dense, from the log's start to its high watermark.

use crate::ledger::{Ledger, Views};

/// Whether each partition's records have every offset once, in order.
pub fn check(_: &Ledger, views: &Views) -> Result<(), String> {
    for (partition, view) in views {
        let found = view.records.iter().map(|(offset, _)| *offset);
        if !found.clone().eq(view.start..view.end) {
            let (start, end) = (view.start, view.end);
            let wrong = found.clone().zip(start..).find(|(a, b)| a != b);
            return Err(format!(
                "partition {partition} goes from {start} to {end}, {} records were read, the first wrong \
                 offset is {wrong:?}",
                found.count()
            ));
        }
    }
    Ok(())
}
