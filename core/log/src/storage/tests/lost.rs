//! Stories about what the journal or a segment has lost: what is held, marked and refused, and what comes behind it.

use super::*;
use crate::disk::Query;
use crate::journal::{Finding, JournalError, recover};
use crate::storage::boot::whole_for;

/// The file that holds everything.
const JOURNAL: &str = "journal/00000001.journal";

/// Sixteen records in batches of two.
fn sixteen() -> (Rig, LogId) {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.run();
    for _ in 0..8 {
        rig.append(log, 2, 100);
        rig.run();
    }
    (rig, log)
}

/// Where the journal has a byte of the batch of offsets 6 and 7: its second record's value has no zero to hide in.
fn seventh(rig: &mut Rig) -> usize {
    let needle = [7u8; 90];
    let file = rig.disk.file(JOURNAL).expect("a journal");
    file.windows(needle.len()).position(|w| w == needle).expect("offset 7 is there")
}

/// That byte rots.
fn rot(rig: &mut Rig) {
    let at = seventh(rig);
    rig.disk.file(JOURNAL).expect("a journal")[at + 40] ^= 0xff;
}

/// Sixteen records, then `then`; and the batch of offsets 6 and 7 rots in the journal.
fn rotten(then: impl FnOnce(&mut Rig, LogId) -> GroupSeq) -> Rig {
    let (mut rig, log) = sixteen();
    then(&mut rig, log);
    rig.run();
    rot(&mut rig);
    Rig::booted(rig.disk.clone())
}

fn marked(rig: &Rig) -> Vec<(u64, u64)> {
    let mark = |note: &Note| match note {
        Note::Faulty { from, to, .. } => Some((from.0, to.0)),
        _ => None,
    };
    rig.notes.iter().filter_map(mark).collect()
}

/// A start found a batch of a log lost that a later group deletes, and wrote a mark for that log behind the deletion: the start after it
/// knew no such log and refused, though nothing was damaged any more.
#[test]
fn what_is_lost_of_a_log_that_was_deleted_since_is_not_marked() {
    let found = rotten(|rig, log| rig.storage.delete(log));
    assert_eq!(found.recovered().expect("recovered").findings.len(), 1);
    assert_eq!(marked(&found), []);
    let again = Rig::booted(found.disk.clone());
    assert!(!again.storage.contains(LogId(1)));
}

#[test]
fn what_is_lost_below_a_later_start_is_not_marked() {
    for (start, left) in [(5, vec![(6, 8)]), (7, vec![(7, 8)]), (8, vec![]), (16, vec![])] {
        let mut found = rotten(|rig, log| rig.storage.set_start(log, Offset(start)));
        assert_eq!(marked(&found), left, "start {start}");
        found.append(LogId(1), 2, 100);
        found.run();
        let again = Rig::booted(found.disk.clone());
        let spans = again.storage.faulty(LogId(1)).iter().map(|s| (s.from.0, s.to.0));
        assert_eq!(spans.collect::<Vec<_>>(), left, "start {start}, after another one");
        assert_eq!(again.storage.end(LogId(1)), Offset(18));
    }
}

#[test]
fn what_is_lost_above_a_later_cut_is_not_marked() {
    for (cut, left) in [(6, vec![]), (8, vec![(6, 8)])] {
        let mut found = rotten(|rig, log| rig.storage.truncate(log, Offset(cut)));
        assert_eq!(marked(&found), left, "cut at {cut}");
        found.append(LogId(1), 2, 100);
        found.run();
        let again = Rig::booted(found.disk.clone());
        let spans = again.storage.faulty(LogId(1)).iter().map(|s| (s.from.0, s.to.0));
        assert_eq!(spans.collect::<Vec<_>>(), left, "cut at {cut}, after another start");
        assert_eq!(again.storage.end(LogId(1)), Offset(cut + 2));
    }
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
    let (mut rig, log) = sixteen();
    rig.wait(30);
    rot(&mut rig);
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
    let (mut rig, log) = sixteen();
    rig.wait(30);
    let at = seventh(&mut rig);
    rig.disk.unreadable = Some((JOURNAL.into(), at as u64));
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

/// Of the group in which a checkpoint was taken a batch had rotted that the checkpoint had seen. Which frames it had seen could not be counted any
/// more: the batch, which is in its segment, was marked, and what was said of a log that had come and gone before made the start refuse.
#[test]
fn what_the_checkpoint_saw_of_a_damaged_group_is_neither_lost_nor_unknown() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.run();
    let other = rig.create("other-0", 2);
    rig.append(other, 1, 50);
    rig.storage.delete(other);
    rig.append(log, 2, 100);
    rig.append(log, 2, 100);
    rig.checkpoint();
    rig.append(log, 2, 100);
    rig.run();
    rig.wait(50);
    for (rotten, lost) in [(1u8, vec![]), (5, vec![(4, 6)])] {
        let mut disk = rig.disk.clone();
        let file = disk.file("journal/00000001.journal").expect("a journal");
        let needle = [rotten; 90];
        let at = file.windows(needle.len()).position(|w| w == needle).expect("it is there");
        file[at + 40] ^= 0xff;
        let mut found = Rig::booted(disk);
        assert_eq!(marked(&found), lost, "offset {rotten} rots");
        assert_eq!(found.storage.end(log), Offset(6));
        assert!(!found.storage.contains(other));
        if lost.is_empty() {
            assert_eq!(found.read_all(log), expected(0, 6, 100));
        }
    }
}

/// A file of the ring that a newer checkpoint made free is written over whenever it fits, so what an older one needs may be used up in the
/// middle. It looked like damage, and records that are in their segments were marked as lost.
#[test]
fn behind_an_older_checkpoint_a_lost_group_is_one_that_was_used_up() {
    let (mut rig, _) = sixteen();
    rig.wait(30);
    rot(&mut rig);
    let file = rig.disk.file(JOURNAL).expect("a journal").clone();
    let image = || recover(vec![(1, Bytes::from(file.clone()))], GroupSeq(1)).expect("readable");
    let lost = |f: &Finding| matches!(f, Finding::Faulty { seq, .. } if seq.0 > 1);
    assert!(image().findings.iter().any(lost), "{:?}", image().findings);
    assert!(
        whole_for(Some(0), image()).is_ok(),
        "of what the newest checkpoint needs nothing is free"
    );
    let refused = whole_for(Some(2), image()).expect_err("used up");
    assert!(matches!(refused, JournalError::UsedUp { seq } if seq.0 > 1), "{refused}");
}
