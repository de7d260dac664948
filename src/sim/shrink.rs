//! `sordini sim shrink`: a failing run as the few lines that it needs to fail.
//!
//! The scenario goes to standard output, ready for `scenarios/regressions`; how far it is, to standard error.

use super::{ShrinkArgs, Verdict, subject};
use crate::output::print;
use anyhow::Result;
use sordini_sim::run::{Watch, run as run_one};
use sordini_sim::scenario::Scenario;
use sordini_sim::shrink::shrink;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The run that is meant; without a seed, the first that fails.
fn failing(args: &ShrinkArgs, begun: Instant) -> Result<Option<(Arc<Scenario>, u64)>> {
    for seed in 0.. {
        let (scenario, seed) = match args.seed {
            Some(seed) => return subject(&args.file, Some(seed)).map(Some),
            None => subject(&args.file, Some(seed))?,
        };
        if let Some(seed) = scenario.seed {
            return Ok(Some((scenario, seed)));
        }
        if run_one(&scenario, seed, Watch::default()).failure.is_some() {
            eprintln!("seed {seed} fails");
            return Ok(Some((scenario, seed)));
        }
        if begun.elapsed() >= args.time {
            break;
        }
    }
    Ok(None)
}

/// How often it is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(2);

/// Runs the command.
pub fn run(args: &ShrinkArgs) -> Result<Verdict> {
    let begun = Instant::now();
    let mut told = begun;
    // A panic of the broker is a result like any other.
    std::panic::set_hook(Box::new(|_| {}));
    let Some((scenario, seed)) = failing(args, begun)? else {
        eprintln!("no seed failed in {:.0} s: there is nothing to shrink", args.time.as_secs_f64());
        return Ok(Verdict::Held);
    };
    let shrunk = shrink(&scenario, seed, &mut |progress| {
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            let (operations, blows, runs) = (progress.operations, progress.blows, progress.runs);
            let ms = progress.span / 1_000_000;
            eprintln!("{operations} operations, {blows} faults, {ms} ms; {runs} runs");
        }
        begun.elapsed() < args.time
    });
    drop(std::panic::take_hook());
    let Some(shrunk) = shrunk else {
        eprintln!("seed {seed} does not fail: there is nothing to shrink");
        return Ok(Verdict::Held);
    };
    print(&shrunk.text())?;
    if let Some(file) = &args.html {
        super::write_page(file, &shrunk.html())?;
    }
    let (from, plan) = (shrunk.from, &shrunk.plan);
    eprintln!(
        "{}: {} of {} operations and {} of {} faults are needed; {} runs, {:.1} s",
        shrunk.failure.check,
        plan.operations(),
        from.0,
        plan.blows.len(),
        from.1,
        shrunk.runs,
        begun.elapsed().as_secs_f64()
    );
    Ok(Verdict::Failed)
}
