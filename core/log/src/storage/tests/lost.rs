//! Stories about marks for what a journal has lost, and what comes behind them in the same journal.

use super::*;

/// Sixteen records in batches of two, then `then`; and the batch of offsets 6 and 7 rots in the journal.
fn rotten(then: impl FnOnce(&mut Rig, LogId) -> GroupSeq) -> Rig {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.run();
    for _ in 0..8 {
        rig.append(log, 2, 100);
        rig.run();
    }
    then(&mut rig, log);
    rig.run();
    let file = rig.disk.file("journal/00000001.journal").expect("a journal");
    let needle = [7u8; 90];
    let at = file.windows(needle.len()).position(|w| w == needle).expect("offset 7 is there");
    file[at + 40] ^= 0xff;
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
