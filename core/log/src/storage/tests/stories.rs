//! Truncation, lost ranges, time, the links of the chain.

use super::*;
use crate::disk::Query;

/// A log whose batches of three records are partly cold, partly in memory.
fn half_cold() -> (Rig, LogId) {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    for _ in 0..120 {
        rig.append(log, 3, 100);
        rig.run();
    }
    let front = rig.storage.log(log).cache.front().expect("a tail").base;
    assert!(front > Offset(0) && front < Offset(360));
    (rig, log)
}

#[test]
fn a_cut_takes_the_tail_hot_and_cold_and_survives() {
    for to in [3, 30, 150, 330, 357, 360] {
        let (mut rig, log) = half_cold();
        let before = rig.storage.generation(log);
        let seq = rig.storage.truncate(log, Offset(to));
        assert_ne!(rig.storage.generation(log), before);
        assert_eq!(rig.storage.end(log), Offset(to));
        rig.append(log, 3, 100);
        assert!(rig.storage.durable() < seq);
        rig.run();
        assert_eq!(rig.read_all(log), expected(0, to + 3, 100), "cut at {to}");
        let mut killed = Rig::booted(rig.disk.clone());
        assert_eq!(killed.read_all(log), expected(0, to + 3, 100), "cut at {to}, killed");
        rig.wait(50);
        for _ in 0..60 {
            rig.append(log, 3, 100);
            rig.run();
        }
        rig.wait(50);
        let end = to + 183;
        assert_eq!(rig.read_all(log), expected(0, end, 100), "cut at {to}, written");
        rig.checkpoint();
        rig.run();
        let mut again = Rig::booted(rig.disk.clone());
        assert_eq!(again.read_all(log), expected(0, end, 100), "cut at {to}, checkpoint");
        let mut killed_again = Rig::booted(killed.disk.clone());
        killed_again.wait(50);
        assert_eq!(killed_again.read_all(log), expected(0, to + 3, 100));
    }
}

#[test]
fn a_completion_of_a_former_generation_is_dropped() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 40, 100);
    rig.run();
    rig.wait(6);
    rig.append(log, 40, 100);
    rig.flush();
    while !matches!(rig.ops.front().map(|op| op.done), Some(Done::Segment { .. })) {
        assert!(rig.step(), "a piece starts once the group is durable");
        rig.flush();
    }
    rig.storage.truncate(log, Offset(40));
    rig.append(log, 1, 7);
    rig.run();
    assert_eq!(rig.storage.log(log).written, Offset(40));
    rig.wait(50);
    assert_eq!(rig.storage.log(log).written, Offset(41));
    let (bytes, next) = rig.read(log, Offset(40), 10).expect("there");
    assert_eq!((bytes.len(), next), (batch(Offset(40), 1, 7, 0).size(), Offset(41)));
}

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

#[test]
fn a_lost_range_is_told_and_the_rest_goes_on() {
    let (mut rig, log) = half_cold();
    let seq = rig.storage.mark_faulty(log, Offset(30), Offset(33));
    assert!(matches!(rig.storage.read(log, Offset(31), Offset(360), 100), Read::Faulty));
    let until = |read| match read {
        Read::Cold { op: OpKind::Find { query: Query::Range { until, .. }, .. }, .. } => until,
        other => panic!("{other:?}"),
    };
    let before = rig.storage.read(log, Offset(27), Offset(360), 1000);
    assert!(until(before) <= Offset(30));
    assert!(rig.read(log, Offset(33), 100).is_some());
    rig.append(log, 3, 100);
    rig.run();
    assert!(rig.storage.durable() >= seq);
    let again = Rig::booted(rig.disk.clone());
    assert!(again.storage.faulty(log).contains(Offset(32)), "from the journal");
    rig.checkpoint();
    rig.run();
    let again = Rig::booted(rig.disk.clone());
    assert!(again.storage.faulty(log).contains(Offset(32)), "from the checkpoint");
    assert!(!again.storage.faulty(log).contains(Offset(33)));
    assert_eq!(again.storage.end(log), Offset(363));
}

/// A batch in the journal rots after it was acknowledged and before its segment is believed.
#[test]
fn a_rotten_batch_in_the_journal_is_held_and_marked() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.run();
    for _ in 0..8 {
        rig.append(log, 2, 100);
        rig.run();
    }
    rig.wait(30);
    let name = "journal/00000001.journal";
    let file = rig.disk.file(name).expect("a journal");
    // The fourth batch: its second record's value has no zero to hide in.
    let needle = [7u8; 90];
    let at = file.windows(needle.len()).position(|w| w == needle).expect("offset 7 is there");
    file[at + 40] ^= 0xff;
    let mut again = Rig::booted(rig.disk.clone());
    let recovered = again.recovered().expect("recovered").clone();
    assert_eq!(recovered.findings.len(), 1, "{:?}", recovered.findings);
    assert_eq!(again.storage.end(log), Offset(16), "what is lost is held");
    let told = |n: &Note| matches!(n, Note::Faulty { from, to, .. } if (*from, *to) == (Offset(6), Offset(8)));
    assert!(again.notes.iter().any(told), "{:?}", again.notes);
    assert!(matches!(again.storage.read(log, Offset(6), Offset(16), 100), Read::Faulty));
    assert!(again.read(log, Offset(4), 100).is_some());
    assert!(again.read(log, Offset(8), 100).is_some());
    again.append(log, 2, 100);
    again.run();
    again.wait(50);
    assert_eq!(again.storage.log(log).written, Offset(18), "appends go on and are written");
    again.checkpoint();
    again.run();
    let mut third = Rig::booted(again.disk.clone());
    assert!(third.storage.faulty(log).contains(Offset(6)), "the mark outlives the journal");
    assert_eq!(third.read(log, Offset(16), 100).expect("there").1, Offset(18));
}

#[test]
fn an_unreadable_block_of_the_journal_costs_what_is_in_it() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.run();
    for _ in 0..8 {
        rig.append(log, 2, 100);
        rig.run();
    }
    rig.wait(30);
    let name = "journal/00000001.journal";
    let needle = [7u8; 90];
    let file = rig.disk.file(name).expect("a journal");
    let at = file.windows(needle.len()).position(|w| w == needle).expect("offset 7 is there");
    rig.disk.unreadable = Some((name.into(), at as u64));
    let mut again = Rig::booted(rig.disk.clone());
    assert_eq!(again.storage.end(log), Offset(16));
    assert!(matches!(again.storage.read(log, Offset(6), Offset(16), 100), Read::Faulty));
    assert!(again.read(log, Offset(4), 100).is_some());
    assert!(again.read(log, Offset(8), 100).is_some());
}

#[test]
fn a_lost_hard_state_refuses_to_start() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.run();
    rig.storage.hard_state(log, Bytes::from_static(&[0xab; 60]));
    rig.run();
    rig.wait(30);
    let file = rig.disk.file("journal/00000001.journal").expect("a journal");
    let at = file.windows(60).position(|w| w == [0xab; 60]).expect("it is there");
    file[at + 3] ^= 1;
    let mut again = Rig::on(rig.disk.clone());
    again.boot();
    again.run();
    assert!(again.fatal().expect("refused").contains("restore"), "{:?}", again.notes);
}

#[test]
fn hard_state_comes_back_from_journal_and_checkpoint() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.storage.hard_state(log, Bytes::from_static(b"one"));
    rig.storage.hard_state(log, Bytes::from_static(b"two"));
    rig.run();
    let state = |rig: &Rig| rig.recovered().expect("recovered").logs[0].hard_state.clone();
    assert_eq!(state(&Rig::booted(rig.disk.clone())), "two");
    rig.checkpoint();
    rig.run();
    assert_eq!(state(&Rig::booted(rig.disk.clone())), "two");
}

#[test]
fn a_checkpoint_skips_what_it_has_seen_of_its_own_group() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 1, 10);
    // The open group has two frames that the checkpoint sees, and gets two that it does not.
    rig.checkpoint();
    rig.append(log, 1, 10);
    rig.storage.hard_state(log, Bytes::from_static(b"later"));
    rig.run();
    assert!(rig.notes.iter().any(|n| matches!(n, Note::CheckpointDone)));
    let mut again = Rig::booted(rig.disk.clone());
    let recovered = again.recovered().expect("recovered");
    assert_eq!(recovered.replay.len(), 2, "{:?}", recovered.replay);
    assert_eq!(again.read_all(log), expected(0, 2, 10));
}

#[test]
fn the_previous_or_next_checkpoint_serves_when_the_current_cannot() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    for round in 0..3 {
        for _ in 0..5 {
            rig.append(log, 1, 50);
        }
        rig.run();
        if round < 2 {
            rig.checkpoint();
            rig.run();
        }
    }
    assert_eq!(rig.disk.list("checkpoint"), ["current", "previous"]);
    let mut rotten = rig.disk.clone();
    rotten.file("checkpoint/current").expect("there")[70] ^= 1;
    let mut again = Rig::booted(rotten);
    assert!(again.notes.iter().any(|n| matches!(n, Note::Warning(w) if w.contains("previous"))));
    assert_eq!(again.read_all(log), expected(0, 15, 50));

    let mut lost = rig.disk.clone();
    for name in ["current", "previous"] {
        lost.file(&format!("checkpoint/{name}")).expect("there")[70] ^= 1;
    }
    let mut again = Rig::on(lost);
    again.boot();
    again.run();
    assert!(again.fatal().expect("refused").contains("no other checkpoint"));
}

#[test]
fn leftovers_of_a_former_life_are_swept() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 5, 100);
    rig.run();
    rig.checkpoint();
    rig.run();
    rig.disk.put("orders-0/00000000000000000099.log", b"orphan");
    rig.disk.put("orders-0/00000000000000000099.index", b"orphan");
    rig.disk.put("orders-0/notes.txt", b"somebody's");
    rig.disk.file("orders-0/00000000000000000000.log").expect("a segment").extend(b"torn tail");
    let len = rig.storage.segments(log)[0].bytes;
    let mut again = Rig::booted(rig.disk.clone());
    again.wait(50);
    let names = again.disk.list("orders-0");
    assert!(!names.iter().any(|n| n.contains("99")), "{names:?}");
    assert!(names.contains(&"notes.txt".to_string()), "other people's files stay");
    let segment = again.disk.file("orders-0/00000000000000000000.log").expect("a segment");
    assert_eq!(segment.len() as u64, len);
}

#[test]
fn the_links_of_the_chain_hold_one_by_one() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    let cursors = |rig: &Rig| {
        let l = rig.storage.log(log);
        [l.checkpointed, l.file_synced, l.written, l.synced, l.end].map(|o| o.0)
    };
    rig.append(log, 10, 100);
    assert_eq!(cursors(&rig), [0, 0, 0, 0, 10], "appended");
    rig.run();
    assert_eq!(cursors(&rig), [0, 0, 0, 10, 10], "durable in the journal, lingering");
    rig.wait(6);
    assert_eq!(cursors(&rig), [0, 0, 10, 10, 10], "written, not synced");
    assert!(rig.storage.log(log).cache.front().is_some(), "the cache outlives the write");
    rig.checkpoint();
    while rig.storage.log(log).file_synced < Offset(10) {
        assert!(rig.step());
    }
    assert_eq!(cursors(&rig), [0, 10, 10, 10, 10], "synced for the checkpoint");
    rig.run();
    assert_eq!(cursors(&rig), [10, 10, 10, 10, 10], "checkpointed");
}

/// Each broken link is noticed by the log itself.
#[test]
fn a_broken_chain_is_noticed() {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    let (rig, id) = half_cold();
    type Break = fn(&mut Log);
    let breaks: [(&str, Break); 8] = [
        ("checkpointed", |l| l.checkpointed = Offset(l.file_synced.0 + 1)),
        ("file_synced", |l| l.file_synced = Offset(l.written.0 + 1)),
        ("written", |l| l.written = Offset(l.synced.0 + 1)),
        ("synced", |l| l.synced = Offset(l.end.0 + 1)),
        ("start", |l| l.start = Offset(l.end.0 + 1)),
        ("durable start", |l| l.durable_start = Offset(l.start.0 + 1)),
        ("segments", |l| l.segments.last_mut().expect("some").next.0 += 1),
        ("cache", |l| {
            let to = l.written.0 + 1;
            while l.cache.front().is_some_and(|c| c.base < Offset(to)) {
                l.cache.pop_front();
            }
            l.written = Offset(0);
            (l.file_synced, l.checkpointed) = (Offset(0), Offset(0));
        }),
    ];
    for (link, break_it) in breaks {
        let mut log = rig.storage.log(id).clone();
        log.invariants();
        break_it(&mut log);
        assert!(catch_unwind(AssertUnwindSafe(|| log.invariants())).is_err(), "{link}");
    }
}

#[test]
fn nobody_is_served_before_the_boot_is_durable() {
    let mut rig = Rig::new();
    rig.boot();
    while rig.recovered().is_none() {
        assert_eq!(rig.storage.durable(), GroupSeq(0));
        assert!(rig.step());
        rig.flush();
    }
    assert_eq!(rig.storage.durable(), GroupSeq(1));
    let mut killed = rig.disk.clone();
    killed.lose_power();
    assert_eq!(Rig::booted(killed).recovered().expect("recovered").boot, 2);
}

#[test]
fn segments_stay_until_the_higher_start_is_durable() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    for _ in 0..40 {
        rig.append(log, 10, 100);
    }
    rig.flush();
    while rig.disk.list("orders-0").len() < 7 {
        assert!(rig.step());
        rig.flush();
    }
    let first = "00000000000000000000.log".to_string();
    let seq = rig.storage.set_start(log, Offset(400));
    while rig.storage.durable() < seq {
        assert!(rig.disk.list("orders-0").contains(&first));
        assert!(rig.step());
        rig.flush();
    }
    rig.run();
    assert!(!rig.disk.list("orders-0").contains(&first));
}

#[test]
fn a_segment_that_may_be_unlinked_already_is_not_continued_after_a_crash() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 3, 100);
    rig.run();
    rig.checkpoint();
    rig.run();
    rig.storage.set_start(log, Offset(3));
    rig.run();
    assert_eq!(rig.disk.list("orders-0"), ["partition.metadata"], "a start at the end takes all");
    rig.append(log, 2, 100);
    rig.run();
    let mut again = Rig::booted(rig.disk.clone());
    again.checkpoint();
    again.run();
    assert_eq!(again.fatal(), None);
    let mut third = Rig::booted(again.disk.clone());
    assert_eq!(third.read_all(log), expected(3, 5, 100));
}

#[test]
fn a_new_log_waits_for_the_name_of_the_old_one() {
    let mut rig = Rig::booted(Mem::default());
    let old = rig.create("orders-0", 1);
    rig.append(old, 30, 300);
    rig.run();
    rig.wait(10);
    rig.disk.no_rename = true;
    rig.storage.delete(old);
    let new = rig.create("orders-0", 2);
    rig.append(new, 5, 50);
    rig.run();
    rig.wait(11);
    rig.wait(11);
    let metadata = rig.disk.file("orders-0/partition.metadata").expect("made").clone();
    assert_eq!(crate::home::log_id(&metadata), Some(old), "the name is not free");
    assert_eq!(rig.read_all(new), expected(0, 5, 50), "from memory");
    rig.disk.no_rename = false;
    rig.wait(11);
    rig.wait(11);
    assert_eq!(rig.storage.log(new).written, Offset(5));
    let metadata = rig.disk.file("orders-0/partition.metadata").expect("made").clone();
    assert_eq!(crate::home::log_id(&metadata), Some(new));
    assert_eq!(rig.disk.list("orders-0").len(), 4, "nothing of the old one");
}

#[test]
fn a_checkpoint_remembers_what_is_to_be_removed() {
    let mut rig = Rig::booted(Mem::default());
    let old = rig.create("orders-0", 1);
    rig.append(old, 30, 300);
    rig.run();
    rig.wait(10);
    rig.disk.no_rename = true;
    rig.storage.delete(old);
    rig.run();
    rig.checkpoint();
    while rig.storage.is_checkpointing() {
        rig.wait(11);
    }
    let mut disk = rig.disk.clone();
    disk.no_rename = false;
    let mut again = Rig::booted(disk);
    assert!(again.recovered().expect("recovered").replay.is_empty());
    again.wait(11);
    assert_eq!(again.disk.list(""), ["checkpoint", "journal"]);
}

#[test]
fn recovery_leaves_the_directory_of_a_successor_alone() {
    let mut rig = Rig::booted(Mem::default());
    let old = rig.create("orders-0", 1);
    rig.append(old, 3, 300);
    rig.run();
    rig.wait(10);
    rig.storage.delete(old);
    let new = rig.create("orders-0", 2);
    rig.append(new, 5, 50);
    rig.run();
    rig.wait(10);
    let renamed = rig.disk.renamed;
    let mut again = Rig::booted(rig.disk.clone());
    assert_eq!(again.recovered().expect("recovered").logs.len(), 1);
    again.wait(50);
    assert_eq!(again.disk.renamed, renamed);
    assert_eq!(again.read_all(new), expected(0, 5, 50));
}

/// A segment that was not the last to be closed when it was written, and is never written again.
#[test]
fn a_segment_that_closes_after_its_last_write_is_synced_too() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    let size = batch(Offset(0), 1, 100, 0).size() as u64;
    for _ in 0..u64::from(small().segment_bytes) / size {
        rig.append(log, 1, 100);
    }
    rig.run();
    rig.wait(6);
    let l = rig.storage.log(log);
    assert!(l.segments.len() == 1 && l.written == l.end && l.file_synced < l.end);
    let end = l.end.0 + 1;
    rig.append(log, 1, 100);
    assert_eq!(rig.storage.segments(log).len(), 2);
    rig.run();
    rig.wait(6);
    rig.checkpoint();
    rig.run();
    rig.disk.lose_power();
    let mut again = Rig::booted(rig.disk.clone());
    assert!(again.recovered().expect("recovered").replay.is_empty());
    assert_eq!(again.read_all(log), expected(0, end, 100));
}

#[test]
fn a_log_that_is_written_before_the_sweep_cuts_its_own_leftovers() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 5, 100);
    rig.run();
    rig.checkpoint();
    rig.run();
    rig.append(log, 1, 10);
    rig.run();
    let file = rig.disk.file("orders-0/00000000000000000000.log").expect("a segment");
    file.extend([0x55; 3000]);
    let mut again = Rig::on(rig.disk.clone());
    again.boot();
    while again.recovered().is_none() {
        assert!(again.step());
        again.flush();
    }
    // The sweep is slow today.
    again.ops.retain(|op| !matches!(op.kind, OpKind::List { .. }));
    again.run();
    again.wait(6);
    assert_eq!(again.storage.log(log).written, Offset(6));
    let segment = again.disk.file("orders-0/00000000000000000000.log").expect("a segment");
    assert_eq!(segment.len() as u64, again.storage.segments(log)[0].bytes);
}

/// A ring of two files, of which the one being written is soon more than half of all there is: a checkpoint never
/// frees that one, so it is no reason to take another.
#[test]
fn a_checkpoint_is_wanted_only_where_it_frees_a_file() {
    let journal = JournalConfig {
        bytes: 96 << 10,
        file_bytes: 64 << 10,
        first_file_bytes: 32 << 10,
        ..config().journal
    };
    let mut rig = Rig::with(Mem::default(), StorageConfig { journal, ..config() });
    rig.boot();
    rig.run();
    let log = rig.create("orders-0", 1);
    let (mut checkpoints, mut groups) = (0, 0);
    for _ in 0..300 {
        rig.append(log, 1, 100);
        rig.run();
        rig.wait(20);
        checkpoints += rig.notes.iter().filter(|n| matches!(n, Note::CheckpointDone)).count();
        groups += 2; // it, and its seal
        rig.notes.clear();
        assert_eq!(rig.storage.room(), Room::Free);
    }
    // Both files together take 22 groups of one block each, and each of them is left once in that time.
    let left = 2 * (groups / 22 + 1);
    assert!(
        (5..=left).contains(&checkpoints),
        "{checkpoints} checkpoints, files left {left} times"
    );
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
