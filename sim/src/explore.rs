//! Crashes of a whole world at every disk operation, and the checks after each.

use crate::chance::Chance;
use crate::failure::Failure;
use crate::platter::Fates;
use crate::world::World;
use std::collections::BTreeSet;
use std::fmt;

/// How thorough an exploration is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Disk operations of the run itself.
    pub ops: u64,
    /// With so many unsynced things or fewer, every subset of them is kept.
    pub subsets_of_max: usize,
    /// With more, so many crashes are drawn before and so many in the middle of each operation.
    pub draws: usize,
    /// One in so many steps of a recovery crashes again; 0 is never.
    pub within_recovery: u64,
    /// One in so many operations crashes the run itself, which goes on from there; 0 is never.
    pub crash_on: u64,
}

/// What was explored.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Runs.
    pub runs: u64,
    /// Disk operations, those of recoveries and audits included.
    pub ops: u64,
    /// Crashes, each followed by a recovery, an audit and all checks.
    pub crashes: u64,
    /// Crashes within a recovery.
    pub within: u64,
    /// Distinct disks that a recovery started from.
    pub states: BTreeSet<u64>,
    /// Records sent in the runs themselves.
    pub sent: u64,
    /// Records acknowledged in the runs themselves.
    pub acked: u64,
    /// Records read by clients in the runs themselves.
    pub seen: u64,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} disk operations, {} crashes ({} within a recovery), {} distinct disks; records: {} sent, \
             {} acknowledged, {} read",
            self.runs,
            self.ops,
            self.crashes,
            self.within,
            self.states.len(),
            self.sent,
            self.acked,
            self.seen
        )
    }
}

impl Explored {
    /// Runs `world` for as long as the plan says, crashes a fork of it at every disk operation, and lets its
    /// clients finish at the end.
    pub fn run(&mut self, world: &mut World, seed: u64, plan: Plan) -> Result<(), Failure> {
        self.go(world, seed, plan).map_err(|mut failure| {
            if failure.story.is_empty() {
                failure.story = world.story.take().unwrap_or_default();
            }
            failure
        })
    }

    fn go(&mut self, world: &mut World, seed: u64, plan: Plan) -> Result<(), Failure> {
        let mut chance = Chance::new(seed, 50);
        self.runs += 1;
        world.boot()?;
        let mut ops = 0;
        while ops < plan.ops {
            world.step_net(true)?;
            for _ in 0..chance.below(5) {
                if world.platter.ready() == 0 {
                    break;
                }
                self.crashes_here(world, &mut chance, plan)?;
                if plan.crash_on > 0 && chance.odds(1, plan.crash_on) {
                    let mut fates = Fates::draw(Chance::new(chance.bits(), 4), false);
                    world.crash(chance.odds(1, 2), &mut |what| fates.fate(what))?;
                }
                world.step_disk()?;
                ops += 1;
            }
        }
        world.recover()?;
        world.finish()?;
        world.audit()?;
        self.ops += world.platter.counts.ops;
        self.sent += world.ledger.sent().len() as u64;
        self.acked += world.ledger.acked() as u64;
        self.seen += world.ledger.seen().len() as u64;
        Ok(())
    }

    fn crashes_here(
        &mut self,
        world: &World,
        chance: &mut Chance,
        plan: Plan,
    ) -> Result<(), Failure> {
        for midway in [false, true] {
            let mut platter = world.platter.clone();
            if midway {
                platter.start();
            }
            let unsynced = platter.unsynced();
            if unsynced <= plan.subsets_of_max {
                for subset in 0..1u64 << unsynced {
                    let label = format!("subset {subset:#b} of {unsynced}");
                    self.crash(world, midway, chance, plan, &label, |fork, midway| {
                        fork.crash(midway, &mut Fates::bits(subset))
                    })?;
                }
            } else {
                for _ in 0..plan.draws {
                    let mut fates = Fates::draw(Chance::new(chance.bits(), 4), false);
                    self.crash(world, midway, chance, plan, "drawn fates", |fork, midway| {
                        fork.crash(midway, &mut |what| fates.fate(what))
                    })?;
                }
            }
        }
        Ok(())
    }

    fn crash(
        &mut self,
        world: &World,
        midway: bool,
        chance: &mut Chance,
        plan: Plan,
        label: &str,
        mut crash: impl FnMut(&mut World, bool) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut fork = world.clone();
        let before = fork.platter.counts.ops;
        self.crashes += 1;
        let outcome = crash(&mut fork, midway).and_then(|()| self.recover(&mut fork, chance, plan));
        self.ops += fork.platter.counts.ops - before;
        outcome.map_err(|f| {
            let how = if midway { "in the middle of" } else { "before" };
            let op = world.platter.counts.ops;
            let what = format!("after a crash {how} operation {op} ({label}): {}", f.what);
            Failure { check: f.check, what, story: fork.story.take().unwrap_or_default() }
        })
    }

    fn recover(
        &mut self,
        fork: &mut World,
        chance: &mut Chance,
        plan: Plan,
    ) -> Result<(), Failure> {
        self.states.insert(fork.platter.digest());
        let mut crashes_left = 3;
        while !fork.is_listening() {
            if plan.within_recovery > 0 && crashes_left > 0 && chance.odds(1, plan.within_recovery)
            {
                (crashes_left, self.within, self.crashes) =
                    (crashes_left - 1, self.within + 1, self.crashes + 1);
                let mut fates = Fates::draw(Chance::new(chance.bits(), 4), false);
                fork.crash(chance.odds(1, 2), &mut |what| fates.fate(what))?;
            }
            fork.idle_turn()?;
        }
        fork.audit()
    }
}
