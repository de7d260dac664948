//! Crashes at every disk operation, in many ways each, and the checks after every one of them.

use super::{Harmed, Rig, Tally, check};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::platter::{Fate, Fates, Unsynced};
use std::collections::BTreeSet;
use std::fmt;

/// How thorough an exploration is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Disk operations of the run itself.
    pub ops: u64,
    /// With so many unsynced things or fewer, every subset of them is kept.
    pub subsets_of_max: usize,
    /// With more, so many crashes are drawn at each operation.
    pub draws: usize,
    /// Crashes inside of recoveries: one in so many recovery steps of a crashed fork; 0 is never.
    pub within_recovery: u64,
    /// One in so many operations crashes the run itself, which then goes on from there; 0 is never.
    pub crash_on: u64,
    /// Whether sectors may tear inside.
    pub torn: bool,
}

/// What was explored.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// Runs.
    pub runs: u64,
    /// Disk operations, those of recoveries included.
    pub ops: u64,
    /// Crashes, each followed by a recovery and all checks.
    pub crashes: u64,
    /// Crashes inside of a recovery.
    pub within: u64,
    /// Distinct disks that a recovery started from.
    pub states: BTreeSet<u64>,
    /// What the runs themselves lived through.
    pub tally: Tally,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} runs, {} disk operations, {} crashes ({} within a recovery), {} distinct disks; the runs: {:?}",
            self.runs,
            self.ops,
            self.crashes,
            self.within,
            self.states.len(),
            self.tally
        )
    }
}

impl Explored {
    /// Runs `rig` for as long as the plan says and crashes a fork of it at every operation.
    pub fn run(&mut self, rig: &mut Rig, seed: u64, plan: Plan) -> Result<(), Failure> {
        self.go(rig, seed, plan).map_err(|mut failure| {
            if failure.story.is_empty() {
                failure.story = rig.story.take().unwrap_or_default();
            }
            failure
        })
    }

    fn go(&mut self, rig: &mut Rig, seed: u64, plan: Plan) -> Result<(), Failure> {
        let mut chance = Chance::new(seed, 3);
        self.runs += 1;
        rig.restart();
        let mut ops = 0;
        while ops < plan.ops {
            rig.turn()?;
            for _ in 0..chance.below(6) {
                if rig.platter.ready() == 0 {
                    break;
                }
                self.crashes_here(rig, &mut chance, plan)?;
                if plan.crash_on > 0 && chance.odds(1, plan.crash_on) {
                    let mut fates = Fates::draw(Chance::new(chance.bits(), 4), plan.torn);
                    rig.crash(chance.odds(1, 2), &mut |what| fates.fate(what));
                }
                rig.step()?;
                ops += 1;
            }
        }
        self.ops += rig.platter.counts.ops;
        self.tally.acked += rig.tally.acked;
        self.tally.checkpoints += rig.tally.checkpoints;
        self.tally.deleted += rig.tally.deleted;
        self.tally.reads += rig.tally.reads;
        Ok(())
    }

    /// Crashes forks of `rig` as it is now: between two operations and in the middle of the next.
    fn crashes_here(&mut self, rig: &Rig, chance: &mut Chance, plan: Plan) -> Result<(), Failure> {
        for midway in [false, true] {
            let unsynced = {
                let mut platter = rig.platter.clone();
                if midway {
                    platter.start();
                }
                platter.unsynced()
            };
            if unsynced <= plan.subsets_of_max {
                for subset in 0..1u64 << unsynced {
                    let label = format!("subset {subset:#b} of {unsynced}");
                    self.crash(rig, midway, chance, plan, &label, &mut Fates::bits(subset))?;
                }
            } else {
                for _ in 0..plan.draws {
                    let mut fates = Fates::draw(Chance::new(chance.bits(), 4), plan.torn);
                    let label = "drawn fates";
                    self.crash(rig, midway, chance, plan, label, &mut |what| fates.fate(what))?;
                }
            }
        }
        Ok(())
    }

    fn crash(
        &mut self,
        rig: &Rig,
        midway: bool,
        chance: &mut Chance,
        plan: Plan,
        label: &str,
        fate: &mut dyn FnMut(Unsynced) -> Fate,
    ) -> Result<(), Failure> {
        let mut fork = rig.clone();
        fork.crash(midway, fate);
        self.crashes += 1;
        self.states.insert(fork.platter.digest());
        let before = fork.platter.counts.ops;
        let outcome = self.recover(&mut fork, chance, plan);
        self.ops += fork.platter.counts.ops - before;
        outcome.map_err(|f| {
            let op = rig.platter.counts.ops;
            let how = if midway { "in the middle of" } else { "before" };
            let what = format!("after a crash {how} operation {op} ({label}): {}", f.what);
            let story = fork.story.take().unwrap_or_default();
            Failure { check: f.check, what, story }
        })
    }

    /// Boots a crashed fork, crashing it again on the way if the plan says so, and checks everything.
    fn recover(&mut self, fork: &mut Rig, chance: &mut Chance, plan: Plan) -> Result<(), Failure> {
        let mut crashes_left = 3;
        while !fork.is_serving() && fork.fatal.is_none() {
            if plan.within_recovery > 0 && crashes_left > 0 && chance.odds(1, plan.within_recovery)
            {
                crashes_left -= 1;
                self.within += 1;
                self.crashes += 1;
                let mut fates = Fates::draw(Chance::new(chance.bits(), 4), plan.torn);
                fork.crash(chance.odds(1, 2), &mut |what| fates.fate(what));
            }
            if !fork.idle_turn()? {
                return Err(Failure::new("liveness", "recovery waits for nothing"));
            }
        }
        self.after_recovery(fork, chance, plan)
    }

    fn after_recovery(
        &mut self,
        fork: &mut Rig,
        chance: &mut Chance,
        plan: Plan,
    ) -> Result<(), Failure> {
        if fork.fatal.is_some() {
            return Ok(());
        }
        check::contents(fork)?;
        // A recovered disk that crashes before any load recovers to the same; the books have only one cut now.
        if chance.odds(1, 4) {
            for _ in 0..chance.below(8) {
                fork.idle_turn()?;
            }
            let mut fates = Fates::draw(Chance::new(chance.bits(), 4), plan.torn);
            fork.crash(true, &mut |what| fates.fate(what));
            self.crashes += 1;
            fork.recover()?;
            if fork.fatal.is_none() {
                check::contents(fork)?;
            }
        }
        Ok(())
    }
}

/// One byte of a disk at rest rots; the next life must tell the truth or say that it cannot.
pub fn rot(rig: &Rig, chance: &mut Chance) -> Result<(), Failure> {
    let mut fork = rig.clone();
    let files: Vec<(String, u64)> =
        fork.platter.list().into_iter().filter(|(_, len)| *len > 0).collect();
    let (path, len) = &files[chance.index(files.len())];
    let at = chance.below(*len);
    fork.platter.rot(path, at, 1 << chance.below(8));
    fork.harmed = Harmed::Rot;
    let placed = |f: Failure| Failure::new(f.check, format!("rot of {path} at {at}: {}", f.what));
    fork.restart();
    fork.recover().map_err(placed)?;
    if fork.fatal.is_none() {
        check::contents(&mut fork).map_err(placed)?;
        fork.settle().map_err(placed)?;
        check::contents(&mut fork).map_err(placed)?;
    }
    Ok(())
}
