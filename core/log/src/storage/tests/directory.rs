//! Which data directories are new, which are taken up, and which are refused because their journal was lost.

use super::checking::checked;
use super::*;
use crate::disk::DirName;
use crate::storage::check::Severity;

/// A directory whose log has a file, all of it journalled and no checkpoint taken.
fn young() -> Mem {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 3, 100);
    rig.run();
    rig.wait(50);
    assert_eq!(rig.storage.log(log).written, Offset(3));
    rig.disk
}

/// Boots on a directory: why it was refused, if it was.
fn refusal(disk: &Mem) -> Option<String> {
    let mut rig = Rig::on(disk.clone());
    rig.boot();
    rig.run();
    assert!(rig.fatal().is_some() != rig.recovered().is_some(), "{:?}", rig.notes);
    rig.fatal().map(String::from)
}

/// Whether `check` calls the directory damaged.
fn is_damaged(disk: &Mem) -> bool {
    checked(disk).1.iter().any(|p| p.severity == Severity::Damage)
}

#[test]
fn a_journal_that_was_overwritten_or_removed_is_not_taken_for_a_new_one() {
    let journals = |d: &Mem| d.list("journal").into_iter().map(|n| format!("journal/{n}"));
    let only = |d: &mut Mem, bytes: &[u8]| {
        let mut files = journals(d);
        let first = files.next().expect("there");
        files.for_each(|file| d.remove(&file));
        d.put(&first, bytes);
    };
    let all = |d: &mut Mem| journals(d).for_each(|file| d.remove(&file));
    let header = crate::journal::files::header(1, 8).0;
    type Change<'a> = &'a dyn Fn(&mut Mem);
    let changes: [(&str, Change, &str); 7] = [
        ("twenty bytes", &|d| only(d, b"twenty bytes of text"), "journal/00000001.journal"),
        ("nothing", &|d| only(d, b""), "orders-0"),
        ("zeroes", &|d| only(d, &[0; 32 << 10]), "orders-0"),
        ("a header", &|d| only(d, &[&header[..], &[0; 28 << 10]].concat()), "orders-0"),
        ("a header's beginning", &|d| only(d, &[&header[..10], &[0; 4086]].concat()), "orders-0"),
        ("no file", &all, "orders-0"),
        ("no directory", &|d| _ = d.run(&OpKind::RemoveDir { dir: DirName::Journal }), "orders-0"),
    ];
    for (name, change, named) in changes {
        let mut disk = young();
        change(&mut disk);
        let why = refusal(&disk).unwrap_or_else(|| panic!("{name}: taken for a new directory"));
        assert!(
            why.contains(named) && (why.contains("estore") || why.contains("original")),
            "{why}"
        );
        assert!(is_damaged(&disk), "{name}: no damage is reported");
    }
    // Nothing is ever acknowledged before a journal file says so, but what is no journal file was never begun by us.
    let mut disk = Mem::default();
    disk.run(&OpKind::MakeDir { dir: DirName::Journal }).expect("made");
    disk.put("journal/00000001.journal", b"twenty bytes of text");
    assert!(refusal(&disk).expect("refused").contains("journal/00000001.journal"));
    assert!(is_damaged(&disk));
}

#[test]
fn whatever_a_crash_leaves_of_the_first_start_is_a_new_directory() {
    let header = crate::journal::files::header(1, 8).0;
    let mut left: Vec<Vec<u8>> = [0, 1, 512, 4096, 5000, 32 << 10].map(|len| vec![0; len]).into();
    left.extend([1, 7, 8, 20, 35, 36].map(|bytes| {
        let mut file = vec![0; 32 << 10];
        file[..bytes].copy_from_slice(&header[..bytes]);
        file
    }));
    for file in left {
        let mut disk = Mem::default();
        disk.run(&OpKind::MakeDir { dir: DirName::Journal }).expect("made");
        // Directories that are no log's are no sign of anything.
        disk.run(&OpKind::MakeDir { dir: DirName::Log(dir("lost+found", 0)) }).expect("made");
        disk.put("journal/00000001.journal", &file);
        assert_eq!(refusal(&disk), None, "{} bytes, {:?}", file.len(), &file[..file.len().min(40)]);
        assert!(!is_damaged(&disk));
        let mut rig = Rig::booted(disk);
        let log = rig.create("orders-0", 1);
        rig.append(log, 1, 10);
        rig.run();
        assert_eq!(Rig::booted(rig.disk).read_all(log), expected(0, 1, 10));
    }
}

#[test]
fn a_disk_too_full_to_begin_on_is_refused_and_one_that_fills_later_is_waited_for() {
    let mut rig = Rig::on(Mem::default());
    rig.disk.full = true;
    rig.boot();
    rig.run();
    let why = rig.fatal().expect("nobody waits for a start that nothing depends on");
    assert!(why.contains("free some space") && why.contains("another disk"), "{why}");
    rig.disk.full = false;
    assert_eq!(refusal(&rig.disk), None);

    let mut disk = young();
    disk.full = true;
    let mut rig = Rig::booted(disk);
    assert_eq!(rig.read_all(LogId(1)), expected(0, 3, 100));
    rig.append(LogId(1), 3, 100);
    rig.run();
    rig.wait(20);
    assert_eq!((rig.storage.room(), rig.fatal()), (Room::ReadOnly, None));
    rig.disk.full = false;
    rig.wait(2000);
    rig.wait(2000);
    assert_eq!(rig.storage.room(), Room::Free);
}

#[test]
fn a_checkpoint_that_names_a_segment_about_to_go_does_not_bring_it_back() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 10, 100);
    rig.run();
    rig.wait(50);
    // The checkpoint knows of the new start; the segment goes when that is durable.
    rig.storage.set_start(log, Offset(10));
    rig.checkpoint();
    rig.run();
    assert_eq!(rig.disk.list("orders-0"), ["partition.metadata"]);
    rig.append(log, 1, 100);
    rig.run();
    let mut killed = Rig::booted(rig.disk.clone());
    killed.append(log, 1, 100);
    killed.run();
    killed.wait(50);
    killed.checkpoint();
    killed.run();
    let mut disk = killed.disk.clone();
    disk.lose_power();
    let mut again = Rig::booted(disk);
    assert_eq!(again.read_all(log), expected(10, 12, 100));
}

/// A process was killed, and the next one had found the directory in its sweep but written nothing there yet: a deletion in between
/// took the log for one that has no directory, and its files stayed for ever.
#[test]
fn a_log_deleted_before_the_first_write_of_this_life_leaves_no_directory() {
    let mut rig = Rig::booted(young());
    rig.storage.delete(LogId(1));
    rig.flush();
    rig.run();
    rig.wait(50);
    let left: Vec<String> =
        rig.disk.list("").into_iter().filter(|name| name.starts_with("orders")).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A restart found a deletion half done, and the disk did not give what says whose the directory is: it was left, for ever.
#[test]
fn a_deleted_logs_directory_that_does_not_say_whose_it_is_is_removed() {
    let plate = "orders-0/partition.metadata";
    let orders = |disk: &Mem| disk.list("").into_iter().filter(|n| n.starts_with("orders")).count();
    for heir in [None, Some(LogId(2))] {
        let mut rig = Rig::booted(young());
        rig.disk.no_rename = true;
        rig.storage.delete(LogId(1));
        if let Some(heir) = heir {
            rig.create("orders-0", heir.0);
            rig.append(heir, 5, 50);
        }
        rig.flush();
        rig.run();
        let mut disk = rig.disk.clone();
        (disk.no_rename, disk.unreadable) = (false, Some((plate.into(), 0)));
        let mut again = Rig::booted(disk);
        again.wait(50);
        assert!(again.notes.iter().any(|n| matches!(n, Note::Warning(why) if why.contains(plate))));
        assert_eq!(again.storage.holdings().removals, 0);
        match heir {
            None => assert_eq!(orders(&again.disk), 0),
            Some(heir) => {
                let text = again.disk.file(plate).expect("made again").clone();
                assert_eq!(crate::home::log_id(&text), Some(heir));
                assert_eq!(again.read_all(heir), expected(0, 5, 50));
                assert_eq!(orders(&again.disk), 1);
            }
        }
    }
}

/// A crash came between the writing of `next` and its renaming; a later start could not read `current`, once, went on from `next`,
/// and wrote over the journal before it. The start after that read `current` again, and missed what was acknowledged.
#[test]
fn a_checkpoint_that_cannot_be_read_for_once_is_not_believed_later() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    for _ in 0..2 {
        rig.append(log, 10, 100);
        rig.run();
        rig.wait(50);
        rig.checkpoint();
        rig.run();
        rig.wait(50);
    }
    let read = |disk: &mut Mem, path: &str| disk.file(path).cloned();
    let second = read(&mut rig.disk, "checkpoint/current").expect("two were taken");
    let first = read(&mut rig.disk, "checkpoint/previous").expect("two were taken");
    // As the crash left it: the second has the name `next` still.
    let mut between = rig.disk.clone();
    between.put("checkpoint/next", &second);
    between.put("checkpoint/current", &first);
    between.remove("checkpoint/previous");
    for (mut disk, believed) in [(between.clone(), &second), (rig.disk.clone(), &first)] {
        disk.unreadable = Some(("checkpoint/current".into(), 0));
        let mut booted = Rig::booted(disk);
        assert_eq!(booted.read_all(log), expected(0, 20, 100));
        assert_eq!(read(&mut booted.disk, "checkpoint/current").as_ref(), Some(believed));
        assert_eq!(read(&mut booted.disk, "checkpoint/next"), None);
    }
    // Nor is a `next` that was passed over for a `current` that could be read.
    let mut booted = Rig::booted(between.clone());
    assert_eq!(read(&mut booted.disk, "checkpoint/current"), Some(first));
    assert_eq!(read(&mut booted.disk, "checkpoint/next"), None);
    // Without `current` it is the newest.
    between.remove("checkpoint/current");
    assert_eq!(Rig::booted(between).read_all(log), expected(0, 20, 100));
}

/// The newest file of the journal gave no block, and recovery went on as if it were not there: what only that file
/// held was missed, and its offsets were given out again.
#[test]
fn a_journal_file_that_cannot_be_read_at_all_is_not_taken_for_none() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    let mut sent = 0;
    while rig.disk.file("journal/00000002.journal").is_none_or(|f| f.iter().all(|b| *b == 0)) {
        rig.append(log, 10, 100);
        rig.run();
        sent += 10;
    }
    for _ in 0..4 {
        rig.append(log, 10, 100);
        rig.run();
        sent += 10;
    }
    for path in ["journal/00000001.journal", "journal/00000002.journal"] {
        let mut disk = rig.disk.clone();
        disk.withheld = Some(path.into());
        let why = refusal(&disk).expect("nobody knows what is in it");
        assert!(why.contains(path) && why.contains("start again"), "{why}");
    }
    assert_eq!(Rig::booted(rig.disk.clone()).read_all(log), expected(0, sent, 100));
}

/// Topics came and went under one name, thousands of them, and none was ever written. A restart looked for each one's directory,
/// renamed it, synced that and removed it: four operations on nothing for each, and what was acknowledged meanwhile waited behind
/// all of them.
#[test]
fn a_restart_spends_nothing_on_deleted_logs_that_left_nothing() {
    let mut rig = Rig::booted(young());
    rig.wait(50);
    for id in 10..510 {
        let log = rig.create("again-0", id);
        rig.storage.delete(log);
    }
    rig.run();
    let cost = |disk: &Mem| {
        let again = Rig::booted(disk.clone());
        assert_eq!(again.storage.holdings().removals, 0);
        let deleted = again.notes.iter().filter(|n| matches!(n, Note::Deleted(_))).count();
        (again.done, deleted)
    };
    let (nothing, _) = cost(&young());
    let (all, deleted) = cost(&rig.disk);
    // A checkpoint has been taken meanwhile, and knows nothing of those before it.
    assert!(deleted > 300, "{deleted} removals");
    assert!(all < nothing + 20, "{all} operations for {deleted} removals, {nothing} for none");
}

/// The disk gave all of the journal but a block of its last group, and recovery cut that group, which was acknowledged, for good:
/// the next start could have read it.
#[test]
fn a_last_group_of_which_the_disk_does_not_give_a_block_is_not_cut() {
    let mut rig = Rig::booted(young());
    rig.append(LogId(1), 3, 100);
    rig.flush();
    let written = |op: &DiskOp| match &op.kind {
        OpKind::Write { file: crate::disk::FileName::Journal(_), at, .. } => Some(*at),
        _ => None,
    };
    let last = rig.ops.iter().filter_map(written).last().expect("a group is on its way");
    rig.step();
    let end = rig.storage.end(LogId(1)).0;
    for (at, refused) in [(last, true), (last + 4096, true), (last + 8192, false)] {
        let mut disk = rig.disk.clone();
        disk.unreadable = Some(("journal/00000001.journal".into(), at));
        let why = refusal(&disk);
        assert_eq!(why.is_some(), refused, "{at}: {why:?}");
        assert!(why.is_none_or(|why| why.contains("start again") && why.contains("zeroes")));
    }
    assert_eq!(Rig::booted(rig.disk.clone()).read_all(LogId(1)), expected(0, end, 100));
}

/// A directory with ten records of a log, all in a checkpoint.
fn checkpointed() -> (Mem, LogId) {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 10, 100);
    rig.run();
    rig.checkpoint();
    rig.run();
    (rig.disk, log)
}

/// A rotten byte in one log's `partition.metadata` kept a whole broker down.
#[test]
fn a_directory_that_does_not_say_whose_it_is_is_told_again() {
    let (before, log) = checkpointed();
    let plate = "orders-0/partition.metadata";
    let text = before.clone().file(plate).expect("made").clone();
    type Change<'a> = &'a dyn Fn(&mut Mem);
    let changes: [(&str, Change); 4] = [
        ("a byte", &|d| d.file(plate).expect("made")[3] ^= 1),
        ("its log", &|d| d.file(plate).expect("made")[text.len() - 16] ^= 1),
        ("cut", &|d| d.file(plate).expect("made").truncate(20)),
        ("gone", &|d| d.remove(plate)),
    ];
    for (name, change) in changes {
        let mut disk = before.clone();
        change(&mut disk);
        let mut rig = Rig::booted(disk);
        rig.run();
        assert_eq!(rig.disk.file(plate), Some(&mut text.clone()), "{name}");
        rig.append(log, 10, 100);
        rig.run();
        rig.wait(50);
        assert_eq!(rig.read_all(log), expected(0, 20, 100), "{name}");
        assert_eq!(rig.fatal(), None, "{name}");
    }
}

#[test]
fn a_directory_that_says_that_it_is_another_logs_is_not_written_to() {
    let (mut disk, _) = checkpointed();
    let text = crate::home::encode(&dir("other-0", 7), &[7; 16]);
    disk.put("orders-0/partition.metadata", text.as_bytes());
    let before = disk.list("orders-0");
    let mut rig = Rig::booted(disk);
    rig.run();
    let why = rig.fatal().expect("it is another log's");
    assert!(why.contains("orders-0/partition.metadata: expected log 1, it names log 7"), "{why}");
    assert_eq!(rig.disk.list("orders-0"), before);
}
