//! The indexes of a segment, made again from its batches where the bytes are.

use super::locate::Walker;
use super::{Head, LogConfig, Segment};
use crate::disk::{DiskError, Found};
use crate::id::Offset;
use crate::time::Wall;
use bytes::Bytes;

/// The bytes of both indexes as they would be had every batch been appended with this interval.
pub(super) fn indexes(
    walker: &mut Walker,
    base: Offset,
    interval_bytes: u32,
) -> Result<Found, DiskError> {
    let config = LogConfig { index_interval_bytes: interval_bytes, ..LogConfig::default() };
    let mut segment = Segment::new(base, Wall(0));
    let (mut index, mut time) = (Vec::new(), Vec::new());
    walker.begins_with(base)?;
    let mut next = walker.head(0)?;
    while let Some(head) = next {
        let batch = Head {
            base: Offset(head.base),
            next: Offset(head.next),
            bytes: (head.end() - head.at) as u32,
            max_timestamp: head.max_timestamp,
        };
        if let Some(mark) = segment.add(&batch, &config) {
            index.extend(mark.entry.encode());
            time.extend(mark.time.iter().flat_map(|(_, entry)| entry.encode()));
        }
        next = walker.after(&head)?;
    }
    Ok(Found::Indexes { index: Bytes::from(index), time: Bytes::from(time) })
}
