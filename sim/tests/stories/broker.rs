//! One broker on a platter and its connections, driven by hand: every disk operation and every moment is the story's.

use bytes::{Bytes, BytesMut};
use sordini_core::config::broker::BrokerConfig;
use sordini_core::limits::Limits;
use sordini_core::seam::{
    self, Body, ConnId, DiskError, DiskErrorKind, Event, Fact, ListenerId, Machine, NetOp, Outbox,
    Part,
};
use sordini_core::shard::Shard;
use sordini_log::disk::Done;
use sordini_log::segment::check_range;
use sordini_log::storage::StorageConfig;
use sordini_log::{Generation, LogDir, LogId, Mono, Now, Wall};
use sordini_sim::platter::{Fate, Platter, Unsynced};
use sordini_wire::api::{ApiKey, request_header_version, response_header_version};
use sordini_wire::batch::{BatchBuilder, split};
use sordini_wire::codec::Codec;
use sordini_wire::message::Message;
use sordini_wire::message::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use sordini_wire::message::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use sordini_wire::message::header::{RequestHeader, ResponseHeader};
use sordini_wire::message::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use sordini_wire::primitive::{Reader, Records};
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

pub const PRODUCE: i16 = 9;
pub const FETCH: i16 = 12;
const CREATE_TOPICS: i16 = 5;

/// A broker of one shard.
pub struct Broker {
    pub platter: Platter,
    pub facts: Vec<Fact>,
    /// Journal groups that became durable in this life.
    pub groups: u64,
    pub now: Now,
    shard: Shard,
    storage: StorageConfig,
    out: Outbox,
    listening: bool,
    conns: u64,
    /// Responses by connection, in the order in which they were sent.
    sent: BTreeMap<ConnId, VecDeque<Body>>,
}

struct Collected<'a>(&'a mut Vec<NetOp>);

impl seam::Net for Collected<'_> {
    fn submit(&mut self, ops: &mut Vec<NetOp>) {
        self.0.append(ops);
    }
}

fn shard(storage: &StorageConfig) -> Shard {
    let config = BrokerConfig::new(BTreeMap::new()).expect("nothing is given");
    Shard::new(config, Limits::default(), storage.clone(), [7; 32])
}

impl Broker {
    /// A broker that listens, on an empty disk.
    pub fn new(storage: StorageConfig) -> Broker {
        let mut broker = Broker {
            platter: Platter::default(),
            facts: Vec::new(),
            groups: 0,
            now: Now { mono: Mono(0), wall: Wall(1_700_000_000_000), disk_free: 1 << 50 },
            shard: shard(&storage),
            storage,
            out: Outbox::default(),
            listening: false,
            conns: 0,
            sent: BTreeMap::new(),
        };
        broker.boot();
        broker
    }

    /// A new process on the disk as it is; returns when it listens.
    pub fn boot(&mut self) {
        self.try_boot().unwrap_or_else(|why| panic!("the broker does not listen: {why}"));
    }

    /// The same; or why it refuses to.
    pub fn try_boot(&mut self) -> Result<(), String> {
        self.shard = shard(&self.storage);
        (self.out, self.listening, self.groups) = (Outbox::default(), false, 0);
        self.now.mono = Mono(0);
        self.sent.clear();
        self.facts.clear();
        self.turn(vec![Event::Boot]);
        for _ in 0..10_000 {
            let fatal = |fact: &Fact| match fact {
                Fact::Fatal(why) => Some(why.clone()),
                _ => None,
            };
            if let Some(why) = self.facts.iter().find_map(fatal) {
                return Err(why);
            }
            if self.listening {
                return Ok(());
            }
            if !self.disk() {
                self.wait(1);
            }
        }
        Err(format!("{:?}", self.facts))
    }

    /// The power fails, and the broker starts again.
    pub fn crash(&mut self, midway: bool, fate: &mut dyn FnMut(Unsynced) -> Fate) {
        if midway {
            self.platter.start();
        }
        self.platter.crash(fate);
        self.boot();
    }

    /// One turn of the loop.
    pub fn turn(&mut self, events: Vec<Event>) {
        let mut ops = Vec::new();
        seam::turn(
            &mut self.shard,
            self.now,
            &mut events.into_iter(),
            false,
            &mut Collected(&mut ops),
            &mut self.platter,
            &mut self.out,
        );
        self.facts.append(&mut self.out.facts);
        for op in ops {
            match op {
                NetOp::Send { conn, body } => self.sent.entry(conn).or_default().push_back(body),
                NetOp::Listen => self.listening = true,
                NetOp::Close { conn, why } => panic!("{conn} is closed: {why:?}"),
                _ => {}
            }
        }
    }

    /// The first operation that is ready, and the turn on it. False if there is none.
    pub fn disk(&mut self) -> bool {
        self.disk_at(0)
    }

    /// As [`Broker::disk`], for one of those that are ready.
    pub fn disk_at(&mut self, choice: usize) -> bool {
        let Some(completion) = self.platter.step(choice) else { return false };
        self.groups += u64::from(matches!(completion.done, Done::Group(_)));
        self.turn(vec![Event::Disk(completion)]);
        true
    }

    /// So many milliseconds pass, in which the disk does nothing and the broker has every tick that it wants.
    pub fn wait(&mut self, ms: u64) {
        let until = self.now.mono.after_ms(ms);
        while let Some(at) = self.shard.deadline().filter(|at| *at <= until) {
            self.now.mono = self.now.mono.max(at);
            self.turn(vec![Event::Tick]);
            self.now.mono = Mono(self.now.mono.0 + 1);
        }
        self.now.mono = self.now.mono.max(until);
        self.turn(vec![]);
    }

    /// The disk does all that it is asked, and some time passes, until nothing is left to do.
    pub fn rest(&mut self) {
        for _ in 0..200 {
            while self.disk() {}
            self.wait(10);
        }
        assert_eq!(self.platter.ready(), 0, "the disk is always busy");
    }

    /// The log of a topic's partition.
    pub fn log_of(&self, topic: &str) -> LogDir {
        let name = format!("{topic}-0");
        let node = self.shard.node();
        let dirs = node.partitions.keys().map(|log| node.storage.dir(*log));
        dirs.into_iter().find(|dir| *dir.name == *name).expect("it was created").clone()
    }

    /// Which life of a log it is.
    pub fn generation(&self, log: LogId) -> Generation {
        self.shard.node().storage.generation(log)
    }

    pub fn connect(&mut self) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        self.turn(vec![Event::Opened { conn, listener: ListenerId(0), peer }]);
        conn
    }

    /// Sends a request. Nothing but the broker's turn on it happens.
    pub fn send<M: Message>(&mut self, conn: ConnId, request: &M, version: i16) {
        let header = RequestHeader {
            request_api_key: M::API_KEY,
            request_api_version: version,
            ..RequestHeader::default()
        };
        let head = request_header_version(ApiKey(M::API_KEY), version).expect("an API we know");
        let (header, body) = (header.to_bytes(head), request.to_bytes(version));
        let mut bytes = BytesMut::new();
        bytes.extend_from_slice(&((header.len() + body.len()) as i32).to_be_bytes());
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&body);
        self.turn(vec![Event::Bytes { conn, bytes }]);
    }

    /// The next response on a connection, if it was sent. File parts are read and checked now; one that is bad is
    /// reported to the broker, and the error is returned.
    pub fn response<A: Message>(
        &mut self,
        conn: ConnId,
        version: i16,
    ) -> Option<Result<A, DiskError>> {
        let body = self.sent.get_mut(&conn)?.pop_front()?;
        let mut bytes = BytesMut::new();
        for part in body.parts {
            match part {
                Part::Memory(memory) => bytes.extend_from_slice(&memory),
                Part::File { log, generation, slice } => {
                    let read = self.platter.read(&slice.file, slice.at, u64::from(slice.len));
                    match read.and_then(|b| check_range(&b).map(|()| b)) {
                        Ok(read) => bytes.extend_from_slice(&read),
                        Err(error) => {
                            let told = error.clone();
                            self.turn(vec![Event::FileFailed { log, generation, slice, error }]);
                            return Some(Err(told));
                        }
                    }
                }
            }
        }
        let mut reader = Reader::new(bytes.freeze().slice(4..));
        let head = response_header_version(ApiKey(A::API_KEY), version).expect("an API we know");
        ResponseHeader::decode(&mut reader, head).expect("a header");
        Some(Ok(A::decode(&mut reader, version).expect("an answer")))
    }

    /// Sends a request and lets everything happen until it is answered.
    pub fn ask<M: Message, A: Message>(
        &mut self,
        request: &M,
        version: i16,
    ) -> Result<A, DiskError> {
        let conn = self.connect();
        self.send(conn, request, version);
        for _ in 0..100 {
            if let Some(answer) = self.response(conn, version) {
                return answer;
            }
            if !self.disk() {
                self.wait(1);
            }
        }
        panic!("no answer");
    }

    /// How many partitions the broker knows, that of the metadata among them, and how many logs its storage has.
    pub fn partitions_and_logs(&self) -> (usize, usize) {
        let node = self.shard.node();
        (node.partitions.len(), node.storage.holdings().logs)
    }

    /// Makes a topic with one partition.
    pub fn create(&mut self, name: &'static str, configs: &[(&'static str, &'static str)]) {
        let config = |&(name, value): &(&'static str, &'static str)| CreatableTopicConfig {
            name: name.into(),
            value: Some(value.into()),
            ..CreatableTopicConfig::default()
        };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let answer: CreateTopicsResponse = self.ask(&request, CREATE_TOPICS).expect("memory");
        assert_eq!(answer.topics[0].error_code, 0);
    }

    /// The values of a topic's records from `offset` on, as far as one fetch goes, by their offsets; or its error code.
    pub fn fetch(&mut self, topic: &'static str, offset: i64) -> Result<Fetched, DiskError> {
        let partition = FetchPartition {
            fetch_offset: offset,
            partition_max_bytes: 1 << 20,
            ..FetchPartition::default()
        };
        let topic =
            FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
        let request =
            FetchRequest { topics: vec![topic], max_bytes: 1 << 20, ..Default::default() };
        let mut answer: FetchResponse = self.ask(&request, FETCH)?;
        let data = answer.responses.remove(0).partitions.remove(0);
        let bytes = data.records.and_then(|r| r.contiguous()).unwrap_or_default();
        let mut records = Vec::new();
        let whole = |bytes| split(bytes).expect("whole batches");
        for batch in Some(bytes).filter(|b| !b.is_empty()).into_iter().flat_map(whole) {
            for record in batch.records(1 << 20).expect("opens") {
                let record = record.expect("a record");
                if record.offset >= offset {
                    let value = record.value.expect("a value");
                    records.push((record.offset, value));
                }
            }
        }
        Ok(Fetched { error: data.error_code, records })
    }
}

/// What a fetch brought.
#[derive(Debug, PartialEq, Eq)]
pub struct Fetched {
    pub error: i16,
    pub records: Vec<(i64, Bytes)>,
}

/// Produces one record.
pub fn produce(topic: &'static str, value: &[u8], acks: i16, timeout_ms: i32) -> ProduceRequest {
    produce_at(1_700_000_000_000, topic, value, acks, timeout_ms)
}

/// The same with this timestamp.
pub fn produce_at(
    at_ms: i64,
    topic: &'static str,
    value: &[u8],
    acks: i16,
    timeout_ms: i32,
) -> ProduceRequest {
    let mut batch = BatchBuilder::new(Codec::None);
    batch.push(at_ms, None, Some(value), &[]);
    let records = Records::from(batch.build_batch().into_bytes());
    let data = PartitionProduceData { records: Some(records), ..Default::default() };
    let topic =
        TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
    ProduceRequest { acks, timeout_ms, topic_data: vec![topic], ..ProduceRequest::default() }
}

/// An error of the disk of this kind.
pub fn error(kind: DiskErrorKind) -> DiskError {
    DiskError { kind, detail: "said for this story".into() }
}
