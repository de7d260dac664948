//! Record batches, magic 2: the unit in which records travel, are checked, stored and replicated.
//!
//! ```text
//! at  bytes  field                   covered by the CRC
//!  0    8    base_offset             no: the broker stamps it
//!  8    4    batch_length            no: bytes after this field
//! 12    4    partition_leader_epoch  no: the broker stamps it
//! 16    1    magic                   no: always 2
//! 17    4    crc                     CRC-32C of everything from byte 21 to the end
//! 21    2    attributes              0-2 codec, 3 append time, 4 transactional, 5 control, 6 delete horizon
//! 23    4    last_offset_delta       last offset - base offset; survives compaction
//! 27    8    base_timestamp          ms; of the first record, or the delete horizon (attribute 6)
//! 35    8    max_timestamp           ms; of the latest record, or when the broker appended (attribute 3)
//! 43    8    producer_id             -1: none
//! 51    2    producer_epoch          -1: none
//! 53    4    base_sequence           -1: none
//! 57    4    records_count
//! 61    ..   records                 compressed as one piece, if the codec is not 0
//! ```
//!
//! All integers are big-endian. A broker looks at these 61 bytes and leaves the records closed:
//! [`Batch`] and [`BatchView`] read the fields, [`walk()`] finds the batches in a run of bytes,
//! [`validate`] says what a client may not send, [`stamp()`] gives a batch its place in a log.
//! [`BatchBuilder`] makes batches and [`Records`] opens them; [`look`] does so on behalf of a
//! broker that must know what is inside. Nothing here panics on foreign bytes or allocates more
//! than the cap that the caller names.
//!
//! Source: Kafka's documentation, "Record Batch"; KIP-98 (magic 2), KIP-534 (delete horizon).

mod build;
mod error;
mod header;
pub mod look;
mod record;
mod records;
mod stamp;
mod time;
pub mod validate;
mod varint;
mod view;
mod walk;

pub use build::{BatchBuilder, Marker, NewHeader};
pub use error::BatchError;
pub use header::{
    Attributes, HEADER_SIZE, Header, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP,
};
pub use record::{HeaderIter, RecordView};
pub use records::{Record, RecordHeader, RecordProblem, RecordViews, Records, RecordsError};
pub use stamp::{Stamp, stamp, stamp_append_time};
pub use time::{TimedOffset, latest_record, offset_for_time};
pub use view::{Batch, BatchView};
pub use walk::{Placed, Walk, split, split_prefix, walk};

#[cfg(test)]
mod tests;
