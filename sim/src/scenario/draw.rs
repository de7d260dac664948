//! A swarm's scenario: which faults, loads and sizes there are at all in this run, then how much of them.
//!
//! Leaving things out matters as much as putting them in: a run with every fault at once never gets far enough for a rare
//! one. So a seed first draws what exists, then its rates. What is drawn is text, and is read like any other
//! scenario: what a swarm runs can be written down, run again and shrunk.

use super::Scenario;
use crate::chance::{Chance, Purpose, Who};
use crate::fault::{FAULTS, OVER_BUDGET};
use crate::load::LOADS;
use std::fmt::Write;

/// The scenario of a seed.
pub fn draw(seed: u64) -> Scenario {
    let text = text(seed);
    Scenario::parse(&format!("swarm seed {seed}"), &text)
        .unwrap_or_else(|e| panic!("the swarm draws scenarios that can be read: {e}\n{text}"))
}

fn text(seed: u64) -> String {
    let mut chance = Chance::of(seed, Who::World, Purpose::Scenario);
    let span_s = *chance.pick(&[10, 20, 20, 40]);
    let mut out = format!("title = \"swarm seed {seed}\"\nspan = \"{span_s}s\"\n");
    let partitions = chance.pick(&[1, 2, 2, 5]);
    let _ = writeln!(out, "topic = {{ name = \"t\", partitions = {partitions} }}");
    let size = chance.pick(&["tiny", "tiny", "small", "small", "default"]);
    let _ = writeln!(out, "[storage]\nsize = \"{size}\"");
    if *size == "default" && !chance.odds(1, 8) {
        // No run is long enough to fill the whole ring once, and every start reads it.
        let file = *chance.pick(&[1_u64 << 20, 2 << 20]);
        let _ = writeln!(out, "journal_bytes = {}\njournal_file_bytes = {file}", 8 * file);
        let _ = writeln!(out, "journal_first_file_bytes = {file}\nqueue_bytes_max = {file}");
        let _ = writeln!(out, "group_bytes_max = {}", file / 4);
    }
    if *size == "tiny" {
        let _ = writeln!(out, "cache_bytes_max = {}", 2000 + chance.below(6000));
        let _ = writeln!(out, "write_bytes_min = {}", 1 + chance.below(2000));
        let _ = writeln!(out, "write_linger_ms = {}", 1 + chance.below(20));
        let _ = writeln!(out, "piece_bytes_max = {}", 500 + chance.below(3000));
        let _ = writeln!(out, "sync_bytes_max = {}", 500 + chance.below(6000));
        let _ = writeln!(out, "backlog_bytes_max = {}", 4000 + chance.below(60_000));
    }
    if chance.odds(2, 3) {
        // Kafka's smallest.
        let _ = writeln!(out, "[broker]\n\"log.segment.bytes\" = {}", 1 << 20);
    }
    pace(&mut chance, &mut out);
    limits(&mut chance, &mut out);
    loads(&mut chance, &mut out);
    faults(&mut chance, &mut out, span_s);
    out
}

fn pace(chance: &mut Chance, out: &mut String) {
    let _ = writeln!(out, "[pace]");
    let _ = writeln!(out, "net = \"{}\"", chance.pick(&["20us", "100us", "1ms", "10ms"]));
    let _ = writeln!(out, "sync = \"{}\"", chance.pick(&["60us", "120us", "1ms", "8ms"]));
    let _ = writeln!(out, "disk = \"{}\"", chance.pick(&["30us", "60us", "500us", "5ms"]));
    let _ = writeln!(out, "turn = \"{}\"", chance.pick(&["1us", "10us", "300us"]));
    let _ = writeln!(out, "split = {}", chance.pick(&[2, 5, 5, 20]));
    let _ = writeln!(out, "window = {}", chance.pick(&[1, 2000, 262_144, 262_144]));
}

/// Few and nasty: most runs have none.
fn limits(chance: &mut Chance, out: &mut String) {
    let _ = writeln!(out, "[limits]");
    for (key, nasty) in [
        ("requests_in_flight_max", &[1, 2, 3][..]),
        ("unsent_bytes_max", &[1, 1000, 50_000]),
        ("fetch_bytes_max", &[1, 1000, 50_000]),
    ] {
        if chance.odds(1, 6) {
            let _ = writeln!(out, "{key} = {}", chance.pick(nasty));
        }
    }
}

/// Always a producer; every other load in some runs. Few clients are enough for most bugs, and leave time for more runs.
fn loads(chance: &mut Chance, out: &mut String) {
    for row in LOADS {
        let exists = row.name == "produce" || chance.odds(1, 2);
        let rows = if exists { 1 + u64::from(chance.odds(1, 4)) } else { 0 };
        for _ in 0..rows {
            let rate = chance.pick(&[5, 20, 60, 200]);
            let clients = chance.pick(&[1, 1, 2, 3]);
            let timeout = chance.pick(&["500ms", "2s", "5s"]);
            let _ = write!(
                out,
                "[[load]]\nkind = \"{}\"\nrate = \"{rate}/s\"\nclients = {clients}\n\
                 timeout = \"{timeout}\"\n{}",
                row.name,
                (row.draw)(chance)
            );
            if chance.odds(1, 10) {
                // A client that reads slowly.
                let reads = chance.pick(&[5_000, 50_000, 500_000]);
                let _ = writeln!(out, "reads = {reads}\nwindow = {}", 500 + chance.below(5000));
            }
        }
    }
}

/// Some of them; at least one.
fn faults(chance: &mut Chance, out: &mut String, span_s: u64) {
    let share = *chance.pick(&[2, 3, 5]);
    let sure = chance.index(FAULTS.len());
    // In some runs only, since what is lost for good ends the story of its records.
    let over_budget = chance.odds(1, 4);
    for (n, row) in FAULTS.iter().enumerate() {
        let exists = chance.odds(1, share) && (over_budget || !OVER_BUDGET.contains(&row.name));
        if n != sure && !exists {
            continue;
        }
        // Some twice, each in its own way.
        for _ in 0..1 + u64::from(chance.odds(1, 4)) {
            let times = 1 + chance.below(8);
            let mend = chance.pick(&["1ms..20ms", "20ms..500ms", "100ms..3s"]);
            let from = chance.below(span_s * 500);
            let _ = write!(
                out,
                "[[fault]]\nkind = \"{}\"\ntimes = {times}\nwhen = \"{from}ms..{span_s}s\"\n\
                 mend = \"{mend}\"\n{}",
                row.name,
                (row.draw)(chance)
            );
        }
    }
}
