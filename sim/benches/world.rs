//! How fast the world turns: 200 produce requests a second on one node, nothing traced, every check on.
//!
//! What is wanted is a million events and four hundred simulated seconds in each second of one core. Beside it, the swarm's
//! own scenarios, which have restarts, tiny files and cold reads in them.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // a benchmark has a clock

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sordini_sim::run::{Watch, run};
use sordini_sim::scenario::{Scenario, draw};
use std::hint::black_box;
use std::sync::Arc;

fn calm(c: &mut Criterion) {
    let text = include_str!("../../scenarios/load/calm.toml");
    let scenario = Arc::new(Scenario::parse("calm.toml", text).expect("a scenario"));
    let once = || run(&scenario, 0, Watch::default());
    let events = once().report.events;
    let mut group = c.benchmark_group("world");
    group.throughput(Throughput::Elements(events));
    group.bench_function("calm, events", |b| b.iter(|| black_box(once())));
    group.finish();
}

fn swarm(c: &mut Criterion) {
    let scenarios: Vec<_> = (0..8).map(|seed| (seed, Arc::new(draw(seed)))).collect();
    let all = || scenarios.iter().map(|(seed, s)| run(s, *seed, Watch::default()).report.events);
    let events = all().sum();
    let mut group = c.benchmark_group("world");
    group.throughput(Throughput::Elements(events)).sample_size(10);
    group.bench_function("swarm, events", |b| b.iter(|| black_box(all().sum::<u64>())));
    group.finish();
}

criterion_group!(benches, calm, swarm);
criterion_main!(benches);
