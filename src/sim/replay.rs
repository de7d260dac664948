//! `sordini sim replay`: one seed again, or a recorded life of a real broker; with its story if wanted.

use super::summary::Summary;
use super::{ReplayArgs, Verdict, image, on, repeat, subject};
use crate::output::print;
use anyhow::Result;
use sordini_sim::explain::html;
use sordini_sim::run::{Outcome, Watch, run as run_one};
use std::fmt::Write;

/// Runs the command.
pub fn run(args: &ReplayArgs) -> Result<Verdict> {
    if super::recording::is_one(&args.file) {
        return super::recording::run(args);
    }
    let image = args.image.as_deref().map(image::open).transpose()?;
    let (scenario, seed) = subject(&args.file, args.seed)?;
    let scenario = on(scenario, image.as_ref())?;
    if args.scenario {
        print(&scenario.text)?;
    }
    let mut summary = Summary::begin();
    let until = args.until.map(|until| until.as_nanos() as u64);
    let story = args.log || args.html.is_some();
    // A panic of the broker is a result, told like any other.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = run_one(&scenario, seed, Watch { story, hashes: args.hashes, until });
    drop(std::panic::take_hook());
    if args.hashes {
        return hashes(&outcome);
    }
    summary.add(&outcome.report);
    for line in outcome.story.iter().filter(|_| args.log) {
        print(&format!("{line}\n"))?;
    }
    if let Some(file) = &args.html {
        let page = html(&scenario, seed, &outcome.story, outcome.failure.as_ref());
        super::write_page(file, &page)?;
    }
    let held = outcome.failure.is_none();
    if let Some(failure) = outcome.failure {
        let (at, again) = (failure.at / 1_000_000, repeat(&args.file, seed, args.image.as_deref()));
        super::failed(format_args!("seed {seed} at {at} ms: {failure}\n  repeat it: {again}"))?;
    }
    print(&summary.show())?;
    Ok(if held { Verdict::Held } else { Verdict::Failed })
}

/// The hash after every event of the run, a line each, with what happened if it was written down.
fn hashes(outcome: &Outcome) -> Result<Verdict> {
    let mut text = String::new();
    let mut told = 0;
    for (hash, until) in &outcome.hashes {
        let _ = write!(text, "{hash:016x}");
        for line in &outcome.story[told..*until] {
            let _ = write!(text, "\t{}", line.to_string().replace('\n', " "));
        }
        told = *until;
        text.push('\n');
        if text.len() > 1 << 16 {
            print(&std::mem::take(&mut text))?;
        }
    }
    let end = outcome.failure.as_ref().map(|f| f.to_string().replace('\n', " "));
    print(&format!("{text}{}\n", end.unwrap_or_else(|| "held".into())))?;
    Ok(Verdict::Held)
}
