//! What is deleted before it has gone to its segment: it goes nowhere, and nothing of it stays.

use super::*;
use crate::writer::Home;

/// Names in the log's directory, but for that of the file which says whose it is.
fn files(disk: &Mem) -> Vec<String> {
    let names = disk.list("orders-0").into_iter();
    names.filter(|name| name != "partition.metadata").collect()
}

/// A log with a directory and three records in its first segment; nothing of it is in a checkpoint.
fn begun() -> (Rig, LogId) {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 3, 100);
    rig.run();
    rig.wait(50);
    assert_eq!(rig.storage.log(log).written, Offset(3));
    (rig, log)
}

/// Appends a record and deletes it and all before it, so often.
fn churn(rig: &mut Rig, log: LogId, times: u64) {
    for _ in 0..times {
        rig.append(log, 1, 100);
        rig.storage.set_start(log, rig.storage.end(log));
        rig.run();
    }
}

/// Every batch went to a segment of its own all the same: three files, eight operations and three more to remove it.
#[test]
fn what_is_deleted_before_it_is_written_is_never_written() {
    let (mut rig, log) = begun();
    let before = rig.done;
    churn(&mut rig, log, 50);
    rig.wait(50);
    assert_eq!(rig.storage.holdings().unwritten_bytes, 0);
    assert!(rig.done < before + 100, "{} operations", rig.done - before);
    assert_eq!(files(&rig.disk), [""; 0]);
    // What is left of it is written, and found again.
    rig.append(log, 2, 100);
    rig.run();
    rig.wait(50);
    rig.checkpoint();
    rig.run();
    let mut disk = rig.disk.clone();
    disk.lose_power();
    assert_eq!(Rig::booted(disk).read_all(log), expected(53, 55, 100));
}

#[test]
fn a_start_writes_nothing_that_was_deleted_before_it() {
    let (mut rig, log) = begun();
    rig.checkpoint();
    rig.run();
    churn(&mut rig, log, 50);
    rig.append(log, 2, 100);
    rig.run();
    let mut again = Rig::booted(rig.disk.clone());
    again.wait(50);
    assert_eq!(again.storage.log(log).written, Offset(55));
    assert!(again.done < 60, "{} operations", again.done);
    assert_eq!(files(&again.disk).len(), 3, "one segment: {:?}", files(&again.disk));
    assert_eq!(again.read_all(log), expected(53, 55, 100));
}

/// What a former life had written is to be written again, and is deleted before: its files are there all the same.
#[test]
fn files_of_a_former_life_go_with_what_is_passed_over() {
    let (mut rig, log) = begun();
    rig.checkpoint();
    rig.run();
    churn(&mut rig, log, 1);
    rig.append(log, 3, 100);
    rig.run();
    rig.wait(50);
    assert_eq!(files(&rig.disk).len(), 3);
    let mut again = Rig::booted(rig.disk.clone());
    assert_eq!(again.storage.log(log).written, Offset(4), "nothing is believed");
    again.storage.set_start(log, Offset(7));
    again.run();
    again.wait(50);
    assert_eq!(again.storage.log(log).written, Offset(7));
    assert_eq!(files(&again.disk), [""; 0]);
}

/// A checkpoint says that a log has a directory because its first piece will have made it by then.
#[test]
fn a_checkpoint_that_vouches_for_a_directory_waits_for_it() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 3, 100);
    rig.run();
    assert_eq!(rig.storage.log(log).writer.home, Home::Missing);
    rig.storage.set_start(log, Offset(3));
    rig.flush();
    rig.checkpoint();
    rig.run();
    let mut disk = rig.disk.clone();
    disk.lose_power();
    let mut again = Rig::booted(disk);
    again.append(log, 2, 100);
    again.run();
    again.wait(50);
    assert_eq!(again.fatal(), None);
    assert_eq!(again.storage.log(log).written, Offset(5));
    assert_eq!(again.read_all(log), expected(3, 5, 100));
}
