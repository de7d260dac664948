//! `sordini sim mutants`: how good the simulator is. Which check finds each known bug, with how many seeds, how soon.
//!
//! A mutant must be killed twice: by the scenario that was written for it, which holds without it; and by the swarm, from
//! several first seeds. A seed that fails without the mutant too kills nothing, and is told. A process has one active
//! mutant at a time, so mutants come one after the other and the seeds of each on as many threads as wanted.

use super::swarm::Crew;
use super::{MutantsArgs, SWARM, Seeds, Verdict, scenario};
use crate::output::{print, table};
use anyhow::{Result, ensure};
use sordini_mutant::{MUTANTS, Mutant, NONDETERMINISM, activate};
use sordini_sim::scenario::{Scenario, draw};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How far apart the seeds of two bases are.
const BASES_APART: u64 = 100_000_000;

/// A failing run.
struct Kill {
    seed: u64,
    check: &'static str,
    /// Seeds that were run until then, this one included.
    seeds: u64,
    after: Duration,
}

/// Runs the command.
pub fn run(args: &MutantsArgs) -> Result<Verdict> {
    for id in &args.ids {
        let names: Vec<&str> = MUTANTS.iter().map(|m| m.id).collect();
        ensure!(names.contains(&id.as_str()), "expected one of {}, came {id}", names.join(", "));
    }
    let wanted = |m: &&Mutant| {
        m.id != NONDETERMINISM && (args.ids.is_empty() || args.ids.iter().any(|id| id == m.id))
    };
    let (mut rows, mut survived, mut bases, mut quick) = (Vec::new(), Vec::new(), 0, 0);
    for mutant in MUTANTS.iter().filter(wanted) {
        let script = script(args, mutant)?;
        let swarm = match args.scripts {
            true => Vec::new(),
            false => {
                (0..args.bases).map(|base| swarm(args, mutant, base)).collect::<Result<_>>()?
            }
        };
        if script.is_err() || swarm.iter().any(Option::is_none) {
            survived.push(mutant.id);
        }
        bases += swarm.len();
        quick += swarm.iter().flatten().filter(|k| k.after.as_secs() < 60).count();
        let row = row(mutant, &script, &swarm);
        print(&format!("{}\n", row.join("  ")))?;
        rows.push(row);
    }
    print(&format!(
        "\n{}",
        table(&["MUTANT", "SCRIPT", "SEEDS", "SECONDS", "CHECKS", "CHANGE"], &rows)
    ))?;
    print(&format!(
        "{} mutants, {} survived: {}\n",
        rows.len(),
        survived.len(),
        survived.join(" ")
    ))?;
    if bases > 0 {
        print(&format!("{quick} of {bases} hunts of the swarm ended within 60 s\n"))?;
    }
    Ok(if survived.is_empty() { Verdict::Held } else { Verdict::Failed })
}

/// The check by which its own scenario fails with the mutant; what is wrong if it does not, or fails without.
fn script(args: &MutantsArgs, mutant: &Mutant) -> Result<Result<&'static str, String>> {
    let file: PathBuf = args.folder.join(format!("{}.toml", mutant.id));
    let scenario = scenario(&file)?;
    let clean = hunt(&file, None, &|_| scenario.clone(), (0, scenario.seeds), None, args.jobs)?;
    if let Some(kill) = clean {
        return Ok(Err(format!("FAILS WITHOUT IT ({})", kill.check)));
    }
    let seeds = (0, scenario.seeds);
    let killed = hunt(&file, Some(mutant.id), &|_| scenario.clone(), seeds, None, args.jobs)?;
    Ok(killed.map(|kill| kill.check).ok_or_else(|| "SURVIVED".to_owned()))
}

/// The first failing seed of a swarm from `base` on.
fn swarm(args: &MutantsArgs, mutant: &Mutant, base: u64) -> Result<Option<Kill>> {
    let (mut from, to) = (args.seeds.from + base * BASES_APART, args.seeds.to + base * BASES_APART);
    let (begun, first) = (Instant::now(), from);
    let drawn = |seed| Arc::new(draw(seed));
    while let Some(left) = args.time.checked_sub(begun.elapsed()) {
        let id = Some(mutant.id);
        let kill = hunt(SWARM.as_ref(), id, &drawn, (from, to), Some(left), args.jobs)?;
        let Some(kill) = kill else { break };
        let after = begun.elapsed();
        if hunt(SWARM.as_ref(), None, &drawn, (kill.seed, kill.seed + 1), None, 1)?.is_none() {
            return Ok(Some(Kill { seeds: kill.seed - first + 1, after, ..kill }));
        }
        print(&format!("seed {} fails without any mutant: {}\n", kill.seed, kill.check))?;
        from = kill.seed + 1;
    }
    Ok(None)
}

/// Runs seeds until one fails.
fn hunt(
    file: &std::path::Path,
    mutant: Option<&str>,
    scenario: &(dyn Fn(u64) -> Arc<Scenario> + Sync),
    (from, to): (u64, u64),
    time: Option<Duration>,
    jobs: usize,
) -> Result<Option<Kill>> {
    assert!(activate(mutant), "ids come from the table");
    let begun = Instant::now();
    let crew = Crew { file, image: None, seeds: Seeds { from, to }, time, jobs };
    let failed = crew.first_failure(scenario);
    activate(None);
    let kill = |(seed, check)| Kill { seed, check, seeds: seed - from + 1, after: begun.elapsed() };
    Ok(failed.map(kill))
}

fn row(
    mutant: &Mutant,
    script: &Result<&'static str, String>,
    swarm: &[Option<Kill>],
) -> Vec<String> {
    let list = |tell: &dyn Fn(&Kill) -> String| {
        let cells = swarm.iter().map(|k| k.as_ref().map_or("survived".to_owned(), tell));
        cells.collect::<Vec<_>>().join(" ")
    };
    let mut checks: Vec<&str> = swarm.iter().flatten().map(|k| k.check).collect();
    checks.sort_unstable();
    checks.dedup();
    let script = script.as_ref().map_or_else(Clone::clone, |check| (*check).to_owned());
    vec![
        mutant.id.to_owned(),
        script,
        list(&|k| k.seeds.to_string()),
        list(&|k| format!("{:.1}", k.after.as_secs_f64())),
        checks.join(" "),
        mutant.change.to_owned(),
    ]
}
