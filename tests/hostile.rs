//! Frames that no honest client sends: the broker neither dies nor grows, says no or hangs up, and serves the others.
//!
//! `SORDINI_HOSTILE_FRAMES` says how many (default 20,000).

use crate::broker::Broker;
use crate::wire::Wire;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sordini_core::api::TABLE;
use sordini_wire::message::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// Whole requests of each API and version that is served, with everything in them: those that Kafka's own encoder made
/// for the wire room's golden test.
fn valid() -> Vec<Bytes> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/core/wire/tests/data/golden.jsonl.gz");
    let file = std::fs::File::open(path).expect("Kafka's own bytes");
    let (mut frames, mut seen) = (Vec::new(), BTreeSet::new());
    for line in std::io::read_to_string(MultiGzDecoder::new(file)).expect("text").lines() {
        let vector: serde_json::Value = serde_json::from_str(line).expect("an object");
        let (key, version) = (vector["api_key"].as_i64(), vector["version"].as_i64());
        let row = TABLE.iter().find(|row| Some(i64::from(row.key)) == key);
        let Some((row, version)) = row.zip(version.and_then(|v| i16::try_from(v).ok())) else {
            continue;
        };
        let is_request = vector["message"].as_str().is_some_and(|name| name.ends_with("Request"));
        if is_request && row.versions.contains(&version) {
            frames.push(Wire::frame_of(7, row.key, version, &unhex(&vector["hex"])));
            seen.insert((row.key, version));
        }
    }
    for row in TABLE {
        for version in row.versions.clone() {
            assert!(seen.contains(&(row.key, version)), "no {} of version {version}", row.name);
        }
    }
    frames
}

fn unhex(hex: &serde_json::Value) -> Vec<u8> {
    let hex = hex.as_str().expect("hexadecimal digits");
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

/// A frame made worse.
fn spoil(frame: &[u8], rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bad = frame.to_vec();
    let below = |n: usize, rng: &mut ChaCha8Rng| rng.next_u32() as usize % n.max(1);
    match rng.next_u32() % 6 {
        // A prefix in a frame of its own.
        0 => {
            bad.truncate(4 + below(bad.len() - 4, rng));
            let length = (bad.len() - 4) as u32;
            bad[..4].copy_from_slice(&length.to_be_bytes());
        }
        // One byte of the body changed.
        1 | 2 => {
            let at = 4 + below(bad.len() - 4, rng);
            bad[at] ^= 1 << (rng.next_u32() % 8);
        }
        // Four bytes that claim a great length.
        3 => {
            let at = 12 + below(bad.len().saturating_sub(16), rng);
            let end = bad.len().min(at + 4);
            bad[at..end].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff][..end - at]);
        }
        // Noise for a body.
        4 => rng.fill_bytes(&mut bad[4..]),
        // A frame that claims to be endless, or to have less than no bytes.
        _ => {
            let length = if rng.next_u32().is_multiple_of(2) { i32::MAX } else { -1 };
            bad[..4].copy_from_slice(&length.to_be_bytes());
        }
    }
    bad
}

/// Sends a spoilt frame; whatever comes back within a moment is fine, and so is a closed connection.
fn attack(addr: SocketAddr, frames: &[Vec<u8>]) {
    let Ok(mut wire) = Wire::connect(addr, PATIENCE) else { panic!("the broker is gone") };
    for frame in frames {
        if wire.send_raw(frame).is_err() {
            return;
        }
    }
}

#[test]
fn hostile_frames_harm_nobody() {
    let frames: usize =
        std::env::var("SORDINI_HOSTILE_FRAMES").map_or(20_000, |n| n.parse().expect("a number"));
    let data = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::start(data.path(), &["--set", "auto.create.topics.enable=true"]);
    let mut bystander = Wire::connect(broker.addr, PATIENCE).expect("a connection");
    bystander.create("bystander").expect("created");
    let valid = valid();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // The first thousand warm the broker up: buffers, tables, a thread's stacks.
    let mut before = 0;
    let mut sent = 0;
    while sent < frames {
        if sent >= 1000 && before == 0 {
            before = broker.resident_kib();
        }
        let count = 1 + rng.next_u32() as usize % 4;
        let pick = |rng: &mut ChaCha8Rng| &valid[rng.next_u32() as usize % valid.len()];
        let spoilt: Vec<Vec<u8>> =
            (0..count).map(|_| spoil(pick(&mut rng).clone().as_ref(), &mut rng)).collect();
        attack(broker.addr, &spoilt);
        sent += count;
        if sent % 500 < count {
            let answer: ApiVersionsResponse =
                bystander.ask(&ApiVersionsRequest::default(), 0).expect("others are served");
            assert_eq!(answer.error_code, 0);
        }
    }
    let grown = broker.resident_kib().saturating_sub(before);
    println!("{sent} hostile frames, memory grew by {grown} KiB");
    assert!(grown <= 20 * 1024, "memory grew by {grown} KiB");
    bystander.create("bystander").expect("still there");
    broker.stop();
}
