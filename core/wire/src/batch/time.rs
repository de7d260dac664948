//! Which record of a batch answers a question about time (ListOffsets by timestamp).
//!
//! With append time all records of a batch have the same time and the header answers. Otherwise
//! producers' times may go up and down inside a batch, so it is opened.

use super::{Batch, RecordsError};

/// A record found by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    /// Its offset.
    pub offset: i64,
    /// Its timestamp, ms.
    pub timestamp: i64,
}

/// The first record of the batch at or after `from_offset` whose timestamp is `timestamp` or
/// later. Opens the batch, within `bytes_max`, only if its header does not rule it out.
pub fn offset_for_time(
    batch: &Batch,
    timestamp: i64,
    from_offset: i64,
    bytes_max: usize,
) -> Result<Option<TimedOffset>, RecordsError> {
    if batch.max_timestamp() < timestamp || batch.last_offset() < from_offset {
        return Ok(None);
    }
    if has_one_time(batch) {
        let offset = batch.base_offset().max(from_offset);
        return Ok(Some(TimedOffset { offset, timestamp: batch.max_timestamp() }));
    }
    for record in batch.records(bytes_max)?.views() {
        let record = record?;
        if record.timestamp >= timestamp && record.offset >= from_offset {
            let (offset, timestamp) = (record.offset, record.timestamp);
            return Ok(Some(TimedOffset { offset, timestamp }));
        }
    }
    Ok(None)
}

/// The record at or after `from_offset` with the latest timestamp, the first one if several share it; one
/// without a timestamp counts as -1. `None` if the batch has no record there.
pub fn latest_record(
    batch: &Batch,
    from_offset: i64,
    bytes_max: usize,
) -> Result<Option<TimedOffset>, RecordsError> {
    if batch.last_offset() < from_offset {
        return Ok(None);
    }
    if has_one_time(batch) {
        let (offset, timestamp) = (batch.base_offset().max(from_offset), batch.max_timestamp());
        return Ok(Some(TimedOffset { offset, timestamp }));
    }
    let mut latest: Option<TimedOffset> = None;
    for record in batch.records(bytes_max)?.views() {
        let record = record?;
        if record.offset < from_offset {
            continue;
        }
        if latest.is_none_or(|latest| latest.timestamp < record.timestamp) {
            latest = Some(TimedOffset { offset: record.offset, timestamp: record.timestamp });
        }
    }
    Ok(latest)
}

/// True if the header alone tells the time and the offset of every record: append time, and no
/// record compacted away.
fn has_one_time(batch: &Batch) -> bool {
    let whole = batch.records_count() > 0
        && batch.records_count().wrapping_sub(1) == batch.last_offset_delta();
    batch.attributes().append_time() && whole
}
