//! Makes batches: for producers of ours (the command line, the bench, the simulator), for the
//! broker's own logs and transaction markers, and for tests.

use bytes::Bytes;

use crate::codec::Codec;

use super::header::{
    Attributes, HEADER_SIZE, LENGTH_END, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE,
    NO_TIMESTAMP, at,
};
use super::stamp::{put, seal};
use super::varint::{size_i32, size_i64, write_i32, zigzag_i64};
use super::{Batch, RecordView};

/// A header of a record to be written: key and value, where the value may be null.
pub type NewHeader<'a> = (&'a [u8], Option<&'a [u8]>);

/// Collects records and makes one batch of them. Every record is written once, into the bytes
/// that [`BatchBuilder::build`] hands out; a codec reads them once more.
///
/// Records get consecutive offsets. The base timestamp is that of the first record, as Kafka's
/// own producer does it.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    codec: Codec,
    level: Option<i32>,
    attributes: u16,
    base_offset: i64,
    leader_epoch: i32,
    producer: (i64, i16, i32),
    append_time: Option<i64>,
    base_timestamp: i64,
    max_timestamp: i64,
    records_count: i32,
}

impl BatchBuilder {
    /// A batch from no particular producer, at offset 0.
    pub fn new(codec: Codec) -> BatchBuilder {
        BatchBuilder::with_capacity(codec, 0)
    }

    /// [`BatchBuilder::new`] with room for so many bytes of records before it must grow.
    pub fn with_capacity(codec: Codec, records_bytes: usize) -> BatchBuilder {
        let mut bytes = Vec::with_capacity(HEADER_SIZE + records_bytes);
        bytes.resize(HEADER_SIZE, 0);
        BatchBuilder {
            bytes,
            codec,
            level: None,
            attributes: 0,
            base_offset: 0,
            leader_epoch: -1,
            producer: (NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE),
            append_time: None,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            records_count: 0,
        }
    }

    /// Compression level in the codec's own terms; clamped to what it has.
    pub fn level(mut self, level: i32) -> BatchBuilder {
        self.level = Some(level);
        self
    }

    /// Offset of the first record; 0 from a producer.
    pub fn base_offset(mut self, offset: i64) -> BatchBuilder {
        self.base_offset = offset;
        self
    }

    /// Epoch of the appending leader; -1 from a producer.
    pub fn leader_epoch(mut self, epoch: i32) -> BatchBuilder {
        self.leader_epoch = epoch;
        self
    }

    /// Idempotent producer: its id and epoch, and the sequence number of the first record.
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> BatchBuilder {
        self.producer = (id, epoch, base_sequence);
        self
    }

    /// The batch is part of its producer's transaction.
    pub fn transactional(mut self) -> BatchBuilder {
        self.attributes |= Attributes::TRANSACTIONAL;
        self
    }

    /// LogAppendTime: the broker's time (ms) counts for all records.
    pub fn append_time(mut self, now_ms: i64) -> BatchBuilder {
        self.attributes |= Attributes::APPEND_TIME;
        self.append_time = Some(now_ms);
        self
    }

    /// Adds a record. `timestamp` is in ms, -1 for none. Headers keep their order and duplicates.
    /// Panics if the batch would grow beyond 2^31 - 1 bytes; who builds batches bounds
    /// [`BatchBuilder::size`] far below.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[NewHeader<'_>],
    ) {
        if self.records_count == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let offset_delta = self.records_count;
        let size = 1
            + size_i64(timestamp_delta)
            + size_i32(offset_delta)
            + size_nullable(key)
            + size_nullable(value)
            + size_i32(headers.len() as i32)
            + headers.iter().map(|h| size_nullable(Some(h.0)) + size_nullable(h.1)).sum::<usize>();
        let out = &mut self.bytes;
        assert!(out.len() + size + 5 <= i32::MAX as usize, "a batch has less than 2^31 bytes");
        out.reserve(size + 5);
        let mut front = Front::default();
        front.push(size as i64);
        front.push(0); // attributes
        front.push(timestamp_delta);
        front.push(i64::from(offset_delta));
        front.push(length(key));
        out.extend_from_slice(front.bytes());
        out.extend_from_slice(key.unwrap_or_default());
        write_nullable(out, value);
        write_i32(out, headers.len() as i32);
        for (key, value) in headers {
            write_nullable(out, Some(key));
            write_nullable(out, *value);
        }
        self.records_count += 1;
    }

    /// Records so far.
    pub fn records_count(&self) -> i32 {
        self.records_count
    }

    /// Bytes of the batch so far, not compressed yet.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The batch. Without records it has last_offset_delta -1, which no broker accepts.
    pub fn build(mut self) -> Bytes {
        if self.codec != Codec::None {
            let mut compressed = Vec::with_capacity(HEADER_SIZE + self.bytes.len() / 2);
            compressed.resize(HEADER_SIZE, 0);
            self.codec.compress(&self.bytes[HEADER_SIZE..], self.level, &mut compressed);
            self.bytes = compressed;
        }
        self.write_header();
        Bytes::from(self.bytes)
    }

    /// [`BatchBuilder::build`] as a [`Batch`].
    pub fn build_batch(self) -> Batch {
        Batch::trusted(self.build())
    }

    fn write_header(&mut self) {
        let (producer_id, producer_epoch, base_sequence) = self.producer;
        let max_timestamp = self.append_time.unwrap_or(self.max_timestamp);
        let attributes = self.attributes | u16::from(self.codec.id());
        let length = i32::try_from(self.bytes.len() - LENGTH_END).expect("pushed within 2^31");
        let out = &mut self.bytes[..];
        put(out, at::BASE_OFFSET, self.base_offset.to_be_bytes());
        put(out, at::BATCH_LENGTH, length.to_be_bytes());
        put(out, at::LEADER_EPOCH, self.leader_epoch.to_be_bytes());
        put(out, at::MAGIC, [2]);
        put(out, at::ATTRIBUTES, attributes.to_be_bytes());
        put(out, at::LAST_OFFSET_DELTA, (self.records_count - 1).to_be_bytes());
        put(out, at::BASE_TIMESTAMP, self.base_timestamp.to_be_bytes());
        put(out, at::MAX_TIMESTAMP, max_timestamp.to_be_bytes());
        put(out, at::PRODUCER_ID, producer_id.to_be_bytes());
        put(out, at::PRODUCER_EPOCH, producer_epoch.to_be_bytes());
        put(out, at::BASE_SEQUENCE, base_sequence.to_be_bytes());
        put(out, at::RECORDS_COUNT, self.records_count.to_be_bytes());
        seal(out);
    }
}

fn size_nullable(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| size_i32(bytes.len() as i32) + bytes.len())
}

fn write_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => write_i32(out, -1),
        Some(bytes) => {
            write_i32(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
    }
}

/// The five varints in front of a record's key, gathered in a small array: the growing buffer is
/// then asked for room once instead of once for each byte (a third of the time of a small record).
#[derive(Default)]
struct Front {
    /// 10 bytes for the timestamp, 5 for each of the others.
    bytes: [u8; 32],
    len: usize,
}

impl Front {
    #[inline(always)]
    fn push(&mut self, value: i64) {
        let mut raw = zigzag_i64(value);
        while raw >= 0x80 {
            self.bytes[self.len] = raw as u8 | 0x80;
            self.len += 1;
            raw >>= 7;
        }
        self.bytes[self.len] = raw as u8;
        self.len += 1;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Length of a field as the record says it: -1 for null.
fn length(bytes: Option<&[u8]>) -> i64 {
    bytes.map_or(-1, |bytes| bytes.len() as i64)
}

/// How a transaction ended, as its marker tells the partitions that it wrote to (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Its records are to be skipped.
    Abort,
    /// Its records count.
    Commit,
}

impl Marker {
    /// The control batch with this marker: one record, whose key is version 0 and the marker's
    /// type, and whose value is version 0 and the epoch of the coordinator that decided.
    pub fn batch(
        self,
        timestamp: i64,
        producer_id: i64,
        producer_epoch: i16,
        coordinator_epoch: i32,
    ) -> BatchBuilder {
        let key = [0, 0, 0, self as u8];
        let mut value = [0; 6];
        value[2..].copy_from_slice(&coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::with_capacity(Codec::None, 32);
        builder.attributes = Attributes::TRANSACTIONAL | Attributes::CONTROL;
        builder.producer = (producer_id, producer_epoch, NO_SEQUENCE);
        builder.push(timestamp, Some(&key), Some(&value), &[]);
        builder
    }

    /// The marker in a record of a control batch; `None` if it is another kind of control record.
    pub fn of(record: &RecordView<'_>) -> Option<Marker> {
        match record.key? {
            [_, _, 0, 0, ..] => Some(Marker::Abort),
            [_, _, 0, 1, ..] => Some(Marker::Commit),
            _ => None,
        }
    }
}
