//! The orderly end: what was acknowledged is there, whatever it was acknowledged for.

use crate::broker::Broker;
use crate::wire::Wire;
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::Records;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const PATIENCE: Duration = Duration::from_secs(10);
const TOPIC: &str = "stopped";
/// Requests that the producer sends ahead.
const IN_FLIGHT: usize = 32;

fn request() -> ProduceRequest {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let mut batch = BatchBuilder::new(Codec::None);
    batch.push(since.as_millis() as i64, None, Some(&[b'v'; 16 << 10]), &[]);
    let records = Some(Records::from(batch.build()));
    let partition_data = vec![PartitionProduceData { records, ..Default::default() }];
    let topic_data =
        vec![TopicProduceData { name: TOPIC.into(), partition_data, ..Default::default() }];
    ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data, ..ProduceRequest::default() }
}

/// Produces until the broker is gone; counts what was acknowledged.
fn pour(addr: SocketAddr, acknowledged: &AtomicUsize) -> io::Result<()> {
    let mut wire = Wire::connect(addr, PATIENCE)?;
    let request = request();
    for _ in 0..IN_FLIGHT {
        wire.send(&request, 9)?;
    }
    loop {
        let answer: ProduceResponse = wire.receive(9)?;
        if answer.responses[0].partition_responses[0].error_code == 0 {
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        wire.send(&request, 9)?;
    }
}

/// `timeout` signals the broker, and then the group that the broker is in.
#[test]
fn the_same_signal_twice_at_once_costs_no_relaxed_record() {
    let data = tempfile::tempdir().expect("a scratch directory");
    let args = ["--set", "log.flush=relaxed"];
    for _ in 0..3 {
        let broker = Broker::start(data.path(), &args);
        let mut wire = Wire::connect(broker.addr, PATIENCE).expect("a connection");
        wire.create(TOPIC).expect("created");
        let before = wire.read_all(TOPIC, 0).expect("it can be read").len();
        let (addr, acknowledged) = (broker.addr, AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| pour(addr, &acknowledged));
            while acknowledged.load(Ordering::SeqCst) < 100 {
                std::thread::sleep(Duration::from_millis(1));
            }
            broker.signal("-TERM");
            broker.signal("-INT");
            broker.stop();
        });
        let acknowledged = acknowledged.into_inner();
        let broker = Broker::start(data.path(), &args);
        let mut wire = Wire::connect(broker.addr, PATIENCE).expect("a connection");
        let there = wire.read_all(TOPIC, 0).expect("it can be read").len();
        let lost = (before + acknowledged).saturating_sub(there);
        assert_eq!(lost, 0, "of {acknowledged} acknowledged records");
        broker.stop();
    }
}
