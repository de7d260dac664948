//! Entries of the two sparse indexes, in Kafka's own format so that its tools can read them.
//!
//! Both files are hints: they are never synced before their segment closes, may be short, stale or
//! full of holes after a power loss, and whoever follows an entry checks it against the batch header
//! it leads to.

use crate::disk::{DiskError, ReadAt};

/// Bytes of an entry of the offset index.
pub const INDEX_ENTRY_BYTES: u32 = 8;
/// Bytes of an entry of the time index.
pub const TIME_ENTRY_BYTES: u32 = 12;

/// "The batch whose last offset is `base + offset_delta` starts at byte `position`."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Last offset of the batch, less the segment's base.
    pub offset_delta: u32,
    /// First byte of the batch in the segment file.
    pub position: u32,
}

/// "No record up to the batch that was indexed together with this is younger than `timestamp`."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    /// The largest timestamp so far, ms.
    pub timestamp: i64,
    /// Last offset of the first batch that has it, less the segment's base.
    pub offset_delta: u32,
}

impl IndexEntry {
    /// As it is in the file.
    pub fn encode(&self) -> [u8; INDEX_ENTRY_BYTES as usize] {
        let mut bytes = [0; INDEX_ENTRY_BYTES as usize];
        bytes[..4].copy_from_slice(&self.offset_delta.to_be_bytes());
        bytes[4..].copy_from_slice(&self.position.to_be_bytes());
        bytes
    }

    /// Reads one; any bytes are an entry.
    pub fn decode(bytes: &[u8; INDEX_ENTRY_BYTES as usize]) -> IndexEntry {
        let [a, b, c, d, e, f, g, h] = *bytes;
        IndexEntry {
            offset_delta: u32::from_be_bytes([a, b, c, d]),
            position: u32::from_be_bytes([e, f, g, h]),
        }
    }

    /// Entry number `n` of an index file; `None` beyond its end.
    pub fn read(index: &dyn ReadAt, n: u64) -> Result<Option<IndexEntry>, DiskError> {
        let mut bytes = [0; INDEX_ENTRY_BYTES as usize];
        let at = n * u64::from(INDEX_ENTRY_BYTES);
        let whole = index.read_at(at, &mut bytes)? == bytes.len();
        Ok(whole.then(|| IndexEntry::decode(&bytes)))
    }
}

impl TimeEntry {
    /// As it is in the file.
    pub fn encode(&self) -> [u8; TIME_ENTRY_BYTES as usize] {
        let mut bytes = [0; TIME_ENTRY_BYTES as usize];
        bytes[..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.offset_delta.to_be_bytes());
        bytes
    }

    /// Reads one; any bytes are an entry.
    pub fn decode(bytes: &[u8; TIME_ENTRY_BYTES as usize]) -> TimeEntry {
        let (timestamp, delta) = bytes.split_at(8);
        TimeEntry {
            timestamp: i64::from_be_bytes(timestamp.try_into().expect("eight bytes")),
            offset_delta: u32::from_be_bytes(delta.try_into().expect("four bytes")),
        }
    }

    /// Entry number `n` of a time index file; `None` beyond its end.
    pub fn read(index: &dyn ReadAt, n: u64) -> Result<Option<TimeEntry>, DiskError> {
        let mut bytes = [0; TIME_ENTRY_BYTES as usize];
        let at = n * u64::from(TIME_ENTRY_BYTES);
        let whole = index.read_at(at, &mut bytes)? == bytes.len();
        Ok(whole.then(|| TimeEntry::decode(&bytes)))
    }
}
