//! Stories about a shard's storage on a disk in memory.

mod chain;
mod checking;
mod crash;
mod directory;
mod lookups;
mod lost;
mod mem;
mod passed;
mod pieces;
mod starts;

use super::*;
use crate::disk::{DiskErrorKind, DiskOk};
use crate::journal::JournalConfig;
use mem::Mem;
use sordini_wire::batch::{BatchBuilder, RecordView};
use sordini_wire::codec::Codec;
use std::sync::Arc;

/// A storage on its disk, and what it said.
#[derive(Clone, Debug)]
pub struct Rig {
    pub storage: Storage,
    pub disk: Mem,
    pub now: Now,
    pub ops: VecDeque<DiskOp>,
    pub notes: Vec<Note>,
    /// Operations that may still be done; the process dies before the next.
    pub fuel: u64,
    pub done: u64,
}

pub fn config() -> StorageConfig {
    StorageConfig {
        journal: JournalConfig {
            bytes: 256 << 10,
            file_bytes: 64 << 10,
            first_file_bytes: 32 << 10,
            group_bytes_max: 16 << 10,
            queue_bytes_max: 64 << 10,
        },
        cache_bytes_max: 16 << 10,
        write_bytes_min: 4 << 10,
        write_linger_ms: 5,
        piece_bytes_max: 8 << 10,
        piece_grain_bytes: 512,
        sync_bytes_max: 8 << 10,
        backlog_bytes_max: 1 << 20,
        pieces_max: 2,
        reserve_bytes: 1 << 20,
        retry_ms: 10,
    }
}

pub fn small() -> LogConfig {
    LogConfig { segment_bytes: 6 << 10, index_interval_bytes: 512, ..LogConfig::default() }
}

pub fn dir(name: &str, log: u64) -> LogDir {
    LogDir { name: Arc::from(name), log: LogId(log) }
}

/// `count` records of `len` bytes whose contents follow from their offsets.
pub fn batch(base: Offset, count: u32, len: usize, timestamp: i64) -> Batch {
    let mut builder = BatchBuilder::new(Codec::None).base_offset(base.wire()).leader_epoch(1);
    for i in 0..count {
        let value = vec![(base.0 + u64::from(i)) as u8; len];
        builder.push(timestamp + i64::from(i), None, Some(&value), &[]);
    }
    let _ = size_of::<RecordView>();
    builder.build_batch()
}

impl Rig {
    pub fn new() -> Rig {
        Rig::on(Mem::default())
    }

    pub fn on(disk: Mem) -> Rig {
        Rig::with(disk, config())
    }

    pub fn with(disk: Mem, config: StorageConfig) -> Rig {
        Rig {
            storage: Storage::new(config),
            disk,
            now: Now { disk_free: 1 << 40, wall: crate::Wall(1_000_000), ..Now::default() },
            ops: VecDeque::new(),
            notes: Vec::new(),
            fuel: u64::MAX,
            done: 0,
        }
    }

    /// Boots and serves.
    pub fn booted(disk: Mem) -> Rig {
        let mut rig = Rig::on(disk);
        rig.boot();
        rig.run();
        assert!(rig.recovered().is_some(), "{:?}", rig.notes);
        rig
    }

    pub fn boot(&mut self) {
        let mut out = Vec::new();
        self.storage.boot(self.now, &mut out);
        self.ops.extend(out);
    }

    pub fn recovered(&self) -> Option<&Recovered> {
        self.notes.iter().find_map(|n| match n {
            Note::Recovered(r) => Some(&**r),
            _ => None,
        })
    }

    pub fn fatal(&self) -> Option<&str> {
        self.notes.iter().find_map(|n| match n {
            Note::Fatal(why) => Some(why.as_str()),
            _ => None,
        })
    }

    /// One operation; false if there is none or the process is dead.
    pub fn step(&mut self) -> bool {
        if self.done == self.fuel {
            return false;
        }
        let Some(op) = self.ops.pop_front() else { return false };
        self.done += 1;
        let result = self.disk.run(&op.kind);
        let mut out = Vec::new();
        let completion = Completion { done: op.done, result };
        self.storage.done(self.now, completion, &mut out, &mut self.notes);
        self.ops.extend(out);
        true
    }

    pub fn flush(&mut self) {
        let mut out = Vec::new();
        self.storage.flush(self.now, &mut out);
        self.ops.extend(out);
    }

    /// Until nothing is under way; answers wanted checkpoints.
    pub fn run(&mut self) {
        loop {
            self.flush();
            if !self.step() {
                break;
            }
            self.answer_checkpoint();
        }
    }

    fn answer_checkpoint(&mut self) {
        let wanted = |n: &Note| matches!(n, Note::CheckpointWanted);
        if let Some(at) = self.notes.iter().position(wanted) {
            self.notes.remove(at);
            self.checkpoint();
        }
    }

    pub fn checkpoint(&mut self) {
        let mut out = Vec::new();
        let mark = self.storage.logs.keys().map(|id| id.0 as u8).collect::<Vec<_>>();
        let section = Section { name: 7, log: None, version: 1, bytes: Bytes::from(mark) };
        self.storage.checkpoint(self.now, vec![section], &mut out);
        self.ops.extend(out);
    }

    /// Lets time go by.
    pub fn wait(&mut self, ms: u64) {
        self.now.mono = self.now.mono.after_ms(ms);
        let mut out = Vec::new();
        self.storage.tick(self.now, &mut out, &mut self.notes);
        self.ops.extend(out);
        self.run();
    }

    pub fn create(&mut self, name: &str, log: u64) -> LogId {
        self.storage.create(dir(name, log), [log as u8; 16], 0, small());
        LogId(log)
    }

    pub fn append(&mut self, log: LogId, count: u32, len: usize) -> GroupSeq {
        let base = self.storage.end(log);
        let batch = batch(base, count, len, 1000 + base.0 as i64);
        self.storage.append(self.now, log, Epoch(1), batch)
    }

    /// Everything that can be read of a log, hot and cold; panics where it cannot be read.
    pub fn read_all(&mut self, log: LogId) -> Vec<(u64, Vec<u8>)> {
        let (mut at, end) = (self.storage.start(log), self.storage.end(log));
        let mut records = Vec::new();
        while at < end {
            let (bytes, next) = self.read(log, at, 4096).unwrap_or_else(|| panic!("{log} at {at}"));
            for b in sordini_wire::batch::split(bytes).expect("whole batches") {
                b.check_crc().expect("as written");
                for r in b.records(1 << 20).expect("opens") {
                    let r = r.expect("a record");
                    if r.offset as u64 >= at.0 {
                        records.push((r.offset as u64, r.value.expect("a value").to_vec()));
                    }
                }
            }
            at = next;
        }
        records
    }

    /// One read, hot or cold.
    pub fn read(&mut self, log: LogId, at: Offset, bytes_max: u32) -> Option<(Bytes, Offset)> {
        let end = self.storage.end(log);
        match self.storage.read(log, at, end, bytes_max) {
            Read::Hot { batches, next } => Some((Bytes::from(batches.concat()), next)),
            Read::Cold { op, segment } => {
                let Ok(DiskOk::Found(found)) = self.disk.run(&op) else { return None };
                let Found::Range { next, .. } = found else { panic!("{op:?} found {found:?}") };
                let (file, at, len) = self.storage.cold(log, segment, &found).expect("a range");
                let read = OpKind::Read { file, at, len: u64::from(len) };
                let Ok(DiskOk::Bytes(bytes)) = self.disk.run(&read) else { return None };
                crate::segment::check_range(&bytes).expect("as written");
                Some((bytes, next))
            }
            Read::Faulty | Read::Empty => None,
        }
    }
}

/// What must be in a log from `start` to `end`.
pub fn expected(start: u64, end: u64, len: usize) -> Vec<(u64, Vec<u8>)> {
    (start..end).map(|o| (o, vec![o as u8; len])).collect()
}

#[test]
fn a_new_directory_serves_and_keeps_what_was_appended() {
    let mut rig = Rig::booted(Mem::default());
    assert!(rig.recovered().expect("recovered").fresh);
    let log = rig.create("orders-0", 1);
    for _ in 0..100 {
        rig.append(log, 3, 100);
    }
    assert_eq!(rig.storage.synced(log), Offset(0));
    rig.run();
    assert_eq!(rig.storage.synced(log), Offset(300));
    assert_eq!(rig.read_all(log), expected(0, 300, 100));
    rig.wait(100);
    assert_eq!(rig.storage.log(log).written, Offset(300));
    assert!(rig.storage.segments(log).len() > 3, "segments roll");
    assert_eq!(rig.read_all(log), expected(0, 300, 100));

    let mut again = Rig::booted(rig.disk.clone());
    let recovered = again.recovered().expect("recovered").clone();
    assert!(!recovered.fresh);
    assert_eq!(recovered.boot, 2);
    assert_eq!(again.storage.end(log), Offset(300));
    assert_eq!(again.read_all(log), expected(0, 300, 100));
}

#[test]
fn a_checkpoint_frees_the_journal_and_recovery_starts_from_it() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    let mut checkpoints = 0;
    for _ in 0..400 {
        rig.append(log, 2, 500);
        rig.run();
        rig.wait(1);
        checkpoints += rig.notes.iter().filter(|n| matches!(n, Note::CheckpointDone)).count();
        rig.notes.clear();
        assert_eq!(rig.storage.room(), Room::Free);
    }
    assert!(checkpoints > 2, "{checkpoints} checkpoints for 400 KiB through a journal of 256 KiB");
    rig.append(log, 1, 500);
    rig.run();
    let mut again = Rig::booted(rig.disk.clone());
    let recovered = again.recovered().expect("recovered");
    assert_eq!(recovered.sections.len(), 1);
    assert!(recovered.groups < 300, "{} groups replayed", recovered.groups);
    assert_eq!(again.read_all(log), expected(0, 801, 500));
}

#[test]
fn an_unreadable_disk_or_a_failed_sync_is_fatal() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 1, 10);
    rig.flush();
    let op = rig.ops.pop_front().expect("a group");
    let failed = DiskError { kind: DiskErrorKind::Io, detail: "sync: EIO".into() };
    let completion = Completion { done: op.done, result: Err(failed) };
    rig.storage.done(rig.now, completion, &mut Vec::new(), &mut rig.notes);
    assert!(rig.fatal().expect("fatal").contains("EIO"));
    assert_eq!(rig.storage.synced(log), Offset(0));
}

use crate::disk::DiskError;

#[test]
fn a_journal_that_outruns_the_segments_is_slowed_until_they_follow() {
    let mut rig = Rig::booted(Mem::default());
    rig.storage.config.backlog_bytes_max = 10_000;
    let log = rig.create("orders-0", 1);
    let mut appended = 0;
    while rig.storage.room() == Room::Free {
        rig.append(log, 1, 1000);
        appended += 1;
    }
    assert_eq!(rig.storage.room(), Room::Full);
    assert!((9..=10).contains(&appended), "{appended} times 1 kB and headers against 10 kB");
    rig.run();
    assert_eq!(rig.storage.room(), Room::Free, "without waiting for a linger");
}

#[test]
fn the_fuller_the_ring_the_sooner_what_waits_is_written() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    let config = &mut rig.storage.config;
    (config.cache_bytes_max, config.write_bytes_min) = (1 << 20, 1 << 20);
    config.backlog_bytes_max = config.journal.bytes / 16 * 7;
    while rig.storage.log(log).written == Offset(0) {
        assert_eq!(rig.storage.room(), Room::Free, "without waiting for a linger");
        rig.append(log, 1, 12_000);
        rig.run();
    }
    let journal = &rig.storage.journal;
    assert!(journal.used() * 3 < journal.size() * 2, "no checkpoint was due");
}

#[test]
fn a_full_disk_refuses_appends_and_recovers_by_itself() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    rig.append(log, 1, 100);
    rig.run();
    rig.disk.full = true;
    rig.append(log, 40, 200);
    rig.run();
    rig.wait(6);
    assert_eq!(rig.storage.room(), Room::ReadOnly);
    assert_eq!(rig.fatal(), None);
    assert_eq!(rig.read_all(log).len(), 41);
    rig.disk.full = false;
    rig.wait(20);
    rig.wait(20);
    assert_eq!(rig.storage.room(), Room::Free);
    assert_eq!(rig.storage.log(log).written, Offset(41));

    rig.now.disk_free = 1 << 19;
    rig.wait(1);
    assert_eq!(rig.storage.room(), Room::ReadOnly);
    rig.now.disk_free = (1 << 20) + 1000;
    rig.wait(20);
    assert_eq!(rig.storage.room(), Room::ReadOnly, "hysteresis");
    rig.now.disk_free = 2 << 20;
    rig.wait(20);
    assert_eq!(rig.storage.room(), Room::Free);
    assert!(rig.notes.iter().any(|n| matches!(n, Note::Room(Room::ReadOnly))));
}

#[test]
fn delete_and_create_under_the_same_name() {
    let mut rig = Rig::booted(Mem::default());
    let first = rig.create("orders-0", 1);
    rig.append(first, 30, 300);
    rig.run();
    rig.wait(10);
    assert!(rig.disk.list("").contains(&"orders-0".to_string()));
    rig.storage.delete(first);
    assert!(!rig.storage.contains(first));
    let second = rig.create("orders-0", 2);
    rig.append(second, 5, 50);
    rig.run();
    rig.wait(10);
    assert!(rig.notes.iter().any(|n| matches!(n, Note::Deleted(log) if *log == first)));
    assert_eq!(rig.read_all(second), expected(0, 5, 50));
    assert!(!rig.disk.list("").iter().any(|n| n.ends_with("-delete")));
    let metadata = rig.disk.file("orders-0/partition.metadata").expect("made").clone();
    assert_eq!(crate::home::log_id(&metadata), Some(second));
}

#[test]
fn a_higher_start_drops_whole_segments_once_durable() {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    for _ in 0..40 {
        rig.append(log, 10, 100);
        rig.run();
    }
    rig.wait(10);
    let before = rig.disk.list("orders-0").len();
    rig.storage.set_start(log, Offset(215));
    assert_eq!(rig.storage.start(log), Offset(215));
    assert_eq!(rig.disk.list("orders-0").len(), before);
    rig.run();
    assert!(rig.disk.list("orders-0").len() < before - 5);
    assert!(rig.storage.segments(log)[0].base <= Offset(215));
    assert_eq!(rig.read_all(log), expected(215, 400, 100));
    rig.storage.set_start(log, Offset(400));
    rig.run();
    assert_eq!(rig.storage.segments(log).len(), 0);
    assert_eq!(rig.disk.list("orders-0"), ["partition.metadata"]);
    rig.append(log, 1, 100);
    rig.run();
    rig.checkpoint();
    rig.run();
    let mut again = Rig::booted(rig.disk.clone());
    assert_eq!(again.read_all(log), expected(400, 401, 100));
}

/// A log whose batches of three records are partly cold, partly in memory.
pub fn half_cold() -> (Rig, LogId) {
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
