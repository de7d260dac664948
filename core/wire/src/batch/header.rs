//! The 61 bytes in front of the records, one accessor per field.

use crate::codec::Codec;

use super::BatchError;

/// Bytes of a batch before its records.
pub const HEADER_SIZE: usize = 61;
/// producer_id of a batch without one.
pub const NO_PRODUCER_ID: i64 = -1;
/// producer_epoch of a batch without one.
pub const NO_PRODUCER_EPOCH: i16 = -1;
/// base_sequence of a batch without one.
pub const NO_SEQUENCE: i32 = -1;
/// Timestamp of a record without one.
pub const NO_TIMESTAMP: i64 = -1;

/// Bytes of base_offset and batch_length, which batch_length does not count.
pub(super) const LENGTH_END: usize = 12;
/// Bytes up to and including the magic: below this a size cannot be trusted to be magic 2's.
pub(super) const MAGIC_END: usize = 17;
/// First byte that the CRC covers.
pub(super) const CRC_COVERS_FROM: usize = 21;
/// The least batch_length: a header without records.
pub(super) const BATCH_LENGTH_MIN: i32 = (HEADER_SIZE - LENGTH_END) as i32;
/// The least length of a message before magic 2.
const LEGACY_LENGTH_MIN: i32 = 14;

/// Where each field starts; the drawing is in the module above.
pub(super) mod at {
    pub const BASE_OFFSET: usize = 0;
    pub const BATCH_LENGTH: usize = 8;
    pub const LEADER_EPOCH: usize = 12;
    pub const MAGIC: usize = 16;
    pub const CRC: usize = 17;
    pub const ATTRIBUTES: usize = 21;
    pub const LAST_OFFSET_DELTA: usize = 23;
    pub const BASE_TIMESTAMP: usize = 27;
    pub const MAX_TIMESTAMP: usize = 35;
    pub const PRODUCER_ID: usize = 43;
    pub const PRODUCER_EPOCH: usize = 51;
    pub const BASE_SEQUENCE: usize = 53;
    pub const RECORDS_COUNT: usize = 57;
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub u16);

impl Attributes {
    const CODEC: u16 = 0b111;
    pub(super) const APPEND_TIME: u16 = 1 << 3;
    pub(super) const TRANSACTIONAL: u16 = 1 << 4;
    pub(super) const CONTROL: u16 = 1 << 5;
    const DELETE_HORIZON: u16 = 1 << 6;

    /// How the records are compressed; 5, 6 and 7 are no codecs.
    pub fn codec(self) -> Result<Codec, BatchError> {
        let id = (self.0 & Self::CODEC) as u8;
        Codec::from_id(id).ok_or(BatchError::Codec(id))
    }

    /// True if max_timestamp is when the broker appended, and counts for every record
    /// (LogAppendTime); false if each record has its producer's time (CreateTime).
    pub fn append_time(self) -> bool {
        self.0 & Self::APPEND_TIME != 0
    }

    /// True if the batch belongs to a transaction.
    pub fn transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// True if the batch holds a control record (a transaction marker) and no data.
    pub fn control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// True if base_timestamp holds the delete horizon that the log cleaner set (KIP-534).
    pub fn delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }

    /// The bits that mean nothing yet. Kafka stores them as they come, and so do we.
    pub fn reserved(self) -> u16 {
        self.0 & !0x7f
    }
}

/// The header of a batch, read in place. Its batch_length and magic have been checked; whatever
/// else it says is only its word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a>(&'a [u8; HEADER_SIZE]);

/// Makes the accessors of `Header` and of [`super::Batch`] from one table.
macro_rules! fields {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $at:ident;)+) => {
        impl Header<'_> {
            $(
                $(#[$doc])+
                #[inline]
                pub fn $name(&self) -> $type {
                    const BYTES: usize = size_of::<$type>();
                    let mut bytes = [0; BYTES];
                    bytes.copy_from_slice(&self.0[at::$at..at::$at + BYTES]);
                    <$type>::from_be_bytes(bytes)
                }
            )+
        }
        impl super::Batch {
            $(
                $(#[$doc])+
                #[inline]
                pub fn $name(&self) -> $type {
                    self.header().$name()
                }
            )+
        }
    };
}

fields! {
    /// Offset of the first record when the batch was written (compaction may have removed it).
    base_offset: i64 = BASE_OFFSET;
    /// Bytes of the batch behind this field: [`Header::size`] - 12.
    batch_length: i32 = BATCH_LENGTH;
    /// Epoch of the leader that appended the batch; -1 from a producer.
    partition_leader_epoch: i32 = LEADER_EPOCH;
    /// Format of the batch, 2.
    magic: i8 = MAGIC;
    /// CRC-32C of everything from the attributes to the end, as the batch says.
    crc: u32 = CRC;
    /// last offset - base offset. From a producer also records_count - 1.
    last_offset_delta: i32 = LAST_OFFSET_DELTA;
    /// Timestamp from which the records count theirs, ms.
    base_timestamp: i64 = BASE_TIMESTAMP;
    /// The latest timestamp of a record, or when the broker appended; ms.
    max_timestamp: i64 = MAX_TIMESTAMP;
    /// Idempotent or transactional producer, or [`NO_PRODUCER_ID`].
    producer_id: i64 = PRODUCER_ID;
    /// Its epoch, or [`NO_PRODUCER_EPOCH`].
    producer_epoch: i16 = PRODUCER_EPOCH;
    /// Sequence number of the first record, or [`NO_SEQUENCE`].
    base_sequence: i32 = BASE_SEQUENCE;
    /// Number of records in the batch.
    records_count: i32 = RECORDS_COUNT;
}

impl<'a> Header<'a> {
    /// Reads the header at the start of `bytes`, which may end before the batch does. `None` if
    /// they end before the header. Errors: [`BatchError::Length`], `MagicLegacy`, `MagicUnknown`.
    #[inline]
    pub fn peek(bytes: &'a [u8]) -> Result<Option<Header<'a>>, BatchError> {
        if bytes.len() < LENGTH_END {
            return Ok(None);
        }
        let length = i32::from_be_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if length < LEGACY_LENGTH_MIN {
            return Err(BatchError::Length(length));
        }
        if bytes.len() < MAGIC_END {
            return Ok(None);
        }
        match bytes[at::MAGIC] as i8 {
            2 => {}
            magic @ 0..=1 => return Err(BatchError::MagicLegacy(magic)),
            magic => return Err(BatchError::MagicUnknown(magic)),
        }
        if length < BATCH_LENGTH_MIN {
            return Err(BatchError::Length(length));
        }
        Ok(bytes.first_chunk().map(Header))
    }

    /// A header whose length and magic the caller has checked.
    pub(super) fn trusted(bytes: &'a [u8]) -> Header<'a> {
        Header(bytes.first_chunk().expect("a batch has at least its header"))
    }

    /// Bytes of the whole batch, header and records.
    #[inline]
    pub fn size(&self) -> usize {
        LENGTH_END + self.batch_length() as usize
    }

    /// The attribute bits.
    #[inline]
    pub fn attributes(&self) -> Attributes {
        Attributes(u16::from_be_bytes([self.0[at::ATTRIBUTES], self.0[at::ATTRIBUTES + 1]]))
    }

    /// Offset of the last record when the batch was written.
    #[inline]
    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// Offset of whatever follows the batch in its log.
    #[inline]
    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// Sequence number of the last record, or [`NO_SEQUENCE`]. After 2^31 - 1 comes 0.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            NO_SEQUENCE => NO_SEQUENCE,
            base => base.wrapping_add(self.last_offset_delta()) & i32::MAX,
        }
    }
}

impl std::fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header")
            .field("base_offset", &self.base_offset())
            .field("size", &self.size())
            .field("partition_leader_epoch", &self.partition_leader_epoch())
            .field("crc", &self.crc())
            .field("attributes", &self.attributes())
            .field("last_offset_delta", &self.last_offset_delta())
            .field("base_timestamp", &self.base_timestamp())
            .field("max_timestamp", &self.max_timestamp())
            .field("producer_id", &self.producer_id())
            .field("producer_epoch", &self.producer_epoch())
            .field("base_sequence", &self.base_sequence())
            .field("records_count", &self.records_count())
            .finish()
    }
}
