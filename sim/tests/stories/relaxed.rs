//! `flush=relaxed`: a crash may take what no sync has had time for, from the end of those topics, and nothing
//! else.

use crate::broker::{Broker, PRODUCE, produce};
use crate::cold;
use sordini_sim::chance::Chance;
use sordini_sim::platter::{Fates, Fault, Harm, Role, Verb};
use sordini_wire::message::produce::ProduceResponse;

const TOPICS: [(&str, bool); 2] = [("relaxed", true), ("durable", false)];

/// What was sent to a topic since it was last read, in order: which is known to be acknowledged, and how many groups of the
/// journal had become durable in that life when it was.
#[derive(Default)]
struct Sent {
    /// Values that survived, in order, since the beginning.
    kept: u32,
    values: Vec<(u32, Option<u64>)>,
    next: u32,
}

#[test]
fn a_crash_takes_nothing_but_the_tail_that_was_never_synced() {
    let lost: u64 = (800..830).map(|seed| crashes(seed, None)).sum();
    println!("30 times 12 crashes took {lost} acknowledged records of the relaxed topic");
    assert!(lost > 10, "no crash took what it may take: {lost}");
}

/// The same on a disk that does not sync what it is told to sync: as if no sync followed a relaxed answer.
#[test]
#[should_panic(expected = "lost")]
fn records_that_no_sync_follows_are_missed() {
    let fault = Fault::always(Role::Journal, Verb::Write, Harm::Lies);
    (840..850).for_each(|seed| _ = crashes(seed, Some(fault.clone())));
}

/// Twelve lives of a broker; how many acknowledged records of the relaxed topic are gone after all.
fn crashes(seed: u64, fault: Option<Fault>) -> u64 {
    let mut lost = 0;
    let mut chance = Chance::new(seed, 1);
    let mut broker = Broker::new(cold());
    broker.create("relaxed", &[("flush", "relaxed"), ("flush.ms", "1000")]);
    broker.create("durable", &[]);
    broker.rest();
    broker.platter.faults.extend(fault);
    let mut sent = [Sent::default(), Sent::default()];
    for _ in 0..12 {
        run(&mut broker, &mut sent, &mut chance);
        let groups = broker.groups;
        let mut fates = Fates::draw(Chance::new(chance.bits(), 4), false);
        broker.crash(chance.odds(1, 2), &mut |what| fates.fate(what));
        for ((topic, relaxed), sent) in TOPICS.into_iter().zip(&mut sent) {
            lost += survived(&mut broker, topic, relaxed, sent, groups, seed);
        }
    }
    lost
}

/// Produces to both topics for a while, on a disk that comes along as it likes.
fn run(broker: &mut Broker, sent: &mut [Sent; 2], chance: &mut Chance) {
    let conns = [broker.connect(), broker.connect()];
    for _ in 0..10 + chance.below(60) {
        let which = chance.index(2);
        if chance.odds(1, 2) {
            let log = &mut sent[which];
            log.next += 1;
            let value = log.next;
            log.values.push((value, None));
            let request = produce(TOPICS[which].0, &value.to_be_bytes(), -1, 60_000);
            broker.send(conns[which], &request, PRODUCE);
        }
        for _ in 0..chance.below(3) {
            broker.disk_at(chance.index(broker.platter.ready()));
        }
        broker.wait(chance.below(3));
        for (conn, log) in conns.into_iter().zip(sent.iter_mut()) {
            while let Some(answer) = broker.response::<ProduceResponse>(conn, PRODUCE) {
                let answer = answer.expect("memory");
                assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
                let first = log.values.iter_mut().find(|(_, acked)| acked.is_none());
                first.expect("answers come in order").1 = Some(broker.groups);
            }
        }
    }
}

/// Reads a topic after a crash: what is there is what was sent, in order and without a hole, and no acknowledged
/// record is missing but those of a relaxed topic that no sync had time for. Returns how many of them are.
fn survived(
    broker: &mut Broker,
    topic: &'static str,
    relaxed: bool,
    sent: &mut Sent,
    groups: u64,
    seed: u64,
) -> u64 {
    let mut found: Vec<u32> = Vec::new();
    loop {
        let fetched = broker.fetch(topic, (sent.kept as usize + found.len()) as i64).expect("good");
        assert_eq!(fetched.error, 0, "seed {seed}: {topic} has lost something, and says so");
        if fetched.records.is_empty() {
            break;
        }
        found.extend(
            fetched
                .records
                .iter()
                .map(|(_, value)| u32::from_be_bytes(value[..].try_into().expect("four bytes"))),
        );
    }
    let was: Vec<u32> = sent.values.iter().map(|(value, _)| *value).collect();
    assert!(was.starts_with(&found), "seed {seed}: {topic} holds {found:?} of {was:?}");
    let gone = &sent.values[found.len()..];
    for (value, acked) in gone {
        let Some(acked) = acked else { continue };
        assert!(relaxed, "seed {seed}: {topic} lost {value}, which was acknowledged");
        // One group may have been under way when it was answered, and the next one has it.
        assert!(groups < acked + 2, "seed {seed}: {value} was lost after {} syncs", groups - acked);
    }
    let lost = gone.iter().filter(|(_, acked)| acked.is_some()).count() as u64;
    sent.kept += found.len() as u32;
    sent.values.clear();
    lost
}
