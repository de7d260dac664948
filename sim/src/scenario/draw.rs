//! A swarm's scenario: which faults, loads and sizes there are at all in this run, then how much of them.
//!
//! Leaving things out matters as much as putting them in: a run with every fault at once never gets far enough for a rare
//! one. So a seed first draws what exists, then its rates. What is drawn is text, and is read like any other
//! scenario: what a swarm runs can be written down, run again and shrunk.

use super::Scenario;
use crate::chance::{Chance, Purpose, Who};
use crate::fault::{FAULTS, KINDS, OVER_BUDGET, PATIENT};
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
    storage(&mut chance, &mut out);
    // In some runs only, since what is lost for good ends the story of its records.
    let over_budget = chance.odds(1, 4);
    broker(&mut chance, &mut out, over_budget);
    pace(&mut chance, &mut out);
    limits(&mut chance, &mut out);
    loads(&mut chance, &mut out);
    if out.contains("message.max.bytes") {
        // Of those who write everything may be refused.
        out += "[[load]]\nkind = \"consume\"\nrate = \"5/s\"\n";
    }
    faults(&mut chance, &mut out, span_s, over_budget);
    if !over_budget && chance.odds(1, 4) {
        sequels(&mut chance, &mut out, span_s);
    }
    out
}

/// Sizes of the storage.
fn storage(chance: &mut Chance, out: &mut String) {
    let size = *chance.pick(&["tiny", "tiny", "small", "small", "default"]);
    let _ = writeln!(out, "[storage]\nsize = \"{size}\"");
    if size == "default" && !chance.odds(1, 8) {
        // No run is long enough to fill the whole ring once, and every start reads it.
        let file = *chance.pick(&[1_u64 << 19, 1 << 20]);
        let _ = writeln!(out, "journal_bytes = {}\njournal_file_bytes = {file}", 8 * file);
        let _ = writeln!(out, "journal_first_file_bytes = {file}\nqueue_bytes_max = {file}");
        let _ = writeln!(out, "group_bytes_max = {}", file / 4);
    }
    if size != "tiny" {
        return;
    }
    if chance.odds(1, 2) {
        // Files of a few groups: soon everything was written over that an older checkpoint needs.
        let ring = chance.pick(&[64 << 10, 96 << 10, 128 << 10]);
        let _ = writeln!(out, "journal_bytes = {ring}\njournal_file_bytes = 20480");
        let _ = writeln!(out, "journal_first_file_bytes = 20480\ngroup_bytes_max = 8192");
    }
    let _ = writeln!(out, "cache_bytes_max = {}", 2000 + chance.below(6000));
    let _ = writeln!(out, "write_bytes_min = {}", 1 + chance.below(2000));
    let _ = writeln!(out, "write_linger_ms = {}", 1 + chance.below(20));
    let _ = writeln!(out, "piece_bytes_max = {}", 500 + chance.below(3000));
    let _ = writeln!(out, "piece_grain_bytes = {}", 1 + chance.below(300));
    let _ = writeln!(out, "sync_bytes_max = {}", 500 + chance.below(6000));
    let _ = writeln!(out, "backlog_bytes_max = {}", 4000 + chance.below(60_000));
}

/// Settings of the broker that hurt, few of them at once.
const BROKER: &[(&str, &[u64])] = &[
    ("fetch.max.bytes", &[1024]),
    ("log.index.interval.bytes", &[0, 100]),
    ("log.index.size.max.bytes", &[120]),
    ("log.retention.bytes", &[3000, 30_000, 300_000]),
    ("log.retention.ms", &[1000, 5000]),
    ("log.roll.ms", &[100, 1000]),
    ("max.incremental.fetch.session.cache.slots", &[0, 1]),
    ("message.max.bytes", &[300, 2000]),
];

fn broker(chance: &mut Chance, out: &mut String, over_budget: bool) {
    let _ = writeln!(out, "[broker]");
    if chance.odds(2, 3) {
        // Kafka's smallest.
        let _ = writeln!(out, "\"log.segment.bytes\" = {}", 1 << 20);
    }
    if chance.odds(1, 2) {
        // No run is as long as what is usual.
        let often = chance.pick(&[1, 50, 50, 500, 5000]);
        let _ = writeln!(out, "\"log.retention.check.interval.ms\" = {often}");
    }
    if chance.odds(1, 4) {
        let _ = writeln!(out, "\"log.flush\" = \"relaxed\"");
    }
    for (key, hurts) in BROKER {
        // Where bytes are lost, an index is what is left to find the others by.
        let exists = chance.odds(1, 8) && !(over_budget && key.starts_with("log.index"));
        if exists {
            let _ = writeln!(out, "\"{key}\" = {}", chance.pick(hurts));
        }
    }
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
            // Who is patient learns little of a life that is short.
            let backoff = chance.pick(&["1ms", "20ms", "400ms"]);
            let _ = write!(
                out,
                "[[load]]\nkind = \"{}\"\nrate = \"{rate}/s\"\nclients = {clients}\n\
                 timeout = \"{timeout}\"\nbackoff = \"{backoff}\"\n{}",
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

/// Some of them; at least one. In half of the runs mostly such as happen together, and more of them: but not where durable bytes are lost
/// too, since there is not much left then that must hold.
fn faults(chance: &mut Chance, out: &mut String, span_s: u64, over_budget: bool) {
    let share = *chance.pick(&[2, 3, 5]);
    let sure = chance.index(FAULTS.len());
    let allowed = over_budget;
    let over_budget = over_budget || OVER_BUDGET.contains(&FAULTS[sure].name);
    let kind = chance.odds(2, 3).then(|| *chance.pick(KINDS)).filter(|_| !over_budget);
    let mut finds_something = false;
    for (n, row) in FAULTS.iter().enumerate() {
        let akin = kind.is_some_and(|kind| kind.contains(&row.name));
        let drawn = match kind {
            Some(_) if akin => chance.odds(3, 4),
            Some(_) => chance.odds(1, 8),
            None => chance.odds(1, share),
        };
        let exists = drawn && (allowed || !OVER_BUDGET.contains(&row.name));
        if n != sure && !exists {
            continue;
        }
        finds_something |= !OVER_BUDGET.contains(&row.name);
        // Some twice, each in its own way.
        for _ in 0..1 + u64::from(chance.odds(1, if akin { 2 } else { 4 })) {
            let own = loop {
                let own = (row.draw)(chance);
                if !over_budget || !own.contains("drawn") {
                    break own;
                }
            };
            let times = 1 + chance.below(if akin { 16 } else { 8 });
            let mends = match PATIENT.contains(&row.name) && !over_budget {
                true => ["20ms..500ms", "100ms..3s", "1s..6s"],
                false => ["1ms..20ms", "20ms..500ms", "100ms..3s"],
            };
            let mend = chance.pick(&mends);
            let from = if chance.odds(1, 3) { 0 } else { chance.below(span_s * 500) };
            write_fault(out, row.name, times, (from, span_s), mend, &own);
        }
    }
    if !finds_something {
        // What waits to be read may never be.
        write_fault(out, "net_delay", 8, (0, span_s), "100ms..3s", "");
    }
}

fn write_fault(
    out: &mut String,
    kind: &str,
    times: u64,
    (from_ms, span_s): (u64, u64),
    mend: &str,
    own: &str,
) {
    let _ = write!(
        out,
        "[[fault]]\nkind = \"{kind}\"\ntimes = {times}\nwhen = \"{from_ms}ms..{span_s}s\"\n\
         mend = \"{mend}\"\n{own}",
    );
}

/// Ends that hurt a life after the next: verb, role, end, and how long each next life lasts until the power fails.
const ENDS: &[(&str, &str, &str, &[&str])] = &[
    // Of a group some pages are new, and some what they were a lap before.
    ("write", "journal", "power", &["", "", "20ms..300ms"]),
    // A checkpoint has a name that nothing but the page cache knows; who believes it writes over what the one before needs.
    ("sync_dir", "checkpoint", "kill", &["2ms..80ms", "20ms..300ms", "20ms..300ms"]),
    // A file has lost its name, but not for good.
    ("unlink", "any", "kill", &["2ms..80ms", "20ms..300ms"]),
    ("sync", "segment", "kill", &["2ms..80ms", "20ms..300ms"]),
];

/// In some runs one kind of end comes again and again, to clients who write much and come back at once; and the clock may be ahead
/// meanwhile. What a life believes of the one before is found out only if it gets somewhere, and ends badly.
fn sequels(chance: &mut Chance, out: &mut String, span_s: u64) {
    let (verb, role, end, thens) = chance.pick(ENDS);
    let then = chance.pick(thens);
    let spare = chance.pick(&[0, 0, 3, 20]);
    let _ = write!(
        out,
        "[[load]]\nkind = \"produce\"\nrate = \"100/s\"\nclients = 3\ntimeout = \"500ms\"\n\
         backoff = \"1ms\"\nrecords = \"1..8\"\nbytes = \"900..1100\"\n\
         [[fault]]\nkind = \"crash_at\"\ntimes = 12\nwhen = \"500ms..{span_s}s\"\nmend = \"1s..2s\"\n\
         verb = \"{verb}\"\nrole = \"{role}\"\nend = \"{end}\"\nspare = {spare}\nrest = \"1us..5ms\"\n"
    );
    if !then.is_empty() {
        let _ = writeln!(out, "then = \"{then}\"");
    }
    if chance.odds(1, 3) {
        // By more than records are kept.
        let by = chance.pick(&["200h", "9000h"]);
        let _ = write!(
            out,
            "[[fault]]\nkind = \"clock_step\"\ntimes = 4\nwhen = \"500ms..{span_s}s\"\n\
             mend = \"100ms..3s\"\nby = \"{by}\"\nback = false\n"
        );
    }
}
