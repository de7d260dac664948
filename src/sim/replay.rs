//! `sordini sim replay`: one seed again, with its story if wanted.

use super::summary::Summary;
use super::{ReplayArgs, Verdict, scenario};
use crate::output::print;
use anyhow::Result;
use sordini_sim::run::{Watch, run as run_one};
use sordini_sim::world::World;
use std::fmt::Write;
use std::sync::Arc;

/// Runs the command.
pub fn run(args: &ReplayArgs) -> Result<Verdict> {
    let scenario = scenario(&args.file, args.seed)?;
    if args.scenario {
        print(&scenario.text)?;
    }
    if args.hashes {
        return hashes(args);
    }
    let mut summary = Summary::begin();
    let until = args.until.map(|until| until.as_nanos() as u64);
    let outcome = run_one(&scenario, args.seed, Watch { story: args.log, until });
    summary.add(&outcome.report);
    for line in outcome.story {
        print(&format!("{line}\n"))?;
    }
    let held = outcome.failure.is_none();
    if let Some(failure) = outcome.failure {
        let at = failure.at / 1_000_000;
        print(&format!("FAILED at {at} ms: {failure}\n"))?;
    }
    print(&summary.show())?;
    Ok(if held { Verdict::Held } else { Verdict::Failed })
}

/// The hash after every event of the safety phase, a line each, with what happened if `--log`.
fn hashes(args: &ReplayArgs) -> Result<Verdict> {
    let scenario = scenario(&args.file, args.seed)?;
    let mut world = World::new(args.seed, Arc::clone(&scenario));
    world.story = args.log.then(Vec::new);
    let mut text = String::new();
    while world.next().is_some_and(|(at, _)| at <= scenario.span) {
        let lived = world.step();
        let _ = write!(text, "{:016x}", world.hash.finish());
        for line in world.story.iter_mut().flat_map(|story| story.drain(..)) {
            let _ = write!(text, "\t{}", line.to_string().replace('\n', " "));
        }
        text.push('\n');
        if text.len() > 1 << 16 {
            print(&std::mem::take(&mut text))?;
        }
        if lived.is_err() {
            break;
        }
    }
    print(&text)?;
    Ok(Verdict::Held)
}
