//! The work of shrinking: which pieces of a plan are left out, in which order, and whether it then still fails.

use super::{Plan, Progress, outcome};
use crate::chance::Chance;
use crate::heap::{MS, Nanos};
use std::collections::BTreeSet;
use toml::Table;

/// So few operations are left when blows are aimed at the moments after them.
const AIM_OPERATIONS_MAX: usize = 40;

/// Events that may be spent on trying one plan again with other draws.
const AGAIN_EVENTS: u64 = 100_000;

/// How often a plan is tried again with other draws at most.
const AGAIN_MAX: u64 = 24;

/// With so few operations the story can be read.
const ENOUGH: usize = 15;

/// A failure that only the audit sees is looked for no closer than this.
const SPAN_STEP_MIN: Nanos = 50 * MS;

/// A plan on its way down.
pub(super) struct Work<'a> {
    /// The least that failed.
    pub best: Plan,
    /// Runs so far.
    pub runs: u64,
    title: String,
    check: &'static str,
    /// When `best` fails.
    failed_at: Nanos,
    /// Events of the last run of `best`.
    events: u64,
    go_on: &'a mut dyn FnMut(Progress) -> bool,
    over: bool,
}

/// An operation: when it is due, index of its client, its number.
type Operation = (Nanos, usize, u32);

impl<'a> Work<'a> {
    /// Nothing is left out yet.
    pub fn new(
        best: Plan,
        title: String,
        check: &'static str,
        go_on: &'a mut dyn FnMut(Progress) -> bool,
    ) -> Work<'a> {
        Work { best, runs: 1, title, check, failed_at: 0, events: u64::MAX, go_on, over: false }
    }

    /// Whether the whole plan fails.
    pub fn begins(&mut self) -> bool {
        self.tried(self.best.clone())
    }

    /// Leaves out what can be left out.
    pub fn shrink(&mut self) {
        self.time();
        let whole = (self.best.clone(), self.failed_at, self.events);
        self.pieces(0);
        if self.best.operations() > ENOUGH {
            // Some bugs show without any fault, if much happens at the right moment. With one it takes less.
            let without = self.best.clone();
            (self.best, self.failed_at, self.events) = whole;
            self.pieces(1);
            if weight(&without) <= weight(&self.best) {
                self.best = without;
            }
        }
        self.settings();
        self.round();
    }

    /// Time, units and operations, as long as there is something to leave out; so many blows are kept at least.
    fn pieces(&mut self, blows_min: usize) {
        loop {
            let before = self.best.clone();
            self.units(blows_min);
            self.time();
            self.tiny();
            self.operations();
            self.aim();
            if self.over || self.best == before {
                break;
            }
        }
    }

    /// Takes a plan if it fails as it should, with the draws that its blows have.
    fn tried(&mut self, plan: Plan) -> bool {
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
        let Some(outcome) = outcome(&plan, &self.title, false) else { return false };
        let Some(failure) = outcome.failure.filter(|f| f.check == self.check) else { return false };
        (self.failed_at, self.events, self.best) = (failure.at, outcome.report.events, plan);
        true
    }

    /// Takes a plan if it fails as it should; where runs are short, also with other draws.
    fn take(&mut self, plan: Plan) -> bool {
        // About as much shorter as it has fewer operations.
        let (left, all) = (plan.operations() as u64 + 50, self.best.operations() as u64 + 50);
        let events = u128::from(self.events) * u128::from(left) / u128::from(all);
        let again = (AGAIN_EVENTS / (events as u64).max(1)).min(AGAIN_MAX);
        self.tried(plan.clone()) || (1..=again).any(|n| self.tried(drawn_anew(&plan, n)))
    }

    /// Changes the best plan; says whether that still fails.
    fn change(&mut self, change: impl FnOnce(&mut Plan)) -> bool {
        let mut plan = self.best.clone();
        change(&mut plan);
        plan != self.best && self.take(plan)
    }

    /// Nothing after the failure matters; if only the audit saw it, much before may not either.
    fn time(&mut self) {
        let seen_at = (self.failed_at + 1).next_multiple_of(MS);
        if seen_at < self.best.span {
            self.change(|plan| end_at(plan, seen_at));
        }
        let mut step = self.best.span / 2;
        while step > SPAN_STEP_MIN && !self.over {
            let span = self.best.span - step;
            self.change(|plan| end_at(plan, span));
            step /= 2;
        }
    }

    /// Loads, clients, kinds of faults and blows: there are few of each, and each saves much.
    fn units(&mut self, blows_min: usize) {
        let loads: BTreeSet<String> =
            self.best.clients.iter().map(|client| client.load().to_owned()).collect();
        for load in loads {
            self.change(|plan| plan.clients.retain(|client| client.load() != load));
        }
        self.thin(|plan| plan.clients.clone(), |plan, clients| plan.clients = clients);
        self.best.blows.sort_by_key(|blow| blow.at);
        self.last(|plan| plan.blows.clone(), |plan, blows| plan.blows = blows);
        let kinds: BTreeSet<String> = self.best.blows.iter().map(|b| b.kind.clone()).collect();
        for kind in kinds {
            if self.best.blows.iter().filter(|blow| blow.kind != kind).count() >= blows_min {
                self.change(|plan| plan.blows.retain(|blow| blow.kind != kind));
            }
        }
        self.thin(
            |plan| plan.blows[blows_min.min(plan.blows.len())..].to_vec(),
            |plan, blows| drop(plan.blows.splice(blows_min.min(plan.blows.len()).., blows)),
        );
    }

    /// Where caches, files and the journal's ring are smaller, fewer operations fill them.
    fn tiny(&mut self) {
        if self.best.operations() <= ENOUGH {
            return;
        }
        let storage: Table = "size = \"tiny\"".parse().expect("a table");
        self.change(|plan| drop(plan.frame.insert("storage".into(), storage.into())));
    }

    /// Operations, in the order in which they are due.
    fn operations(&mut self) {
        self.last(operations, put_operations);
        self.thin(operations, put_operations);
        self.change(|plan| plan.clients.retain(|client| !client.operations.is_empty()));
    }

    /// What led to a failure is often what came last before it: as few of the last parts as fail, at most half of them.
    /// The tries are short, and one that succeeds saves all the others.
    fn last<T: Clone>(&mut self, parts: impl Fn(&Plan) -> Vec<T>, put: impl Fn(&mut Plan, Vec<T>)) {
        let all = parts(&self.best);
        let mut count = 1;
        while count <= all.len() / 2 && !self.over {
            let left = all[all.len() - count..].to_vec();
            if self.change(|plan| put(plan, left)) {
                break;
            }
            count *= 2;
        }
    }

    /// Leaves out as many of a plan's parts as it can: all, halves, quarters, and so on.
    fn thin<T: Clone>(&mut self, parts: impl Fn(&Plan) -> Vec<T>, put: impl Fn(&mut Plan, Vec<T>)) {
        let mut left = parts(&self.best);
        let mut size = left.len();
        while size > 0 && !self.over {
            let mut at = 0;
            while at < left.len() && !self.over {
                let end = left.len().min(at + size);
                let rest = [&left[..at], &left[end..]].concat();
                if self.change(|plan| put(plan, rest.clone())) {
                    left = rest;
                } else {
                    at = end;
                }
            }
            size = size.min(left.len() + 1) / 2;
        }
    }

    /// Aims blows at the moments after operations, and tries with fewer of these.
    fn aim(&mut self) {
        if self.best.operations() > AIM_OPERATIONS_MAX {
            return;
        }
        for n in 0..self.best.blows.len() {
            let moments: Vec<Nanos> = operations(&self.best).iter().map(|o| o.0).collect();
            let delays = [MS / 10, MS / 4, MS / 2, MS, 2 * MS, 5 * MS, 20 * MS];
            'aimed: for (before, moment) in moments.into_iter().enumerate() {
                if before + 1 >= self.best.operations() {
                    break;
                }
                for delay in delays {
                    let mut plan = self.best.clone();
                    plan.blows[n].at = moment + delay;
                    for client in &mut plan.clients {
                        client.operations.retain(|n| client.due[*n as usize] <= moment);
                    }
                    if plan.span > moment + delay && self.tried(plan) {
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

/// Ends the safety phase at `span`, with everything that would have come later.
fn end_at(plan: &mut Plan, span: Nanos) {
    plan.span = span;
    plan.blows.retain(|blow| blow.at < span);
    for client in &mut plan.clients {
        client.operations.retain(|n| client.due[*n as usize] < span);
    }
}

/// Every operation, in the order in which they are due.
fn operations(plan: &Plan) -> Vec<Operation> {
    let mut all = Vec::new();
    for (c, client) in plan.clients.iter().enumerate() {
        all.extend(client.operations.iter().map(|n| (client.due[*n as usize], c, *n)));
    }
    all.sort_unstable();
    all
}

/// Those operations and no others.
fn put_operations(plan: &mut Plan, left: Vec<Operation>) {
    plan.clients.iter_mut().for_each(|client| client.operations.clear());
    for (_, c, n) in left {
        plan.clients[c].operations.push(n);
    }
}

/// How much a plan has in it.
fn weight(plan: &Plan) -> usize {
    plan.operations() + 3 * plan.blows.len()
}

/// The plan with other draws of a blow: what it does, and in most cases when, shortly after an operation. Without any, less
/// some operations more: what is left comes at other moments of broker and disk.
fn drawn_anew(plan: &Plan, n: u64) -> Plan {
    let mut chance = Chance::new(plan.seed, n);
    let mut plan = plan.clone();
    let moments = operations(&plan);
    if plan.blows.is_empty() {
        let share = *chance.pick(&[2, 4, 16]);
        let left = moments.into_iter().filter(|_| !chance.odds(1, share)).collect();
        put_operations(&mut plan, left);
        return plan;
    }
    let (span, blow) = (plan.span, chance.index(plan.blows.len()));
    let blow = &mut plan.blows[blow];
    blow.stream = chance.below(4000) as u32;
    if !moments.is_empty() && chance.odds(2, 3) {
        // The last ones rather than the first: what came long before has been answered.
        let back = chance.exponential(2).min(moments.len() as u64 - 1) as usize;
        let mean = *chance.pick(&[MS / 5, MS, 10 * MS]);
        let at = moments[moments.len() - 1 - back].0 + chance.exponential(mean);
        blow.at = at.min(span - 1);
    }
    plan
}
