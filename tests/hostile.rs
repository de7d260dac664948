//! Frames that no honest client sends: the broker neither dies nor grows, says no or hangs up, and serves the others.
//!
//! `SORDINI_HOSTILE_FRAMES` says how many (default 20,000).

use crate::broker::Broker;
use crate::wire::Wire;
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sordini_wire::message::{
    Message, alter_configs::*, api_versions::*, create_partitions::*, create_topics::*,
    delete_records::*, delete_topics::*, describe_cluster::*, describe_configs::*,
    describe_log_dirs::*, describe_topic_partitions::*, fetch::*, incremental_alter_configs::*,
    init_producer_id::*, list_offsets::*, metadata::*, offset_for_leader_epoch::*, produce::*,
};
use std::net::SocketAddr;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);

/// A valid frame of each API and version.
fn valid() -> Vec<Bytes> {
    fn each<M: Message + Default>(request: M, into: &mut Vec<Bytes>) {
        into.extend(M::VERSIONS.map(|version| Wire::frame(7, &request, version)));
    }
    let mut all = Vec::new();
    let topic = || vec![TopicProduceData { name: "hostile".into(), ..Default::default() }];
    each(ProduceRequest { topic_data: topic(), acks: -1, ..Default::default() }, &mut all);
    each(FetchRequest { topics: vec![FetchTopic::default()], ..Default::default() }, &mut all);
    each(ListOffsetsRequest { topics: vec![Default::default()], ..Default::default() }, &mut all);
    each(MetadataRequest { topics: Some(vec![]), ..Default::default() }, &mut all);
    each(ApiVersionsRequest::default(), &mut all);
    each(CreateTopicsRequest { topics: vec![Default::default()], ..Default::default() }, &mut all);
    each(DeleteTopicsRequest::default(), &mut all);
    each(DeleteRecordsRequest { topics: vec![Default::default()], ..Default::default() }, &mut all);
    each(InitProducerIdRequest::default(), &mut all);
    each(OffsetForLeaderEpochRequest::default(), &mut all);
    each(DescribeConfigsRequest::default(), &mut all);
    each(AlterConfigsRequest::default(), &mut all);
    each(IncrementalAlterConfigsRequest::default(), &mut all);
    each(DescribeLogDirsRequest::default(), &mut all);
    each(CreatePartitionsRequest::default(), &mut all);
    each(DescribeClusterRequest::default(), &mut all);
    each(DescribeTopicPartitionsRequest::default(), &mut all);
    all
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
