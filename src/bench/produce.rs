//! Producers of a load: one request, built once, sent again and again to one partition after the other.

use super::engine::{Dialogue, Worth};
use super::stage::Stage;
use crate::client::accepted;
use crate::client::connection::{encode, read_frame};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use sordini_wire::api::ApiKey;
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::Message;
use sordini_wire::message::header::ResponseHeader;
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::{Part, Reader};
use std::io::Write;
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the correlation id stands in a frame: behind length, key and version.
const CORRELATION_AT: usize = 8;
/// What a record costs beside its value, about.
const RECORD_OVERHEAD: usize = 8;
/// How long the broker may wait for replicas, ms.
const TIMEOUT_MS: i32 = 30_000;

/// A producer.
pub struct Producer {
    frame: Vec<u8>,
    version: i16,
    /// Where the partition's number stands in the frame.
    partition_at: usize,
    partitions: i32,
    next: i32,
    step: i32,
    correlation: i32,
    answered: i32,
    worth: Worth,
}

/// A batch of records of so many bytes, about `batch_bytes` together, and the number of records.
pub fn batch(batch_bytes: usize, record_bytes: usize) -> (Bytes, u64) {
    let records = (batch_bytes / (record_bytes + RECORD_OVERHEAD)).max(1);
    let mut builder = BatchBuilder::with_capacity(Codec::None, batch_bytes);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let mut value = vec![0; record_bytes];
    let mut chance: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..records {
        for word in value.chunks_mut(8) {
            // xorshift: bytes that no file system or disk can shrink.
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            word.copy_from_slice(&chance.to_le_bytes()[..word.len()]);
        }
        builder.push(now, None, Some(&value), &[]);
    }
    (builder.build(), records as u64)
}

impl Producer {
    /// Producer number `number` of `producers`, who share the partitions of the stage among them.
    pub fn new(stage: &Stage, number: usize, producers: usize, load: &Payload) -> Result<Producer> {
        let topic = &stage.topics[number % stage.topics.len()];
        let request = |index: i32| ProduceRequest {
            acks: load.acks,
            timeout_ms: TIMEOUT_MS,
            topic_data: vec![TopicProduceData {
                topic_id: topic.id,
                name: topic.name.clone(),
                partition_data: vec![PartitionProduceData {
                    index,
                    records: Some(load.batch.clone().into()),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let version = stage.produce_version;
        let frame = joined(&request(0), version);
        let other = joined(&request(i32::from_be_bytes([1; 4])), version);
        let differs = frame.iter().zip(&other).position(|(a, b)| a != b);
        let partitions = topic.partitions.len() as i32;
        Ok(Producer {
            partition_at: differs.context("the partition is in the request")?,
            frame,
            version,
            partitions,
            next: number as i32 % partitions,
            step: (producers as i32).rem_euclid(partitions).max(1),
            correlation: 0,
            answered: 0,
            worth: Worth { records: load.records, bytes: load.batch.len() as u64 },
        })
    }
}

impl Producer {
    /// Sends one request over a socket that blocks, and waits for its answer.
    pub fn once(&mut self, socket: &mut TcpStream) -> Result<()> {
        socket.write_all(self.request())?;
        let frame = read_frame(socket)?;
        self.answer(frame)?;
        Ok(())
    }
}

/// What every producer of a load sends.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The batch.
    pub batch: Bytes,
    /// Records in it.
    pub records: u64,
    /// -1 all, 1 leader.
    pub acks: i16,
}

impl Dialogue for Producer {
    fn request(&mut self) -> &[u8] {
        self.correlation += 1;
        put(&mut self.frame, CORRELATION_AT, self.correlation);
        put(&mut self.frame, self.partition_at, self.next);
        self.next = (self.next + self.step) % self.partitions;
        &self.frame
    }

    fn answer(&mut self, frame: Bytes) -> Result<Worth> {
        self.answered += 1;
        let mut reader = open(frame, ApiKey::PRODUCE, self.version, self.answered)?;
        let answer = ProduceResponse::decode(&mut reader, self.version)?;
        for result in answer.responses.iter().flat_map(|t| &t.partition_responses) {
            accepted(result.error_code, result.error_message.as_deref(), || {
                format!("produce to partition {}", result.index)
            })?;
        }
        Ok(self.worth)
    }
}

/// The body of an answer, once its header is the right one.
pub fn open(frame: Bytes, key: ApiKey, version: i16, correlation: i32) -> Result<Reader> {
    let mut reader = Reader::new(frame);
    let api = key.api().expect("an API of Kafka's");
    let header = ResponseHeader::decode(&mut reader, api.response_header_version(version))?;
    ensure!(
        header.correlation_id == correlation,
        "expected the answer to request {correlation}, that to {} came",
        header.correlation_id
    );
    Ok(reader)
}

/// A request as one frame.
pub fn joined<R: crate::client::request::Request>(request: &R, version: i16) -> Vec<u8> {
    let mut frame = Vec::new();
    for part in encode(request, version, 0) {
        if let Part::Bytes(bytes) = part {
            frame.extend_from_slice(&bytes);
        }
    }
    frame
}

/// Overwrites four bytes.
pub fn put(frame: &mut [u8], at: usize, value: i32) {
    frame[at..at + 4].copy_from_slice(&value.to_be_bytes());
}
