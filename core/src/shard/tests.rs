//! A shard and the world around it, driven by hand: two that live the same are the same; what a topic takes.

use super::Shard;
use crate::config::broker::BrokerConfig;
use crate::limits::Limits;
use crate::seam::{
    CloseReason, Completion, ConnId, DiskError, DiskErrorKind, DiskOp, DiskResult, Event,
    ListenerId, Machine, Mono, NetOp, Now, Outbox, Part, Wall,
};
use bytes::{Bytes, BytesMut};
use sordini_log::StorageConfig;
use sordini_log::disk::{Data, DirEntry, DiskOk, OpKind};
use sordini_wire::api::{ApiKey, request_header_version, response_header_version};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::Message;
use sordini_wire::message::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use sordini_wire::message::fetch::{FetchPartition, FetchRequest, FetchTopic};
use sordini_wire::message::header::{RequestHeader, ResponseHeader};
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::{Reader, Records, Writer};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const PRODUCE: i16 = 9;
const FETCH: i16 = 12;
const CREATE_TOPICS: i16 = 5;
const MESSAGE_TOO_LARGE: i16 = 10;
const CONN: ConnId = ConnId(1);

/// A disk that does at once what is asked, as far as these stories ask.
#[derive(Default)]
struct Files {
    dirs: BTreeSet<String>,
    files: BTreeMap<String, Vec<u8>>,
}

impl Files {
    fn run(&mut self, kind: &OpKind) -> DiskResult {
        let missing = |detail: String| Err(DiskError { kind: DiskErrorKind::NotFound, detail });
        match kind {
            OpKind::Create { file, len } => {
                self.files.insert(file.path(), vec![0; *len as usize]);
            }
            OpKind::Write { file, at, data, .. } => {
                let bytes = self.files.entry(file.path()).or_default();
                let end = (at + data.len()) as usize;
                bytes.resize(bytes.len().max(end), 0);
                let data: Vec<u8> = match data {
                    Data::Blocks(blocks) => blocks.iter().flat_map(|b| b.0).collect(),
                    Data::Slices(slices) => slices.concat(),
                };
                bytes[*at as usize..end].copy_from_slice(&data);
            }
            OpKind::MakeDir { dir } => _ = self.dirs.insert(dir.path()),
            OpKind::List { dir } if !dir.path().is_empty() && !self.dirs.contains(&dir.path()) => {
                return missing(dir.path());
            }
            OpKind::List { .. } => return Ok(DiskOk::Entries(Vec::<DirEntry>::new())),
            OpKind::Sync { .. } | OpKind::SyncDir { .. } | OpKind::Truncate { .. } => {}
            other => panic!("no story asks for {other:?}"),
        }
        Ok(DiskOk::Unit)
    }
}

/// What a shard is told: an event, or that the turn is over.
#[derive(Clone, Debug)]
enum Told {
    Event(Now, Event),
    Flush(Now),
}

impl Told {
    fn tell(&self, shard: &mut Shard, out: &mut Outbox) {
        match self {
            Told::Event(now, event) => shard.step(*now, event.clone(), out),
            Told::Flush(now) => shard.flush(*now, out),
        }
    }
}

fn shard(seed: u8) -> Shard {
    let config = BrokerConfig::new(BTreeMap::new()).expect("nothing is given");
    Shard::new(config, Limits::default(), StorageConfig::default(), [seed; 32])
}

/// A shard, its disk, and a connection to it.
struct Rig {
    shard: Shard,
    files: Files,
    now: Now,
    /// Everything that the shard was told.
    told: Vec<Told>,
    answers: VecDeque<Bytes>,
}

impl Rig {
    /// A shard that listens, and a connection.
    fn new() -> Rig {
        let now = Now { mono: Mono(0), wall: Wall(1_700_000_000_000), disk_free: 1 << 50 };
        let (files, told, answers) = (Files::default(), Vec::new(), VecDeque::new());
        let mut rig = Rig { shard: shard(7), files, now, told, answers };
        rig.turn(Event::Boot);
        rig.turn(opened(CONN));
        rig
    }

    /// A turn with one event, and those of the completions that follow from it.
    fn turn(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        let mut out = Outbox::default();
        while let Some(event) = events.pop_front() {
            for told in [Told::Event(self.now, event), Told::Flush(self.now)] {
                told.tell(&mut self.shard, &mut out);
                self.told.push(told);
            }
            for DiskOp { kind, done } in out.disk.drain(..) {
                let result = self.files.run(&kind);
                events.push_back(Event::Disk(Completion { done, result }));
            }
            for op in out.net.drain(..) {
                if let NetOp::Send { body, .. } = op {
                    let [Part::Memory(frame)] = &body.parts[..] else { panic!("all is in memory") };
                    self.answers.push_back(frame.slice(4..));
                }
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now.mono = self.now.mono.after_ms(ms);
        self.now.wall.0 += ms as i64;
        self.turn(Event::Tick);
    }

    fn send<M: Message>(&mut self, request: &M, version: i16) {
        self.turn(Event::Bytes { conn: CONN, bytes: frame(request, version) });
    }

    fn ask<Q: Message, A: Message>(&mut self, request: &Q, version: i16) -> A {
        self.send(request, version);
        let mut reader = Reader::new(self.answers.pop_front().expect("an answer"));
        let header = response_header_version(ApiKey(A::API_KEY), version).expect("known");
        ResponseHeader::decode(&mut reader, header).expect("a header");
        A::decode(&mut reader, version).expect("an answer")
    }

    /// A topic of one partition.
    fn create(&mut self, topic: &str, configs: &[(&str, &str)]) {
        let config = |(name, value): &(&str, &str)| CreatableTopicConfig {
            name: (*name).into(),
            value: Some((*value).into()),
            ..Default::default()
        };
        let topic = CreatableTopic {
            name: topic.into(),
            num_partitions: 1,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let answer: CreateTopicsResponse = self.ask(&request, CREATE_TOPICS);
        assert_eq!(answer.topics[0].error_code, 0);
    }

    /// Produces a batch; the error.
    fn produce(&mut self, topic: &str, batch: Bytes) -> i16 {
        let answer: ProduceResponse = self.ask(&produce(topic, batch), PRODUCE);
        answer.responses[0].partition_responses[0].error_code
    }
}

fn opened(conn: ConnId) -> Event {
    let peer = "127.0.0.1:1".parse().expect("an address");
    Event::Opened { conn, listener: ListenerId(0), peer }
}

fn frame<M: Message>(request: &M, version: i16) -> BytesMut {
    let mut out = Writer::frame();
    let header = RequestHeader {
        request_api_key: M::API_KEY,
        request_api_version: version,
        correlation_id: 1,
        ..RequestHeader::default()
    };
    let header_version = request_header_version(ApiKey(M::API_KEY), version).expect("known");
    header.encode(&mut out, header_version);
    request.encode(&mut out, version);
    BytesMut::from(&out.finish_joined()[..])
}

fn batch(codec: Codec, sequence: i32, value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(codec).producer(5, 0, sequence);
    builder.push(1_700_000_000_000, None, Some(value), &[]);
    builder.build()
}

fn produce(topic: &str, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData { records: Some(Records::from(batch)), ..Default::default() };
    let topic =
        TopicProduceData { name: topic.into(), partition_data: vec![data], ..Default::default() };
    ProduceRequest { acks: -1, timeout_ms: 1000, topic_data: vec![topic], ..Default::default() }
}

fn fetch(topic: &str, offset: i64) -> FetchRequest {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: 1 << 20, ..Default::default() };
    let topic =
        FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest {
        topics: vec![topic],
        max_wait_ms: 500,
        min_bytes: 1,
        max_bytes: 1 << 20,
        session_epoch: 0,
        ..Default::default()
    }
}

/// A bit of everything: boot, topics, batches, duplicates, half a frame, a fetch that waits and one that is answered, time, a goodbye.
fn life() -> Vec<Told> {
    let mut rig = Rig::new();
    rig.create("orders", &[]);
    for sequence in [0, 1, 1, 9] {
        rig.produce("orders", batch(Codec::None, sequence, b"value"));
    }
    let mut half = frame(&produce("orders", batch(Codec::Lz4, 2, b"in two pieces")), PRODUCE);
    let rest = half.split_off(half.len() / 2);
    rig.send(&fetch("orders", 0), FETCH);
    rig.send(&fetch("orders", 2), FETCH);
    rig.turn(opened(ConnId(2)));
    for bytes in [half, rest] {
        rig.turn(Event::Bytes { conn: ConnId(2), bytes });
    }
    rig.turn(Event::Sent { conn: CONN, bytes: 10 });
    rig.wait(1500);
    rig.turn(Event::Closed { conn: ConnId(2), why: CloseReason::Peer });
    rig.told
}

#[test]
fn shards_that_were_told_the_same_have_the_same_digest_and_so_have_their_clones() {
    let (mut one, mut other) = (shard(7), shard(7));
    let mut digests = BTreeSet::new();
    let life = life();
    for told in &life {
        let mut clone = one.clone();
        for shard in [&mut one, &mut other, &mut clone] {
            told.tell(shard, &mut Outbox::default());
        }
        assert_eq!(one.digest(), other.digest(), "{told:?}");
        assert_eq!(one.digest(), clone.digest(), "{told:?}");
        // From time to time a clone goes on instead.
        if digests.insert(one.digest()) && digests.len().is_multiple_of(3) {
            other = clone;
        }
    }
    assert!(digests.len() > life.len() / 3, "{} states in {} steps", digests.len(), life.len());
    assert_ne!(shard(7).digest(), shard(8).digest(), "chance to come is state");
}

#[test]
fn one_other_event_makes_another_digest() {
    let mut shard = shard(7);
    life().iter().for_each(|told| told.tell(&mut shard, &mut Outbox::default()));
    let now =
        Now { mono: Mono(0).after_ms(1500), wall: Wall(1_700_000_001_500), disk_free: 1 << 50 };
    let bytes = |request| Event::Bytes { conn: CONN, bytes: frame(&request, PRODUCE) };
    let next = [
        opened(ConnId(3)),
        opened(ConnId(4)),
        Event::Bytes { conn: CONN, bytes: BytesMut::from(&[0][..]) },
        bytes(produce("orders", batch(Codec::None, 3, b"one"))),
        bytes(produce("orders", batch(Codec::None, 3, b"two"))),
        bytes(produce("orders", batch(Codec::None, 4, b"one"))),
        Event::Sent { conn: CONN, bytes: 1 },
        Event::Closed { conn: CONN, why: CloseReason::Peer },
        Event::Shutdown,
    ];
    let mut digests = BTreeSet::from([shard.digest()]);
    for event in next {
        let mut then = shard.clone();
        then.step(now, event.clone(), &mut Outbox::default());
        assert!(digests.insert(then.digest()), "{event:?} leaves no trace");
    }
}

#[test]
fn a_batch_that_outgrows_its_topic_when_it_is_recompressed_is_refused() {
    let mut rig = Rig::new();
    rig.create("plain", &[("compression.type", "uncompressed")]);
    rig.create("as-it-comes", &[]);
    for (sequence, bytes) in [1_500_000, 15_000_000].into_iter().enumerate() {
        let long = batch(Codec::Zstd, sequence as i32, &vec![b'x'; bytes]);
        assert!(long.len() < 10_000, "it comes as {} bytes", long.len());
        assert_eq!(rig.produce("plain", long.clone()), MESSAGE_TOO_LARGE);
        assert_eq!(rig.produce("as-it-comes", long), 0);
    }
    // Refused is not remembered: the sequence goes on where it was.
    assert_eq!(rig.produce("plain", batch(Codec::Zstd, 0, &[b'x'; 1_000_000])), 0);
}
