//! Lives of a real broker, recorded under clients of all kinds, killed, started again, and lived once more offline: every
//! turn must want the same of the world.

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
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    let lasts = std::env::var("SORDINI_RECORD_MS").map_or(400, |ms| ms.parse().expect("a number"));
    let lasts = Duration::from_millis(lasts);
    let lives = std::env::var("SORDINI_RECORD_LIVES").map_or(3, |n| n.parse().expect("a number"));
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
    let mut turns = 0;
    for n in 0..lives {
        let file = if n == 0 { life.clone() } else { scratch.path().join(format!("life.{n}")) };
        turns += replays(&file);
    }
    println!("{lives} lives, {turns} turns, each as it was");
    assert!(turns > 100, "{turns}");
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
