//! Clients that speak Kafka's bytes: producers that never give up, and readers that compare.
//!
//! A client is a small machine of its own: it says what it wants to send, takes what arrives, and tells the
//! ledger what it was promised. An idempotent producer sends again what was not answered, in the order of
//! its sequences, up to five batches in flight; a plain one never sends twice, so that it cannot
//! make duplicates itself.

use crate::chance::Chance;
use crate::failure::Failure;
use crate::ledger::{Ledger, Place, RecordId, Sent, View};
use bytes::{Bytes, BytesMut};
use sordini_wire::api::{ApiKey, request_header_version, response_header_version};
use sordini_wire::batch::{BatchBuilder, split};
use sordini_wire::codec::Codec;
use sordini_wire::frame::FrameSplitter;
use sordini_wire::message::Message;
use sordini_wire::message::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use sordini_wire::message::header::{RequestHeader, ResponseHeader};
use sordini_wire::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use sordini_wire::message::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::{Reader, Records, Str};
use std::collections::VecDeque;

/// The one topic of a world.
pub const TOPIC: &str = "t";
/// Its partitions.
pub const PARTITIONS: i32 = 2;
/// Requests that a producer has in flight at most, as Kafka's clients.
const IN_FLIGHT_MAX: usize = 5;
const RECORD_BYTES_MAX: usize = 1 << 20;

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Produces with a producer id, and again until it is answered.
    Idempotent,
    /// Produces each batch once.
    Plain,
    /// Reads from the beginning, and goes on.
    Reader,
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    id: u32,
    kind: Kind,
    chance: Chance,
    splitter: FrameSplitter,
    correlation: i32,
    /// Requests without an answer, in order.
    waiting: VecDeque<Waiting>,
    /// Whether the topic is known to be there.
    ready: bool,
    producer: Option<(i64, i16)>,
    /// Batches without an answer, in order; the first `in_flight` are sent over this connection.
    batches: VecDeque<Batch>,
    in_flight: usize,
    sequences: [i32; PARTITIONS as usize],
    records: u64,
    /// Where a reader goes on.
    positions: [i64; PARTITIONS as usize],
    /// Whether new batches are made; without, only what was begun is finished.
    pub making: bool,
}

#[derive(Clone, Debug)]
struct Waiting {
    correlation: i32,
    key: i16,
    version: i16,
    /// Partition of a fetch.
    partition: i32,
}

#[derive(Clone, Debug)]
struct Batch {
    partition: i32,
    ids: Vec<RecordId>,
    bytes: Bytes,
}

/// What a client makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It goes on.
    Content,
    /// It closes the connection and opens another.
    Reconnect,
}

impl Client {
    /// A client that has not connected.
    pub fn new(id: u32, kind: Kind, chance: Chance) -> Client {
        Client {
            id,
            kind,
            chance,
            splitter: FrameSplitter::default(),
            correlation: 0,
            waiting: VecDeque::new(),
            ready: false,
            producer: None,
            batches: VecDeque::new(),
            in_flight: 0,
            sequences: [0; PARTITIONS as usize],
            records: 0,
            positions: [0; PARTITIONS as usize],
            making: true,
        }
    }

    /// What it does.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether everything that it began is answered.
    pub fn is_finished(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether the broker told it that the topic is there.
    pub fn knows_topic(&self) -> bool {
        self.ready
    }

    /// The connection is gone: nothing that was asked over it will be answered.
    pub fn disconnected(&mut self) {
        self.splitter = FrameSplitter::default();
        self.waiting.clear();
        self.in_flight = 0;
        if self.kind == Kind::Plain {
            self.batches.clear();
        }
    }

    /// The next request, if it wants to make one now.
    pub fn act(&mut self, now_ms: i64, ledger: &mut Ledger) -> Option<Bytes> {
        if !self.ready {
            return self.waiting.is_empty().then(|| self.ask_metadata());
        }
        if self.kind == Kind::Idempotent && self.producer.is_none() {
            return self.waiting.is_empty().then(|| self.ask_producer_id());
        }
        match self.kind {
            Kind::Reader => self.waiting.is_empty().then(|| self.ask_records()),
            _ if self.in_flight == self.batches.len() && self.making => {
                self.make_batch(now_ms, ledger);
                self.send_batch()
            }
            _ => self.send_batch(),
        }
    }

    /// Bytes arrived.
    pub fn receive(&mut self, bytes: Bytes, ledger: &mut Ledger) -> Result<Mood, Failure> {
        self.splitter.push(BytesMut::from(&bytes[..]));
        let broken = |e: &dyn std::fmt::Display| Failure::new("wire", e.to_string());
        while let Some(frame) = self.splitter.next_frame().map_err(|e| broken(&e))? {
            let waiting = self.waiting.pop_front();
            let waiting = waiting.ok_or_else(|| broken(&"an answer that nobody waits for"))?;
            let mut body =
                opened(frame.freeze(), waiting.key, waiting.version, waiting.correlation)?;
            let mood = match waiting.key {
                MetadataRequest::API_KEY => self.take_metadata(&mut body, waiting.version)?,
                InitProducerIdRequest::API_KEY => {
                    self.take_producer_id(&mut body, waiting.version, ledger)?
                }
                ProduceRequest::API_KEY => {
                    self.take_produced(&mut body, waiting.version, ledger)?
                }
                _ => self.take_records(&mut body, &waiting, ledger)?,
            };
            if mood == Mood::Reconnect {
                return Ok(mood);
            }
        }
        Ok(Mood::Content)
    }

    fn ask_metadata(&mut self) -> Bytes {
        let version = [1, 4, 9, 12][self.chance.index(4)];
        let topic = MetadataRequestTopic { name: Some(TOPIC.into()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![topic]),
            allow_auto_topic_creation: true,
            ..Default::default()
        };
        self.ask(&request, version, 0)
    }

    fn take_metadata(&mut self, body: &mut Reader, version: i16) -> Result<Mood, Failure> {
        let answer: MetadataResponse = decoded(body, version)?;
        let topic = answer.topics.first().ok_or_else(|| Failure::new("wire", "no topic"))?;
        self.ready = topic.error_code == 0 && topic.partitions.len() == PARTITIONS as usize;
        Ok(Mood::Content)
    }

    fn ask_producer_id(&mut self) -> Bytes {
        let request = InitProducerIdRequest {
            transactional_id: None,
            transaction_timeout_ms: 60_000,
            ..Default::default()
        };
        let version = [0, 2, 4][self.chance.index(3)];
        self.ask(&request, version, 0)
    }

    fn take_producer_id(
        &mut self,
        body: &mut Reader,
        version: i16,
        ledger: &mut Ledger,
    ) -> Result<Mood, Failure> {
        let answer: InitProducerIdResponse = decoded(body, version)?;
        if answer.error_code != 0 {
            return Ok(Mood::Reconnect);
        }
        ledger.producer(answer.producer_id, self.id)?;
        self.producer = Some((answer.producer_id, answer.producer_epoch));
        Ok(Mood::Content)
    }

    fn make_batch(&mut self, now_ms: i64, ledger: &mut Ledger) {
        let partition = self.chance.below(PARTITIONS as u64) as i32;
        let codec = if self.chance.odds(1, 8) { Codec::Lz4 } else { Codec::None };
        let mut batch = BatchBuilder::new(codec);
        let idempotent = self.kind == Kind::Idempotent;
        if let Some((id, epoch)) = self.producer.filter(|_| idempotent) {
            batch = batch.producer(id, epoch, self.sequences[partition as usize]);
        }
        let mut ids = Vec::new();
        for _ in 0..1 + self.chance.below(3) {
            self.records += 1;
            let id = RecordId(u64::from(self.id) << 32 | self.records);
            let len = if self.chance.odds(1, 20) { 2000 } else { self.chance.index(100) };
            batch.push(now_ms, None, Some(&id.value(len)), &[]);
            let client = self.id;
            ledger.send(id, Sent { client, partition, idempotent, acked: None, refused: false });
            ids.push(id);
        }
        self.sequences[partition as usize] += ids.len() as i32;
        self.batches.push_back(Batch { partition, ids, bytes: batch.build() });
    }

    fn send_batch(&mut self) -> Option<Bytes> {
        let batch = self.batches.get(self.in_flight).filter(|_| self.in_flight < IN_FLIGHT_MAX)?;
        let partition_data = PartitionProduceData {
            index: batch.partition,
            records: Some(Records::from(batch.bytes.clone())),
            ..Default::default()
        };
        let topic = TopicProduceData {
            name: Str::from(TOPIC),
            partition_data: vec![partition_data],
            ..Default::default()
        };
        let request = ProduceRequest {
            transactional_id: None,
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        self.in_flight += 1;
        let version = [3, 7, 9, 12][self.chance.index(4)];
        Some(self.ask(&request, version, 0))
    }

    fn take_produced(
        &mut self,
        body: &mut Reader,
        version: i16,
        ledger: &mut Ledger,
    ) -> Result<Mood, Failure> {
        let answer: ProduceResponse = decoded(body, version)?;
        let answer = answer.responses.first().and_then(|t| t.partition_responses.first());
        let answer =
            answer.ok_or_else(|| Failure::new("wire", "a produce answer without partition"))?;
        let batch = self.batches.front().expect("answers come in order");
        match answer.error_code {
            0 if answer.index == batch.partition && answer.base_offset >= 0 => {
                for (n, id) in batch.ids.iter().enumerate() {
                    let place =
                        Place { partition: batch.partition, offset: answer.base_offset + n as i64 };
                    ledger.ack(*id, place);
                }
                self.batches.pop_front();
                self.in_flight -= 1;
                Ok(Mood::Content)
            }
            // Not leader, timed out, storage error: try again, where trying again is harmless.
            6 | 7 | 56 => Ok(Mood::Reconnect),
            code => {
                let (client, ids) = (self.id, &batch.ids);
                let what = format!(
                    "client {client} was answered {code} for {ids:?} in partition {}: {answer:?}",
                    batch.partition
                );
                Err(Failure::new("produce is answered as it should be", what))
            }
        }
    }

    fn ask_records(&mut self) -> Bytes {
        let partition = self.chance.below(PARTITIONS as u64) as i32;
        let version = [4, 7, 11, 12][self.chance.index(4)];
        let bytes_max = [1, 300, 100_000][self.chance.index(3)];
        let request = fetch(partition, self.positions[partition as usize], bytes_max, 5);
        self.ask(&request, version, partition)
    }

    fn take_records(
        &mut self,
        body: &mut Reader,
        waiting: &Waiting,
        ledger: &mut Ledger,
    ) -> Result<Mood, Failure> {
        let partition = waiting.partition;
        let Some(view) = fetched(body, waiting.version)? else { return Ok(Mood::Reconnect) };
        let position = &mut self.positions[partition as usize];
        let first = *position;
        for (offset, id) in view.records.into_iter().filter(|(offset, _)| *offset >= first) {
            if offset != *position || offset >= view.end {
                let what = format!("partition {partition}: read {offset}, expected {position}");
                return Err(Failure::new("dense_offsets", what));
            }
            ledger.see(Place { partition, offset }, id)?;
            *position += 1;
        }
        Ok(Mood::Content)
    }

    fn ask<M: Message>(&mut self, request: &M, version: i16, partition: i32) -> Bytes {
        self.correlation += 1;
        let (correlation, key) = (self.correlation, M::API_KEY);
        self.waiting.push_back(Waiting { correlation, key, version, partition });
        framed(request, version, correlation)
    }
}

/// A request as it goes over the wire.
pub fn framed<M: Message>(request: &M, version: i16, correlation: i32) -> Bytes {
    let header = RequestHeader {
        request_api_key: M::API_KEY,
        request_api_version: version,
        correlation_id: correlation,
        client_id: Some("sim".into()),
        ..Default::default()
    };
    let header_version =
        request_header_version(ApiKey(M::API_KEY), version).expect("an API we know");
    let (header, body) = (header.to_bytes(header_version), request.to_bytes(version));
    let mut frame = BytesMut::new();
    frame.extend_from_slice(&((header.len() + body.len()) as i32).to_be_bytes());
    frame.extend_from_slice(&header);
    frame.extend_from_slice(&body);
    frame.freeze()
}

/// The body of a response frame, once its header is seen to be the right one.
pub fn opened(frame: Bytes, key: i16, version: i16, correlation: i32) -> Result<Reader, Failure> {
    let mut reader = Reader::new(frame);
    let header_version = response_header_version(ApiKey(key), version).expect("an API we know");
    let header: ResponseHeader = decoded(&mut reader, header_version)?;
    match header.correlation_id == correlation {
        true => Ok(reader),
        false => Err(Failure::new(
            "wire",
            format!("answer {} came where {correlation} was due", header.correlation_id),
        )),
    }
}

/// A fetch of one partition.
pub fn fetch(partition: i32, offset: i64, bytes_max: i32, wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: bytes_max,
        ..Default::default()
    };
    let topic =
        FetchTopic { topic: Str::from(TOPIC), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_wait_ms: wait_ms, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

/// What a fetch of one partition brought; none if the broker asks to try again.
pub fn fetched(body: &mut Reader, version: i16) -> Result<Option<View>, Failure> {
    let answer: FetchResponse = decoded(body, version)?;
    let partition = answer.responses.first().and_then(|t| t.partitions.first());
    let Some(partition) = partition.filter(|_| answer.error_code == 0) else {
        return Err(Failure::new("fetch is answered as it should be", format!("{answer:?}")));
    };
    match partition.error_code {
        0 => {}
        6 | 56 => return Ok(None),
        _ => {
            return Err(Failure::new(
                "fetch is answered as it should be",
                format!("{partition:?}"),
            ));
        }
    }
    let mut view = View {
        start: partition.log_start_offset.max(0),
        end: partition.high_watermark,
        records: Vec::new(),
    };
    let wrong = |e: &dyn std::fmt::Display| Failure::new("served bytes are true", e.to_string());
    let bytes = partition.records.as_ref().and_then(Records::contiguous).unwrap_or_default();
    if bytes.is_empty() {
        return Ok(Some(view));
    }
    for batch in split(bytes).map_err(|e| wrong(&e))? {
        batch.check_crc().map_err(|e| wrong(&e))?;
        for record in batch.records(RECORD_BYTES_MAX).map_err(|e| wrong(&e))? {
            let record = record.map_err(|e| wrong(&e))?;
            let id = record.value.as_deref().and_then(RecordId::of);
            let id = id.ok_or_else(|| {
                wrong(&format!("offset {} holds a value of nobody", record.offset))
            })?;
            view.records.push((record.offset, id));
        }
    }
    Ok(Some(view))
}

fn decoded<M: Message>(body: &mut Reader, version: i16) -> Result<M, Failure> {
    M::decode(body, version).map_err(|e| Failure::new("wire", e.to_string()))
}
