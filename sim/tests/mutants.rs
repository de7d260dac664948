//! The swarm finds every mutant, and finds nothing where there is none.

use sordini_log::mutant::{MUTANTS, NONDETERMINISM, activate};
use sordini_sim::run::{Watch, run};
use sordini_sim::scenario::draw;
use std::sync::Arc;

/// The first seed whose run fails, and the check that failed.
fn first_failing(seeds: std::ops::Range<u64>) -> Option<(u64, &'static str)> {
    seeds.into_iter().find_map(|seed| {
        let outcome = run(&Arc::new(draw(seed)), seed, Watch::default());
        outcome.failure.map(|failure| (seed, failure.check))
    })
}

/// One test, because a process has one active mutant.
#[test]
fn the_swarm_finds_every_mutant() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut unseen = Vec::new();
    for mutant in MUTANTS.iter().filter(|mutant| mutant.id != NONDETERMINISM) {
        assert!(activate(Some(mutant.id)));
        match first_failing(0..300) {
            Some((seed, check)) => println!("{}: seed {seed}, {check}", mutant.id),
            None => unseen.push(mutant.id),
        }
    }
    assert!(activate(None));
    let _ = std::panic::take_hook();
    assert!(unseen.is_empty(), "300 seeds did not find {unseen:?}");
    assert_eq!(first_failing(0..5), None);
}
