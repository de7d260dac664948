//! The disk contract: every promise of `sordini_log::disk` as a check, for whoever implements it.
//!
//! The same table runs over the platter (where reopening is a power failure that loses whatever was
//! not promised) and over real files (where it is a new process on the same directory). What holds
//! on both is what the core may believe.

use bytes::Bytes;
use smallvec::SmallVec;
use sordini_log::disk::{
    BLOCK_BYTES, Block, Completion, Data, DirEntry, DirName, DiskErrorKind, DiskOk, DiskOp,
    DiskResult, Done, FileName, LogFile, OpKind,
};
use sordini_log::{GroupSeq, LogDir, LogId, Offset};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A disk under test, with an empty data directory at first.
pub trait Bench {
    /// Hands operations over, as `Disk::submit`.
    fn submit(&mut self, ops: Vec<DiskOp>, idle: bool);
    /// The next completion, in whatever order they come; panics if none comes within reason.
    fn wait(&mut self) -> Completion;
    /// The process ends and another one starts on the same data: only what was promised to be
    /// durable need still be there.
    fn reopen(&mut self);
}

/// A promise: its name and its check, which panics when the promise is broken.
pub type Promise = (&'static str, fn(&mut dyn Bench));

/// Every promise.
pub const PROMISES: &[Promise] = &[
    ("every operation is answered exactly once", every_operation_is_answered_once),
    ("an ordered lane answers in the order of submission", ordered_lanes_answer_in_order),
    ("later writes of a lane win", later_writes_win),
    ("an idle journal write is answered too", idle_journal_writes_are_answered),
    ("a synced write is durable", synced_writes_are_durable),
    ("a sync makes all earlier writes of the file durable", sync_covers_earlier_writes),
    ("a sync keeps its file though the name goes meanwhile", syncs_outlive_names),
    ("a synced write covers earlier writes of the file", synced_write_covers_earlier_writes),
    ("journal blocks come back as written, from any position", journal_blocks_come_back),
    ("slices are written one after the other", slices_are_contiguous),
    ("a write makes the file, not the directory", writes_make_files_only),
    ("create makes durable zeroes and replaces", create_makes_zeroes),
    ("reads are short at the end and never invented", reads_are_short_at_the_end),
    ("truncate cuts, and is durable with the next sync", truncate_cuts),
    ("rename replaces and is durable with the directory", rename_replaces),
    ("a name that was renamed away is a new file when written again", renamed_names_are_free),
    ("unlink removes a name and minds no missing one", unlink_removes),
    ("directories are made and removed with everything in them", directories_come_and_go),
    ("lists are sorted and tell lengths", lists_are_sorted),
    ("a deleted log's directory never mixes with its successor's", recreated_logs_do_not_mix),
    ("missing files are told apart from other errors", missing_files_are_not_found),
    ("many more files than may be open at once work", many_files_work),
    ("large writes are whole", large_writes_are_whole),
];

/// Checks all promises, each on a new bench; panics at the first that is broken.
pub fn check_all<B: Bench>(mut make: impl FnMut() -> B) {
    for (name, check) in PROMISES {
        println!("promise: {name}");
        check(&mut make());
    }
}

fn every_operation_is_answered_once(disk: &mut dyn Bench) {
    directories(disk);
    let mut ops = Vec::new();
    for n in 0..60 {
        let done = Done::Ticket(n);
        let kind = match n % 4 {
            0 => write(FileName::Checkpoint, 0, b"x", false),
            1 => OpKind::Read { file: FileName::Checkpoint, at: 0, len: 1 },
            2 => blocks(0, 0, 1, n as u8, true),
            _ => OpKind::List { dir: DirName::Root },
        };
        ops.push(DiskOp { kind, done });
    }
    disk.submit(ops, false);
    let mut answered: Vec<Done> = (0..60).map(|_| disk.wait().done).collect();
    answered.sort();
    assert_eq!(answered, (0..60).map(Done::Ticket).collect::<Vec<_>>());
}

fn ordered_lanes_answer_in_order(disk: &mut dyn Bench) {
    directories(disk);
    let journal =
        (0..20).map(|n| DiskOp { kind: blocks(0, n, 1, 1, true), done: Done::Group(GroupSeq(n)) });
    let store = (0..20).map(|n| DiskOp {
        kind: write(FileName::CheckpointNext, n, b"x", n % 3 == 0),
        done: Done::Ticket(n),
    });
    disk.submit(journal.chain(store).collect(), false);
    let (mut journal, mut store) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let completion = disk.wait();
        completion.result.expect("a plain write");
        match completion.done {
            Done::Group(seq) => journal.push(seq.0),
            Done::Ticket(n) => store.push(n),
            other => panic!("{other:?} was never submitted"),
        }
    }
    assert_eq!(journal, (0..20).collect::<Vec<_>>());
    assert_eq!(store, (0..20).collect::<Vec<_>>());
}

fn later_writes_win(disk: &mut dyn Bench) {
    directories(disk);
    let ops = (0..50u8).map(|n| DiskOp {
        kind: write(FileName::Checkpoint, u64::from(n % 5), &[n; 8], false),
        done: Done::Nothing,
    });
    disk.submit(ops.collect(), false);
    (0..50).for_each(|_| assert_eq!(disk.wait().result, Ok(DiskOk::Unit)));
    let bytes = read(disk, FileName::Checkpoint, 0, 100);
    assert_eq!(bytes, [45, 46, 47, 48, 49, 49, 49, 49, 49, 49, 49, 49]);
}

fn idle_journal_writes_are_answered(disk: &mut dyn Bench) {
    directories(disk);
    ok(disk, OpKind::Create { file: FileName::Journal(0), len: 4 * BLOCK_BYTES as u64 });
    for n in 0..4 {
        let done = Done::Group(GroupSeq(n));
        disk.submit(vec![DiskOp { kind: blocks(0, n, 1, n as u8 + 1, true), done }], true);
        let completion = disk.wait();
        assert_eq!((completion.done, completion.result), (done, Ok(DiskOk::Unit)));
    }
    let bytes = read(disk, FileName::Journal(0), 3 * BLOCK_BYTES as u64, BLOCK_BYTES as u64);
    assert_eq!(bytes, vec![4; BLOCK_BYTES]);
}

fn synced_writes_are_durable(disk: &mut dyn Bench) {
    directories(disk);
    ok(disk, OpKind::Create { file: FileName::Journal(3), len: 2 * BLOCK_BYTES as u64 });
    ok(disk, OpKind::SyncDir { dir: DirName::Journal });
    ok(disk, blocks(3, 1, 1, 9, true));
    ok(disk, write(FileName::Checkpoint, 0, b"kept", true));
    ok(disk, OpKind::SyncDir { dir: DirName::Checkpoint });
    disk.reopen();
    let bytes = read(disk, FileName::Journal(3), 0, 3 * BLOCK_BYTES as u64);
    assert_eq!(bytes, [vec![0; BLOCK_BYTES], vec![9; BLOCK_BYTES]].concat());
    assert_eq!(read(disk, FileName::Checkpoint, 0, 10), b"kept");
}

fn sync_covers_earlier_writes(disk: &mut dyn Bench) {
    let dir = log(disk, "orders-0", 7);
    let file = FileName::Log(dir.clone(), LogFile::Segment(Offset(0)));
    for n in 0..10 {
        ok(disk, write(file.clone(), n * 1000, &[n as u8 + 1; 1000], false));
    }
    ok(disk, OpKind::Sync { file: file.clone() });
    ok(disk, OpKind::SyncDir { dir: DirName::Log(dir) });
    disk.reopen();
    let expected: Vec<u8> = (0..10u8).flat_map(|n| vec![n + 1; 1000]).collect();
    assert_eq!(read(disk, file, 0, 20_000), expected);
}

fn syncs_outlive_names(disk: &mut dyn Bench) {
    let dir = log(disk, "orders-0", 7);
    let mut ops = Vec::new();
    for base in 0..40 {
        let file = FileName::Log(dir.clone(), LogFile::Segment(Offset(base)));
        let kinds = [
            write(file.clone(), 0, &[base as u8; 700], false),
            OpKind::Sync { file: file.clone() },
            OpKind::Unlink { file },
        ];
        ops.extend(kinds.map(|kind| DiskOp { kind, done: Done::Ticket(base) }));
    }
    let gone = DirName::Deleted(dir.clone());
    let kind = OpKind::RenameDir { from: DirName::Log(dir), to: gone };
    ops.push(DiskOp { kind, done: Done::Ticket(40) });
    let count = ops.len();
    disk.submit(ops, false);
    for _ in 0..count {
        let completion = disk.wait();
        completion.result.unwrap_or_else(|e| panic!("{:?}: {e}", completion.done));
    }
}

fn synced_write_covers_earlier_writes(disk: &mut dyn Bench) {
    directories(disk);
    ok(disk, write(FileName::Checkpoint, 0, &[1; 5000], false));
    ok(disk, write(FileName::Checkpoint, 5000, &[2; 5000], true));
    ok(disk, OpKind::SyncDir { dir: DirName::Checkpoint });
    disk.reopen();
    let expected = [vec![1; 5000], vec![2; 5000]].concat();
    assert_eq!(read(disk, FileName::Checkpoint, 0, 20_000), expected);
}

fn journal_blocks_come_back(disk: &mut dyn Bench) {
    directories(disk);
    ok(disk, OpKind::Create { file: FileName::Journal(0), len: 16 * BLOCK_BYTES as u64 });
    for n in 0..8 {
        ok(disk, blocks(0, n * 2, 2, n as u8 + 1, true));
    }
    let all = read(disk, FileName::Journal(0), 0, 16 * BLOCK_BYTES as u64);
    let expected: Vec<u8> = (0..8u8).flat_map(|n| vec![n + 1; 2 * BLOCK_BYTES]).collect();
    assert_eq!(all, expected);
    let middle = read(disk, FileName::Journal(0), 8000, 500);
    assert_eq!(middle, expected[8000..8500]);
    let end = read(disk, FileName::Journal(0), 16 * BLOCK_BYTES as u64 - 10, 500);
    assert_eq!(end, vec![8; 10]);
}

fn slices_are_contiguous(disk: &mut dyn Bench) {
    directories(disk);
    let slices = ["one", "", "two", "three", "4"].map(|s| Bytes::from_static(s.as_bytes()));
    let data = Data::Slices(SmallVec::from_iter(slices));
    ok(disk, OpKind::Write { file: FileName::CheckpointNext, at: 0, data, sync: false });
    ok(disk, write(FileName::CheckpointNext, 12, b"!", false));
    assert_eq!(read(disk, FileName::CheckpointNext, 0, 100), b"onetwothree4!");
}

fn writes_make_files_only(disk: &mut dyn Bench) {
    let dir = LogDir { name: "nowhere-0".into(), log: LogId(3) };
    let metadata = FileName::Log(dir, LogFile::Metadata);
    assert_eq!(refused(disk, write(metadata, 0, b"x", false)), DiskErrorKind::NotFound);
    directories(disk);
    ok(disk, write(FileName::CheckpointNext, 0, b"x", false));
    assert_eq!(read(disk, FileName::CheckpointNext, 0, 9), b"x");
}

fn create_makes_zeroes(disk: &mut dyn Bench) {
    directories(disk);
    let (file, len) = (FileName::Journal(1), 64 * BLOCK_BYTES as u64);
    ok(disk, OpKind::Create { file: file.clone(), len });
    ok(disk, blocks(1, 0, 64, 7, true));
    ok(disk, OpKind::Create { file: file.clone(), len: len / 2 });
    ok(disk, OpKind::SyncDir { dir: DirName::Journal });
    disk.reopen();
    assert_eq!(read(disk, file, 0, len), vec![0; len as usize / 2]);
}

fn reads_are_short_at_the_end(disk: &mut dyn Bench) {
    directories(disk);
    ok(disk, write(FileName::Checkpoint, 0, b"0123456789", false));
    assert_eq!(read(disk, FileName::Checkpoint, 4, 100), b"456789");
    assert_eq!(read(disk, FileName::Checkpoint, 10, 100), b"");
    assert_eq!(read(disk, FileName::Checkpoint, 1 << 40, 100), b"");
    assert_eq!(read(disk, FileName::Checkpoint, 2, 0), b"");
}

fn truncate_cuts(disk: &mut dyn Bench) {
    let dir = log(disk, "orders-0", 7);
    let file = FileName::Log(dir.clone(), LogFile::Segment(Offset(0)));
    ok(disk, OpKind::Truncate { file: file.clone(), len: 5 });
    ok(disk, write(file.clone(), 0, b"0123456789", true));
    ok(disk, OpKind::SyncDir { dir: DirName::Log(dir) });
    ok(disk, OpKind::Truncate { file: file.clone(), len: 4 });
    assert_eq!(read(disk, file.clone(), 0, 100), b"0123");
    ok(disk, write(file.clone(), 4, b"ab", true));
    disk.reopen();
    assert_eq!(read(disk, file, 0, 100), b"0123ab");
}

fn rename_replaces(disk: &mut dyn Bench) {
    directories(disk);
    for (file, text) in [(FileName::Checkpoint, b"old"), (FileName::CheckpointNext, b"new")] {
        ok(disk, write(file, 0, text, true));
    }
    ok(disk, OpKind::SyncDir { dir: DirName::Checkpoint });
    rename(disk, FileName::Checkpoint, FileName::CheckpointPrevious);
    rename(disk, FileName::CheckpointNext, FileName::Checkpoint);
    ok(disk, OpKind::SyncDir { dir: DirName::Checkpoint });
    for _ in 0..2 {
        assert_eq!(read(disk, FileName::Checkpoint, 0, 9), b"new");
        assert_eq!(read(disk, FileName::CheckpointPrevious, 0, 9), b"old");
        let gone = OpKind::Read { file: FileName::CheckpointNext, at: 0, len: 9 };
        assert_eq!(refused(disk, gone), DiskErrorKind::NotFound);
        disk.reopen();
    }
    let missing = OpKind::Rename { from: FileName::CheckpointNext, to: FileName::Checkpoint };
    assert_eq!(refused(disk, missing), DiskErrorKind::NotFound);
    assert_eq!(read(disk, FileName::Checkpoint, 0, 9), b"new");
}

fn renamed_names_are_free(disk: &mut dyn Bench) {
    directories(disk);
    ok(disk, write(FileName::CheckpointNext, 0, b"first", false));
    assert_eq!(read(disk, FileName::CheckpointNext, 0, 9), b"first");
    rename(disk, FileName::CheckpointNext, FileName::Checkpoint);
    ok(disk, write(FileName::CheckpointNext, 0, b"2nd", false));
    assert_eq!(read(disk, FileName::Checkpoint, 0, 9), b"first");
    assert_eq!(read(disk, FileName::CheckpointNext, 0, 9), b"2nd");
    rename(disk, FileName::CheckpointNext, FileName::Checkpoint);
    assert_eq!(read(disk, FileName::Checkpoint, 0, 9), b"2nd");
    ok(disk, write(FileName::Checkpoint, 3, b"!", false));
    assert_eq!(read(disk, FileName::Checkpoint, 0, 9), b"2nd!");
}

fn unlink_removes(disk: &mut dyn Bench) {
    let dir = log(disk, "orders-0", 7);
    let file = FileName::Log(dir, LogFile::Segment(Offset(0)));
    ok(disk, OpKind::Unlink { file: file.clone() });
    ok(disk, write(file.clone(), 0, b"long gone", false));
    assert_eq!(read(disk, file.clone(), 0, 4), b"long");
    ok(disk, OpKind::Unlink { file: file.clone() });
    let gone = OpKind::Read { file: file.clone(), at: 0, len: 4 };
    assert_eq!(refused(disk, gone), DiskErrorKind::NotFound);
    ok(disk, write(file.clone(), 2, b"new", false));
    assert_eq!(read(disk, file, 0, 100), b"\0\0new");
}

fn directories_come_and_go(disk: &mut dyn Bench) {
    let dir = log(disk, "orders-0", 7);
    ok(disk, OpKind::MakeDir { dir: DirName::Log(dir.clone()) });
    for n in 0..20 {
        let file = FileName::Log(dir.clone(), LogFile::Segment(Offset(n)));
        ok(disk, write(file, 0, b"x", false));
    }
    let (from, to) = (DirName::Log(dir.clone()), DirName::Deleted(dir.clone()));
    ok(disk, OpKind::RenameDir { from: from.clone(), to: to.clone() });
    ok(disk, OpKind::RenameDir { from: from.clone(), to: to.clone() });
    ok(disk, OpKind::SyncDir { dir: DirName::Root });
    disk.reopen();
    assert_eq!(refused(disk, OpKind::List { dir: from }), DiskErrorKind::NotFound);
    run(disk, OpKind::List { dir: to.clone() }).expect("the new name is durable");
    ok(disk, OpKind::RemoveDir { dir: to.clone() });
    ok(disk, OpKind::RemoveDir { dir: to.clone() });
    assert_eq!(refused(disk, OpKind::List { dir: to }), DiskErrorKind::NotFound);
}

fn lists_are_sorted(disk: &mut dyn Bench) {
    let dir = log(disk, "orders-0", 7);
    for n in [30, 4, 100] {
        let file = FileName::Log(dir.clone(), LogFile::Segment(Offset(n)));
        ok(disk, write(file, 0, &vec![1; n as usize], false));
    }
    let entry = |name: &str, len| DirEntry { name: name.into(), is_dir: false, len };
    let Ok(DiskOk::Entries(found)) = run(disk, OpKind::List { dir: DirName::Log(dir) }) else {
        panic!("a list brings entries");
    };
    let segments: Vec<_> = found.iter().filter(|e| e.name.ends_with(".log")).cloned().collect();
    let expected = [
        entry("00000000000000000004.log", 4),
        entry("00000000000000000030.log", 30),
        entry("00000000000000000100.log", 100),
    ];
    assert_eq!(segments, expected);
    assert!(found.is_sorted_by_key(|e| &e.name), "{found:?}");
    let Ok(DiskOk::Entries(root)) = run(disk, OpKind::List { dir: DirName::Root }) else {
        panic!("a list brings entries");
    };
    let expected = DirEntry { name: "orders-0".into(), is_dir: true, len: 0 };
    assert!(root.contains(&expected), "{root:?}");
}

fn recreated_logs_do_not_mix(disk: &mut dyn Bench) {
    let old = log(disk, "orders-0", 7);
    let segment = |dir: &LogDir| FileName::Log(dir.clone(), LogFile::Segment(Offset(0)));
    ok(disk, write(segment(&old), 0, b"old", true));
    assert_eq!(read(disk, segment(&old), 0, 9), b"old");
    let away =
        OpKind::RenameDir { from: DirName::Log(old.clone()), to: DirName::Deleted(old.clone()) };
    ok(disk, away.clone());
    let new = log(disk, "orders-0", 8);
    ok(disk, write(segment(&new), 0, b"newer", true));
    for _ in 0..2 {
        let stale = OpKind::Read { file: segment(&old), at: 0, len: 9 };
        assert_eq!(refused(disk, stale), DiskErrorKind::Stale);
        let stale = write(segment(&old), 0, b"!!", false);
        assert_eq!(refused(disk, stale), DiskErrorKind::Stale);
        // Recovery may repeat the deletion of the old log: it must not hit the new one.
        ok(disk, away.clone());
        ok(disk, OpKind::Unlink { file: segment(&old) });
        assert_eq!(read(disk, segment(&new), 0, 9), b"newer");
        for dir in [DirName::Log(new.clone()), DirName::Root] {
            ok(disk, OpKind::SyncDir { dir });
        }
        disk.reopen();
    }
    ok(disk, OpKind::RemoveDir { dir: DirName::Deleted(old) });
    assert_eq!(read(disk, segment(&new), 0, 9), b"newer");
}

fn missing_files_are_not_found(disk: &mut dyn Bench) {
    directories(disk);
    let file = FileName::CheckpointPrevious;
    let read = OpKind::Read { file: file.clone(), at: 0, len: 1 };
    assert_eq!(refused(disk, read), DiskErrorKind::NotFound);
    assert_eq!(refused(disk, OpKind::Sync { file: file.clone() }), DiskErrorKind::NotFound);
    ok(disk, OpKind::Truncate { file: file.clone(), len: 0 });
    ok(disk, OpKind::Unlink { file });
    let nowhere = LogDir { name: "nowhere-0".into(), log: LogId(3) };
    for dir in [DirName::Log(nowhere.clone()), DirName::Deleted(nowhere.clone())] {
        assert_eq!(refused(disk, OpKind::List { dir: dir.clone() }), DiskErrorKind::NotFound);
        ok(disk, OpKind::RemoveDir { dir });
    }
    let segment = FileName::Log(nowhere, LogFile::Segment(Offset(0)));
    let read = OpKind::Read { file: segment, at: 0, len: 1 };
    assert_eq!(refused(disk, read), DiskErrorKind::NotFound);
}

fn many_files_work(disk: &mut dyn Bench) {
    let mut expected = BTreeMap::new();
    for n in 0..40 {
        let dir = log(disk, &format!("orders-{n}"), n + 1);
        for base in [0, 1000] {
            let file = FileName::Log(dir.clone(), LogFile::Segment(Offset(base)));
            expected.insert(file, vec![n as u8; 100]);
        }
    }
    for part in [0..50usize, 50..100] {
        for (file, bytes) in &expected {
            ok(disk, write(file.clone(), part.start as u64, &bytes[part.clone()], false));
        }
    }
    for file in expected.keys() {
        ok(disk, OpKind::Sync { file: file.clone() });
        ok(disk, OpKind::SyncDir { dir: file.dir() });
    }
    disk.reopen();
    for (file, bytes) in expected {
        assert_eq!(read(disk, file, 0, 1000), bytes);
    }
}

fn large_writes_are_whole(disk: &mut dyn Bench) {
    let dir = log(disk, "orders-0", 7);
    let file = FileName::Log(dir.clone(), LogFile::Segment(Offset(0)));
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7) as u8).collect();
    ok(disk, write(file.clone(), 0, &bytes, true));
    ok(disk, OpKind::SyncDir { dir: DirName::Log(dir) });
    disk.reopen();
    let found = read(disk, file, 0, 4_000_000);
    assert!(found == bytes, "{} bytes came back, or others", found.len());
}

/// Makes the fixed directories, durably.
fn directories(disk: &mut dyn Bench) {
    for dir in [DirName::Journal, DirName::Checkpoint] {
        ok(disk, OpKind::MakeDir { dir });
    }
    ok(disk, OpKind::SyncDir { dir: DirName::Root });
}

/// Makes a log's directory with its `partition.metadata`, durably.
fn log(disk: &mut dyn Bench, name: &str, log: u64) -> LogDir {
    let dir = LogDir { name: name.into(), log: LogId(log) };
    ok(disk, OpKind::MakeDir { dir: DirName::Log(dir.clone()) });
    let text = format!("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\nlog_id: {log}\n");
    ok(disk, write(FileName::Log(dir.clone(), LogFile::Metadata), 0, text.as_bytes(), true));
    ok(disk, OpKind::SyncDir { dir: DirName::Log(dir.clone()) });
    ok(disk, OpKind::SyncDir { dir: DirName::Root });
    dir
}

fn write(file: FileName, at: u64, bytes: &[u8], sync: bool) -> OpKind {
    let data = Data::Slices(SmallVec::from_iter([Bytes::copy_from_slice(bytes)]));
    OpKind::Write { file, at, data, sync }
}

/// A write of `count` blocks of `byte`s to journal file `n`, from block `first` on.
fn blocks(n: u32, first: u64, count: usize, byte: u8, sync: bool) -> OpKind {
    let data = Data::Blocks(Arc::new(vec![Block([byte; BLOCK_BYTES]); count]));
    OpKind::Write { file: FileName::Journal(n), at: first * BLOCK_BYTES as u64, data, sync }
}

fn rename(disk: &mut dyn Bench, from: FileName, to: FileName) {
    ok(disk, OpKind::Rename { from, to });
}

fn read(disk: &mut dyn Bench, file: FileName, at: u64, len: u64) -> Vec<u8> {
    let path = file.path();
    match run(disk, OpKind::Read { file, at, len }) {
        Ok(DiskOk::Bytes(bytes)) => bytes.to_vec(),
        other => panic!("a read of {path} brought {other:?}"),
    }
}

fn ok(disk: &mut dyn Bench, kind: OpKind) {
    let what = format!("{kind:.200?}");
    assert_eq!(run(disk, kind), Ok(DiskOk::Unit), "{what}");
}

fn refused(disk: &mut dyn Bench, kind: OpKind) -> DiskErrorKind {
    let what = format!("{kind:?}");
    run(disk, kind).expect_err(&what).kind
}

fn run(disk: &mut dyn Bench, kind: OpKind) -> DiskResult {
    disk.submit(vec![DiskOp { kind, done: Done::Ticket(77) }], false);
    let completion = disk.wait();
    assert_eq!(completion.done, Done::Ticket(77));
    completion.result
}
