//! Shrinking: of a run that fails, what is needed for it to fail.
//!
//! The run is first written down as a [`Plan`], an explicit schedule. Then pieces are left out as long as the same check
//! fails (delta debugging: halves first, single ones last): time, blows of faults, clients, operations, settings. What
//! fails for another reason is another bug, and is passed over. Leaving something out also moves what is left a little,
//! since broker and disk are busy at other moments; so a small plan is tried with its blows aimed anew, shortly after its
//! operations. The result is a scenario of a few lines, which fails as it stands.

mod plan;

pub use plan::{Blow, Client, Plan};

use crate::failure::Failure;
use crate::heap::{MS, Nanos};
use crate::run::{Outcome, Watch, run};
use crate::scenario::Scenario;
use crate::world::Line;
use std::sync::Arc;

/// Lines of its story that a shrunk scenario carries at most.
const STORY_LINES_MAX: usize = 40;

/// So few operations and blows are left when blows are aimed.
const AIM_OPERATIONS_MAX: usize = 40;

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
    let mut work = Work { title: title.clone(), check, best: plan, runs: 1, go_on, over: false };
    // The schedule must do what was drawn; where it does not, what follows would shrink something else.
    if !work.fails(&work.best.clone()) {
        return None;
    }
    work.cut(failure.at);
    loop {
        let before = work.best.clone();
        work.leave_out();
        work.aim();
        work.settings();
        if work.over || work.best == before {
            break;
        }
    }
    work.round();
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

struct Work<'a> {
    title: String,
    check: &'static str,
    best: Plan,
    runs: u64,
    go_on: &'a mut dyn FnMut(Progress) -> bool,
    over: bool,
}

impl Work<'_> {
    /// Whether a plan fails as it should.
    fn fails(&mut self, plan: &Plan) -> bool {
        let progress = Progress {
            runs: self.runs,
            operations: self.best.operations(),
            blows: self.best.blows.len(),
            span: self.best.span,
        };
        if self.over || !(self.go_on)(progress) {
            self.over = true;
            return false;
        }
        self.runs += 1;
        let failure = outcome(plan, &self.title, false).and_then(|outcome| outcome.failure);
        failure.is_some_and(|failure| failure.check == self.check)
    }

    /// Takes a plan if it fails as it should.
    fn take(&mut self, plan: Plan) -> bool {
        let better = self.fails(&plan);
        if better {
            self.best = plan;
        }
        better
    }

    /// Changes the best plan; says whether that still fails.
    fn change(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.best.clone();
        change(&mut plan);
        plan != self.best && self.take(plan)
    }

    /// Nothing after the failure matters; much before it may not either.
    fn cut(&mut self, failed_at: Nanos) {
        if failed_at < self.best.span {
            self.end_at(failed_at.next_multiple_of(MS));
        }
        let mut step = self.best.span / 2;
        while step > 100 * MS {
            if self.best.span <= step || !self.end_at(self.best.span - step) {
                step /= 2;
            }
        }
    }

    /// Ends the safety phase at `span`.
    fn end_at(&mut self, span: Nanos) -> bool {
        self.change(|plan| {
            plan.span = span;
            plan.blows.retain(|blow| blow.at < span);
            for client in &mut plan.clients {
                client.operations.retain(|n| client.due[*n as usize] < span);
            }
        })
    }

    /// Blows, clients and operations.
    fn leave_out(&mut self) {
        let kinds: Vec<String> = self.best.blows.iter().map(|b| b.kind.clone()).collect();
        for kind in kinds {
            self.change(|plan| plan.blows.retain(|blow| blow.kind != kind));
        }
        self.thin(|plan| plan.blows.clone(), |plan, blows| plan.blows = blows);
        self.thin(|plan| plan.clients.clone(), |plan, clients| plan.clients = clients);
        self.cut(self.best.span);
        let operations = |plan: &Plan| {
            let of = |(c, client): (usize, &Client)| {
                client
                    .operations
                    .iter()
                    .map(|n| (client.due[*n as usize], c, *n))
                    .collect::<Vec<_>>()
            };
            let mut all: Vec<(Nanos, usize, u32)> =
                plan.clients.iter().enumerate().flat_map(of).collect();
            all.sort_unstable();
            all
        };
        self.thin(operations, |plan, left| {
            for (c, client) in plan.clients.iter_mut().enumerate() {
                client.operations.retain(|n| left.iter().any(|o| (o.1, o.2) == (c, *n)));
            }
        });
        self.change(|plan| plan.clients.retain(|client| !client.operations.is_empty()));
    }

    /// Leaves out as many of a plan's parts as it can: all, halves, quarters, and so on.
    fn thin<T: Clone>(&mut self, parts: impl Fn(&Plan) -> Vec<T>, put: impl Fn(&mut Plan, Vec<T>)) {
        let mut left = parts(&self.best);
        let mut size = left.len();
        while size > 0 && !self.over {
            let mut at = 0;
            while at < left.len() {
                let end = left.len().min(at + size);
                let rest = [&left[..at], &left[end..]].concat();
                if self.change(|plan| put(plan, rest.clone())) {
                    left = rest;
                } else {
                    at = end;
                }
            }
            size /= 2;
        }
    }

    /// Aims blows at the moments after operations, and tries with fewer of these.
    fn aim(&mut self) {
        if self.best.operations() > AIM_OPERATIONS_MAX {
            return;
        }
        for n in 0..self.best.blows.len() {
            let due =
                |c: &Client| c.operations.iter().map(|n| c.due[*n as usize]).collect::<Vec<_>>();
            let mut moments: Vec<Nanos> = self.best.clients.iter().flat_map(due).collect();
            moments.sort_unstable();
            let delays = [MS / 10, MS / 4, MS / 2, MS, 2 * MS, 5 * MS, 20 * MS];
            'aimed: for (before, moment) in moments.into_iter().enumerate() {
                if before + 1 >= self.best.operations() {
                    break;
                }
                for delay in delays {
                    let at = moment + delay;
                    let aimed = self.change(|plan| {
                        plan.blows[n].at = at;
                        for client in &mut plan.clients {
                            client.operations.retain(|n| client.due[*n as usize] <= moment);
                        }
                    });
                    if aimed {
                        break 'aimed;
                    }
                }
            }
        }
    }

    /// Settings that make no difference go back to what they are by themselves.
    fn settings(&mut self) {
        for key in self.best.frame.keys().cloned().collect::<Vec<_>>() {
            if self.change(|plan| drop(plan.frame.remove(&key))) {
                continue;
            }
            let within = self.best.frame[&key].as_table().map(|t| t.keys().cloned().collect());
            for inner in within.into_iter().flat_map(|keys: Vec<String>| keys) {
                self.change(|plan| {
                    if let Some(table) = plan.frame[&key].as_table_mut() {
                        table.remove(&inner);
                    }
                });
            }
        }
        for n in 0..self.best.clients.len() {
            let keys: Vec<String> = self.best.clients[n].params.keys().cloned().collect();
            // The rate says when operations are due.
            for key in keys.into_iter().filter(|key| key != "kind" && key != "rate") {
                self.change(|plan| drop(plan.clients[n].params.remove(&key)));
            }
        }
        for n in 0..self.best.blows.len() {
            let keys: Vec<String> = self.best.blows[n].params.keys().cloned().collect();
            for key in keys {
                self.change(|plan| drop(plan.blows[n].params.remove(&key)));
            }
        }
    }

    /// Moments and spans that are easier to read.
    fn round(&mut self) {
        for n in 0..self.best.blows.len() {
            for unit in [10 * MS, MS, MS / 10, MS / 100] {
                let rounded = |at: Nanos| at.next_multiple_of(unit);
                if self.change(|plan| plan.blows[n].at = rounded(plan.blows[n].at)) {
                    break;
                }
            }
            for unit in [100 * MS, 10 * MS, MS] {
                let rounded = |at: Nanos| at.next_multiple_of(unit);
                if self.change(|plan| plan.blows[n].lasts = rounded(plan.blows[n].lasts)) {
                    break;
                }
            }
        }
        for unit in [1000 * MS, 100 * MS, 10 * MS] {
            if self.change(|plan| plan.span = plan.span.next_multiple_of(unit)) {
                break;
            }
        }
    }
}
