//! Stories about looking up: by time, hot and cold, and without an index.

use super::*;

#[test]
fn time_is_found_hot_and_cold_and_between() {
    let (rig, log) = half_cold();
    let all: Vec<(u64, i64)> = (0..120)
        .flat_map(|b| (0..3).map(move |i| (b * 3 + i, 1000 + (b * 3 + i) as i64)))
        .collect();
    let mut cold = 0;
    for timestamp in [0, 1000, 1001, 1100, 1200, 1337, 1359, 1360] {
        for (from, until) in [(0, 360), (50, 360), (0, 100), (340, 350), (0, 3)] {
            let fits = |r: &&(u64, i64)| r.1 >= timestamp && r.0 >= from && r.0 < until;
            let want = all.iter().find(fits).map(|r| r.0);
            let (mut at, until) = (Offset(from), Offset(until));
            let got = loop {
                match rig.storage.find_time(log, TimeQuery::At(timestamp), at, until) {
                    Lookup::Hot(found) => break found,
                    Lookup::Faulty => panic!("nothing is lost"),
                    Lookup::Cold { op, next, .. } => {
                        cold += 1;
                        let Ok(DiskOk::Found(found)) = rig.disk.clone().run(&op) else { panic!() };
                        if found != Found::Nothing {
                            break found;
                        }
                        at = next;
                    }
                }
            };
            let got = match got {
                Found::Record { offset, .. } => Some(offset.0),
                _ => None,
            };
            assert_eq!(got, want, "{timestamp} in {from}..{until}");
        }
    }
    assert!(cold > 5);
    assert_eq!(latest(&rig, log, 0, 360), (Some((359, 1359)), 0), "the youngest is in memory");
    assert_eq!(latest(&rig, log, 0, 30), (Some((29, 1029)), 1), "the oldest are on disk");
}

/// The record with the largest timestamp of `from .. until`, and how many looks into files that took.
fn latest(rig: &Rig, log: LogId, from: u64, until: u64) -> (Option<(u64, i64)>, u32) {
    let mut query = TimeQuery::Max(Latest::default());
    let (mut from, mut looks) = (Offset(from), 0);
    let found = loop {
        match rig.storage.find_time(log, query, from, Offset(until)) {
            Lookup::Hot(found) => break found,
            Lookup::Faulty => panic!("nothing is lost"),
            Lookup::Cold { op, query: rest, next } => {
                let Ok(DiskOk::Found(found)) = rig.disk.clone().run(&op) else { panic!() };
                (query, from) = (rest, next);
                looks += 1;
                assert!(!query.found(found), "a search for the largest ends in memory");
            }
        }
    };
    match found {
        Found::Record { offset, timestamp, .. } => (Some((offset.0, timestamp)), looks),
        _ => (None, looks),
    }
}

#[test]
fn the_largest_timestamp_is_that_of_a_record_that_is_there_and_may_be_read() {
    // Falling, rising, and both; batches of three, over several segments, partly in memory.
    let shapes: [fn(u64) -> i64; 4] = [
        |n| 10_000 - n as i64,
        |n| 10_000 + n as i64,
        |n| 10_000 + (n as i64 * 7919) % 311,
        |n| 10_000 - (n as i64 - 150).abs(),
    ];
    for shape in shapes {
        let mut rig = Rig::booted(Mem::default());
        let log = rig.create("orders-0", 1);
        let mut all = Vec::new();
        for _ in 0..120 {
            let base = rig.storage.end(log);
            rig.storage.append(rig.now, log, Epoch(1), batch(base, 3, 100, shape(base.0)));
            all.extend((0..3).map(|n| (base.0 + n, shape(base.0) + n as i64)));
            rig.run();
        }
        assert!(rig.storage.segments(log).len() > 3);
        for from in (0..360).step_by(7) {
            for until in (from / 3 * 3..=360).step_by(21) {
                let asked = all.iter().filter(|r| (from..until).contains(&r.0));
                let want = asked.copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
                let (got, looks) = latest(&rig, log, from, until);
                assert_eq!(got, want, "in {from}..{until}");
                assert!(looks <= 4, "{looks} files in {from}..{until}");
            }
        }
    }
}

#[test]
fn the_largest_timestamp_of_records_without_one_is_that_of_the_first() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    let find = |rig: &Rig| latest(rig, log, 0, 1000).0;
    assert_eq!(find(&rig), None);
    for count in 1..=360 {
        let base = rig.storage.end(log);
        let timeless = batch(base, 1, 100, -1);
        rig.storage.append(rig.now, log, Epoch(1), timeless);
        rig.run();
        assert_eq!(find(&rig), Some((0, -1)), "of {count}");
    }
    assert!(rig.storage.log(log).cache.front().expect("a tail").base > Offset(0), "hot and cold");
}

/// An index that somebody removed, or that a crash cut off, costs one walk over its segment, not one for each lookup.
#[test]
fn indexes_that_are_gone_are_made_again() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    for _ in 0..100 {
        rig.append(log, 3, 100);
        rig.run();
    }
    rig.wait(50);
    rig.checkpoint();
    rig.run();
    let segments = rig.storage.segments(log).to_vec();
    assert!(segments.len() > 4 && segments[0].index_entries > 2);
    let name = |s: &Segment, kind: &str| format!("orders-0/{:020}.{kind}", s.base.0);
    let whole = rig.disk.clone();
    let mut disk = rig.disk.clone();
    disk.remove(&name(&segments[0], "index"));
    disk.remove(&name(&segments[1], "timeindex"));
    disk.file(&name(&segments[2], "index")).expect("there").truncate(8);
    disk.remove(&name(&segments[3], "index"));
    disk.remove(&name(&segments[3], "timeindex"));
    // A segment that cannot be walked is left alone.
    let bad = name(&segments[3], "log");
    disk.file(&bad).expect("there")[16] ^= 1;
    let mut again = Rig::on(disk);
    again.boot();
    again.run();
    assert!(again.recovered().is_some());
    again.wait(20);
    for (n, segment) in segments[..segments.len() - 1].iter().enumerate() {
        for kind in ["index", "timeindex"] {
            let file = name(segment, kind);
            let made = again.disk.file(&file).cloned();
            let was = whole.clone().file(&file).cloned();
            assert!(if n == 3 { made.is_none() } else { made == was }, "{file}");
        }
    }
    let warned = |n: &Note| matches!(n, Note::Warning(what) if what.contains("lookups walk it"));
    assert_eq!(again.notes.iter().filter(|n| warned(n)).count(), 1, "{:?}", again.notes);
}
