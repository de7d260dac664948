//! `sordini sim list`: the tables of the simulator, a line each.

use super::Verdict;
use crate::output::{print, table};
use anyhow::Result;
use sordini_sim::check::{CHECKS, OF_THE_RUN};
use sordini_sim::fault::FAULTS;
use sordini_sim::load::LOADS;
use sordini_sim::run::Report;

/// Runs the command.
pub fn run() -> Result<Verdict> {
    let line = |name: &str, about: &str| vec![name.to_owned(), about.to_owned()];
    let faults: Vec<_> = FAULTS.iter().map(|row| line(row.name, row.about)).collect();
    let loads: Vec<_> = LOADS.iter().map(|row| line(row.name, row.about)).collect();
    let checks: Vec<_> = CHECKS
        .iter()
        .map(|row| line(row.name, &format!("{} (check {})", row.demands, row.number)))
        .collect();
    let of_the_run: Vec<_> = OF_THE_RUN.iter().map(|(name, about)| line(name, about)).collect();
    let marks: Vec<_> =
        Report::default().reaches().map(|(name, about, _)| line(&name, about)).collect();
    let all = [
        ("FAULT", faults),
        ("LOAD", loads),
        ("CHECK", checks),
        ("CHECK OF THE RUN", of_the_run),
        ("MARK", marks),
    ];
    let text: Vec<String> = all.iter().map(|(name, rows)| table(&[name, ""], rows)).collect();
    print(&text.join("\n"))?;
    Ok(Verdict::Held)
}
