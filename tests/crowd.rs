//! More clients than fit: they wait at the door, and cost those inside nothing.

use crate::broker::Broker;
use crate::wire::Wire;
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::Records;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(10);
/// File descriptors that the broker may have.
const DESCRIPTORS: u32 = 256;
/// Those that are left for connections: 128 are for files of logs, 14 for the journal, 64 in reserve.
const PLACES: usize = DESCRIPTORS as usize - 128 - 14 - 64;

fn produce(wire: &mut Wire, topic: &str) -> i16 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let mut batch = BatchBuilder::new(Codec::None);
    batch.push(since.as_millis() as i64, None, Some(b"v"), &[]);
    let records = Some(Records::from(batch.build()));
    let partition_data = vec![PartitionProduceData { records, ..Default::default() }];
    let name = topic.into();
    let topic_data = vec![TopicProduceData { name, partition_data, ..Default::default() }];
    let request = ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data, ..Default::default() };
    let answer: ProduceResponse = wire.ask(&request, 9).expect("an answer");
    answer.responses[0].partition_responses[0].error_code
}

fn is_served(wire: &mut Wire) -> bool {
    wire.receive::<ApiVersionsResponse>(0).is_ok()
}

#[test]
fn one_connection_too_many_of_an_address_is_closed_at_once() {
    let data = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::start(data.path(), &["--set", "max.connections.per.ip=2"]);
    let mut inside: Vec<Wire> = (0..2)
        .map(|_| {
            let mut wire = Wire::connect(broker.addr, PATIENCE).expect("a connection");
            wire.send(&ApiVersionsRequest::default(), 0).expect("sent");
            assert!(is_served(&mut wire));
            wire
        })
        .collect();
    let mut third = Wire::connect(broker.addr, PATIENCE).expect("the kernel takes it");
    let _ = third.send(&ApiVersionsRequest::default(), 0);
    assert!(!is_served(&mut third), "two are inside");
    inside[0].send(&ApiVersionsRequest::default(), 0).expect("sent");
    assert!(is_served(&mut inside[0]), "nobody else is harmed");
    broker.stop();
}

#[test]
fn idle_clients_take_no_file_from_the_disk() {
    let data = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::start_with_descriptors(DESCRIPTORS, data.path(), &[]);
    let mut producer = Wire::connect(broker.addr, PATIENCE).expect("a connection");
    producer.create("old").expect("created");
    let mut crowd: Vec<Wire> = (0..DESCRIPTORS + 50)
        .map(|_| {
            let mut wire = Wire::connect(broker.addr, PATIENCE).expect("a place in the queue");
            wire.send(&ApiVersionsRequest::default(), 0).expect("sent");
            wire
        })
        .collect();
    let mut outside = crowd.split_off(PLACES - 1);
    assert!(crowd.iter_mut().all(is_served), "there is room for {PLACES}");
    for wire in &mut outside {
        wire.wait_at_most(Duration::from_millis(1)).expect("a timeout");
        assert!(!is_served(wire), "there is room for {PLACES} only");
    }
    // More topics than the broker may have files open.
    for n in 0..100 {
        let topic = format!("new-{n}");
        producer.create(&topic).expect("created");
        assert_eq!((produce(&mut producer, &topic), produce(&mut producer, "old")), (0, 0));
    }
    let left = crowd.len();
    drop(crowd);
    for wire in &mut outside[..left] {
        wire.wait_at_most(PATIENCE).expect("a timeout");
        assert!(is_served(wire), "who leaves makes room");
    }
    broker.stop();
}
