//! Opens a batch: its records one after the other, decompressed if need be.
//!
//! Nobody checked what is inside a batch when it was produced, so a reader must survive anything:
//! the iterators yield the good records, then one error that says which record is bad at which
//! byte, then nothing. Memory is bounded by the cap that the caller gives for the decompressed
//! records; uncompressed ones are slices of the batch itself.

use bytes::Bytes;

use crate::codec::{Codec, CodecError};

use super::header::Header;
use super::record::{self, Base, HeaderIter, RecordView};
use super::{Batch, BatchError, BatchView};

/// Why the records of a batch cannot be read (any further).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordsError {
    /// The header names no codec.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The records cannot be decompressed, or only into more than the cap.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A record is not what the format says.
    #[error("record {index} of the batch, at byte {at} of its records: {problem}")]
    Record {
        /// Which record, from 0.
        index: u32,
        /// Byte of the decompressed records at which it starts.
        at: usize,
        /// What is wrong with it.
        problem: RecordProblem,
    },
}

/// What can be wrong with a record. Kafka answers INVALID_RECORD (87) to a producer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordProblem {
    /// The header says that there is one record more.
    #[error("expected {said} records as the batch says, came the end of the bytes")]
    Missing {
        /// records_count of the batch.
        said: i32,
    },
    /// The record claims more bytes than there are, or less than none.
    #[error("expected a length within the {available} bytes that remain, came {said}")]
    Length {
        /// The record's word.
        said: i32,
        /// Bytes behind the length.
        available: usize,
    },
    /// A field ends outside its record or is no varint.
    #[error("its {0} is malformed or ends outside the record")]
    Field(&'static str),
    /// The record is longer than its fields.
    #[error("expected its fields to fill its length, came {bytes} bytes more")]
    Unread {
        /// Bytes of the record behind its last field.
        bytes: usize,
    },
    /// More bytes behind the last record.
    #[error("expected the end after {said} records as the batch says, came {bytes} bytes more")]
    Surplus {
        /// records_count of the batch.
        said: i32,
        /// Bytes behind the last record.
        bytes: usize,
    },
    /// Offsets inside a producer's batch count up from 0.
    #[error("expected offset delta {expected}, came {came}")]
    OffsetDelta {
        /// Position of the record in its batch.
        expected: u32,
        /// The record's word.
        came: i32,
    },
}

/// Where a reader stands in the records of a batch.
#[derive(Clone, Debug)]
struct Cursor {
    base: Base,
    /// records_count as the header says.
    said: i32,
    /// Records read so far.
    index: u32,
    /// Byte at which the next record starts.
    at: usize,
    /// True after the end or an error.
    done: bool,
}

impl Cursor {
    fn new(header: &Header<'_>) -> Cursor {
        let append_time = header.attributes().append_time().then(|| header.max_timestamp());
        let base =
            Base { offset: header.base_offset(), timestamp: header.base_timestamp(), append_time };
        Cursor { base, said: header.records_count(), index: 0, at: 0, done: false }
    }

    #[inline]
    fn next<'a>(&mut self, payload: &'a [u8]) -> Option<Result<RecordView<'a>, RecordsError>> {
        if self.done {
            return None;
        }
        let mut rest = &payload[self.at..];
        let said = self.said;
        if i64::from(self.index) >= i64::from(said) {
            self.done = true;
            let bytes = rest.len();
            return (bytes > 0).then(|| Err(self.error(RecordProblem::Surplus { said, bytes })));
        }
        if rest.is_empty() {
            self.done = true;
            return Some(Err(self.error(RecordProblem::Missing { said })));
        }
        match record::read(&mut rest, &self.base) {
            Ok(record) => {
                self.index += 1;
                self.at = payload.len() - rest.len();
                Some(Ok(record))
            }
            Err(problem) => {
                self.done = true;
                Some(Err(self.error(problem)))
            }
        }
    }

    fn error(&self, problem: RecordProblem) -> RecordsError {
        RecordsError::Record { index: self.index, at: self.at, problem }
    }
}

/// The records of a batch as slices: see [`Records::views`] and [`BatchView::records_plain`].
#[derive(Clone, Debug)]
pub struct RecordViews<'a> {
    payload: &'a [u8],
    cursor: Cursor,
}

impl RecordViews<'_> {
    /// Byte of the decompressed records at which the next one starts.
    pub fn position(&self) -> usize {
        self.cursor.at
    }
}

impl<'a> Iterator for RecordViews<'a> {
    type Item = Result<RecordView<'a>, RecordsError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next(self.payload)
    }
}

/// The records of a batch, decompressed, in a buffer of their own (or, uncompressed, in the
/// batch's). As an iterator it yields owned records that share this buffer.
#[derive(Clone, Debug)]
pub struct Records {
    payload: Bytes,
    cursor: Cursor,
}

impl Records {
    /// The records not iterated over yet, without a handle for each field.
    pub fn views(&self) -> RecordViews<'_> {
        RecordViews { payload: &self.payload, cursor: self.cursor.clone() }
    }

    /// The decompressed records.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }
}

impl Iterator for Records {
    type Item = Result<Record, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.cursor.next(&self.payload)?;
        Some(next.map(|view| Record {
            offset: view.offset,
            timestamp: view.timestamp,
            key: view.key.map(|key| self.payload.slice_ref(key)),
            value: view.value.map(|value| self.payload.slice_ref(value)),
            headers: self.payload.slice_ref(view.headers),
        }))
    }
}

impl Batch {
    /// Opens the batch. Costs nothing but a handle if it is uncompressed; else decompresses all
    /// of it, and refuses to make more than `bytes_max` bytes of it.
    pub fn records(&self, bytes_max: usize) -> Result<Records, RecordsError> {
        let payload = match self.attributes().codec()? {
            Codec::None => self.payload(),
            codec => Bytes::from(codec.decompress(&self.payload(), bytes_max)?),
        };
        Ok(Records { payload, cursor: Cursor::new(&self.header()) })
    }
}

impl<'a> BatchView<'a> {
    /// The records of an uncompressed batch; `None` if it is compressed.
    pub fn records_plain(&self) -> Option<RecordViews<'a>> {
        let plain = self.attributes().codec() == Ok(Codec::None);
        plain.then(|| RecordViews { payload: self.payload(), cursor: Cursor::new(self) })
    }

    /// As [`Batch::records`], with the decompressed records in a buffer of their own; those of an
    /// uncompressed batch are copied.
    pub fn records(&self, bytes_max: usize) -> Result<Records, RecordsError> {
        let payload = self.attributes().codec()?.decompress(self.payload(), bytes_max)?;
        Ok(Records { payload: Bytes::from(payload), cursor: Cursor::new(self) })
    }
}

/// A record with handles on the buffer that it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset in the log.
    pub offset: i64,
    /// ms; the broker's time if the batch has append time, else the producer's. -1: none.
    pub timestamp: i64,
    /// Its key; not every record has one.
    pub key: Option<Bytes>,
    /// Its value; on a compacted topic null deletes the key.
    pub value: Option<Bytes>,
    /// The headers as they are on the wire, checked.
    headers: Bytes,
}

/// A header of an owned record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// Should be UTF-8, but that is the producer's word.
    pub key: Bytes,
    /// May be null.
    pub value: Option<Bytes>,
}

impl Record {
    /// The headers in their order; a key may come more than once.
    pub fn headers(&self) -> impl Iterator<Item = RecordHeader> + '_ {
        HeaderIter::checked(&self.headers).map(|(key, value)| RecordHeader {
            key: self.headers.slice_ref(key),
            value: value.map(|value| self.headers.slice_ref(value)),
        })
    }
}
