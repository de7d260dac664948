//! A disk that hangs: a produce is answered when its time is up, and what it asked for may still come true.

use crate::broker::{Broker, PRODUCE, produce};
use crate::cold;
use sordini_core::seam::ConnId;
use sordini_wire::message::metadata::{MetadataRequest, MetadataResponse};
use sordini_wire::message::produce::ProduceResponse;

const REQUEST_TIMED_OUT: i16 = 7;

fn broker() -> Broker {
    let mut broker = Broker::new(cold());
    broker.create("t", &[]);
    broker.rest();
    broker
}

/// Error code and base offset of the next answer to a produce.
fn answered(broker: &mut Broker, conn: ConnId) -> Option<(i16, i64)> {
    let answer: ProduceResponse = broker.response(conn, PRODUCE)?.expect("memory");
    let partition = &answer.responses[0].partition_responses[0];
    Some((partition.error_code, partition.base_offset))
}

#[test]
fn a_produce_is_answered_when_its_time_is_up_and_may_become_true_later() {
    for acks in [-1, 1] {
        let mut broker = broker();
        let conn = broker.connect();
        broker.send(conn, &produce("t", b"first", acks, 500), PRODUCE);
        broker.send(conn, &MetadataRequest::default(), 9);
        broker.send(conn, &produce("t", b"second", acks, 60_000), PRODUCE);
        broker.wait(499);
        assert_eq!(answered(&mut broker, conn), None);
        broker.wait(1);
        assert_eq!(answered(&mut broker, conn), Some((REQUEST_TIMED_OUT, 0)), "acks={acks}");
        let behind = broker.response::<MetadataResponse>(conn, 9).expect("in its turn");
        assert!(behind.is_ok());
        assert_eq!(answered(&mut broker, conn), None, "has a minute");
        assert_eq!(broker.fetch("t", 0).expect("memory").records, [], "nothing is durable");

        broker.rest();
        assert_eq!(answered(&mut broker, conn), Some((0, 1)));
        assert_eq!(answered(&mut broker, conn), None, "nobody is answered twice");
        let values = broker.fetch("t", 0).expect("readable").records;
        assert_eq!(
            values.iter().map(|(_, v)| &v[..]).collect::<Vec<_>>(),
            [&b"first"[..], b"second"]
        );
    }
}

#[test]
fn a_produce_with_no_time_at_all_has_that_of_a_sync() {
    let mut broker = broker();
    let conn = broker.connect();
    broker.send(conn, &produce("t", b"first", -1, 0), PRODUCE);
    broker.wait(50);
    assert_eq!(answered(&mut broker, conn), None);
    while broker.disk() {}
    assert_eq!(answered(&mut broker, conn), Some((0, 0)));
}

#[test]
fn those_that_want_no_answer_are_not_given_one_when_the_disk_hangs() {
    let mut broker = broker();
    let conn = broker.connect();
    broker.send(conn, &produce("t", b"first", 0, 500), PRODUCE);
    broker.send(conn, &produce("t", b"second", -1, 500), PRODUCE);
    broker.wait(1000);
    assert_eq!(answered(&mut broker, conn), Some((REQUEST_TIMED_OUT, 1)));
    broker.rest();
    assert_eq!(answered(&mut broker, conn), None);
}
