//! `sordini sim nightly`: everything that can be run without thinking, for as long as one has time. CI runs it for a minute.
//!
//! Every scenario with its seeds; a swarm on seeds that nobody has run before; and some of these seeds in two processes.
//! What none of all these runs ever came to is named, and is a failure if there were enough of them. The first seed is printed, so that a night can be had again. With `--evidence` what the swarm came to is written down, on
//! top of what the same program wrote there before.

use super::evidence::Evidence;
use super::{
    DeterminismArgs, NightlyArgs, RunArgs, SWARM, Seeds, SwarmArgs, Verdict, determinism,
    interrupt, swarm,
};
use crate::output::print;
use anyhow::Result;
use sordini_sim::run::Report;
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs the command. A part that fails does not keep the others from running.
pub fn run(args: &NightlyArgs) -> Result<Verdict> {
    let from = args.from.unwrap_or_else(fresh);
    // What cannot be written down is better known before a night than after it.
    let before = args.evidence.as_deref().map(Evidence::before).transpose()?;
    print(&format!("every scenario below {}\n", args.folder.display()))?;
    let jobs = args.jobs;
    let (scenarios, mut sum) =
        super::run::all(&RunArgs { file: args.folder.clone(), seed: None, jobs, image: None })?;
    print(&format!("\na swarm of {} s; seeds from {from} on\n", args.time.as_secs()))?;
    let seeds = Seeds { from, to: u64::MAX };
    let (failed, summary) = swarm::hunt(&SwarmArgs { seeds, time: Some(args.time), jobs })?;
    if let (Some(file), Some(before)) = (&args.evidence, before) {
        summary.evidence(from, failed).write(before, file)?;
    }
    sum.add(summary.report());
    let marks = marks(&sum)?;
    let swarm = if failed { Verdict::Failed } else { Verdict::Held };
    if interrupt::came() {
        return Ok(all([scenarios, swarm, marks]));
    }
    print(&format!("\n{} of these seeds in two processes\n", args.twice))?;
    let seeds = Seeds { from, to: from.saturating_add(args.twice.max(1)) };
    let twice = determinism::run(&DeterminismArgs { file: SWARM.into(), seeds, jobs })?;
    Ok(all([scenarios, swarm, marks, twice]))
}

/// One that failed is enough.
fn all<const N: usize>(verdicts: [Verdict; N]) -> Verdict {
    let failed = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Failed));
    if failed { Verdict::Failed } else { Verdict::Held }
}

/// So many runs come to every place, and a swarm that does not has lost its way. In fewer, a rare one may be missed by chance.
const RUNS_MIN: u64 = 20_000;

/// Names what the runs never came to. That is a failure if there were enough.
fn marks(sum: &Report) -> Result<Verdict> {
    let never: Vec<_> = sum.reaches().filter(|(.., count)| *count == 0).collect();
    if never.is_empty() {
        print("every mark was reached\n")?;
        return Ok(Verdict::Held);
    }
    let mut verdict = Verdict::Held;
    for (name, about, _) in &never {
        let what = format!("{name} ({about}): never in {} runs", sum.runs);
        if sum.runs >= RUNS_MIN {
            verdict = super::failed(what)?;
        } else {
            print(&format!("not reached yet: {what}\n"))?;
        }
    }
    Ok(verdict)
}

/// A seed from which nobody has gone on before: a million for each second since 1970.
fn fresh() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_long_swarm_never_reached_is_a_failure() {
        let report = |runs| Report { runs, ..Report::default() };
        assert!(matches!(marks(&report(RUNS_MIN)), Ok(Verdict::Failed)));
        assert!(matches!(marks(&report(RUNS_MIN - 1)), Ok(Verdict::Held)));
    }
}
