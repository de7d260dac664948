//! kill -9 under load: what was acknowledged is there, once, at its offset, whatever moment the process died in.
//!
//! `SORDINI_KILL_ROUNDS` says how often (default 12), `SORDINI_KILL_RESTART_MS` how long a restart may take (default 5000, since tests
//! share their machine with others; the measure is 300 on a quiet one), `SORDINI_KILL_DIR` where the data lies (default: a scratch
//! directory). If `SORDINI_KILL_CTL` names a control file, `crash SEED` is written to it after each kill: that is
//! how a file system which loses power takes part.

use crate::broker::Broker;
use crate::wire::Wire;
use bytes::Bytes;
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::Records;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Batches that an idempotent producer has in flight.
const IN_FLIGHT: usize = 5;
const VERSION: i16 = 9;
const PATIENCE: Duration = Duration::from_secs(30);

/// A batch and what became of it.
#[derive(Clone, Debug)]
struct Sent {
    /// Value of its first record; the others count on from it.
    first: u64,
    count: u64,
    /// The offset that was acknowledged.
    base: Option<i64>,
}

fn produce(topic: &str, partition: i32, batch: Bytes) -> ProduceRequest {
    let data = PartitionProduceData {
        index: partition,
        records: Some(Records::from(batch)),
        ..PartitionProduceData::default()
    };
    let topic_data = vec![TopicProduceData {
        name: topic.into(),
        partition_data: vec![data],
        ..TopicProduceData::default()
    }];
    ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data, ..ProduceRequest::default() }
}

/// Records from now: older ones would be retention's.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_millis() as i64
}

/// One producer, on a partition of its own.
struct Producer {
    addr: SocketAddr,
    topic: &'static str,
    partition: i32,
    /// Producer id, if idempotent.
    id: Option<i64>,
    next: u64,
    sent: Vec<Sent>,
}

impl Producer {
    fn batch(&self, sent: &Sent) -> Bytes {
        let mut builder = BatchBuilder::new(Codec::None);
        if let Some(id) = self.id {
            builder = builder.producer(id, 0, sent.first as i32);
        }
        for n in sent.first..sent.first + sent.count {
            builder.push(now_ms(), None, Some(format!("{n:010}").as_bytes()), &[]);
        }
        builder.build()
    }

    /// Produces until told to stop, over as many connections as it takes.
    fn run(mut self, stop: &AtomicBool) -> Vec<Sent> {
        let mut waiting: VecDeque<Sent> = VecDeque::new();
        while !stop.load(Ordering::Relaxed) || (self.id.is_some() && !waiting.is_empty()) {
            let Ok(mut wire) = Wire::connect(self.addr, PATIENCE) else { continue };
            if self.id.is_none() {
                // Whether these arrived nobody knows: a plain producer goes on with others.
                self.sent.extend(waiting.drain(..));
            }
            let _ = self.talk(&mut wire, &mut waiting, stop);
        }
        self.sent.extend(waiting);
        self.sent
    }

    /// One connection: sends again what is unanswered, then goes on.
    fn talk(
        &mut self,
        wire: &mut Wire,
        waiting: &mut VecDeque<Sent>,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        for sent in waiting.iter() {
            wire.send(&produce(self.topic, self.partition, self.batch(sent)), VERSION)?;
        }
        let depth = if self.id.is_some() { IN_FLIGHT } else { 1 };
        loop {
            while waiting.len() < depth && !stop.load(Ordering::Relaxed) {
                let sent = Sent { first: self.next, count: 1 + self.next % 7, base: None };
                self.next += sent.count;
                let request = produce(self.topic, self.partition, self.batch(&sent));
                waiting.push_back(sent);
                wire.send(&request, VERSION)?;
            }
            if waiting.is_empty() {
                return Ok(());
            }
            let answer: ProduceResponse = wire.receive(VERSION)?;
            let part = &answer.responses[0].partition_responses[0];
            let mut sent = waiting.pop_front().expect("an answer to something");
            if part.error_code != 0 {
                let last = self.sent.last();
                let mut wire = Wire::connect(self.addr, PATIENCE)?;
                let there = wire.read_all(self.topic, self.partition)?;
                panic!(
                    "{}-{}: error {} for {sent:?}; acknowledged last: {last:?}; waiting {waiting:?}; \
                     there: {:?}",
                    self.topic,
                    self.partition,
                    part.error_code,
                    &there[there.len().saturating_sub(30)..]
                );
            }
            sent.base = Some(part.base_offset);
            self.sent.push(sent);
        }
    }
}

/// Compares what is there with what was acknowledged. Returns (records, acknowledged records).
fn verify(wire: &mut Wire, topic: &str, partition: i32, once: bool, sent: &[Sent]) -> (u64, u64) {
    let records = wire.read_all(topic, partition).expect("everything can be read");
    for (at, (offset, _)) in records.iter().enumerate() {
        assert_eq!(*offset, at as i64, "{topic}-{partition}: offsets are dense");
    }
    let value = |n: u64| Bytes::from(format!("{n:010}"));
    let mut acknowledged = 0;
    for s in sent {
        let Some(base) = s.base else { continue };
        acknowledged += s.count;
        for i in 0..s.count {
            let found = records.get((base as u64 + i) as usize);
            let found = found.unwrap_or_else(|| panic!("{topic}-{partition}: {s:?} is lost"));
            assert_eq!(found.1, value(s.first + i), "{topic}-{partition}: {s:?}");
        }
    }
    let mut seen: Vec<&Bytes> = records.iter().map(|r| &r.1).collect();
    if once {
        let all: Vec<Bytes> = (0..records.len() as u64).map(value).collect();
        assert!(seen.iter().copied().eq(&all), "{topic}-{partition}: each once, in order");
    } else {
        let count = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), count, "{topic}-{partition}: a plain producer that never retries");
    }
    (records.len() as u64, acknowledged)
}

#[test]
fn nothing_acknowledged_is_lost_to_kill_9() {
    let number = |name, default| std::env::var(name).map_or(default, |n| n.parse().expect(name));
    let rounds: u64 = number("SORDINI_KILL_ROUNDS", 12);
    let restart_max = Duration::from_millis(number("SORDINI_KILL_RESTART_MS", 5000));
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let dir = std::env::var_os("SORDINI_KILL_DIR").map(PathBuf::from);
    let data = dir.unwrap_or_else(|| scratch.path().to_path_buf()).join("data");
    let ctl = std::env::var_os("SORDINI_KILL_CTL").map(PathBuf::from);
    let args = ["--set", "journal.bytes=33554432", "--set", "num.partitions=4"];
    let mut broker = Broker::start(&data, &args);
    let addr = broker.addr;
    let mut wire = Wire::connect(addr, PATIENCE).expect("a connection");
    assert_eq!(wire.create("plain").expect("created"), 4);
    assert_eq!(wire.create("idempotent").expect("created"), 4);
    let stop = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for partition in 0..4 {
        for topic in ["plain", "idempotent"] {
            let id = (topic == "idempotent").then(|| {
                let answer: InitProducerIdResponse = wire
                    .ask(&InitProducerIdRequest { transactional_id: None, ..Default::default() }, 2)
                    .expect("an id");
                answer.producer_id
            });
            let producer = Producer { addr, topic, partition, id, next: 0, sent: Vec::new() };
            let stop = stop.clone();
            threads.push((topic, partition, std::thread::spawn(move || producer.run(&stop))));
        }
    }
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        std::thread::sleep(Duration::from_millis(40 + (round * 37) % 160));
        broker.kill();
        if let Some(ctl) = &ctl {
            std::fs::write(ctl, format!("crash {round}")).expect("the file system loses power");
        }
        broker = Broker::start_at(&addr.to_string(), &data, &args);
        slowest = slowest.max(broker.ready_after);
    }
    std::thread::sleep(Duration::from_millis(100));
    stop.store(true, Ordering::Relaxed);
    let mut wire = Wire::connect(addr, PATIENCE).expect("a connection");
    let (mut records, mut acknowledged) = (0, 0);
    for (topic, partition, thread) in threads {
        let sent = thread.join().expect("a producer ends");
        let (r, a) = verify(&mut wire, topic, partition, topic == "idempotent", &sent);
        records += r;
        acknowledged += a;
    }
    println!(
        "{rounds} kills, {acknowledged} records acknowledged, {records} there, none lost, \
         slowest restart {} ms",
        slowest.as_millis()
    );
    assert!(acknowledged > 0);
    assert!(slowest <= restart_max, "a restart took {slowest:?}, expected at most {restart_max:?}");
    broker.stop();
}
