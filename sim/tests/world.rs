//! The whole broker, crashed at every disk operation, against what its clients were told.

#![allow(clippy::disallowed_methods)] // a hunt is told its seeds by the environment

use sordini_sim::chance::Chance;
use sordini_sim::explore::Plan;
use sordini_sim::platter::{Fault, Harm, Role, Verb};
use sordini_sim::scenario::Scenario;
use sordini_sim::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

type Explored = sordini_sim::explore::Explored<World>;

/// A broker with sizes so small that the journal wraps and the cache overflows within a few hundred operations.
fn tiny(seed: u64) -> Arc<Scenario> {
    let mut chance = Chance::new(seed, 9);
    let file_bytes = [32 << 10, 48 << 10, 64 << 10][chance.index(3)];
    let text = format!(
        r#"
        title = "a tiny broker"
        span = "1h"
        topic = {{ name = "t", partitions = 2 }}
        pace = {{ split = 4 }}
        [storage]
        size = "tiny"
        journal_bytes = {}
        journal_file_bytes = {file_bytes}
        journal_first_file_bytes = {}
        cache_bytes_max = {}
        write_bytes_min = {}
        write_linger_ms = {}
        piece_bytes_max = {}
        piece_grain_bytes = {}
        sync_bytes_max = {}
        backlog_bytes_max = {}
        pieces_max = {}
        [[load]]
        kind = "produce"
        clients = 2
        rate = "400/s"
        bytes = "0..100"
        [[load]]
        kind = "produce"
        idempotent = false
        retries = false
        rate = "200/s"
        bytes = "0..2000"
        [[load]]
        kind = "consume"
        rate = "500/s"
        "#,
        file_bytes * (2 + chance.below(3)),
        [file_bytes / 2, file_bytes][chance.index(2)],
        2000 + chance.below(6000),
        1 + chance.below(2000),
        1 + chance.below(10),
        500 + chance.below(3000),
        1 + chance.below(300),
        500 + chance.below(6000),
        4000 + chance.below(60_000),
        1 + chance.below(3),
    );
    Arc::new(Scenario::parse("tests/world.rs", &text).expect("a scenario"))
}

fn explore(seeds: std::ops::Range<u64>, plan: Plan) -> Explored {
    let mut explored = Explored::default();
    for seed in seeds {
        let mut world = World::new(seed, tiny(seed));
        if explored.run(&mut world, seed, plan).is_err() {
            // Runs repeat: the second one tells its story.
            let mut world = World::new(seed, tiny(seed));
            world.story = Some(Vec::new());
            match Explored::default().run(&mut world, seed, plan) {
                Err(failure) => panic!("seed {seed}: {failure}"),
                Ok(()) => {
                    panic!("seed {seed} fails only the first time: the run is not repeatable")
                }
            }
        }
    }
    println!("{explored}");
    explored
}

#[test]
fn no_crash_of_a_short_run_breaks_a_promise() {
    let plan = Plan {
        ops: 120,
        subsets_of_max: 3,
        draws: 2,
        within_recovery: 30,
        crash_on: 0,
        torn: false,
    };
    let explored = explore(0..6, plan);
    assert!(explored.tally.records[1] > 100 && explored.tally.records[2] > 100, "{explored}");
}

#[test]
fn no_crash_of_a_long_run_breaks_a_promise() {
    let plan = Plan {
        ops: 1000,
        subsets_of_max: 0,
        draws: 1,
        within_recovery: 30,
        crash_on: 60,
        torn: false,
    };
    let explored = explore(100..102, plan);
    assert!(explored.tally.records[1] > 300 && explored.tally.records[2] > 300, "{explored}");
}

/// A broker says that a full disk is none to begin on. One that finds its data there waits for space.
#[test]
fn a_full_disk_excuses_no_end_once_a_process_has_listened() {
    let first_life = |founded| {
        let mut world = World::new(0, tiny(0));
        (world.nodes[0].platter.capacity, world.nodes[0].founded) = (0, founded);
        (0..1000).try_for_each(|_| world.step().map(drop))
    };
    assert_eq!(first_life(false).map_err(|failure| failure.check), Ok(()));
    assert_eq!(first_life(true).map_err(|failure| failure.check), Err("never_fatal"));
}

#[test]
fn a_lying_journal_is_seen() {
    let plan = Plan {
        ops: 200,
        subsets_of_max: 2,
        draws: 1,
        within_recovery: 0,
        crash_on: 0,
        torn: false,
    };
    let seen = (200..210).any(|seed| {
        let mut world = World::new(seed, tiny(seed));
        world.nodes[0].platter.faults.push(Fault::always(Role::Journal, Verb::Write, Harm::Lies));
        let run = || Explored::default().run(&mut world, seed, plan).is_err();
        catch_unwind(AssertUnwindSafe(run)).unwrap_or(true)
    });
    assert!(seen, "acknowledgements before the sync went unnoticed");
}

/// Seeds `from..to` of the variable SORDINI_SEEDS, for a long hunt by hand:
/// `SORDINI_SEEDS=1000..2000 cargo test -p sordini-sim --test world hunt -- --ignored --nocapture`.
#[test]
#[ignore = "a hunt as long as one likes"]
fn hunt() {
    let seeds = std::env::var("SORDINI_SEEDS").expect("SORDINI_SEEDS=FROM..TO");
    let (from, to) = seeds.split_once("..").expect("SORDINI_SEEDS=FROM..TO");
    let (from, to): (u64, u64) = (from.parse().expect("a number"), to.parse().expect("a number"));
    for seed in from..to {
        let mut chance = Chance::new(seed, 60);
        let plan = Plan {
            ops: [100, 400, 2000][chance.index(3)],
            subsets_of_max: chance.index(4),
            draws: chance.index(2),
            within_recovery: [0, 10, 40][chance.index(3)],
            crash_on: [0, 15, 60][chance.index(3)],
            torn: false,
        };
        explore(seed..seed + 1, plan);
    }
}
