//! `sordini sim run`: a scenario, or a folder of them, each with its seeds.

use super::summary::Summary;
use super::swarm::Crew;
use super::{RunArgs, Seeds, Verdict, image, interrupt, on, scenario};
use crate::output::{count, print};
use anyhow::{Context, Result, ensure};
use sordini_sim::run::Report;
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn run(args: &RunArgs) -> Result<Verdict> {
    all(args).map(|(verdict, _)| verdict)
}

/// Runs every file, and says what all their runs came to.
pub fn all(args: &RunArgs) -> Result<(Verdict, Report)> {
    let files = files(&args.file)?;
    let image = args.image.as_deref().map(image::open).transpose()?;
    let mut all = Vec::new();
    for file in &files {
        all.push((file, on(scenario(file)?, image.as_ref())?));
    }
    let (mut verdict, mut sum) = (Verdict::Held, Report::default());
    for (file, scenario) in all {
        let seeds = match args.seed {
            Some(seed) => Seeds { from: seed, to: seed + 1 },
            None => Seeds { from: scenario.all_seeds().start, to: scenario.all_seeds().end },
        };
        print(&format!("{}: {}\n", file.display(), scenario.title))?;
        let mut summary = Summary::begin();
        let image = args.image.as_deref();
        let crew = Crew { file, image, seeds, time: None, jobs: args.jobs };
        let failed = crew.work(&|_| scenario.clone(), &mut summary)?;
        print(&summary.show())?;
        let report = summary.report();
        if failed {
            verdict = Verdict::Failed;
        } else if interrupt::came() {
            break;
        } else if !scenario.faults.is_empty() && report.struck.iter().sum::<u64>() == 0 {
            // Each run found something to harm, or it had failed; but nothing came to what was harmed.
            verdict = super::failed(format_args!(
                "{}: its faults did no harm in {}: they prove nothing",
                file.display(),
                count(report.runs, "run")
            ))?;
        }
        sum.add(report);
    }
    Ok((verdict, sum))
}

/// The file itself, or every TOML file below a folder, sorted.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "toml") {
                found.push(path);
            }
        }
    }
    ensure!(!found.is_empty(), "{}: expected scenarios (*.toml) in this folder", path.display());
    found.sort();
    Ok(found)
}
