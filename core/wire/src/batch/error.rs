//! What can be wrong with a batch as its header tells it.

use super::header::BATCH_LENGTH_MIN;

/// Why a batch is refused from its header alone. It says what was expected and what came; each
/// variant names the error code with which Kafka 4.3.1 answers a producer. "Told early" means
/// before Kafka looks at the log, with a log start offset of -1 in the answer; the others carry
/// the real log start offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// No batch at all. INVALID_RECORD (87), told early.
    #[error("expected one record batch, came no bytes")]
    Empty,
    /// The bytes end inside a batch. INVALID_RECORD (87), told early.
    #[error("expected a batch of {needed} bytes at byte {at}, came {available} bytes")]
    Partial {
        /// Where the batch starts.
        at: usize,
        /// Bytes that it needs: its own word, or the least that would tell its size.
        needed: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// More bytes than one batch. INVALID_RECORD (87), told early. (Kafka drops what follows the
    /// first batch if it is not a whole batch itself; acknowledging half of what came is worse.)
    #[error("expected exactly one batch of {size} bytes, came {extra} bytes more")]
    MoreThanOne {
        /// Size of the first batch.
        size: usize,
        /// Bytes behind it.
        extra: usize,
    },
    /// The batch's own length cannot hold a header. CORRUPT_MESSAGE (2), told early; below 14
    /// Kafka adds the message "Record size N is less than the minimum record overhead (14)".
    #[error("expected a batch_length of at least {BATCH_LENGTH_MIN}, came {0}")]
    Length(i32),
    /// Magic 0 or 1, the message formats before Kafka 0.11. INVALID_RECORD (87), told early.
    #[error("expected magic 2, came {0}: message format of Kafka before 0.11; upgrade the client")]
    MagicLegacy(i8),
    /// A magic that no Kafka has. CORRUPT_MESSAGE (2), told early, with the message
    /// "Invalid magic found in record: N".
    #[error("expected magic 2, came {0}")]
    MagicUnknown(i8),
    /// The checksum does not fit the bytes. CORRUPT_MESSAGE (2), told early.
    #[error("expected CRC-32C {said:#010x} as the batch says, computed {computed:#010x}")]
    Crc {
        /// What the header says.
        said: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// Larger than `max.message.bytes`. MESSAGE_TOO_LARGE (10), told early.
    #[error("expected a batch of at most {max} bytes, came {size}")]
    TooLarge {
        /// Size of the batch with its header.
        size: usize,
        /// What the topic allows.
        max: usize,
    },
    /// A codec that no Kafka has (5 to 7). Kafka fails with UNKNOWN_SERVER_ERROR (-1);
    /// UNSUPPORTED_COMPRESSION_TYPE (76) is what it means.
    #[error("expected codec 0 to 4, came {0}")]
    Codec(u8),
    /// zstd in a Produce below version 7. UNSUPPORTED_COMPRESSION_TYPE (76), told early.
    #[error("zstd needs Produce version 7 or later, came version {0}")]
    ZstdTooEarly(i16),
    /// A client's batch must start at offset 0. INVALID_RECORD (87).
    #[error("expected base_offset 0 from a producer, came {0}")]
    BaseOffset(i64),
    /// The count must be positive and equal last_offset_delta + 1. INVALID_RECORD (87).
    #[error("expected records_count = last_offset_delta + 1 > 0, came {count} and {last_delta}")]
    Count {
        /// records_count
        count: i32,
        /// last_offset_delta
        last_delta: i32,
    },
    /// More records than the bytes can hold: none is shorter than 7. INVALID_RECORD (87).
    #[error("expected at most {fitting} records in {bytes} bytes, came a count of {count}")]
    Crowded {
        /// records_count
        count: i32,
        /// Bytes behind the header, not compressed.
        bytes: usize,
        /// The most records that could be in them.
        fitting: usize,
    },
    /// Control records are the broker's. INVALID_RECORD (87).
    #[error("clients may not write control records")]
    Control,
    /// A producer id without a sequence number. INVALID_RECORD (87).
    #[error("expected a base_sequence >= 0 from producer {producer_id}, came {base_sequence}")]
    Sequence {
        /// producer_id
        producer_id: i64,
        /// base_sequence
        base_sequence: i32,
    },
    /// A transactional batch that no transaction could ever end. INVALID_RECORD (87). (Kafka
    /// stores it; no client sends it.)
    #[error("a transactional batch needs a producer id")]
    TransactionalWithoutProducer,
    /// LogAppendTime set by a producer on a topic with LogAppendTime. INVALID_TIMESTAMP (32).
    #[error("expected timestamp type CreateTime from a producer, came LogAppendTime")]
    AppendTimeFromClient,
    /// A timestamp beyond `message.timestamp.before.max.ms` or `.after.max.ms`.
    /// INVALID_TIMESTAMP (32); which records are meant takes a look inside.
    #[error("expected timestamps from {earliest} to {latest} ms, came {came}")]
    Timestamp {
        /// base_timestamp or max_timestamp, ms.
        came: i64,
        /// The earliest allowed, ms.
        earliest: i64,
        /// The latest allowed, ms.
        latest: i64,
    },
}
