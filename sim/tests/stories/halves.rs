//! A change of the metadata that is larger than a group of the journal, and a power failure in the middle of it: after the start it is
//! whole, or was never there.

use crate::broker::{Broker, PRODUCE, produce};
use crate::cold;
use sordini_log::journal::JournalConfig;
use sordini_log::storage::StorageConfig;
use sordini_sim::platter::Fate;
use sordini_wire::message::Message;
use sordini_wire::message::create_topics::{
    CreatableTopic, CreateTopicsRequest, CreateTopicsResponse,
};
use sordini_wire::message::delete_topics::DeleteTopicsRequest;
use sordini_wire::message::produce::ProduceResponse;

const CREATE_TOPICS: i16 = 5;
const DELETE_TOPICS: i16 = 5;
/// What a topic of so many partitions puts into the journal fills several groups of [`small_groups`].
const PARTITIONS: usize = 400;

fn small_groups() -> StorageConfig {
    let cold = cold();
    StorageConfig { journal: JournalConfig { group_bytes_max: 16 << 10, ..cold.journal }, ..cold }
}

/// The power fails once `groups` groups were durable since `request` was sent, and the broker starts again. How many groups the request
/// took, if it was no more than that.
fn cut_short<M: Message>(broker: &mut Broker, request: &M, version: i16, groups: u64) -> bool {
    let conn = broker.connect();
    let until = broker.groups + groups;
    broker.send(conn, request, version);
    while broker.groups < until && broker.disk() {}
    let is_over = broker.groups < until;
    broker.crash(false, &mut |_| Fate::Lost);
    is_over
}

fn creation() -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: "t".into(),
        num_partitions: PARTITIONS as i32,
        replication_factor: 1,
        ..CreatableTopic::default()
    };
    CreateTopicsRequest { topics: vec![topic], ..CreateTopicsRequest::default() }
}

/// What is there after a power failure behind the first group of a change, the second, and so on; the change was whole with the last.
fn outcomes<M: Message>(before: fn(&mut Broker), request: &M, version: i16) -> Vec<(usize, usize)> {
    let mut outcomes = Vec::new();
    for groups in 0.. {
        let mut broker = Broker::new(small_groups());
        before(&mut broker);
        broker.rest();
        let is_over = cut_short(&mut broker, request, version, groups);
        outcomes.push(broker.partitions_and_logs());
        // What was carried on is as good as what was never cut short, and the next start finds it so.
        let there = outcomes[outcomes.len() - 1];
        if there.0 > 1 {
            let answer = broker.ask::<_, ProduceResponse>(&produce("t", b"v", -1, 5000), PRODUCE);
            let answer = answer.expect("memory");
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        }
        broker.rest();
        broker.crash(false, &mut |_| Fate::Lost);
        assert_eq!(broker.partitions_and_logs(), there, "after {groups} groups");
        if is_over {
            return outcomes;
        }
    }
    unreachable!("a change ends")
}

/// The process ended itself on an assertion, and again whenever the administrator tried again.
#[test]
fn a_change_that_fits_no_file_of_the_journal_is_refused() {
    let bytes = 64 << 10;
    let journal = JournalConfig {
        bytes: 4 * bytes as u64,
        file_bytes: bytes as u64,
        first_file_bytes: bytes as u64,
        group_bytes_max: 16 << 10,
        ..small_groups().journal
    };
    let mut broker = Broker::new(StorageConfig { journal, ..small_groups() });
    let mut request = creation();
    request.topics[0].num_partitions = 5000;
    let answer: CreateTopicsResponse = broker.ask(&request, CREATE_TOPICS).expect("memory");
    assert_eq!(answer.topics[0].error_code, 44, "{:?}", answer.topics[0].error_message);
    let answer: CreateTopicsResponse = broker.ask(&creation(), CREATE_TOPICS).expect("memory");
    assert_eq!(answer.topics[0].error_code, 0);
}

#[test]
fn a_creation_that_was_cut_short_is_carried_on() {
    let found = outcomes(|_| (), &creation(), CREATE_TOPICS);
    assert!(found.len() > 4, "several groups: {}", found.len());
    let (none, all) = ((1, 1), (1 + PARTITIONS, 1 + PARTITIONS));
    assert_eq!(found[0], none);
    assert!(found.iter().all(|there| [none, all].contains(there)), "{found:?}");
    assert_eq!(found.last(), Some(&all));
}

#[test]
fn a_deletion_that_was_cut_short_is_carried_on() {
    let create = |broker: &mut Broker| {
        let conn = broker.connect();
        broker.send(conn, &creation(), CREATE_TOPICS);
    };
    let names = vec!["t".into()];
    let request = DeleteTopicsRequest { topic_names: names, ..DeleteTopicsRequest::default() };
    let found = outcomes(create, &request, DELETE_TOPICS);
    assert!(found.len() > 2, "several groups: {}", found.len());
    let (none, all) = ((1, 1), (1 + PARTITIONS, 1 + PARTITIONS));
    assert_eq!(found[0], all);
    assert!(found.iter().all(|there| [none, all].contains(there)), "{found:?}");
    assert_eq!(found.last(), Some(&none));
}
