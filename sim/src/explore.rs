//! Crashes at every disk operation of a run, in many ways each, and the checks after every one of them.
//!
//! The run itself goes on unharmed; at each operation forks of it lose their power, before the operation and in the middle
//! of it: with every subset of the unsynced things if they are few, else with drawn fates. What is explored is a
//! [`Subject`]: the storage of a shard alone, or a whole world with clients.

use crate::chance::Chance;
use crate::failure::Failure;
use crate::heap::SECOND;
use crate::ledger::Tally;
use crate::platter::{Fate, Fates, Platter, Unsynced};
use crate::world::{Death, Happening, World};
use std::collections::BTreeSet;
use std::fmt;

/// Something with one disk that can be forked and cut off from power.
pub trait Subject: Clone {
    /// What its runs lived through.
    type Tally: Clone + Default + fmt::Debug;

    /// The disk.
    fn platter(&self) -> &Platter;
    /// A process begins on an empty disk.
    fn begin(&mut self) -> Result<(), Failure>;
    /// Something happens that is no disk operation, unless one comes next; says whether one comes next.
    fn advance(&mut self, chance: &mut Chance) -> Result<bool, Failure>;
    /// The disk operation that comes next is done.
    fn perform(&mut self) -> Result<(), Failure>;
    /// The power fails, in the middle of the operations that were next if `midway`; a new process begins.
    fn crash(&mut self, midway: bool, fate: &mut dyn FnMut(Unsynced) -> Fate);
    /// Whether recovery is over, however it ended.
    fn is_recovered(&self) -> bool;
    /// Recovery goes on by one step. False if it waits for nothing.
    fn recover_on(&mut self) -> Result<bool, Failure>;
    /// Everything that must hold after a recovery. Only for forks: the run does not go on.
    fn check(&mut self) -> Result<(), Failure>;
    /// A recovered fork goes on for a moment without any load.
    fn idle(&mut self) -> Result<(), Failure>;
    /// The run ends: what was begun is finished, and everything must hold.
    fn finish(&mut self) -> Result<(), Failure>;
    /// Adds what the run lived through.
    fn tally(&self, into: &mut Self::Tally);
    /// The lines written so far, if any are.
    fn take_story(&mut self) -> Vec<String>;
}

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
    /// Whether sectors may tear inside.
    pub torn: bool,
}

/// What was explored.
#[derive(Clone, Debug)]
pub struct Explored<S: Subject> {
    /// Runs.
    pub runs: u64,
    /// Disk operations, those of recoveries and checks included.
    pub ops: u64,
    /// Crashes, each followed by a recovery and all checks.
    pub crashes: u64,
    /// Crashes within a recovery.
    pub within: u64,
    /// Distinct disks that a recovery started from.
    pub states: BTreeSet<u64>,
    /// What the runs themselves lived through.
    pub tally: S::Tally,
}

impl<S: Subject> Default for Explored<S> {
    fn default() -> Self {
        let (states, tally) = (BTreeSet::new(), S::Tally::default());
        Explored { runs: 0, ops: 0, crashes: 0, within: 0, states, tally }
    }
}

impl<S: Subject> fmt::Display for Explored<S> {
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

impl<S: Subject> Explored<S> {
    /// Runs `subject` for as long as the plan says and crashes a fork of it at every operation.
    pub fn run(&mut self, subject: &mut S, seed: u64, plan: Plan) -> Result<(), Failure> {
        self.go(subject, seed, plan).map_err(|mut failure| {
            if failure.story.is_empty() {
                failure.story = subject.take_story();
            }
            failure
        })
    }

    fn go(&mut self, subject: &mut S, seed: u64, plan: Plan) -> Result<(), Failure> {
        let mut chance = Chance::new(seed, 3);
        self.runs += 1;
        subject.begin()?;
        let mut ops = 0;
        while ops < plan.ops {
            if !subject.advance(&mut chance)? {
                continue;
            }
            self.crashes_here(subject, &mut chance, plan)?;
            if plan.crash_on > 0 && chance.odds(1, plan.crash_on) {
                let mut fates = Fates::draw(Chance::new(chance.bits(), 4), plan.torn);
                subject.crash(chance.odds(1, 2), &mut |what| fates.fate(what));
            } else {
                subject.perform()?;
            }
            ops += 1;
        }
        subject.finish()?;
        self.ops += subject.platter().counts.ops;
        subject.tally(&mut self.tally);
        Ok(())
    }

    /// Crashes forks of `subject` as it is now: before the next operation and in the middle of it.
    fn crashes_here(
        &mut self,
        subject: &S,
        chance: &mut Chance,
        plan: Plan,
    ) -> Result<(), Failure> {
        for midway in [false, true] {
            let mut platter = subject.platter().clone();
            if midway {
                platter.start();
            }
            let unsynced = platter.unsynced();
            drop(platter);
            if unsynced <= plan.subsets_of_max {
                for subset in 0..1u64 << unsynced {
                    let label = format!("subset {subset:#b} of {unsynced}");
                    let mut fates = Fates::bits(subset);
                    self.crash(subject, midway, (chance, plan), &label, &mut fates)?;
                }
            } else {
                for _ in 0..plan.draws {
                    let mut fates = Fates::draw(Chance::new(chance.bits(), 4), plan.torn);
                    let mut fate = |what| fates.fate(what);
                    self.crash(subject, midway, (chance, plan), "drawn fates", &mut fate)?;
                }
            }
        }
        Ok(())
    }

    fn crash(
        &mut self,
        subject: &S,
        midway: bool,
        (chance, plan): (&mut Chance, Plan),
        label: &str,
        fate: &mut dyn FnMut(Unsynced) -> Fate,
    ) -> Result<(), Failure> {
        let mut fork = subject.clone();
        let before = fork.platter().counts.ops;
        self.crashes += 1;
        fork.crash(midway, fate);
        self.states.insert(fork.platter().digest());
        let outcome = self.recover(&mut fork, chance, plan);
        self.ops += fork.platter().counts.ops - before;
        outcome.map_err(|f| {
            let op = subject.platter().counts.ops;
            let how = if midway { "in the middle of" } else { "before" };
            let what = format!("after a crash {how} operation {op} ({label}): {}", f.what);
            Failure { what, story: fork.take_story(), ..f }
        })
    }

    /// Boots a crashed fork, crashing it again on the way if the plan says so, and checks everything.
    fn recover(&mut self, fork: &mut S, chance: &mut Chance, plan: Plan) -> Result<(), Failure> {
        let mut crashes_left = 3;
        while !fork.is_recovered() {
            if plan.within_recovery > 0 && crashes_left > 0 && chance.odds(1, plan.within_recovery)
            {
                crashes_left -= 1;
                self.within += 1;
                self.crash_drawn(fork, chance, plan);
            }
            recover_on(fork)?;
        }
        // A recovered disk that crashes before any load recovers to the same.
        let again = chance.odds(1, 4).then(|| fork.clone());
        fork.check()?;
        if let Some(mut again) = again {
            for _ in 0..chance.below(8) {
                again.idle()?;
            }
            self.crash_drawn(&mut again, chance, plan);
            while !again.is_recovered() {
                recover_on(&mut again)?;
            }
            again.check()?;
        }
        Ok(())
    }

    fn crash_drawn(&mut self, fork: &mut S, chance: &mut Chance, plan: Plan) {
        self.crashes += 1;
        let mut fates = Fates::draw(Chance::new(chance.bits(), 4), plan.torn);
        fork.crash(chance.odds(1, 2), &mut |what| fates.fate(what));
    }
}

/// Recovery goes on by one step; a failure if nothing is left that could bring it on.
fn recover_on<S: Subject>(fork: &mut S) -> Result<(), Failure> {
    match fork.recover_on()? {
        true => Ok(()),
        false => Err(Failure::new("liveness", "recovery waits for nothing")),
    }
}

/// A world of one node.
impl Subject for World {
    type Tally = Tally;

    fn platter(&self) -> &Platter {
        &self.nodes[0].platter
    }

    fn begin(&mut self) -> Result<(), Failure> {
        assert_eq!(self.nodes.len(), 1, "crashes at every operation are those of one disk");
        Ok(())
    }

    fn advance(&mut self, _: &mut Chance) -> Result<bool, Failure> {
        let life = self.nodes[0].life;
        let disk = |world: &World| match world.next() {
            Some((_, Happening::Disk { life: of, .. })) => of == life,
            _ => false,
        };
        if !disk(self) {
            self.step()?;
        }
        Ok(disk(self))
    }

    fn perform(&mut self) -> Result<(), Failure> {
        self.step().map(|_| ())
    }

    fn crash(&mut self, midway: bool, fate: &mut dyn FnMut(Unsynced) -> Fate) {
        self.down(0, Death::Power { midway, fate });
        self.boot(0);
    }

    fn is_recovered(&self) -> bool {
        self.nodes[0].listening
    }

    fn recover_on(&mut self) -> Result<bool, Failure> {
        self.step()
    }

    fn check(&mut self) -> Result<(), Failure> {
        self.audit()
    }

    fn idle(&mut self) -> Result<(), Failure> {
        self.lively = false;
        self.step().map(|_| ())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.heal();
        self.run_until(60 * SECOND, "converged", "convergence", World::is_converged)?;
        self.audit()
    }

    fn tally(&self, into: &mut Tally) {
        into.add(&self.ledger.tally);
    }

    fn take_story(&mut self) -> Vec<String> {
        self.story.take().unwrap_or_default().iter().map(ToString::to_string).collect()
    }
}
