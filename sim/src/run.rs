//! A run: the safety phase, the liveness phase, the audit; and what it came to.
//!
//! In the safety phase faults strike and clients work. Then all faults end for good, clients begin nothing new, and within a
//! bound everything must have converged: every broker listens, every operation is answered. Then an auditor reads
//! everything and every check looks at it. A run in which nothing was acknowledged, or whose scenario has faults
//! of which none did harm, proves nothing and is a failure of the harness.

use crate::failure::Failure;
use crate::fault::FAULTS;
use crate::heap::{Nanos, SECOND};
use crate::ledger::Tally;
use crate::marks::{MARKS, Marks};
use crate::scenario::{Scenario, show};
use crate::world::{Line, Node, World};
use sordini_reach::{REACHES, Reached};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What one or more runs came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Runs.
    pub runs: u64,
    /// Events.
    pub events: u64,
    /// Virtual time.
    pub simulated: u128,
    /// Disk operations.
    pub disk_ops: u64,
    /// What clients did.
    pub tally: Tally,
    /// Strikes that did harm, by row of [`FAULTS`].
    pub struck: Vec<u64>,
    /// Rare states.
    pub marks: Marks,
    /// Rare places in the core.
    pub reached: Reached,
    /// Hash of the trace; of several runs, the sum of theirs.
    pub hash: u64,
}

/// How to watch a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// Write the story down.
    pub story: bool,
    /// Keep the hash after every event.
    pub hashes: bool,
    /// Stop there, before the liveness phase if that comes later.
    pub until: Option<Nanos>,
}

/// A run with what became of it.
#[derive(Debug)]
pub struct Outcome {
    /// In numbers.
    pub report: Report,
    /// What did not hold.
    pub failure: Option<Failure>,
    /// What happened, if it was written down.
    pub story: Vec<Line>,
    /// The hash after each event and the length of the story then, if they were kept.
    pub hashes: Vec<(u64, usize)>,
}

/// Runs a scenario with a seed.
pub fn run(scenario: &Arc<Scenario>, seed: u64, watch: Watch) -> Outcome {
    let mut world = World::new(seed, Arc::clone(scenario));
    world.hashes = watch.hashes.then(Vec::new);
    if watch.story {
        world.begin_story();
    }
    let lived = catch_unwind(AssertUnwindSafe(|| live(&mut world, watch)));
    let failure = match lived {
        Ok(lived) => lived.err(),
        Err(panic) => Some(Failure::new("no_panic", words(&*panic))),
    };
    let failure = failure.map(|failure| Failure { at: world.now, ..failure });
    let story = world.story.take().unwrap_or_default();
    let hashes = world.hashes.take().unwrap_or_default();
    Outcome { report: Report::of(&world), failure, story, hashes }
}

/// The phases.
fn live(world: &mut World, watch: Watch) -> Result<(), Failure> {
    let span = world.scenario.span;
    let until = watch.until.unwrap_or(Nanos::MAX);
    while world.next().is_some_and(|(at, _)| at <= span.min(until)) {
        world.step()?;
    }
    if until < span {
        return Ok(());
    }
    world.now = world.now.max(span);
    world.heal();
    let within = world.scenario.checks.converged_within;
    world.run_until(within, "converged", "convergence", World::is_converged)?;
    world.audit()?;
    is_meaningful(world)
}

fn is_meaningful(world: &World) -> Result<(), Failure> {
    let harness = |what: &str| Err(Failure::new("harness", what));
    // Of a disk that was damaged before anything happened nothing more can be asked.
    let is_ruined = world.nodes.iter().any(Node::is_lost);
    if !world.scenario.loads.is_empty() && world.ledger.tally.acked == 0 && !is_ruined {
        return harness("no operation was acknowledged: the run proves nothing");
    }
    if !world.scenario.faults.is_empty() && world.armed == 0 {
        return harness("no fault found anything to harm: the run proves nothing");
    }
    Ok(())
}

/// What a panic said.
pub fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}

impl Report {
    /// What a world came to.
    pub fn of(world: &World) -> Report {
        Report {
            runs: 1,
            events: world.events,
            simulated: u128::from(world.now),
            disk_ops: world.nodes.iter().map(|n| n.platter.counts.ops).sum(),
            tally: world.ledger.tally,
            struck: world.struck.clone(),
            marks: world.marks,
            reached: world.all_reached(),
            hash: world.hash.finish(),
        }
    }

    /// Adds another.
    pub fn add(&mut self, other: &Report) {
        self.runs += other.runs;
        self.events += other.events;
        self.simulated += other.simulated;
        self.disk_ops += other.disk_ops;
        self.tally.add(&other.tally);
        self.struck.resize(FAULTS.len(), 0);
        self.struck.iter_mut().zip(&other.struck).for_each(|(a, b)| *a += b);
        self.marks.add(&other.marks);
        self.reached.add(&other.reached);
        self.hash = self.hash.wrapping_add(other.hash);
    }

    /// Every mark and every place in the core with a name, what it stands for, and how often it was reached.
    pub fn reaches(&self) -> impl Iterator<Item = (String, &'static str, u64)> {
        let marks = MARKS.iter().map(|(m, about)| (format!("{m:?}"), *about, self.marks.of(*m)));
        let places = REACHES.iter();
        marks.chain(places.map(|(r, about)| (format!("{r:?}"), *about, self.reached.of(*r))))
    }

    /// Virtual seconds.
    pub fn simulated_s(&self) -> f64 {
        self.simulated as f64 / SECOND as f64
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let simulated = show((self.simulated / 1_000_000 * 1_000_000) as Nanos);
        let Tally { begun, acked, refused, unknown, records } = self.tally;
        writeln!(
            f,
            "{} runs, {} events, {simulated} simulated, {} disk operations, hash {:016x}",
            self.runs, self.events, self.disk_ops, self.hash
        )?;
        writeln!(
            f,
            "operations: {begun} begun, {acked} acknowledged, {refused} refused, {unknown} times unknown; \
             records: {} sent, {} acknowledged, {} read",
            records[0], records[1], records[2]
        )?;
        let struck = FAULTS.iter().zip(&self.struck).filter(|(_, n)| **n > 0);
        let struck: Vec<String> = struck.map(|(row, n)| format!("{} {n}", row.name)).collect();
        writeln!(
            f,
            "faults: {}",
            if struck.is_empty() { "none".into() } else { struck.join(", ") }
        )?;
        write!(f, "marks: {}; in the core:", self.marks)?;
        REACHES
            .iter()
            .try_for_each(|(reach, _)| write!(f, " {reach:?} {}", self.reached.of(*reach)))
    }
}
