//! Every mutant is killed by the scenario that was written for it, which holds without it.

use sordini_mutant::{MUTANTS, NONDETERMINISM, activate};
use sordini_sim::run::{Watch, run};
use sordini_sim::scenario::Scenario;
use std::path::Path;
use std::sync::Arc;

/// The check by which a scenario fails, with whichever of its seeds is the first to fail.
fn failing(scenario: &Arc<Scenario>) -> Option<&'static str> {
    (0..scenario.seeds)
        .find_map(|seed| run(scenario, seed, Watch::default()).failure.map(|failure| failure.check))
}

/// Those that stand for a check: each must be seen to fail. What no script comes to fails in `sim/src/check/tests.rs`.
const BY_CHECK: &[(&str, &str)] = &[
    ("B04", "no_panic"),
    ("B09", "agreement"),
    ("B14", "consumer_view"),
    ("B16", "idempotence"),
    ("B19", "retention"),
    ("B23", "over_budget"),
    ("B24", "converged"),
    ("B25", "never_fatal"),
    ("B26", "legal_answers"),
    ("S01", "acked_durability"),
    ("S07", "nothing_faulty"),
];

/// Nothing goes wrong.
const CALM: &str = r#"
title = "a calm hour"
span = "3s"
seeds = 1
[[load]]
kind = "produce"
rate = "20/s"
"#;

/// One test, because a process has one active mutant.
#[test]
fn every_mutant_is_killed_by_its_own_scenario() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/mutants");
    std::panic::set_hook(Box::new(|_| {}));
    let mut wrong = Vec::new();
    for mutant in MUTANTS.iter().filter(|mutant| mutant.id != NONDETERMINISM) {
        let file = folder.join(format!("{}.toml", mutant.id));
        let text = std::fs::read_to_string(&file).expect("a scenario for each mutant");
        let scenario = Arc::new(Scenario::parse(mutant.id, &text).expect("a scenario"));
        assert!(activate(None));
        let clean = failing(&scenario);
        assert!(activate(Some(mutant.id)));
        let killed = failing(&scenario);
        println!("{}: {killed:?}, {clean:?} without it", mutant.id);
        let meant = BY_CHECK.iter().find(|(id, _)| *id == mutant.id).map(|(_, check)| *check);
        if clean.is_some() || killed.is_none() || meant.is_some() && killed != meant {
            wrong.push((mutant.id, killed, clean));
        }
    }
    // Nobody notices that a process forgot its producers, until it is asked what it knows.
    let calm = Arc::new(Scenario::parse("calm", CALM).expect("a scenario"));
    for (id, meant) in [("K01", Some("recovery_idempotent")), ("S01", None)] {
        assert!(activate(Some(id)));
        let killed = failing(&calm);
        if killed != meant {
            wrong.push((id, killed, meant));
        }
    }
    assert!(activate(None));
    let _ = std::panic::take_hook();
    assert!(wrong.is_empty(), "{wrong:?}");
}
