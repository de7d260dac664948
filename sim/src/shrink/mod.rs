//! Shrinking: of a run that fails, what is needed for it to fail.
//!
//! The run is first written down as a [`Plan`], an explicit schedule. Then pieces are left out as long as the same check
//! fails (delta debugging). What fails for another reason is another bug, and is passed over. The order is that of cost: what
//! makes a run shorter comes first, since every try after it is a run of what is left.
//!
//! 1. *Time*: nothing after the failure matters, and a failure that only the audit sees may have happened long before.
//! 2. *Units*, of which there are few: all clients of a load, single clients, kinds of faults, single blows.
//! 3. *Operations*, by chunks that halve from a half; then again from 1, until nothing more can be left out.
//! 4. *Blows* aimed anew, shortly after operations, and *settings*: only when next to nothing is left.
//!
//! Leaving something out also moves what is left, since broker and disk are busy at other moments, and a blow that hit no
//! longer does. So as soon as runs are short, what does not fail is tried again with other draws of its blows. All of
//! it depends on nothing but the run: the result is the same on every machine that has the time. It is a scenario of a few
//! lines, which fails as it stands.

mod plan;
mod work;

pub use plan::{Blow, Client, Plan};

use crate::explain;
use crate::failure::Failure;
use crate::heap::{MS, Nanos};
use crate::run::{Outcome, Watch, run};
use crate::scenario::Scenario;
use crate::world::Line;
use std::sync::Arc;
use work::Work;

/// Lines of its story that a shrunk scenario carries at most.
const STORY_LINES_MAX: usize = 40;

/// A run that fails, and as little of it as fails the same way.
#[derive(Debug)]
pub struct Shrunk {
    /// What was needed.
    pub plan: Plan,
    /// How it fails.
    pub failure: Failure,
    /// What happens in it.
    pub story: Vec<Line>,
    /// Operations and blows of the whole run.
    pub from: (usize, usize),
    /// Runs that this took.
    pub runs: u64,
    /// What was run.
    title: String,
    origin: String,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Runs so far.
    pub runs: u64,
    /// Operations left.
    pub operations: usize,
    /// Blows left.
    pub blows: usize,
    /// The safety phase.
    pub span: Nanos,
}

/// Shrinks a failing run, for as long as `go_on` says; `None` if it does not fail.
pub fn shrink(
    scenario: &Arc<Scenario>,
    seed: u64,
    go_on: &mut dyn FnMut(Progress) -> bool,
) -> Option<Shrunk> {
    let failure = run(scenario, seed, Watch::default()).failure?;
    let plan = Plan::of(scenario, seed);
    let from = (plan.operations(), plan.blows.len());
    let (title, check) = (scenario.title.clone(), failure.check);
    let mut work = Work::new(plan, title.clone(), check, go_on);
    // The schedule must do what was drawn; where it does not, what follows would shrink something else.
    if !work.begins() {
        return None;
    }
    work.shrink();
    let (plan, runs) = (work.best, work.runs);
    let outcome = outcome(&plan, &title, true)?;
    let (failure, story) = (outcome.failure?, outcome.story);
    let origin = match scenario.file.starts_with("swarm seed") {
        true => scenario.file.clone(),
        false => format!("{}, seed {seed}", scenario.file),
    };
    Some(Shrunk { plan, failure, story, from, runs, title, origin })
}

impl Shrunk {
    /// As one page that a browser shows.
    pub fn html(&self) -> String {
        let scenario = Scenario::parse("a shrunk scenario", &self.text());
        let scenario = scenario.expect("it was run as it stands");
        explain::html(&scenario, self.plan.seed, &self.story, Some(&self.failure))
    }

    /// As a file of `scenarios/regressions`: why, where it was seen, what happens, and the scenario.
    pub fn text(&self) -> String {
        let Shrunk { plan, failure, from, .. } = self;
        let (operations, blows) = (plan.operations(), plan.blows.len());
        let told: Vec<&Line> = self.story.iter().filter(|line| line.kind.is_telling()).collect();
        let skipped = told.len().saturating_sub(STORY_LINES_MAX);
        let mut text = format!(
            "# Why: {}: {}\n# Seen: {}; {operations} of {} operations and {blows} of {} faults are needed.\n",
            failure.check, failure.what, self.origin, from.0, from.1
        );
        if skipped > 0 {
            text += &format!("#   ({skipped} lines before)\n");
        }
        for line in &told[skipped..] {
            text += &format!("# {}\n", line.to_string().replace('\n', " "));
        }
        text += &format!("# {:>8} ms  {} does not hold\n", failure.at / MS, failure.check);
        text + &plan.text(&self.title)
    }
}

/// What came of a plan.
fn outcome(plan: &Plan, title: &str, story: bool) -> Option<Outcome> {
    let scenario = Scenario::parse("a shrunk scenario", &plan.text(title)).ok()?;
    Some(run(&Arc::new(scenario), plan.seed, Watch { story, ..Watch::default() }))
}
