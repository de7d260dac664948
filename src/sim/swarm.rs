//! `sordini sim swarm`: a scenario for each seed, on as many threads as wanted.

use super::summary::Summary;
use super::{SWARM, Seeds, SwarmArgs, Verdict, interrupt, repeat};
use crate::output::{Progress, print};
use anyhow::Result;
use sordini_sim::run::{Outcome, Watch, run as run_one};
use sordini_sim::scenario::{Scenario, draw};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Runs the command.
pub fn run(args: &SwarmArgs) -> Result<Verdict> {
    let (failed, _) = hunt(args)?;
    Ok(if failed { Verdict::Failed } else { Verdict::Held })
}

/// Runs the swarm and tells what it came to; whether a seed failed.
pub fn hunt(args: &SwarmArgs) -> Result<(bool, Summary)> {
    let mut summary = Summary::begin();
    let file = Path::new(SWARM);
    let crew = Crew { file, image: None, seeds: args.seeds, time: args.time, jobs: args.jobs };
    let failed = crew.work(&|seed| Arc::new(draw(seed)), &mut summary)?;
    print(&summary.show())?;
    Ok((failed, summary))
}

/// Threads that take seed after seed.
pub struct Crew<'a> {
    /// What is run, as a command would name it.
    pub file: &'a Path,
    /// The data directory that runs begin on, as a command would name it.
    pub image: Option<&'a Path>,
    /// Which seeds.
    pub seeds: Seeds,
    /// How long at most.
    pub time: Option<Duration>,
    /// How many threads.
    pub jobs: usize,
}

impl Crew<'_> {
    /// Runs seeds until the time is over, all have run, one fails, or somebody interrupts. Says whether one did; it is told with the command
    /// that repeats it.
    pub fn work(
        &self,
        scenario: &(dyn Fn(u64) -> Arc<Scenario> + Sync),
        summary: &mut Summary,
    ) -> Result<bool> {
        let mut failed = false;
        self.each(scenario, &mut |seed, outcome| {
            summary.add(&outcome.report);
            if let Some(failure) = outcome.failure {
                failed = true;
                let (at, again) = (failure.at / 1_000_000, repeat(self.file, seed, self.image));
                super::failed(format_args!(
                    "seed {seed} at {at} ms: {failure}\n  repeat it: {again}"
                ))?;
            }
            Ok(!failed)
        })?;
        Ok(failed)
    }

    /// Runs seeds until the time is over, all have run, `heed` has enough of them, or somebody interrupts.
    fn each(
        &self,
        scenario: &(dyn Fn(u64) -> Arc<Scenario> + Sync),
        heed: &mut dyn FnMut(u64, Outcome) -> Result<bool>,
    ) -> Result<()> {
        let (next, stop) = (AtomicU64::new(self.seeds.from), AtomicBool::new(false));
        interrupt::heed();
        let begun = Instant::now();
        let end = self.time.map(|time| begun + time);
        let mut done = 0;
        let mut progress = match self.time {
            Some(time) => Progress::pieces(time.as_secs(), "s"),
            None => Progress::pieces(self.seeds.to - self.seeds.from, "seeds"),
        };
        let (told, heard) = mpsc::channel::<(u64, Outcome)>();
        // A panic of the broker is a result, told like any other.
        std::panic::set_hook(Box::new(|_| {}));
        let heeded = std::thread::scope(|scope| -> Result<()> {
            for _ in 0..self.jobs.max(1) {
                let (told, next, stop) = (told.clone(), &next, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed)
                        && !interrupt::came()
                        && end.is_none_or(|end| Instant::now() < end)
                    {
                        let take = |seed| (seed < self.seeds.to).then(|| seed + 1);
                        let taken = next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
                        let Ok(seed) = taken else { break };
                        let outcome = run_one(&scenario(seed), seed, Watch::default());
                        if told.send((seed, outcome)).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(told);
            for (seed, outcome) in heard {
                done += 1;
                progress.set(if self.time.is_some() { begun.elapsed().as_secs() } else { done });
                if !progress.aside(|| heed(seed, outcome))? {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            Ok(())
        });
        drop(std::panic::take_hook());
        heeded
    }
}
