//! `sordini sim check-determinism`: each seed in two processes, hash by hash.
//!
//! Two processes, because within one a second run shares addresses and statics with the first. Where hashes part, the first
//! event that differs is printed as both saw it.

use super::{DeterminismArgs, SWARM, Verdict, planted, quoted, scenario};
use crate::output::print;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// Runs the command.
pub fn run(args: &DeterminismArgs) -> Result<Verdict> {
    if args.file != Path::new(SWARM) {
        scenario(&args.file)?;
    }
    let (mut events, mut next) = (0, args.seeds.from);
    while next < args.seeds.to {
        let last = args.seeds.to.min(next + args.jobs.max(1) as u64);
        let compared: Vec<Result<Compared>> = std::thread::scope(|scope| {
            let work = |seed| scope.spawn(move || compare(&args.file, seed, false));
            let threads: Vec<_> = (next..last).map(work).collect();
            threads.into_iter().map(|t| t.join().expect("comparing does not panic")).collect()
        });
        for (seed, compared) in (next..).zip(compared) {
            match compared? {
                Compared::Same(count) => events += count,
                Compared::Different(n, _) => {
                    let (file, after) = (quoted(&args.file), seed + 1);
                    let again = format!("sim check-determinism {file} --seeds {seed}..{after}");
                    let verdict = super::failed(format_args!(
                        "seed {seed}: event {n} differs\n  repeat it: {}sordini {again}",
                        planted()
                    ))?;
                    show(&args.file, seed)?;
                    return Ok(verdict);
                }
            }
        }
        next = last;
    }
    let seeds = args.seeds.to - args.seeds.from;
    print(&format!("{seeds} seeds, {events} events: the same in two processes\n"))?;
    Ok(Verdict::Held)
}

enum Compared {
    Same(u64),
    /// The first event that differs, as both saw it.
    Different(u64, [Option<String>; 2]),
}

/// Compares the hashes of two processes; the number of the first event that differs, if one does.
fn compare(file: &Path, seed: u64, log: bool) -> Result<Compared> {
    let mut twins = [Twin::begin(file, seed, log)?, Twin::begin(file, seed, log)?];
    for n in 0.. {
        let [one, two] = twins.each_mut().map(Twin::line);
        match (one?, two?) {
            (None, None) => {
                twins.iter_mut().try_for_each(Twin::end)?;
                // The last line is how the run ended.
                return Ok(Compared::Same(n - 1));
            }
            (one, two) if one == two => {}
            (one, two) => return Ok(Compared::Different(n, [one, two])),
        }
    }
    unreachable!("runs end")
}

/// Prints what both processes saw at the first event that differs, with their stories. They are two others: what is not
/// repeatable parts somewhere else the next time.
fn show(file: &Path, seed: u64) -> Result<()> {
    let lines = match compare(file, seed, true)? {
        Compared::Different(n, lines) => {
            print(&format!("once more, with their stories: event {n} differs\n"))?;
            lines
        }
        Compared::Same(_) => {
            return Ok(print("once more, with their stories, they were the same\n")?);
        }
    };
    for (twin, line) in ["one", "other"].into_iter().zip(lines) {
        let line = line.unwrap_or_else(|| "nothing more".into());
        print(&format!("{twin}: {}\n", line.replace('\t', "\n    ")))?;
    }
    Ok(())
}

/// A process of our own that prints a hash for each event.
struct Twin {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Twin {
    fn begin(file: &Path, seed: u64, log: bool) -> Result<Twin> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(["sim", "replay", "--hashes", "--seed", &seed.to_string()]).arg(file);
        if log {
            command.arg("--log");
        }
        let mut process =
            command.stdout(Stdio::piped()).spawn().context("cannot start a second process")?;
        let lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        Ok(Twin { process, lines })
    }

    fn line(&mut self) -> Result<Option<String>> {
        Ok(self.lines.next().transpose()?)
    }

    /// It has nothing more to say. One that could not run says nothing at all, and so does its twin.
    fn end(&mut self) -> Result<()> {
        let status = self.process.wait().context("cannot wait for a second process")?;
        ensure!(status.success(), "a second process could not run: it ended with {status}");
        Ok(())
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // It may still be running when the other one parted from it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
