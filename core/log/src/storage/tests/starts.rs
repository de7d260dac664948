//! Stories about starts: what comes back, from which checkpoint, and what is swept.

use super::*;

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
