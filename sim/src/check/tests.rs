//! Each check fails on a history that breaks what it demands, and holds on one that does not.

use super::CHECKS;
use crate::ledger::{Ledger, Part, Place, RecordId, TopicNo, View, Views};

const PART: Part = Part { topic: TopicNo(0), partition: 0 };

/// The n-th record of client 1.
fn id(n: u64) -> RecordId {
    RecordId(1 << 32 | n)
}

/// Three records of one idempotent client in partition 0, all acknowledged.
fn history() -> (Ledger, Views) {
    let mut ledger = Ledger::default();
    for n in 0..3 {
        let id = ledger.send(1, PART, true);
        ledger.ack(id, n);
        ledger.see(Place { part: PART, offset: n }, id).expect("the first");
    }
    let records = (0..3).map(|n| (n, id(n as u64 + 1))).collect();
    (ledger, Views::from([(PART, View { start: 0, end: 3, records })]))
}

/// Names of the checks that fail once `harm` was done to the history.
fn failing(harm: impl FnOnce(&mut Ledger, &mut View)) -> Vec<&'static str> {
    let (mut ledger, mut views) = history();
    harm(&mut ledger, views.get_mut(&PART).expect("it is there"));
    CHECKS.iter().filter(|c| (c.check)(&ledger, &views).is_err()).map(|c| c.name).collect()
}

#[test]
fn a_good_history_passes() {
    assert!(failing(|_, _| {}).is_empty());
}

#[test]
fn a_lost_tail_is_seen() {
    let failing = failing(|_, view| {
        view.records.pop();
        view.end = 2;
    });
    assert_eq!(failing, ["acked_durability", "agreement"]);
}

#[test]
fn a_gap_is_seen() {
    let failing = failing(|_, view| {
        view.records.remove(1);
    });
    assert!(failing.contains(&"dense_offsets"), "{failing:?}");
}

#[test]
fn a_duplicate_is_seen() {
    let failing = failing(|_, view| {
        view.records.push((3, id(2)));
        view.end = 4;
    });
    assert_eq!(failing, ["idempotence"]);
}

#[test]
fn another_record_is_seen() {
    let failing = failing(|_, view| view.records[2].1 = id(77));
    assert_eq!(failing, ["acked_durability", "agreement", "no_invention"]);
}

#[test]
fn a_refused_record_is_seen() {
    assert_eq!(failing(|ledger, _| ledger.refuse(id(3))), ["no_invention"]);
}
