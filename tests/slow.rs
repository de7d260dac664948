//! Consumers that ask and do not read: they cost a bounded amount of memory and nobody else's time.
//!
//! What they ask for comes from the files (`cold`) and from memory (`hot`): who sleeps on an answer out of memory keeps it
//! there after the broker itself would have let go of it.

use crate::broker::Broker;
use crate::wire::Wire;
use bytes::Bytes;
use sordini_wire::batch::{BatchBuilder, split_prefix};
use sordini_wire::codec::Codec;
use sordini_wire::message::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::Records;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(20);
const VERSION: i16 = 11;
/// Those who sleep on what is in files.
const COLD: usize = 24;
/// Those who sleep on what is in memory, each beginning at another moment.
const HOT: usize = 9;
/// Bytes that each request of theirs allows the broker to answer.
const ASKED_BYTES: i32 = 50 << 20;
/// Requests that each of them sends ahead.
const REQUESTS: usize = 40;
/// Bytes of the batches that they sleep on.
const BATCH_BYTES: usize = 900_000;
/// So many of them are written before anybody asks: more than the broker keeps in memory.
const BATCHES: usize = 160;
/// So many more for each of those who sleep on what is in memory: as much as one request of theirs asks for.
const WINDOW: usize = ASKED_BYTES as usize / BATCH_BYTES;

/// What they may cost: all chunks of files together, and a full queue for each of the hot.
const GROWTH_MAX: u64 = (64 << 20) + HOT as u64 * (8 << 20) + (24 << 20);

fn produce(wire: &mut Wire, topic: &str, value: &[u8]) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    let mut batch = BatchBuilder::new(Codec::None);
    batch.push(now, None, Some(value), &[]);
    let data = PartitionProduceData {
        records: Some(Records::from(batch.build())),
        ..PartitionProduceData::default()
    };
    let topic_data = vec![TopicProduceData {
        name: topic.into(),
        partition_data: vec![data],
        ..TopicProduceData::default()
    }];
    let request = ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data, ..Default::default() };
    let answer: ProduceResponse = wire.ask(&request, 9).expect("an answer");
    let part = &answer.responses[0].partition_responses[0];
    assert_eq!(part.error_code, 0, "{topic}");
    part.base_offset
}

fn fetch(topic: &str, offset: i64, bytes: i32) -> FetchRequest {
    let partitions = vec![FetchPartition {
        fetch_offset: offset,
        partition_max_bytes: bytes,
        ..FetchPartition::default()
    }];
    let topics = vec![FetchTopic { topic: topic.into(), partitions, ..FetchTopic::default() }];
    FetchRequest { topics, max_bytes: bytes, min_bytes: 1, ..FetchRequest::default() }
}

/// Sends fetches from these offsets ahead and reads nothing.
fn sleeper(addr: SocketAddr, offsets: impl Iterator<Item = usize>) -> Wire {
    let mut wire = Wire::connect(addr, PATIENCE).expect("a connection");
    for offset in offsets {
        wire.send(&fetch("heavy", offset as i64, ASKED_BYTES), VERSION).expect("it is taken");
    }
    wire
}

/// The same, behind a fetch that waits for news for a long time: the answers must wait for their turn.
fn behind(addr: SocketAddr, offsets: impl Iterator<Item = usize>) -> Wire {
    let mut wire = Wire::connect(addr, PATIENCE).expect("a connection");
    let news = FetchRequest { max_wait_ms: 60_000, ..fetch("silent", 0, 4096) };
    wire.send(&news, VERSION).expect("it is taken");
    for offset in offsets {
        wire.send(&fetch("heavy", offset as i64, ASKED_BYTES), VERSION).expect("it is taken");
    }
    wire
}

/// Sends fetches ahead that wait for a long time for a little more than they allow.
fn waiting(addr: SocketAddr, offsets: impl Iterator<Item = usize>) -> Wire {
    let mut wire = Wire::connect(addr, PATIENCE).expect("a connection");
    for offset in offsets {
        let some = fetch("heavy", offset as i64, 7 << 20);
        let more = FetchRequest { max_wait_ms: 60_000, min_bytes: 8 << 20, ..some };
        wire.send(&more, VERSION).expect("it is taken");
    }
    wire
}

/// How long a neighbour waits for a record to be written and to be read: the median and the longest of many.
fn round_trips(wire: &mut Wire) -> (Duration, Duration) {
    let mut times: Vec<_> = (0..300u32)
        .map(|n| {
            let start = Instant::now();
            let at = produce(wire, "light", &n.to_be_bytes());
            let answer: FetchResponse = wire.ask(&fetch("light", at, 4096), VERSION).expect("read");
            assert_eq!(values(answer)[0], n.to_be_bytes().as_slice());
            start.elapsed()
        })
        .collect();
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

/// The values in an answer.
fn values(mut answer: FetchResponse) -> Vec<Bytes> {
    let part = answer.responses.remove(0).partitions.remove(0);
    assert_eq!(part.error_code, 0);
    let bytes = part.records.and_then(|r| r.contiguous()).unwrap_or_default();
    let (batches, _) = split_prefix(bytes).expect("sound batches");
    let values = batches.iter().flat_map(|batch| {
        batch.check_crc().expect("a right checksum");
        let records = batch.records(1 << 26).expect("records that can be opened");
        records.map(|r| r.expect("a sound record").value.unwrap_or_default()).collect::<Vec<_>>()
    });
    values.collect()
}

/// The value of a heavy batch says which it is.
fn heavy(n: usize) -> Vec<u8> {
    let mut value = vec![n as u8; BATCH_BYTES];
    value[..8].copy_from_slice(&(n as u64).to_be_bytes());
    value
}

#[test]
fn consumers_that_do_not_read_cost_bounded_memory_and_nobody_elses_time() {
    let data = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::start(data.path(), &[]);
    let mut wire = Wire::connect(broker.addr, PATIENCE).expect("a connection");
    wire.create("heavy").expect("created");
    wire.create("light").expect("created");
    wire.create("silent").expect("created");
    for n in 0..BATCHES {
        assert_eq!(produce(&mut wire, "heavy", &heavy(n)), n as i64);
    }
    // The broker's own caches are full before anything is measured.
    let quiet = round_trips(&mut wire);
    let before = broker.resident_kib();
    let grown = || broker.resident_kib().saturating_sub(before) << 10;
    let again = |from| std::iter::repeat_n(from, REQUESTS);
    let mut cold: Vec<_> = (0..COLD).map(|_| sleeper(broker.addr, again(0))).collect();
    let mut hot = Vec::new();
    let mut grown_max = grown();
    for window in 0..HOT {
        let from = BATCHES + window * WINDOW;
        for n in from..from + WINDOW {
            produce(&mut wire, "heavy", &heavy(n));
            grown_max = grown_max.max(grown());
        }
        let each = from..from + REQUESTS;
        hot.push(match window % 3 {
            0 => (from, sleeper(broker.addr, again(from))),
            1 => (from, behind(broker.addr, each)),
            _ => (from, waiting(broker.addr, each)),
        });
    }
    let beside = round_trips(&mut wire);
    grown_max = grown_max.max(grown());
    println!(
        "{} sleepers: memory grew by {} MiB of {} that are allowed; round trips (median, longest) \
         {quiet:?} before, {beside:?} beside them",
        COLD + HOT,
        grown_max >> 20,
        GROWTH_MAX >> 20
    );
    assert!(grown_max <= GROWTH_MAX, "memory grew by {} MiB", grown_max >> 20);
    assert!(beside.0 <= 3 * quiet.0 + Duration::from_millis(10), "{quiet:?}, then {beside:?}");
    // Who wakes up finds what was asked for.
    for (from, wire) in [(0, &mut cold[0]), (hot[0].0, &mut hot[0].1)] {
        for _ in 0..2 {
            let values = values(wire.receive(VERSION).expect("an answer"));
            assert!(values.len() > 1, "{} batches", values.len());
            for (n, value) in values.iter().enumerate() {
                assert!(*value == heavy(from + n), "batch {n} from {from}");
            }
        }
    }
    drop((cold, hot));
    broker.stop();
}
