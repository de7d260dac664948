//! Lives of a real broker, recorded under clients of all kinds, killed, started again, and lived once more offline: every
//! turn must want the same of the world.
//!
//! `SORDINI_RECORD_LIVES` says how many lives (default 3), `SORDINI_RECORD_MS` how long each is (default 400, with clients that
//! nobody here wrote 2000). Ten minutes of them: `SORDINI_RECORD_LIVES=10 SORDINI_RECORD_MS=60000 cargo test --test house record`.

use crate::broker::Broker;
use crate::wire::Wire;
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::Records;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(20);

fn replay(recording: &Path) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_sordini"));
    program.args(["sim", "replay"]).arg(recording).output().expect("the program runs")
}

/// Replays a recording, which must do as it did; how many turns it had.
fn replays(recording: &Path) -> u64 {
    let out = replay(recording);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    said.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{said}"))
}

/// Appends batches of all sizes to every partition until told to stop or until the broker is gone.
fn produce(addr: SocketAddr, topic: &'static str, stop: &AtomicBool) {
    let Ok(mut wire) = Wire::connect(addr, PATIENCE) else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as i64;
    for n in 0_u64.. {
        let mut builder = BatchBuilder::new(if n % 5 == 0 { Codec::Lz4 } else { Codec::None });
        for record in 0..1 + n % 4 {
            let value = vec![record as u8; (n * 37 % 3000) as usize];
            builder.push(now, None, Some(&value), &[]);
        }
        let data = PartitionProduceData {
            index: (n % 3) as i32,
            records: Some(Records::from(builder.build())),
            ..Default::default()
        };
        let topic_data = vec![TopicProduceData {
            name: topic.into(),
            partition_data: vec![data],
            ..Default::default()
        }];
        let request =
            ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data, ..Default::default() };
        if stop.load(Ordering::Relaxed) || wire.send(&request, 9).is_err() {
            return;
        }
        let Ok::<ProduceResponse, _>(_) = wire.receive(9) else { return };
    }
}

/// Reads everything again and again.
fn consume(addr: SocketAddr, topic: &'static str, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut wire) = Wire::connect(addr, PATIENCE) else { return };
        for partition in 0..3 {
            if wire.read_all(topic, partition).is_err() {
                return;
            }
        }
    }
}

/// Clients work on the broker for a while.
fn work(addr: SocketAddr, lasts: Duration) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for topic in ["one", "two"] {
            scope.spawn(|| produce(addr, topic, &stop));
            scope.spawn(|| consume(addr, topic, &stop));
        }
        std::thread::sleep(lasts);
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn every_life_of_a_broker_is_replayed_turn_by_turn_after_kills_and_restarts() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (data, life) = (scratch.path().join("data"), scratch.path().join("life"));
    let record = life.to_str().expect("text");
    let args = ["--record", record, "--set", "num.partitions=3", "--set", "journal.bytes=33554432"];
    let (lives, lasts) = lives(400);
    for n in 0..lives {
        let broker = Broker::start(&data, &args);
        let mut wire = Wire::connect(broker.addr, PATIENCE).expect("a connection");
        for topic in ["one", "two", "gone"] {
            // Known from an earlier life, or new.
            let _ = wire.create(topic);
        }
        let gone = DeleteTopicState { name: Some("gone".into()), ..Default::default() };
        let request = DeleteTopicsRequest {
            topics: vec![gone],
            topic_names: vec!["gone".into()],
            timeout_ms: 10_000,
            ..Default::default()
        };
        let _: sordini_wire::message::delete_topics::DeleteTopicsResponse =
            wire.ask(&request, 5).expect("an answer");
        work(broker.addr, lasts);
        if n + 1 == lives { broker.stop() } else { broker.kill() }
    }
    all_replay(scratch.path(), lives);
}

/// How many lives, and how long each.
fn lives(default_ms: u64) -> (u64, Duration) {
    let number = |name, default| {
        std::env::var(name).map_or(default, |n| n.parse().expect("a number in the environment"))
    };
    let lasts = Duration::from_millis(number("SORDINI_RECORD_MS", default_ms));
    (number("SORDINI_RECORD_LIVES", 3), lasts)
}

/// Replays the recordings of all lives.
fn all_replay(dir: &Path, lives: u64) {
    let mut turns = 0;
    for n in 0..lives {
        let file = if n == 0 { "life".to_owned() } else { format!("life.{n}") };
        turns += replays(&dir.join(file));
    }
    println!("{lives} lives, {turns} turns, each as it was");
    assert!(turns > 100, "{turns}");
}

#[test]
fn real_clients_live_through_kills_and_every_life_is_replayed_turn_by_turn() {
    let python = crate::clients::set_up();
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (data, life) = (scratch.path().join("data"), scratch.path().join("life"));
    let args = ["--record", life.to_str().expect("text"), "--set", "num.partitions=3"];
    let (lives, lasts) = lives(2000);
    let mut broker = Broker::start(&data, &args);
    let addr = broker.addr.to_string();
    Wire::connect(broker.addr, PATIENCE).expect("a connection").create("life").expect("created");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/life.py");
    let seconds = (lasts * lives as u32).as_secs_f64().to_string();
    let mut clients = Command::new(python);
    let clients = clients.arg(script).args([&addr, &seconds]).stdout(Stdio::piped()).spawn();
    let clients = clients.expect("the clients start");
    for n in 1..lives {
        kcat(&addr, lasts);
        broker.kill();
        broker = Broker::start_at(&addr, &data, &args);
        println!("life {n} begins");
    }
    kcat(&addr, lasts);
    let out = clients.wait_with_output().expect("the clients end");
    print!("{}", String::from_utf8_lossy(&out.stdout));
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    broker.stop();
    all_replay(scratch.path(), lives);
}

/// Lets kcat write and read again and again for a while.
fn kcat(addr: &str, lasts: Duration) {
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        let said = format!(
            "echo hello | timeout 5 kcat -b {addr} -P -t kcat && timeout 5 kcat -b {addr} -C -t kcat -e -q"
        );
        let out = Command::new("bash").args(["-c", &said]).output().expect("bash runs");
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(said.contains("hello"), "{said}{}", String::from_utf8_lossy(&out.stderr));
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn a_recording_that_was_changed_is_not_what_happened() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let life = scratch.path().join("life");
    let record = life.to_str().expect("text");
    let broker = Broker::start(&scratch.path().join("data"), &["--record", record]);
    work(broker.addr, Duration::from_millis(50));
    broker.stop();
    let mut bytes = std::fs::read(&life).expect("a recording");
    // The hash of the third record: records begin with their length and their CRC.
    let at = (0..2).fold(8, |at: usize, _| {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        at + 8 + len as usize
    });
    let len = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
    bytes[at + 9] ^= 1;
    let crc = crc32(&bytes[at + 8..at + 8 + len]);
    bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&life, bytes).expect("written");
    let out = replay(&life);
    let said = String::from_utf8_lossy(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("FAILED turn 1 "), "{said}");
}

/// The CRC of Ethernet, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
