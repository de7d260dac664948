//! The platter keeps the disk contract, whatever order its lanes run in; and a platter that breaks a
//! promise is caught by it.

use sordini_log::disk::{Completion, Disk, DiskOp};
use sordini_sim::chance::Chance;
use sordini_sim::contract::{Bench, PROMISES, check_all};
use sordini_sim::platter::{Fate, Fault, Harm, Platter, Role, Verb};
use std::panic::{AssertUnwindSafe, catch_unwind};

struct Simulated {
    platter: Platter,
    chance: Chance,
}

impl Bench for Simulated {
    fn submit(&mut self, mut ops: Vec<DiskOp>, idle: bool) {
        self.platter.submit(&mut ops, idle);
    }

    fn wait(&mut self) -> Completion {
        let choice = self.chance.index(self.platter.ready());
        self.platter.step(choice).expect("something was submitted")
    }

    fn reopen(&mut self) {
        self.platter.crash(&mut |_| Fate::Lost);
    }
}

#[test]
fn platter_keeps_every_promise_under_any_interleaving() {
    for seed in 0..20 {
        check_all(|| Simulated { platter: Platter::default(), chance: Chance::new(seed, 0) });
    }
}

#[test]
fn broken_promises_are_noticed() {
    let lies = [
        (Role::Checkpoint, Verb::Write, "a synced write is durable"),
        (Role::Segment, Verb::Sync, "a sync makes all earlier writes of the file durable"),
        (Role::Journal, Verb::Create, "create makes durable zeroes and replaces"),
        (Role::Checkpoint, Verb::SyncDir, "rename replaces and is durable with the directory"),
        (Role::Root, Verb::SyncDir, "directories are made and removed with everything in them"),
    ];
    for (role, verb, promise) in lies {
        let (_, check) = PROMISES.iter().find(|(name, _)| *name == promise).expect("in the table");
        let mut platter = Platter::default();
        platter.faults.push(Fault::always(role, verb, Harm::Lies));
        let mut bench = Simulated { platter, chance: Chance::new(0, 0) };
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&mut bench)));
        assert!(outcome.is_err(), "{verb:?} of {role:?} lies, and nobody saw it: {promise}");
    }
}
