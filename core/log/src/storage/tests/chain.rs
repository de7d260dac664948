//! Stories about truncation, and about the links of the chain from journal to segment to checkpoint.

use super::*;

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
