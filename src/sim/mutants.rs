//! `sordini sim mutants`: how good the simulator is. Which check finds each known bug, with how many seeds, how soon.
//!
//! A mutant must be killed twice: by the scenario that was written for it, which holds without it; and by the swarm, from
//! several first seeds. A seed that fails without the mutant too kills nothing, and is told. A process has one active
//! mutant at a time, and one core hunts: times are those that this core worked, whatever else the machine did.

use super::{MutantsArgs, Verdict, evidence, scenario};
use crate::output::{print, table};
use anyhow::{Context, Result, ensure};
use sordini_mutant::{MUTANTS, Mutant, NONDETERMINISM, activate};
use sordini_sim::run::{Watch, run as run_one};
use sordini_sim::scenario::{Scenario, draw};
use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How far apart the seeds of two bases are.
const BASES_APART: u64 = 100_000_000;

/// What the swarm must do in.
const QUICK: Duration = Duration::from_secs(60);

/// A failing run.
#[derive(Clone, Copy)]
struct Kill {
    seed: u64,
    check: &'static str,
    /// Events of the run that failed.
    events: u64,
    /// Seeds that were run until then, this one included.
    seeds: u64,
    /// Time of one core until then.
    after: Duration,
}

/// What was found of a mutant.
struct Row {
    mutant: &'static Mutant,
    /// By its own scenario; what is wrong if that does not kill it, or fails without.
    script: Result<Kill, String>,
    /// By the swarm, from each base.
    swarm: Vec<Option<Kill>>,
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
    let mut rows = Vec::new();
    // A panic of the broker is a result, told like any other.
    std::panic::set_hook(Box::new(|_| {}));
    for mutant in MUTANTS.iter().filter(wanted) {
        let script = script(args, mutant)?;
        let bases = if args.scripts { 0 } else { args.bases };
        let swarm = (0..bases).map(|base| swarm(args, mutant, base)).collect::<Result<_>>()?;
        let row = Row { mutant, script, swarm };
        print(&format!("{}\n", row.cells().join("  ")))?;
        rows.push(row);
    }
    drop(std::panic::take_hook());
    let cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
    let heads = ["MUTANT", "SCRIPT", "SEEDS", "SECONDS", "CHECKS", "CHANGE"];
    print(&format!("\n{}{}", table(&heads, &cells), summary(&rows)))?;
    if let Some(file) = &args.evidence {
        std::fs::write(file, page(args, &rows))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if rows.iter().all(Row::is_killed) { Verdict::Held } else { Verdict::Failed })
}

/// Its own scenario with the mutant and without.
fn script(args: &MutantsArgs, mutant: &Mutant) -> Result<Result<Kill, String>> {
    let scenario = scenario(&args.folder.join(format!("{}.toml", mutant.id)))?;
    let drawn = |_| Arc::clone(&scenario);
    if let Some(kill) = hunt(None, &drawn, 0..scenario.seeds, None) {
        return Ok(Err(format!("FAILS WITHOUT IT ({})", kill.check)));
    }
    let kill = hunt(Some(mutant.id), &drawn, 0..scenario.seeds, None);
    Ok(kill.ok_or_else(|| "SURVIVED".to_owned()))
}

/// The first failing seed of a swarm from `base` on.
fn swarm(args: &MutantsArgs, mutant: &Mutant, base: u64) -> Result<Option<Kill>> {
    let drawn = |seed| Arc::new(draw(seed));
    let [mut from, to] = [args.seeds.from, args.seeds.to].map(|seed| seed + base * BASES_APART);
    let (first, mut worked) = (from, Duration::ZERO);
    while let Some(left) = args.time.checked_sub(worked) {
        let Some(kill) = hunt(Some(mutant.id), &drawn, from..to, Some(left)) else { break };
        worked += kill.after;
        if hunt(None, &drawn, kill.seed..kill.seed + 1, None).is_none() {
            return Ok(Some(Kill { seeds: kill.seed - first + 1, after: worked, ..kill }));
        }
        print(&format!("seed {} fails without any mutant: {}\n", kill.seed, kill.check))?;
        from = kill.seed + 1;
    }
    Ok(None)
}

/// Runs seeds until one fails, or the core has worked for so long.
fn hunt(
    mutant: Option<&str>,
    scenario: &dyn Fn(u64) -> Arc<Scenario>,
    seeds: Range<u64>,
    time: Option<Duration>,
) -> Option<Kill> {
    assert!(activate(mutant), "ids come from the table");
    let (first, watch) = (seeds.start, Stopwatch::begin());
    let mut kill = None;
    for seed in seeds {
        let outcome = run_one(&scenario(seed), seed, Watch::default());
        let after = watch.worked();
        if let Some(failure) = outcome.failure {
            let (check, events, seeds) = (failure.check, outcome.report.events, seed - first + 1);
            kill = Some(Kill { seed, check, events, seeds, after });
        }
        if kill.is_some() || time.is_some_and(|time| after > time) {
            break;
        }
    }
    activate(None);
    kill
}

/// How long this thread had a core since then, where the system says so; else how long that is ago.
struct Stopwatch {
    begun: Instant,
    used_ns: Option<u64>,
}

impl Stopwatch {
    fn begin() -> Stopwatch {
        Stopwatch { begun: Instant::now(), used_ns: Stopwatch::used_ns() }
    }

    fn worked(&self) -> Duration {
        let used = Stopwatch::used_ns().zip(self.used_ns);
        used.map_or_else(|| self.begun.elapsed(), |(now, then)| Duration::from_nanos(now - then))
    }

    fn used_ns() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse().ok()
    }
}

impl Row {
    fn is_killed(&self) -> bool {
        self.script.is_ok() && self.swarm.iter().all(Option::is_some)
    }

    /// One cell for each base.
    fn bases<'a>(&'a self, tell: &'a dyn Fn(&Kill) -> String) -> impl Iterator<Item = String> + 'a {
        self.swarm.iter().map(move |k| k.as_ref().map_or_else(|| "survived".to_owned(), tell))
    }

    /// The checks that the swarm failed by.
    fn checks(&self) -> String {
        let mut checks: Vec<&str> = self.swarm.iter().flatten().map(|k| k.check).collect();
        checks.sort_unstable();
        checks.dedup();
        checks.join(" ")
    }

    fn cells(&self) -> Vec<String> {
        let list = |tell| self.bases(tell).collect::<Vec<_>>().join(" ");
        let script = self.script.as_ref().map_or_else(Clone::clone, |kill| kill.check.to_owned());
        vec![
            self.mutant.id.to_owned(),
            script,
            list(&|k| k.seeds.to_string()),
            list(&|k| format!("{:.1}", k.after.as_secs_f64())),
            self.checks(),
            self.mutant.change.to_owned(),
        ]
    }
}

/// How many survived, and how many hunts were quick.
fn summary(rows: &[Row]) -> String {
    let survived: Vec<&str> =
        rows.iter().filter(|row| !row.is_killed()).map(|row| row.mutant.id).collect();
    let mut out = match &survived[..] {
        [] => format!("{} mutants, none survived\n", rows.len()),
        _ => {
            let (all, some) = (rows.len(), survived.len());
            format!("{all} mutants, {some} survived: {}\n", survived.join(" "))
        }
    };
    let hunts: Vec<&Option<Kill>> = rows.iter().flat_map(|row| &row.swarm).collect();
    let quick = hunts.iter().filter(|k| k.is_some_and(|k| k.after < QUICK)).count();
    if !hunts.is_empty() {
        let (all, s) = (hunts.len(), QUICK.as_secs());
        let _ = writeln!(out, "{quick} of {all} hunts of the swarm ended within {s} s of one core");
    }
    out
}

/// Everything as a page that can be kept.
fn page(args: &MutantsArgs, rows: &[Row]) -> String {
    let (bases, seconds) = (args.bases, args.time.as_secs());
    let mut out = format!(
        "# Known bugs that the simulator must find\n\n\
         Written by `cargo run --profile quick --features mutants -- sim mutants --bases {bases} --time {seconds}s --evidence FILE`.\n\
         Sources: {}. Each mutant is one small change (`core/mutant/src/lib.rs`). It is killed by a scenario of its own\n\
         (`scenarios/mutants`), which holds without it: the check that fails, the events of the run that fails and what it takes.\n\
         And by the swarm, from {bases} first seeds that are {BASES_APART} apart: after how many seeds, and how many seconds of one core. A seed\n\
         that fails without any mutant kills nothing.\n\n{}\n",
        evidence::commit(),
        summary(rows)
    );
    let heads = (1..=bases).map(|n| format!(" base {n} |")).collect::<String>();
    let lines = "---|".repeat(bases as usize);
    let _ = writeln!(
        out,
        "| mutant | what it plants | known from | script |{heads} the swarm's checks |"
    );
    let _ = writeln!(out, "|---|---|---|---|{lines}---|");
    for row in rows {
        let script = match &row.script {
            Ok(k) => {
                format!("{}, {} events, {} ms", k.check, k.events, k.after.as_millis().max(1))
            }
            Err(what) => what.clone(),
        };
        let tell = |k: &Kill| format!("{} seeds, {:.1} s", k.seeds, k.after.as_secs_f64());
        let hunts = row.bases(&tell).collect::<Vec<_>>().join(" | ");
        let Mutant { id, change, known_from } = row.mutant;
        let _ = writeln!(
            out,
            "| {id} | {change} | {known_from} | {script} | {hunts} | {} |",
            row.checks()
        );
    }
    out
}
