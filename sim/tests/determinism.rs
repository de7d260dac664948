//! A map with a random order somewhere in the broker is caught, and the first event that differs is known.

use sordini_mutant::{NONDETERMINISM, activate};
use sordini_sim::run::{Outcome, Watch, run};
use sordini_sim::scenario::Scenario;
use std::sync::Arc;

const TEXT: &str = r#"
    title = "many clients and slow turns, so that a turn serves several"
    span = "5s"
    [pace]
    turn = "5ms"
    [[load]]
    kind = "produce"
    clients = 8
    rate = "100/s"
"#;

fn lived() -> Outcome {
    let scenario = Arc::new(Scenario::parse("test", TEXT).expect("a scenario"));
    run(&scenario, 7, Watch { story: true, hashes: true, until: None })
}

/// One test, because a process has one active mutant.
#[test]
fn a_random_order_is_caught_at_the_first_event_that_differs() {
    assert_eq!(lived().hashes, lived().hashes, "as it should be, a run does the same twice");
    assert!(activate(Some(NONDETERMINISM)));
    let (one, other) = (lived(), lived());
    assert!(activate(None));
    let pairs = one.hashes.iter().zip(&other.hashes);
    let parted = pairs.take_while(|(one, other)| one.0 == other.0).count();
    assert!(parted < one.hashes.len(), "two runs with a random order were the same");
    assert!(parted > 100, "what comes before several are served at once is the same: {parted}");
    let (from, to) = (one.hashes[parted - 1].1, one.hashes[parted].1);
    let told: Vec<String> = one.story[from..to].iter().map(ToString::to_string).collect();
    println!("event {parted}:\n{}", told.join("\n"));
    assert!(told[0].contains("Turn { node: 0"), "it is a turn of the broker: {told:?}");
}
