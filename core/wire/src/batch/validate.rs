//! What a producer's batch must be, from its header alone: the records stay closed.
//!
//! Two steps, because two rooms ask. [`from_client`] needs nothing but the bytes and runs in the
//! session, which so pays for the CRC once; [`against_topic`] compares with the topic's settings
//! and runs where those are known. What only the records themselves can show (their count, null
//! keys, which of them has the bad timestamp) is in [`super::look`].

use bytes::Bytes;

use crate::codec::Codec;

use super::header::{NO_PRODUCER_ID, NO_TIMESTAMP};
use super::{Batch, BatchError, BatchView};

/// What a topic wants of the batches that producers append to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicRules {
    /// `max.message.bytes`: the largest batch, header included.
    pub batch_bytes_max: usize,
    /// `message.timestamp.type`: whether the broker's clock or the producer's counts.
    pub timestamps: TimestampRule,
}

/// Whose time a topic's records carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampRule {
    /// CreateTime: the producer's, if within these bounds (ms, inclusive).
    Create {
        /// Now - `message.timestamp.before.max.ms`.
        earliest: i64,
        /// Now + `message.timestamp.after.max.ms`.
        latest: i64,
    },
    /// LogAppendTime: the broker's.
    Append,
}

impl TimestampRule {
    /// The bounds around `now` (ms) in Kafka's terms. They wrap as Kafka's do not need to: with
    /// the default of 2^63 - 1 for `before_max_ms` every timestamp is late enough.
    pub fn create(now_ms: i64, before_max_ms: i64, after_max_ms: i64) -> TimestampRule {
        TimestampRule::Create {
            earliest: now_ms.saturating_sub(before_max_ms),
            latest: now_ms.saturating_add(after_max_ms),
        }
    }

    /// Whether a record may have this timestamp. One without a timestamp always may.
    pub fn allows(&self, timestamp: i64) -> bool {
        match *self {
            TimestampRule::Append => true,
            TimestampRule::Create { earliest, latest } => {
                timestamp == NO_TIMESTAMP || (earliest..=latest).contains(&timestamp)
            }
        }
    }
}

/// Bytes of the shortest record: seven fields of one byte.
const RECORD_BYTES_MIN: usize = 7;

/// The records of one partition in a Produce request: exactly one batch, magic 2, its CRC right.
/// `produce_version` decides whether zstd is allowed yet (from 7). Reads every byte once.
pub fn from_client(records: Bytes, produce_version: i16) -> Result<Batch, BatchError> {
    let batch = Batch::parse(records)?;
    check_from_client(&batch.view(), produce_version)?;
    Ok(batch)
}

/// [`from_client`] for a batch that stays where it is, in the middle of a frame.
pub fn check_from_client(batch: &BatchView<'_>, produce_version: i16) -> Result<(), BatchError> {
    if batch.attributes().codec() == Ok(Codec::Zstd) && produce_version < 7 {
        return Err(BatchError::ZstdTooEarly(produce_version));
    }
    batch.check_crc()
}

/// The rest of the header against the rules of the topic: 61 bytes are read. The batch's CRC is
/// taken for granted.
pub fn against_topic(batch: &BatchView<'_>, rules: &TopicRules) -> Result<(), BatchError> {
    if batch.base_offset() != 0 {
        return Err(BatchError::BaseOffset(batch.base_offset()));
    }
    let (size, max) = (batch.size(), rules.batch_bytes_max);
    if size > max {
        return Err(BatchError::TooLarge { size, max });
    }
    check_count(batch)?;
    check_origin(batch)?;
    check_timestamps(batch, &rules.timestamps)
}

/// A client has no gaps in its batch, so the count and the offsets say the same. A count that the
/// bytes cannot hold would tear a hole into the log's offsets.
fn check_count(batch: &BatchView<'_>) -> Result<(), BatchError> {
    let (count, last_delta) = (batch.records_count(), batch.last_offset_delta());
    if count <= 0 || count.wrapping_sub(1) != last_delta {
        return Err(BatchError::Count { count, last_delta });
    }
    let bytes = batch.payload().len();
    let fitting = bytes / RECORD_BYTES_MIN;
    if count as usize > fitting && batch.attributes().codec() == Ok(Codec::None) {
        return Err(BatchError::Crowded { count, bytes, fitting });
    }
    Ok(())
}

/// Codec, control bit and producer fields. Reserved attribute bits and a producer id without an
/// epoch are let in, as Kafka does.
fn check_origin(batch: &BatchView<'_>) -> Result<(), BatchError> {
    let attributes = batch.attributes();
    attributes.codec()?;
    if attributes.control() {
        return Err(BatchError::Control);
    }
    let (producer_id, base_sequence) = (batch.producer_id(), batch.base_sequence());
    if producer_id > NO_PRODUCER_ID && base_sequence < 0 {
        return Err(BatchError::Sequence { producer_id, base_sequence });
    }
    if attributes.transactional() && producer_id <= NO_PRODUCER_ID {
        return Err(BatchError::TransactionalWithoutProducer);
    }
    Ok(())
}

/// The first record's and the latest timestamp. An honest batch whose latest is in bounds has
/// no record too far ahead; one too old between the first and the latest takes a look inside.
fn check_timestamps(batch: &BatchView<'_>, rule: &TimestampRule) -> Result<(), BatchError> {
    match *rule {
        TimestampRule::Append if batch.attributes().append_time() => {
            Err(BatchError::AppendTimeFromClient)
        }
        TimestampRule::Append => Ok(()),
        TimestampRule::Create { earliest, latest } => {
            for came in [batch.base_timestamp(), batch.max_timestamp()] {
                if !rule.allows(came) {
                    return Err(BatchError::Timestamp { came, earliest, latest });
                }
            }
            Ok(())
        }
    }
}
