//! The process dies after every single operation, with and without the power: nothing that was durable
//! is lost, nothing is invented, and a second recovery finds the same.

use super::*;
use std::collections::BTreeMap;

const LEN: usize = 150;

/// A journal so small that it is written over several times.
fn tight() -> StorageConfig {
    let journal = JournalConfig {
        bytes: 96 << 10,
        file_bytes: 32 << 10,
        first_file_bytes: 32 << 10,
        group_bytes_max: 16 << 10,
        queue_bytes_max: 32 << 10,
    };
    StorageConfig { journal, ..config() }
}

fn rig(disk: Mem) -> Rig {
    Rig::with(disk, tight())
}

/// What a run promised and what it tried.
#[derive(Clone, Debug, Default)]
struct Ledger {
    /// Group, log and end of every append.
    appended: Vec<(GroupSeq, LogId, Offset)>,
    starts: Vec<(GroupSeq, LogId, Offset)>,
    /// `None`: not created yet as far as promised.
    created: Vec<(GroupSeq, LogId)>,
    deleted: Vec<(GroupSeq, LogId)>,
}

/// A life with all that a storage does; ends early when the fuel does.
fn live(rig: &mut Rig, ledger: &mut Ledger) {
    let create = |rig: &mut Rig, ledger: &mut Ledger, name: &str, id: u64| {
        let seq = rig.storage.create(dir(name, id), [id as u8; 16], 0, small());
        ledger.created.push((seq, LogId(id)));
    };
    let append = |rig: &mut Rig, ledger: &mut Ledger, id: u64, count: u32| {
        let seq = rig.append(LogId(id), count, LEN);
        ledger.appended.push((seq, LogId(id), rig.storage.end(LogId(id))));
    };
    create(rig, ledger, "a-0", 1);
    create(rig, ledger, "b-0", 2);
    for round in 0..24 {
        append(rig, ledger, 1, 1 + round % 3);
        if round % 2 == 0 && rig.storage.contains(LogId(2)) {
            append(rig, ledger, 2, 4);
        }
        if rig.storage.contains(LogId(3)) {
            append(rig, ledger, 3, 2);
        }
        match round {
            8 if !rig.storage.is_checkpointing() => rig.checkpoint(),
            10 => {
                let seq = rig.storage.set_start(LogId(1), Offset(9));
                ledger.starts.push((seq, LogId(1), Offset(9)));
            }
            13 => {
                let seq = rig.storage.delete(LogId(2));
                ledger.deleted.push((seq, LogId(2)));
                create(rig, ledger, "b-0", 3);
            }
            18 => {
                // All is written by now, and nothing synced.
                rig.run();
                rig.wait(10);
                if !rig.storage.is_checkpointing() && rig.done < rig.fuel {
                    rig.checkpoint();
                }
            }
            _ => {}
        }
        rig.run();
        rig.wait(2);
        if rig.done == rig.fuel {
            return;
        }
    }
    rig.wait(50);
}

/// What a recovered storage must hold.
fn check(rig: &mut Rig, ledger: &Ledger, durable: GroupSeq, story: &str) {
    let promised = |seq: &GroupSeq| *seq <= durable;
    let mut ends: BTreeMap<LogId, (u64, u64)> = BTreeMap::new();
    for (seq, log, end) in &ledger.appended {
        let e = ends.entry(*log).or_default();
        e.1 = end.0;
        if promised(seq) {
            e.0 = end.0;
        }
    }
    let gone = |log| ledger.deleted.iter().any(|(seq, l)| *l == log && promised(seq));
    let maybe_gone = |log| ledger.deleted.iter().any(|(_, l)| *l == log);
    for (seq, log) in &ledger.created {
        let there = rig.storage.contains(*log);
        assert!(there || !promised(seq) || maybe_gone(*log), "{story}: {log} is missing");
        assert!(!(there && gone(*log)), "{story}: {log} came back");
        if !there {
            continue;
        }
        let (least, most) = ends.get(log).copied().unwrap_or_default();
        let end = rig.storage.end(*log).0;
        assert!(least <= end && end <= most, "{story}: {log} ends at {end}: {least}..={most}");
        let start = rig.storage.start(*log).0;
        let starts = ledger.starts.iter().filter(|(_, l, _)| l == log);
        let least = starts.clone().filter(|(s, ..)| promised(s)).map(|s| s.2.0).max().unwrap_or(0);
        let most = starts.map(|s| s.2.0).max().unwrap_or(0);
        assert!(least <= start && start <= most, "{story}: {log} starts at {start}");
        assert_eq!(rig.read_all(*log), expected(start, end, LEN), "{story}: {log}");
        assert!(rig.storage.faulty(*log).is_empty(), "{story}: a crash never loses a sector");
    }
    assert!(rig.recovered().is_none_or(|r| r.boot > 0));
}

/// Files and directories are those that the logs name, and no byte longer.
fn nothing_left_over(rig: &mut Rig, story: &str) {
    let mut dirs = vec!["checkpoint".to_string(), "journal".to_string()];
    let logs: Vec<_> = rig.storage.logs.values().cloned().collect();
    for log in logs.iter().filter(|l| l.end > Offset(0)) {
        assert_eq!(log.written, log.end, "{story}: all is written by now");
        dirs.push(log.dir.name.to_string());
        for s in &log.segments {
            let path = format!("{}/{:020}.log", log.dir.name, s.base.0);
            let len = rig.disk.file(&path).map(|f| f.len() as u64);
            assert_eq!(len, Some(s.bytes), "{story}: {path}");
        }
        let files = rig.disk.list(&log.dir.name);
        assert_eq!(files.len(), 1 + 3 * log.segments.len(), "{story}: {files:?}");
    }
    dirs.sort();
    let mut found = rig.disk.list("");
    found.retain(|name| dirs.contains(name) || name.ends_with("-delete") || name == "b-0");
    assert_eq!(found, dirs, "{story}");
}

fn crash_everywhere(power: bool) {
    let mut whole = rig(Mem::default());
    let mut ledger = Ledger::default();
    whole.boot();
    whole.run();
    live(&mut whole, &mut ledger);
    assert_eq!(whole.fatal(), None);
    for fuel in 0..whole.done {
        let story = format!("power {power}, dead after {fuel} of {} operations", whole.done);
        let mut rig = rig(Mem::default());
        let mut ledger = Ledger::default();
        rig.fuel = fuel;
        rig.boot();
        rig.run();
        if rig.recovered().is_some() {
            live(&mut rig, &mut ledger);
        }
        assert_eq!(rig.fatal(), None, "{story}");
        let durable = rig.storage.durable();
        let mut disk = rig.disk;
        if power {
            disk.lose_power();
        }
        // The first recovery also dies at some point, the second must make do with what it left.
        let mut dying = crash::rig(disk.clone());
        dying.fuel = fuel % 23;
        dying.boot();
        dying.run();
        dying.wait(20);
        let mut left = dying.disk;
        if power {
            left.lose_power();
        }
        for (disk, what) in [(disk, "first"), (left, "second")] {
            let story = format!("{story}, {what} recovery");
            let mut rig = crash::rig(disk);
            rig.boot();
            rig.run();
            assert!(rig.recovered().is_some(), "{story}: {:?}", rig.notes);
            check(&mut rig, &ledger, durable, &story);
            rig.wait(50);
            rig.wait(50);
            if !rig.storage.is_checkpointing() {
                rig.checkpoint();
            }
            rig.run();
            check(&mut rig, &ledger, durable, &story);
            nothing_left_over(&mut rig, &story);
            let logs = |rig: &Rig| rig.recovered().map(|r| r.logs.clone());
            let mut again = crash::rig(rig.disk.clone());
            again.boot();
            again.run();
            assert_eq!(logs(&rig), logs(&again), "{story}: recovery of a recovered image");
            check(&mut again, &ledger, durable, &story);
        }
    }
}

#[test]
fn killed_after_every_operation() {
    crash_everywhere(false);
}

#[test]
fn power_lost_after_every_operation() {
    crash_everywhere(true);
}
