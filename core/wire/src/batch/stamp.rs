//! Gives a batch its place in a log: base offset, leader epoch and, on topics that want it, the
//! broker's time.
//!
//! Base offset and leader epoch lie outside the CRC, so this writes 12 bytes and nothing else. The
//! broker's time lies inside, so LogAppendTime costs one more pass over the batch for its CRC, as
//! does taking back the LogAppendTime bit that a client set where it may not.

use bytes::{Bytes, BytesMut};

use super::Batch;
use super::header::{Attributes, Header, at};
use super::view::crc_of;

/// Where a batch goes and whose time it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Epoch of the leader that appends.
    pub leader_epoch: i32,
    /// LogAppendTime: the broker's time, ms. `None`: CreateTime, the records' own.
    pub append_time: Option<i64>,
}

impl Stamp {
    /// Writes the stamp into the bytes of one batch. Panics if they are shorter than a header:
    /// only a batch that was parsed may be stamped.
    pub fn apply(&self, batch: &mut [u8]) {
        put(batch, at::BASE_OFFSET, self.base_offset.to_be_bytes());
        put(batch, at::LEADER_EPOCH, self.leader_epoch.to_be_bytes());
        let attributes = Header::trusted(batch).attributes();
        match self.append_time {
            None if !attributes.append_time() => return,
            None => put_attributes(batch, attributes.0 & !Attributes::APPEND_TIME),
            Some(now_ms) => {
                put_attributes(batch, attributes.0 | Attributes::APPEND_TIME);
                put(batch, at::MAX_TIMESTAMP, now_ms.to_be_bytes());
            }
        }
        seal(batch);
    }

    /// The stamped batch: the same memory if nobody else holds it, else one copy.
    pub fn stamp(&self, batch: Batch) -> Batch {
        let mut bytes = match batch.into_bytes().try_into_mut() {
            Ok(own) => own,
            Err(shared) => BytesMut::from(&shared[..]),
        };
        self.apply(&mut bytes);
        Batch::trusted(bytes.freeze())
    }
}

/// Stamps a batch that keeps its producer's timestamps: in place if nobody else holds the
/// buffer, else on one copy. Panics if `batch` is shorter than a header.
pub fn stamp(batch: Bytes, base_offset: i64, leader_epoch: i32) -> Bytes {
    stamp_bytes(batch, Stamp { base_offset, leader_epoch, append_time: None })
}

/// Stamps a batch for a LogAppendTime topic: also sets the timestamp type and `now_ms` as the
/// time of all its records, and writes the CRC anew.
pub fn stamp_append_time(batch: Bytes, base_offset: i64, leader_epoch: i32, now_ms: i64) -> Bytes {
    stamp_bytes(batch, Stamp { base_offset, leader_epoch, append_time: Some(now_ms) })
}

fn stamp_bytes(batch: Bytes, stamp: Stamp) -> Bytes {
    stamp.stamp(Batch::trusted(batch)).into_bytes()
}

/// Writes the CRC that the bytes give.
pub(super) fn seal(batch: &mut [u8]) {
    let crc = crc_of(batch);
    put(batch, at::CRC, crc.to_be_bytes());
}

fn put_attributes(batch: &mut [u8], attributes: u16) {
    put(batch, at::ATTRIBUTES, attributes.to_be_bytes());
}

/// Writes a field of the header.
pub(super) fn put<const N: usize>(batch: &mut [u8], at: usize, field: [u8; N]) {
    batch[at..at + N].copy_from_slice(&field);
}
