//! What many runs came to, as a table for people, and as a file from which the next command goes on.
//!
//! A night can be had in pieces: as long as the program is the same, to the byte, what it ran before counts. Medians are
//! of single runs; of each number a run is counted under its first two digits, so that a year of nights is a few lines.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sordini_sim::fault::FAULTS;
use sordini_sim::run::Report;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a number came, by its first two digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread(BTreeMap<u64, u64>);

impl Spread {
    /// Counts a number.
    pub fn add(&mut self, number: u64) {
        let mut unit = 1;
        while number / unit >= 100 {
            unit *= 10;
        }
        *self.0.entry(number / unit * unit).or_default() += 1;
    }

    /// Half of the numbers are not below it.
    pub fn median(&self) -> u64 {
        let half = self.0.values().sum::<u64>().div_ceil(2);
        let mut seen = 0;
        let found = self.0.iter().find(|(_, count)| {
            seen += **count;
            seen >= half
        });
        found.map_or(0, |(number, _)| *number)
    }

    fn join(&mut self, other: &Spread) {
        other.0.iter().for_each(|(number, count)| *self.0.entry(*number).or_default() += count);
    }
}

/// Single runs: what half of them reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spreads {
    /// Events.
    pub events: Spread,
    /// Operations that were acknowledged.
    pub acked: Spread,
    /// Strikes of faults that did harm.
    pub struck: Spread,
}

impl Spreads {
    /// Another run.
    pub fn add(&mut self, report: &Report) {
        self.events.add(report.events);
        self.acked.add(report.tally.acked);
        self.struck.add(report.struck.iter().sum());
    }
}

/// What runs of one program came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// A digest of the program.
    program: String,
    /// What git calls the state of the sources, where it can be asked.
    commit: String,
    /// First seed and number of seeds of each piece.
    pieces: Vec<(u64, u64)>,
    runs: u64,
    failed: u64,
    events: u64,
    simulated_s: f64,
    /// Seconds of CPU time.
    cpu_s: f64,
    disk_ops: u64,
    acked: u64,
    refused: u64,
    unknown: u64,
    records_acked: u64,
    records_read: u64,
    faults: BTreeMap<String, u64>,
    marks: BTreeMap<String, u64>,
    spreads: Spreads,
}

impl Evidence {
    /// One piece of a night.
    pub fn of(
        sum: &Report,
        spreads: &Spreads,
        from: u64,
        failed: bool,
        took: Duration,
    ) -> Evidence {
        let faults = FAULTS.iter().zip(sum.struck.iter().chain(std::iter::repeat(&0)));
        Evidence {
            pieces: vec![(from, sum.runs)],
            runs: sum.runs,
            failed: failed.into(),
            events: sum.events,
            simulated_s: sum.simulated_s(),
            cpu_s: took.as_secs_f64(),
            disk_ops: sum.disk_ops,
            acked: sum.tally.acked,
            refused: sum.tally.refused,
            unknown: sum.tally.unknown,
            records_acked: sum.tally.records[1],
            records_read: sum.tally.records[2],
            faults: faults.map(|(row, n)| (row.name.to_owned(), *n)).collect(),
            marks: sum.reaches().map(|(name, _, count)| (name, count)).collect(),
            spreads: spreads.clone(),
            ..Evidence::default()
        }
    }

    /// What this program wrote to `file` before, and whether more can be written there.
    pub fn before(file: &Path) -> Result<Evidence> {
        let program = std::env::current_exe().and_then(std::fs::read);
        let mut hasher = DefaultHasher::new();
        hasher.write(&program.context("cannot read this program")?);
        let program = format!("{:016x}", hasher.finish());
        let none = Evidence { program, commit: commit(), ..Evidence::default() };
        let beside = beside(file);
        let before = match std::fs::read_to_string(&beside) {
            Ok(text) if !text.is_empty() => serde_json::from_str(&text).with_context(|| {
                format!("{}: expected what a night wrote there; move it away", beside.display())
            })?,
            _ => Evidence::default(),
        };
        for file in [file, &beside] {
            let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
            opened.with_context(|| format!("cannot write {}", file.display()))?;
        }
        let goes_on = before.program == none.program;
        Ok(if goes_on { Evidence { commit: none.commit, ..before } } else { none })
    }

    /// Goes on from what was there `before`, and writes both to `file`: a table, and beside it, as JSON, what the next
    /// piece goes on from.
    pub fn write(mut self, before: Evidence, file: &Path) -> Result<()> {
        self.join(before);
        let write = |file: &Path, text: String| {
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
        };
        write(&beside(file), serde_json::to_string_pretty(&self)? + "\n")?;
        write(file, self.table())
    }

    fn join(&mut self, before: Evidence) {
        (self.program, self.commit) = (before.program, before.commit);
        let own = std::mem::replace(&mut self.pieces, before.pieces);
        self.pieces.extend(own);
        self.runs += before.runs;
        self.failed += before.failed;
        self.events += before.events;
        self.simulated_s += before.simulated_s;
        self.cpu_s += before.cpu_s;
        self.disk_ops += before.disk_ops;
        self.acked += before.acked;
        self.refused += before.refused;
        self.unknown += before.unknown;
        self.records_acked += before.records_acked;
        self.records_read += before.records_read;
        for (mine, theirs) in [(&mut self.faults, before.faults), (&mut self.marks, before.marks)] {
            theirs.into_iter().for_each(|(name, n)| *mine.entry(name).or_default() += n);
        }
        self.spreads.events.join(&before.spreads.events);
        self.spreads.acked.join(&before.spreads.acked);
        self.spreads.struck.join(&before.spreads.struck);
    }

    fn table(&self) -> String {
        let Evidence { runs, failed, events, simulated_s, cpu_s, .. } = self;
        let (hours, per_s) = (cpu_s / 3600.0, |n: f64| n / cpu_s.max(1e-9));
        let mut out = format!(
            "# Nights of the simulator\n\n`sordini sim nightly` wrote this, on fresh seeds only. Sources: {}; program: {}.\n\n\
             {runs} runs, {failed} failed; {hours:.2} hours of CPU time.\n\n",
            self.commit, self.program
        );
        let _ = writeln!(
            out,
            "| | in all | a second of CPU time | median of a run |\n|---|---|---|---|"
        );
        let (median, rate) = (&self.spreads, |n: u64| format!("{:.0}", per_s(n as f64)));
        let sum = |map: &BTreeMap<String, u64>| map.values().sum::<u64>();
        let _ =
            writeln!(out, "| events | {events} | {} | {} |", rate(*events), median.events.median());
        let _ = writeln!(
            out,
            "| simulated seconds | {simulated_s:.0} | {:.1} | |",
            per_s(*simulated_s)
        );
        for (name, count, median) in [
            ("operations acknowledged", self.acked, Some(median.acked.median())),
            ("operations refused", self.refused, None),
            ("operations without an answer", self.unknown, None),
            ("records acknowledged", self.records_acked, None),
            ("records read", self.records_read, None),
            ("disk operations", self.disk_ops, None),
            ("faults that did harm", sum(&self.faults), Some(median.struck.median())),
        ] {
            let median = median.map_or(String::new(), |median| median.to_string());
            let _ = writeln!(out, "| {name} | {count} | {} | {median} |", rate(count));
        }
        let _ = writeln!(out, "\n| fault | times |\n|---|---|");
        for (name, count) in &self.faults {
            let _ = writeln!(out, "| {name} | {count} |");
        }
        let _ = writeln!(out, "\n| mark | what | times |\n|---|---|---|");
        for (name, about, _) in Report::default().reaches() {
            let _ = writeln!(out, "| {name} | {about} | {} |", self.marks.get(&name).unwrap_or(&0));
        }
        let pieces = self.pieces.iter().map(|(from, count)| format!("{count} from {from} on"));
        let _ = writeln!(out, "\nSeeds: {}.", pieces.collect::<Vec<_>>().join("; "));
        out
    }
}

/// The file from which the next piece goes on.
fn beside(file: &Path) -> PathBuf {
    file.with_extension("json")
}

/// The commit that is checked out, and whether there is more than that.
pub fn commit() -> String {
    let ask = |args: &[&str]| {
        let answer = std::process::Command::new("git").args(args).output().ok()?;
        answer.status.success().then(|| String::from_utf8_lossy(&answer.stdout).trim().to_owned())
    };
    match (ask(&["rev-parse", "--short=12", "HEAD"]), ask(&["status", "--porcelain", "-uno"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit} and changes"),
        (None, _) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_right_to_two_digits() {
        let mut spread = Spread::default();
        [5, 1234, 99_999, 1250, 7].into_iter().for_each(|n| spread.add(n));
        assert_eq!(spread.median(), 1200);
        assert_eq!(Spread::default().median(), 0);
    }

    #[test]
    fn a_night_goes_on_where_the_one_before_ended_if_the_program_is_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("night.md");
        let mut report = Report { runs: 3, events: 70, ..Report::default() };
        report.struck = vec![2; FAULTS.len()];
        let mut spreads = Spreads::default();
        spreads.add(&report);
        let piece = |from| Evidence::of(&report, &spreads, from, false, Duration::from_secs(1800));
        let write = |from| {
            let before = Evidence::before(&file).expect("it can be written");
            piece(from).write(before, &file).expect("written");
        };
        write(1000);
        write(2000);
        let table = std::fs::read_to_string(&file).expect("a table");
        assert!(table.contains("6 runs, 0 failed; 1.00 hours"), "{table}");
        assert!(table.contains("| power_loss | 4 |"), "{table}");
        assert!(table.contains("3 from 1000 on; 3 from 2000 on"), "{table}");

        let beside = file.with_extension("json");
        let text = std::fs::read_to_string(&beside)
            .expect("JSON")
            .replace("program\": \"", "program\": \"x");
        std::fs::write(&beside, text).expect("written");
        write(3000);
        let table = std::fs::read_to_string(&file).expect("a table");
        assert!(table.contains("3 runs, 0 failed"), "another program begins anew: {table}");

        std::fs::write(&beside, "no JSON").expect("written");
        let refused = Evidence::before(&file).expect_err("not what a night wrote");
        assert!(refused.to_string().contains("expected what a night wrote"), "{refused}");
        assert!(Evidence::before(&folder.path().join("nowhere/night.md")).is_err());
    }
}
