//! Stories about what goes to segments when, and where a piece ends.

use super::*;
use crate::disk::{FileName, LogFile};

const BLOCK: u64 = 512;

fn file_bytes(rig: &mut Rig, name: &str) -> Vec<u8> {
    rig.disk.file(&format!("{name}/00000000000000000000.log")).expect("written").clone()
}

/// A log whose last piece ended with a whole block, inside a batch.
fn inside_a_batch() -> (Rig, LogId) {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 1, 1000);
    rig.run();
    rig.wait(6); // the directory is made, and the first batch written
    for _ in 0..4 {
        rig.append(log, 1, 1000);
    }
    rig.run();
    let info = rig.storage.log(log);
    assert!(Offset(1) < info.written && info.written < info.synced, "{:?}", info.written);
    assert!(file_bytes(&mut rig, "orders-0").len() as u64 > rig.storage.log(log).written_bytes);
    (rig, log)
}

/// Slices of the segment's writes that an operation list holds.
fn writes(rig: &Rig) -> Vec<(u64, u64)> {
    let segment = |op: &DiskOp| match &op.kind {
        OpKind::Write { file: FileName::Log(_, LogFile::Segment(_)), at, data, .. } => {
            Some((*at, at + data.len()))
        }
        _ => None,
    };
    rig.ops.iter().filter_map(segment).collect()
}

#[test]
fn a_piece_ends_with_a_whole_block_and_the_next_goes_on_there() {
    let (mut rig, log) = inside_a_batch();
    let before = file_bytes(&mut rig, "orders-0").len() as u64;
    assert_eq!(before % BLOCK, 0);
    rig.append(log, 4, 1000);
    rig.flush();
    while writes(&rig).is_empty() {
        assert!(rig.step(), "a piece starts once the group is durable");
        rig.flush();
    }
    assert_eq!(writes(&rig)[0].0, before, "no byte is written twice");
    rig.run();
    rig.wait(6);
    assert_eq!(rig.storage.log(log).written, Offset(9), "the rest lingers, no more");
    assert_eq!(rig.storage.space.unwritten_bytes, 0);
    assert_eq!(rig.read_all(log), expected(0, 9, 1000));
    let mut cold = Rig::booted(rig.disk.clone());
    assert_eq!(cold.read_all(log), expected(0, 9, 1000));
}

#[test]
fn a_checkpoint_has_what_it_waits_for_though_no_block_is_whole() {
    let (mut rig, log) = inside_a_batch();
    rig.checkpoint();
    rig.run();
    let info = rig.storage.log(log);
    assert_eq!((info.checkpointed, info.written), (Offset(5), Offset(5)));
    let mut again = Rig::booted(rig.disk.clone());
    assert_eq!(again.read_all(log), expected(0, 5, 1000));
}

#[test]
fn a_start_after_a_kill_knows_nothing_of_half_a_batch() {
    let (rig, log) = inside_a_batch();
    let mut killed = Rig::booted(rig.disk.clone());
    assert_eq!(killed.read_all(log), expected(0, 5, 1000));
    killed.wait(6);
    killed.checkpoint();
    killed.run();
    assert_eq!(killed.storage.log(log).written, Offset(5));
    assert_eq!(file_bytes(&mut killed, "orders-0").len() as u64, killed.storage.log(log).size());
    assert_eq!(killed.read_all(log), expected(0, 5, 1000));
}

#[test]
fn half_a_batch_goes_when_its_log_is_cut() {
    for back in [0, 1] {
        let (mut rig, log) = inside_a_batch();
        let to = rig.storage.log(log).written.0 - back;
        rig.storage.truncate(log, Offset(to));
        rig.append(log, 1, 10);
        rig.run();
        rig.wait(6);
        rig.checkpoint();
        rig.run();
        assert_eq!(rig.storage.log(log).written, Offset(to + 1));
        assert_eq!(file_bytes(&mut rig, "orders-0").len() as u64, rig.storage.log(log).size());
        let mut again = Rig::booted(rig.disk.clone());
        let mut records = expected(0, to, 1000);
        records.extend(expected(to, to + 1, 10));
        assert_eq!(again.read_all(log), records);
    }
}

/// Logs of the segments whose writes come next, in order.
fn order(rig: &mut Rig) -> Vec<u64> {
    let mut logs = Vec::new();
    loop {
        rig.flush();
        if let Some(DiskOp { kind: OpKind::Write { file: FileName::Log(dir, file), .. }, .. }) =
            rig.ops.front()
            && matches!(file, LogFile::Segment(_))
        {
            logs.push(dir.log.0);
        }
        if !rig.step() {
            return logs;
        }
    }
}

/// Three logs with directories, of which the second waits longest to be written, then the third.
fn waiting() -> Rig {
    let mut rig = Rig::booted(Mem::default());
    rig.storage.config.pieces_max = 1;
    let logs = [1, 2, 3].map(|n| rig.create(&format!("orders-{n}"), n));
    for log in logs {
        rig.append(log, 1, 10);
    }
    rig.run();
    rig.wait(6);
    for n in [1, 2, 0] {
        rig.append(logs[n], 1, 1000);
        rig.run();
        rig.wait(1);
    }
    rig
}

#[test]
fn whoever_waited_longest_is_written_first_when_segments_are_behind() {
    let mut rig = waiting();
    rig.append(LogId(1), 1, 100); // no reason to go first
    rig.storage.config.backlog_bytes_max = 0;
    assert_eq!(order(&mut rig), [2, 3, 1]);
}

#[test]
fn whoever_waited_longest_is_written_first_for_a_checkpoint() {
    let mut rig = waiting();
    rig.checkpoint();
    assert_eq!(order(&mut rig), [2, 3, 1]);
}

#[test]
fn who_was_written_meanwhile_lingers_anew() {
    let mut rig = waiting();
    rig.checkpoint();
    rig.run();
    rig.append(LogId(2), 1, 10);
    rig.run();
    rig.wait(4);
    assert!(rig.storage.log(LogId(2)).written < Offset(3), "it was due for what is written");
    rig.wait(2);
    assert_eq!(rig.storage.log(LogId(2)).written, Offset(3));
}
