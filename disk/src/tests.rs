//! What real files do here that no simulated disk can show: locks, limits, short memory.
//! The promises of the trait itself are checked by the contract suite.

use super::*;
use bytes::Bytes;
use smallvec::smallvec;
use sordini_log::disk::{
    Block, Data, DirName, DiskError, DiskErrorKind, FileName, Found, LogFile, OpKind, Query,
};
use sordini_log::{LogDir, LogId, Offset};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

struct Rig {
    disk: RealDisk,
    woken: Receiver<()>,
    dir: tempfile::TempDir,
}

impl Rig {
    fn new(options: Options) -> Rig {
        let dir = tempfile::tempdir().expect("a scratch directory");
        Rig::over(dir, options)
    }

    fn over(dir: tempfile::TempDir, options: Options) -> Rig {
        let (wake, woken) = channel();
        let wake = Arc::new(move || wake.send(()).unwrap_or(()));
        let disk = RealDisk::open(dir.path(), options, wake).expect("an open disk");
        Rig { disk, woken, dir }
    }

    fn submit(&mut self, kinds: Vec<OpKind>, idle: bool) {
        let numbered = kinds.into_iter().zip(0..);
        let mut ops = numbered.map(|(kind, n)| DiskOp { kind, done: Done::Ticket(n) }).collect();
        self.disk.submit(&mut ops, idle);
        assert!(ops.is_empty());
    }

    /// Waits for so many completions, in the order in which they come.
    fn wait(&mut self, count: usize) -> Vec<Completion> {
        let mut came = Vec::new();
        while came.len() < count {
            self.disk.completions(&mut came);
            if came.len() < count {
                self.woken.recv_timeout(Duration::from_secs(20)).expect("a wake-up");
            }
        }
        assert_eq!(came.len(), count);
        came
    }

    fn one(&mut self, kind: OpKind) -> DiskResult {
        self.submit(vec![kind], false);
        self.wait(1).remove(0).result
    }

    fn ok(&mut self, kind: OpKind) -> DiskOk {
        let what = format!("{kind:?}");
        self.one(kind).unwrap_or_else(|e| panic!("{what}: {e}"))
    }

    fn error(&mut self, kind: OpKind) -> DiskError {
        self.one(kind).expect_err("an error")
    }

    fn log(&mut self, dir: &LogDir) {
        self.ok(OpKind::MakeDir { dir: DirName::Log(dir.clone()) });
        let text = format!("version: 1\nlog_id: {}\n", dir.log.0);
        self.ok(write(FileName::Log(dir.clone(), LogFile::Metadata), 0, text.as_bytes(), true));
    }
}

fn log_dir(name: &str, log: u64) -> LogDir {
    LogDir { name: name.into(), log: LogId(log) }
}

fn segment(dir: &LogDir, base: u64) -> FileName {
    FileName::Log(dir.clone(), LogFile::Segment(Offset(base)))
}

fn write(file: FileName, at: u64, bytes: &[u8], sync: bool) -> OpKind {
    let data = Data::Slices(smallvec![Bytes::copy_from_slice(bytes)]);
    OpKind::Write { file, at, data, sync }
}

fn group(number: u32, at: u64, blocks: usize, fill: u8) -> OpKind {
    let data = Data::Blocks(Arc::new(vec![Block([fill; 4096]); blocks]));
    OpKind::Write { file: FileName::Journal(number), at, data, sync: true }
}

fn read(file: FileName, at: u64, len: u64) -> OpKind {
    OpKind::Read { file, at, len }
}

fn bytes(ok: DiskOk) -> Bytes {
    let DiskOk::Bytes(bytes) = ok else { panic!("expected bytes, got {ok:?}") };
    bytes
}

/// Long runs go past the page cache, short ones and the ends of long ones through it: the file must not show it.
#[test]
fn a_segment_holds_its_bytes_whichever_way_they_went() {
    let mut rig = Rig::new(Options::default());
    let dir = log_dir("orders-0", 7);
    rig.log(&dir);
    let file = segment(&dir, 0);
    let lens = [100, 300_000, 4096, 131_072, 1, 2_500_001, 7, 4095, 1 << 20, 200_000, 3, 131_071];
    let mut whole: Vec<u8> = Vec::new();
    for (len, n) in lens.into_iter().zip(1u32..) {
        let run: Vec<u8> = (0..len as u32).map(|i| (i.wrapping_mul(n) >> 3) as u8).collect();
        let cut = run.len() / 3;
        let slices = [&run[..cut], &[], &run[cut..]].map(Bytes::copy_from_slice);
        let data = Data::Slices(slices.into_iter().collect());
        let at = whole.len() as u64;
        rig.ok(OpKind::Write { file: file.clone(), at, data, sync: n.is_multiple_of(3) });
        whole.extend(run);
        let got = bytes(rig.ok(read(file.clone(), 0, 10 << 20)));
        assert!(got[..] == whole[..], "after {} bytes more at {at}", len);
    }
    rig.ok(OpKind::Sync { file: file.clone() });
    let on_disk = std::fs::read(rig.dir.path().join("orders-0/00000000000000000000.log"));
    assert!(on_disk.expect("the segment") == whole);
}

#[test]
fn a_journal_group_is_read_back_as_written_inline_and_by_the_thread() {
    for (idle, direct) in [(false, true), (true, true), (true, false)] {
        let mut rig = Rig::new(Options { direct, ..Options::default() });
        rig.ok(OpKind::MakeDir { dir: DirName::Journal });
        rig.ok(OpKind::Create { file: FileName::Journal(3), len: 64 << 10 });
        rig.submit(vec![group(3, 4096, 2, 7), group(3, 12288, 1, 9)], idle);
        let came = rig.wait(2);
        assert_eq!(came[0].done, Done::Ticket(0), "the lane keeps its order");
        let all = bytes(rig.ok(read(FileName::Journal(3), 0, u64::MAX)));
        assert_eq!(all.len(), 64 << 10);
        let expected = |i: usize| [0, 7, 7, 9].get(i / 4096).copied().unwrap_or(0);
        assert!(all.iter().enumerate().all(|(i, b)| *b == expected(i)));
        let part = bytes(rig.ok(read(FileName::Journal(3), 4000, 200)));
        assert_eq!((part.len(), part[95], part[96]), (200, 0, 7));
    }
}

#[test]
fn an_inline_write_is_answered_through_the_queue_and_wakes_the_loop() {
    let mut rig = Rig::new(Options::default());
    rig.ok(OpKind::MakeDir { dir: DirName::Journal });
    while rig.woken.try_recv().is_ok() {}
    rig.submit(vec![group(0, 0, 1, 1), group(0, 4096, 1, 1)], true);
    rig.woken.try_recv().expect("woken before submit returned");
    assert!(rig.woken.try_recv().is_err(), "once: the queue was not empty any more");
    assert_eq!(rig.wait(2).len(), 2);
}

#[test]
fn a_long_journal_write_does_not_run_on_the_loop() {
    let mut rig = Rig::new(Options { inline_bytes_max: 4096, ..Options::default() });
    rig.ok(OpKind::MakeDir { dir: DirName::Journal });
    let thread = std::thread::current().id();
    let ran_on_us = Arc::new(AtomicUsize::new(0));
    let (seen, wake) = (ran_on_us.clone(), channel());
    let (send, woken) = wake;
    rig.disk = {
        drop(rig.disk);
        let wake = move || {
            seen.fetch_add((std::thread::current().id() == thread).into(), Ordering::SeqCst);
            let _ = send.send(());
        };
        RealDisk::open(
            rig.dir.path(),
            Options { inline_bytes_max: 4096, ..Options::default() },
            Arc::new(wake),
        )
        .expect("an open disk")
    };
    rig.woken = woken;
    rig.submit(vec![group(0, 0, 2, 1)], true);
    rig.wait(1);
    assert_eq!(ran_on_us.load(Ordering::SeqCst), 0);
    rig.submit(vec![group(0, 0, 1, 1)], true);
    rig.wait(1);
    assert_eq!(ran_on_us.load(Ordering::SeqCst), 1);
}

#[test]
fn a_recreated_topics_files_are_never_served_for_the_old_log() {
    let mut rig = Rig::new(Options::default());
    let (old, new) = (log_dir("orders-0", 17), log_dir("orders-0", 23));
    rig.log(&old);
    rig.ok(write(segment(&old, 0), 0, b"old", true));
    rig.ok(OpKind::RenameDir {
        from: DirName::Log(old.clone()),
        to: DirName::Deleted(old.clone()),
    });
    rig.log(&new);
    rig.ok(write(segment(&new, 0), 0, b"new", true));
    for kind in [read(segment(&old, 0), 0, 9), write(segment(&old, 0), 0, b"x", false)] {
        let e = rig.error(kind);
        assert_eq!(e.kind, DiskErrorKind::Stale, "{e}");
        assert_eq!(e.detail, "directory orders-0 belongs to log 23 now, not to log 17");
    }
    // Recovery repeats what it finds in the journal.
    rig.ok(OpKind::RenameDir {
        from: DirName::Log(old.clone()),
        to: DirName::Deleted(old.clone()),
    });
    rig.ok(OpKind::Unlink { file: segment(&old, 0) });
    rig.ok(OpKind::RemoveDir { dir: DirName::Log(old.clone()) });
    rig.ok(OpKind::RemoveDir { dir: DirName::Deleted(old) });
    assert_eq!(&bytes(rig.ok(read(segment(&new, 0), 0, 9)))[..], b"new");
    let DiskOk::Entries(entries) = rig.ok(OpKind::List { dir: DirName::Root }) else { panic!() };
    let names: Vec<&str> = entries.iter().map(|e| &e.name[..]).collect();
    assert_eq!(names, ["orders-0"]);
}

#[test]
fn two_open_files_are_enough_and_no_unsynced_write_is_forgotten() {
    let mut rig = Rig::new(Options { files_open_max: Some(2), ..Options::default() });
    let dirs: Vec<_> = (0..6).map(|n| log_dir(&format!("t-{n}"), n + 1)).collect();
    for dir in &dirs {
        rig.log(dir);
    }
    for round in 0..3u64 {
        for dir in &dirs {
            let text = format!("{}:{round};", dir.log.0);
            rig.ok(write(segment(dir, 0), round * 4, text.as_bytes(), false));
            assert!(rig.disk.shared.files.open_count() <= 2);
        }
    }
    for dir in &dirs {
        rig.ok(OpKind::Sync { file: segment(dir, 0) });
        let id = dir.log.0;
        let text = bytes(rig.ok(read(segment(dir, 0), 0, 99)));
        assert_eq!(text, format!("{id}:0;{id}:1;{id}:2;"));
    }
    assert!(rig.disk.shared.files.open_count() <= 2);
}

fn batches(count: i64, payload: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for offset in 0..count {
        let mut batch = BatchBuilder::new(Codec::None).base_offset(offset);
        batch.push(1_000 + offset, None, Some(&vec![offset as u8; payload]), &[]);
        bytes.extend_from_slice(&batch.build());
    }
    bytes
}

fn checked(reader: &FileReader, file: FileName, at: u64, len: u32) -> Result<Bytes, DiskError> {
    let (send, answer) = channel();
    reader.read_checked(file, at, len, len, Box::new(move |r| send.send(r).unwrap()));
    answer.recv_timeout(Duration::from_secs(20)).expect("exactly one answer")
}

#[test]
fn batches_are_read_whole_and_no_bad_one_is_ever_served() {
    let mut rig = Rig::new(Options::default());
    let dir = log_dir("t-0", 5);
    rig.log(&dir);
    let all = batches(900, 1000); // more than one chunk, and no batch ends where a chunk does
    let len = all.len() as u32;
    let one = u64::from(len) / 900;
    rig.ok(write(segment(&dir, 0), 0, &all, true));
    let reader = rig.disk.reader();
    assert_eq!(checked(&reader, segment(&dir, 0), 0, len).unwrap(), all);
    let some = checked(&reader, segment(&dir, 0), one * 7, one as u32 * 3).unwrap();
    assert_eq!(some, all[one as usize * 7..one as usize * 10]);
    assert_eq!(checked(&reader, segment(&dir, 0), 0, 0).unwrap(), Bytes::new());

    let e = checked(&reader, segment(&dir, 0), 0, len - 1).unwrap_err();
    assert_eq!(e.kind, DiskErrorKind::Corrupt, "{e}");
    assert!(e.detail.ends_with("it goes beyond what was written"), "{e}");
    let e = checked(&reader, segment(&dir, 0), one, len).unwrap_err();
    assert_eq!(e.kind, DiskErrorKind::Corrupt, "{e}");
    assert!(e.detail.ends_with(&format!("the file ends at {len}")), "{e}");
    for at in [7, 8, 16, 17, 60, 70, one - 1] {
        let place = one * 600 + at;
        rig.ok(write(segment(&dir, 0), place, &[all[place as usize] ^ 0x40], false));
        let e = checked(&reader, segment(&dir, 0), 0, len).unwrap_err();
        assert_eq!(e.kind, DiskErrorKind::Corrupt, "{e}");
        assert!(e.detail.contains(&format!("the batch at {} of", one * 600)), "{e}");
        checked(&reader, segment(&dir, 0), 0, one as u32 * 600).expect("what lies before is good");
        rig.ok(write(segment(&dir, 0), place, &[all[place as usize]], false));
    }
    // In pieces of about so many bytes: whole batches, all of them, none twice.
    for about in [1, one as u32 - 1, one as u32 + 5, 10 * one as u32, 300_000, len] {
        let (mut at, mut pieces) = (0, Vec::new());
        while at < all.len() {
            let (send, answer) = channel();
            let reply = Box::new(move |r| send.send(r).unwrap());
            reader.read_checked(segment(&dir, 0), at as u64, len - at as u32, about, reply);
            let piece: Bytes = answer.recv().unwrap().unwrap();
            assert!(piece.len() <= (2 * about as usize).max(one as usize), "about {about}");
            assert!(piece.len() as u32 >= about.min(len - at as u32), "about {about}");
            at += piece.len();
            pieces.extend_from_slice(&piece);
        }
        assert!(pieces == all, "about {about}");
    }
    let e = checked(&reader, segment(&log_dir("t-0", 6), 0), 0, 10).unwrap_err();
    assert_eq!(e.kind, DiskErrorKind::Stale, "{e}");
    rig.ok(OpKind::Unlink { file: segment(&dir, 0) });
    let e = checked(&reader, segment(&dir, 0), 0, len).unwrap_err();
    assert_eq!(e.kind, DiskErrorKind::NotFound, "{e}");
    drop(rig);
    let e = checked(&reader, segment(&dir, 0), 0, len).unwrap_err();
    assert!(e.detail.ends_with("the disk was closed"), "{e}");
}

#[test]
fn a_query_is_answered_from_the_files() {
    let mut rig = Rig::new(Options::default());
    let dir = log_dir("t-0", 5);
    rig.log(&dir);
    let all = batches(100, 500);
    let (len, one) = (all.len() as u64, all.len() as u64 / 100);
    let find = |offset| {
        let query = Query::Range { offset: Offset(offset), until: Offset(99), bytes_max: 1500 };
        OpKind::Find { dir: dir.clone(), segment: Offset(0), len, query }
    };
    assert_eq!(rig.error(find(7)).kind, DiskErrorKind::NotFound);
    rig.ok(write(segment(&dir, 0), 0, &all, true));
    let found = |at: u64, n: u64| Found::Range {
        at: at * one,
        len: (n * one) as u32,
        base: Offset(at),
        next: Offset(at + n),
    };
    // Without an index, and with one that leads astray.
    for index in [None, Some([0xff; 64])] {
        if let Some(bytes) = index {
            let name = FileName::Log(dir.clone(), LogFile::Index(Offset(0)));
            rig.ok(write(name, 0, &bytes, true));
        }
        assert_eq!(rig.ok(find(7)), DiskOk::Found(found(7, 2)));
        assert_eq!(rig.ok(find(98)), DiskOk::Found(found(98, 1)));
        assert_eq!(rig.ok(find(99)), DiskOk::Found(Found::Nothing));
    }
    rig.ok(write(segment(&dir, 0), one * 7 + 16, &[9], true));
    let e = rig.error(find(7));
    assert_eq!(e.kind, DiskErrorKind::Corrupt);
    assert!(e.detail.starts_with("cannot search t-0/00000000000000000000.log: "), "{e}");
}

#[test]
fn a_second_process_is_told_who_holds_the_directory() {
    let rig = Rig::new(Options::default());
    let text = match RealDisk::open(rig.dir.path(), Options::default(), Arc::new(|| ())) {
        Err(e @ OpenError::Locked { .. }) => e.to_string(),
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("opened twice"),
    };
    assert!(text.contains(&format!("in use by process {}", std::process::id())), "{text}");
    assert!(text.contains("running since 20"), "{text}");
    assert!(text.contains("stop that process"), "{text}");
    let dir = rig.dir;
    drop(rig.disk);
    Rig::over(dir, Options::default());
}

#[test]
fn a_directory_that_is_not_ours_is_refused_and_left_alone() {
    let open = |dir: &Path| match RealDisk::open(dir, Options::default(), Arc::new(|| ())) {
        Ok(_) => panic!("opened"),
        Err(e) => e,
    };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("meta.properties"), "cluster.id=x").unwrap();
    let e = open(dir.path());
    assert!(matches!(&e, OpenError::Foreign { entry, .. } if entry == "meta.properties"), "{e}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "a lock was left there");
    // Kafka's own lock.
    std::fs::write(dir.path().join(".lock"), "").unwrap();
    assert!(matches!(open(dir.path()), OpenError::Foreign { .. }));
    assert_eq!(std::fs::read(dir.path().join(".lock")).unwrap(), b"", "its lock was written to");
    let e = open(&dir.path().join("meta.properties"));
    assert!(matches!(e, OpenError::NotADirectory { .. }), "{e}");
    let e = open(&dir.path().join("meta.properties/below"));
    assert!(matches!(e, OpenError::NotADirectory { .. }), "{e}");
    std::fs::write(dir.path().join(".sordini"), "format 2\n").unwrap();
    let e = open(dir.path());
    assert!(matches!(&e, OpenError::NewerFormat { found, known: 1, .. } if found == "2"), "{e}");
    for garbage in [&b""[..], b"format 0\n", b"format one\n", b"\xff\xfe\n"] {
        std::fs::write(dir.path().join(".sordini"), garbage).unwrap();
        let e = open(dir.path()).to_string();
        assert!(e.contains("it should say \"format 1\""), "{e}");
    }
    let e = open(Path::new("/sys/nowhere")); // nobody makes directories there, root neither
    assert!(matches!(e, OpenError::Permission { .. }), "{e}");
    let e = open(Path::new("/proc/nowhere"));
    assert!(matches!(e, OpenError::Unmade { .. }), "{e}");
}

#[test]
fn free_space_is_a_number_of_this_file_system() {
    let mut rig = Rig::new(Options::default());
    let free = rig.disk.free();
    assert!(free > 0);
    assert_eq!(rig.disk.free(), free, "asked again within 100 ms");
}

#[test]
fn a_large_directory_goes_while_the_lane_goes_on() {
    let mut rig = Rig::new(Options::default());
    let (big, small) = (log_dir("big-0", 1), log_dir("small-0", 2));
    rig.log(&big);
    rig.log(&small);
    for base in 0..4 {
        rig.ok(OpKind::Create { file: segment(&big, base), len: 20 << 20 });
    }
    rig.ok(OpKind::RenameDir {
        from: DirName::Log(big.clone()),
        to: DirName::Deleted(big.clone()),
    });
    rig.submit(
        vec![
            OpKind::RemoveDir { dir: DirName::Deleted(big.clone()) },
            write(segment(&small, 0), 0, b"first", true),
        ],
        false,
    );
    let order: Vec<Done> = rig.wait(2).into_iter().map(|c| c.done).collect();
    assert_eq!(order, [Done::Ticket(1), Done::Ticket(0)]);
    assert!(!rig.dir.path().join("big-0.1-delete").exists());
}

#[test]
fn a_vanished_data_directory_is_an_error_of_every_operation_and_of_nothing_else() {
    let mut rig = Rig::new(Options::default());
    let dir = log_dir("t-0", 1);
    rig.log(&dir);
    rig.ok(write(segment(&dir, 0), 0, b"x", true));
    std::fs::remove_dir_all(rig.dir.path()).unwrap();
    let kinds = [
        OpKind::MakeDir { dir: DirName::Journal },
        group(0, 0, 1, 1),
        write(segment(&dir, 1), 0, b"x", false),
        OpKind::Rename { from: FileName::CheckpointNext, to: FileName::Checkpoint },
        OpKind::SyncDir { dir: DirName::Journal },
        OpKind::List { dir: DirName::Journal },
        read(segment(&dir, 1), 0, 1),
    ];
    for kind in kinds {
        let e = rig.error(kind);
        assert_eq!(e.kind, DiskErrorKind::NotFound, "{e}");
    }
    rig.ok(OpKind::Truncate { file: segment(&dir, 1), len: 0 });
    rig.ok(OpKind::Unlink { file: segment(&dir, 1) });
    rig.ok(OpKind::RemoveDir { dir: DirName::Log(dir) });
    assert!(rig.disk.free() > 0);
}
