//! `sordini sim`: breaks the broker in a simulated world, and repeats what it found.
//!
//! What a run is lies in the `sim` room; here are files, threads, real time and exit codes: 0, all held; 1, a check
//! failed, and the exact command that repeats it is printed; 2, something could not be read.

mod determinism;
mod evidence;
mod image;
mod interrupt;
mod list;
#[cfg(feature = "mutants")]
mod mutants;
mod nightly;
mod recording;
mod replay;
mod run;
mod shrink;
mod summary;
mod swarm;

use crate::output::print;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use sordini_sim::scenario::{Scenario, draw};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `sordini sim`
#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Run a scenario with many seeds, or with one
    Run(RunArgs),
    /// Draw a scenario from each of many seeds and run it
    Swarm(SwarmArgs),
    /// Run one seed again, or a recorded life of a real broker, and tell what happens
    Replay(ReplayArgs),
    /// Leave out of a failing run what it does not need to fail, and print the rest as a scenario
    Shrink(ShrinkArgs),
    /// List faults, loads, checks and marks
    List,
    /// Run seeds twice in two processes and compare everything that happens
    CheckDeterminism(DeterminismArgs),
    /// Run every scenario, a swarm of fresh seeds for so long, and a sample of them in two processes
    Nightly(NightlyArgs),
    /// Measure the simulator by known bugs: which check finds each, with how many seeds, how soon
    #[cfg(feature = "mutants")]
    Mutants(MutantsArgs),
}

/// `sordini sim run`
#[derive(Args, Debug)]
pub struct RunArgs {
    /// The scenario: a TOML file, or a folder with such files
    file: PathBuf,
    /// Only this seed instead of as many as the scenario says
    #[arg(long, value_parser = clap::value_parser!(u64).range(..u64::MAX))]
    seed: Option<u64>,
    /// How many runs go on at once
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Begin on the data directory of a stopped broker, which stays as it is: what it holds must outlive everything that happens
    #[arg(long, value_name = "DIR")]
    image: Option<PathBuf>,
}

/// `sordini sim swarm`
#[derive(Args, Debug)]
pub struct SwarmArgs {
    /// Which seeds, FROM..TO; TO is not included
    #[arg(long, default_value = "0..1000000000")]
    seeds: Seeds,
    /// Stop after so long, such as 60s, 10m or 2h; without it, when all seeds have run
    #[arg(long, value_parser = duration)]
    time: Option<Duration>,
    /// How many runs go on at once
    #[arg(long, default_value_t = 1)]
    jobs: usize,
}

/// `sordini sim replay`
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The scenario: a TOML file, or `swarm` for the one that the seed draws; or a recording of `serve --record`
    file: PathBuf,
    /// The seed; needed unless the scenario is about one
    #[arg(long)]
    seed: Option<u64>,
    /// Stop at this virtual time, such as 1500ms
    #[arg(long, value_parser = duration)]
    until: Option<Duration>,
    /// Print a line for everything that happens
    #[arg(long)]
    log: bool,
    /// Write one page that shows the run: lanes, messages, faults, and the failed check at its moment
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the hash after every event, for comparisons between processes
    #[arg(long, hide = true)]
    hashes: bool,
    /// Print the scenario too
    #[arg(long)]
    scenario: bool,
    /// Begin on the data directory of a stopped broker, as `sim run --image` does
    #[arg(long, value_name = "DIR")]
    image: Option<PathBuf>,
}

/// `sordini sim shrink`
#[derive(Args, Debug)]
pub struct ShrinkArgs {
    /// The scenario: a TOML file, or `swarm` for the one that the seed draws
    file: PathBuf,
    /// The seed; without one, the first seed that fails
    #[arg(long)]
    seed: Option<u64>,
    /// Write one page that shows what is left of the run
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Be content after so long with what was reached
    #[arg(long, value_parser = duration, default_value = "60s")]
    time: Duration,
}

/// `sordini sim check-determinism`
#[derive(Args, Debug)]
pub struct DeterminismArgs {
    /// The scenario: a TOML file, or `swarm` for the ones that seeds draw
    #[arg(default_value = "swarm")]
    file: PathBuf,
    /// Which seeds, FROM..TO; TO is not included
    #[arg(long, default_value = "0..20")]
    seeds: Seeds,
    /// How many seeds are compared at once
    #[arg(long, default_value_t = 1)]
    jobs: usize,
}

/// `sordini sim nightly`
#[derive(Args, Debug)]
pub struct NightlyArgs {
    /// How long the swarm runs, such as 60s or 2h; all else takes a few minutes
    #[arg(long, value_parser = duration, default_value = "2h")]
    time: Duration,
    /// The folder of the scenarios
    #[arg(long, default_value = "scenarios")]
    folder: PathBuf,
    /// The first seed of the swarm instead of one that the clock gives
    #[arg(long, value_parser = clap::value_parser!(u64).range(..u64::MAX))]
    from: Option<u64>,
    /// Write a table of what the swarm came to, added to what the same program wrote there before
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
    /// How many seeds are run in two processes
    #[arg(long, default_value_t = 20)]
    twice: u64,
    /// How many runs go on at once
    #[arg(long, default_value_t = 1)]
    jobs: usize,
}

/// `sordini sim mutants`
#[cfg(feature = "mutants")]
#[derive(Args, Debug)]
pub struct MutantsArgs {
    /// Only these, by their ids
    ids: Vec<String>,
    /// Seeds of each base, FROM..TO; TO is not included
    #[arg(long, default_value = "0..1000000")]
    seeds: Seeds,
    /// How long one core hunts from one base
    #[arg(long, value_parser = duration, default_value = "60s")]
    time: Duration,
    /// From how many bases the swarm hunts
    #[arg(long, default_value_t = 5)]
    bases: u64,
    /// Only the scenarios that were written to kill, without the swarm
    #[arg(long)]
    scripts: bool,
    /// The folder of those scenarios
    #[arg(long, default_value = "scenarios/mutants")]
    folder: PathBuf,
    /// Write the table as a page
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
}

/// Seeds from and below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    from: u64,
    to: u64,
}

impl FromStr for Seeds {
    type Err = String;
    fn from_str(text: &str) -> Result<Seeds, String> {
        let parsed = text
            .split_once("..")
            .and_then(|(from, to)| Some(Seeds { from: from.parse().ok()?, to: to.parse().ok()? }));
        let parsed = parsed.filter(|seeds| seeds.from < seeds.to);
        parsed.ok_or_else(|| format!("expected seeds such as 0..1000, came {text}"))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time such as 500ms, 60s, 10m or 2h, came {text}");
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected()),
    };
    Ok(Duration::from_millis(number.saturating_mul(ms)))
}

/// What a command came to.
pub enum Verdict {
    /// Everything held.
    Held,
    /// Something did not; it was told.
    Failed,
}

/// Whether something did not hold, for a reader who leaves before the command is over.
static FAILED: AtomicBool = AtomicBool::new(false);

/// Tells what did not hold.
fn failed(what: impl Display) -> Result<Verdict> {
    FAILED.store(true, Ordering::Relaxed);
    print(&format!("FAILED {what}\n"))?;
    Ok(Verdict::Failed)
}

/// Runs the command; the exit code says what it came to.
pub fn run(command: &SimCommand) -> ExitCode {
    match verdict(command) {
        Ok(Verdict::Held) if interrupt::came() => ExitCode::from(interrupt::EXIT),
        Ok(Verdict::Held) => ExitCode::SUCCESS,
        Ok(Verdict::Failed) => ExitCode::from(1),
        Err(error) if crate::output::reader_left(&error) => {
            ExitCode::from(u8::from(FAILED.load(Ordering::Relaxed)))
        }
        Err(error) => {
            eprintln!("sordini: {}", crate::output::story(&error));
            ExitCode::from(2)
        }
    }
}

fn verdict(command: &SimCommand) -> Result<Verdict> {
    if let Some(id) = mutant() {
        activate(&id)?;
    }
    match command {
        SimCommand::Run(args) => run::run(args),
        SimCommand::Swarm(args) => swarm::run(args),
        SimCommand::Replay(args) => replay::run(args),
        SimCommand::Shrink(args) => shrink::run(args),
        SimCommand::List => list::run(),
        SimCommand::CheckDeterminism(args) => determinism::run(args),
        SimCommand::Nightly(args) => nightly::run(args),
        #[cfg(feature = "mutants")]
        SimCommand::Mutants(args) => mutants::run(args),
    }
}

/// The planted bug that runs are to have, if any.
fn mutant() -> Option<String> {
    std::env::var("SORDINI_MUTANT").ok()
}

#[cfg(feature = "mutants")]
fn activate(id: &str) -> Result<()> {
    let known: Vec<&str> = sordini_mutant::MUTANTS.iter().map(|mutant| mutant.id).collect();
    anyhow::ensure!(
        sordini_mutant::activate(Some(id)),
        "SORDINI_MUTANT: expected one of {}, came {id}",
        known.join(", ")
    );
    Ok(())
}

#[cfg(not(feature = "mutants"))]
fn activate(id: &str) -> Result<()> {
    anyhow::bail!(
        "SORDINI_MUTANT={id}: this build has no mutants; give `cargo run` or `cargo build` --features mutants"
    )
}

/// The name of the scenario that a seed draws, where a file could be named.
const SWARM: &str = "swarm";

/// The scenario and the seed that are meant by `file` and `seed`.
fn subject(file: &Path, seed: Option<u64>) -> Result<(Arc<Scenario>, u64)> {
    let missing = || anyhow::anyhow!("{}: expected --seed N", file.display());
    if file == Path::new(SWARM) {
        let seed = seed.ok_or_else(missing)?;
        return Ok((Arc::new(draw(seed)), seed));
    }
    let scenario = scenario(file)?;
    let seed = seed.or(scenario.seed).ok_or_else(missing)?;
    Ok((scenario, seed))
}

/// The scenario in a file.
fn scenario(file: &Path) -> Result<Arc<Scenario>> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| anyhow::anyhow!("{}: expected a scenario: {e}", file.display()))?;
    Ok(Arc::new(Scenario::parse(&file.display().to_string(), &text)?))
}

/// Writes a page that explains a run.
fn write_page(file: &Path, page: &str) -> Result<()> {
    std::fs::write(file, page).with_context(|| {
        format!("cannot write the page {}; give --html a file that can be written", file.display())
    })
}

/// The same scenario on an image, if there is one.
fn on(scenario: Arc<Scenario>, image: Option<&image::Opened>) -> Result<Arc<Scenario>> {
    let Some(image) = image else { return Ok(scenario) };
    Ok(Arc::new(Scenario::clone(&scenario).on(Arc::clone(&image.image))?))
}

/// The command that repeats a run, for a shell.
fn repeat(file: &Path, seed: u64, image: Option<&Path>) -> String {
    let image = image.map_or(String::new(), |dir| format!(" --image {}", quoted(dir)));
    format!("{}sordini sim replay {} --seed {seed}{image}", planted(), quoted(file))
}

/// The planted bug that runs have, as the front of a command.
fn planted() -> String {
    mutant().map_or(String::new(), |id| format!("SORDINI_MUTANT={id} "))
}

/// A path as a shell takes it for one word.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    if path.chars().all(plain) { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_and_times_are_read_or_refused_with_what_was_expected() {
        assert_eq!("3..9".parse(), Ok(Seeds { from: 3, to: 9 }));
        assert!("9..3".parse::<Seeds>().unwrap_err().contains("expected seeds such as"));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert!(duration("90").unwrap_err().contains("expected a time such as"));
    }

    #[test]
    fn the_command_that_repeats_a_run_can_be_pasted() {
        let again = repeat(Path::new("a b/it's.toml"), 7, Some(Path::new("data")));
        assert_eq!(again, r"sordini sim replay 'a b/it'\''s.toml' --seed 7 --image data");
    }
}
