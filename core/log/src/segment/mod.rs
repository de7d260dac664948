//! A segment: one file of record batches, verbatim and contiguous, with two sparse indexes beside it.
//!
//! What is here is bookkeeping: where the next batch goes, when a new file begins, which batches get
//! an index entry. A batch's place is decided when it is appended, long before anybody writes it, so
//! that a checkpoint can name extents which are still on their way. `docs/segments.md` draws the files.

mod damage;
mod dump;
pub mod index;
mod locate;
mod rebuild;

pub use dump::{dump_index, dump_log, dump_timeindex};
pub use index::{INDEX_ENTRY_BYTES, IndexEntry, TIME_ENTRY_BYTES, TimeEntry};
pub use locate::{check_range, locate};
pub(crate) use locate::{later, latest_of, record_at};

use crate::id::Offset;
use crate::time::Wall;
use sordini_wire::batch::{Batch, NO_TIMESTAMP};

/// How a log's segments are cut and indexed: the topic's configuration as far as files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// `segment.bytes`: a file does not grow beyond this, unless one batch alone does.
    pub segment_bytes: u32,
    /// `segment.ms`: a file takes no batch this much younger than its first.
    pub segment_ms: u64,
    /// `segment.index.bytes`: a file whose index is full takes no further batch.
    pub index_bytes_max: u32,
    /// `index.interval.bytes`: a batch gets an index entry once so many bytes went by without.
    pub index_interval_bytes: u32,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 3600 * 1000,
            index_bytes_max: 10 << 20,
            index_interval_bytes: 4096,
        }
    }
}

/// One segment of a log, as far as batches were appended to it (written or not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Offset of its first batch, and its name.
    pub base: Offset,
    /// Offset after its last batch; `base` if it has none.
    pub next: Offset,
    /// Bytes of its batches.
    pub bytes: u64,
    /// Largest timestamp of its records as their headers say; [`NO_TIMESTAMP`] if none has one.
    pub max_timestamp: i64,
    /// Last offset of the first batch that has it.
    pub max_timestamp_last: Offset,
    /// `max_timestamp` of its first batch, from which `segment.ms` counts.
    pub first_timestamp: i64,
    /// When its first batch was appended.
    pub created: Wall,
    /// Entries of its offset index.
    pub index_entries: u32,
    /// Entries of its time index.
    pub time_entries: u32,
    /// Timestamp of the last entry of its time index, or [`NO_TIMESTAMP`].
    pub time_indexed: i64,
    /// Bytes since the last batch that got an index entry.
    pub unindexed_bytes: u32,
}

/// What a log needs to know of a batch; the rest stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub base: Offset,
    pub next: Offset,
    pub bytes: u32,
    pub max_timestamp: i64,
}

impl Head {
    /// Reads it off a stamped batch; the offsets must make sense.
    pub fn of(batch: &Batch) -> Option<Head> {
        let (base, next) = (batch.base_offset(), batch.next_offset());
        (base >= 0 && next > base).then(|| Head {
            base: Offset(base as u64),
            next: Offset(next as u64),
            bytes: batch.size() as u32,
            max_timestamp: batch.max_timestamp(),
        })
    }

    pub fn last(&self) -> Offset {
        Offset(self.next.0 - 1)
    }
}

/// An index entry that waits until its batch is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Base of the segment.
    pub segment: Offset,
    /// Which entry of the offset index.
    pub slot: u32,
    /// The entry.
    pub entry: IndexEntry,
    /// Which entry of the time index, and the entry; a time index only rises.
    pub time: Option<(u32, TimeEntry)>,
}

impl Mark {
    /// Last offset of the batch it speaks of.
    pub fn last(&self) -> Offset {
        Offset(self.segment.0 + u64::from(self.entry.offset_delta))
    }
}

impl Segment {
    /// A segment whose first batch will have offset `base`.
    pub fn new(base: Offset, created: Wall) -> Segment {
        Segment {
            base,
            next: base,
            bytes: 0,
            max_timestamp: NO_TIMESTAMP,
            max_timestamp_last: base,
            first_timestamp: NO_TIMESTAMP,
            created,
            index_entries: 0,
            time_entries: 0,
            time_indexed: NO_TIMESTAMP,
            unindexed_bytes: 0,
        }
    }

    /// Whether `batch` must go to a new segment. A segment without bytes takes any batch whose
    /// offsets it can express.
    pub(crate) fn is_full_for(&self, batch: &Head, config: &LogConfig, wall: Wall) -> bool {
        if batch.last().0 - self.base.0 > i32::MAX as u64 {
            return true;
        }
        if self.bytes == 0 {
            return false;
        }
        let waited = match self.first_timestamp {
            first if first >= 0 => batch.max_timestamp.saturating_sub(first),
            _ => wall.0.saturating_sub(self.created.0),
        };
        self.bytes + u64::from(batch.bytes) > u64::from(config.segment_bytes)
            || waited > i64::try_from(config.segment_ms).unwrap_or(i64::MAX)
            || self.index_entries >= config.index_bytes_max / INDEX_ENTRY_BYTES
            || self.time_entries >= config.index_bytes_max / TIME_ENTRY_BYTES
            // Positions in the index are 31 bits wide.
            || self.bytes + u64::from(batch.bytes) > i32::MAX as u64
    }

    /// Takes a batch at its end and says whether it gets an index entry. The batch must have passed
    /// [`Segment::is_full_for`].
    pub(crate) fn add(&mut self, batch: &Head, config: &LogConfig) -> Option<Mark> {
        assert!(batch.base >= self.next, "a segment only grows");
        if self.bytes == 0 {
            self.first_timestamp = batch.max_timestamp;
        }
        if batch.max_timestamp > self.max_timestamp {
            self.max_timestamp = batch.max_timestamp;
            self.max_timestamp_last = batch.last();
        }
        let mark = (self.unindexed_bytes > config.index_interval_bytes).then(|| self.mark(batch));
        self.unindexed_bytes = self.unindexed_bytes.saturating_add(batch.bytes);
        self.bytes += u64::from(batch.bytes);
        self.next = batch.next;
        mark
    }

    /// Counts a range whose bytes are lost: offsets go by, bytes do not.
    pub(crate) fn skip(&mut self, next: Offset) {
        assert!(next > self.next, "a segment only grows");
        self.next = next;
    }

    /// The largest timestamp is taken with this batch included: what comes later in the file than the
    /// batch is all that can be younger.
    fn mark(&mut self, batch: &Head) -> Mark {
        let delta = |offset: Offset| (offset.0 - self.base.0) as u32;
        let entry = IndexEntry { offset_delta: delta(batch.last()), position: self.bytes as u32 };
        let time = (self.max_timestamp > self.time_indexed).then(|| {
            let entry = TimeEntry {
                timestamp: self.max_timestamp,
                offset_delta: delta(self.max_timestamp_last),
            };
            (self.time_entries, entry)
        });
        let mark = Mark { segment: self.base, slot: self.index_entries, entry, time };
        if let Some((_, entry)) = time {
            self.time_indexed = entry.timestamp;
            self.time_entries += 1;
        }
        self.index_entries += 1;
        self.unindexed_bytes = 0;
        mark
    }
}

#[cfg(test)]
mod tests;
