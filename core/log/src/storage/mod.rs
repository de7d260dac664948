//! The storage of a shard: one journal, many logs, a checkpoint, and what boots and cleans them up.
//!
//! A pure value. The owner calls in with [`Now`], completions come back through [`Storage::done`], and
//! operations are pushed into a lent vector. The way of a batch: [`Storage::append`] puts it into the
//! open journal group and the log's cache; [`Storage::flush`] sends the group off; [`Note::Durable`] says
//! that whoever waited may be answered; the batch then goes to its segment in the background
//! ([`write`]), and a checkpoint lets the journal be used again ([`checkpointing`]).
//!
//! This file is the facade: it routes, and each idea has a file of its own.

mod boot;
pub mod check;
mod checkpointing;
mod config;
mod holdings;
mod notes;
mod reindex;
mod remove;
mod replay;
mod room;
mod sweep;
#[cfg(test)]
mod tests;
mod write;

pub use config::StorageConfig;
pub use holdings::Holdings;
pub use notes::{
    Latest, Lookup, Note, Read, Recovered, RecoveredLog, Replay, Replayed, Room, Section, TimeQuery,
};

use crate::disk::{Completion, DiskOp, Done, Found, OpKind};
use crate::id::{Epoch, Generation, GroupSeq, LogDir, LogId, Offset};
use crate::io_errors::{Purpose, Verdict, verdict};
use crate::journal::{Frame, Journal};
use crate::log::{Log, LogRead};
use crate::segment::{Head, LogConfig, Segment};
use crate::span::Spans;
use crate::time::{Mono, Now, Wall};
use crate::time_read::TimeRead;
use boot::Stage;
use bytes::Bytes;
use checkpointing::Checkpointing;
use reindex::Reindex;
use remove::Removal;
use room::Space;
use sordini_mutant::mutant;
use sordini_reach::{Reach, Reached};
use sordini_wire::batch::Batch;
use std::collections::{BTreeMap, VecDeque};
use sweep::Sweep;
use write::Writes;

/// All logs of a shard and what keeps them.
#[derive(Clone, Debug)]
pub struct Storage {
    config: StorageConfig,
    /// Number of this boot; 0 until recovery knows it.
    boot: u64,
    stage: Stage,
    journal: Journal,
    /// Everything up to this group is durable.
    durable: GroupSeq,
    logs: BTreeMap<LogId, Log>,
    /// Logs with something in a group that is not durable, in the order of groups.
    joined: VecDeque<(GroupSeq, LogId)>,
    /// What is to be done once a group is durable, in the order of groups.
    after: VecDeque<(GroupSeq, After)>,
    writes: Writes,
    /// Cached batches of all logs in the order of their arrival: the oldest is dropped first.
    cached: VecDeque<(LogId, Offset)>,
    cached_bytes: u64,
    space: Space,
    checkpointing: Checkpointing,
    removals: BTreeMap<LogId, Removal>,
    sweep: Sweep,
    reindex: Reindex,
    /// Rare states that it and who has it came to; see also [`Storage::all_reached`].
    pub reached: Reached,
}

/// What waits for a group to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
enum After {
    /// Segments below the log's start go.
    DropSegments(LogId, Offset),
    /// Segments behind a cut go.
    Unlink(LogId, Vec<Segment>),
    /// The directory of a deleted log goes.
    Remove(LogId),
}

impl Storage {
    /// Storage that knows nothing yet; [`Storage::boot`] comes next.
    pub fn new(config: StorageConfig) -> Storage {
        Storage {
            journal: Journal::create(config.journal),
            config,
            boot: 0,
            stage: Stage::New,
            durable: GroupSeq(0),
            logs: BTreeMap::new(),
            joined: VecDeque::new(),
            after: VecDeque::new(),
            writes: Writes::default(),
            cached: VecDeque::new(),
            cached_bytes: 0,
            space: Space::default(),
            checkpointing: Checkpointing::default(),
            removals: BTreeMap::new(),
            sweep: Sweep::default(),
            reindex: Reindex::default(),
            reached: Reached::default(),
        }
    }

    /// Rare states that it, its journal and who has it came to.
    pub fn all_reached(&self) -> Reached {
        let mut all = self.reached.clone();
        all.add(&self.journal.reached);
        all
    }

    /// Takes a completion; all but those of [`Done::Ticket`] belong here.
    pub fn done(
        &mut self,
        now: Now,
        completion: Completion,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let Completion { done, result } = completion;
        match done {
            Done::Group(seq) => match result {
                Ok(_) => self.group_done(now, seq, out, notes),
                Err(_) if mutant!(S10, false, true) => self.group_done(now, seq, out, notes),
                Err(e) => {
                    if self.failed(now, Purpose::JournalGroup, &e, notes) == Verdict::Retry {
                        self.journal.group_refused(now, seq);
                    }
                }
            },
            Done::JournalFile(n) => match result {
                Ok(_) => self.journal.file_made(n, out),
                Err(e) => {
                    let first = self.journal.size() == 0;
                    let purpose = if first { Purpose::Founding } else { Purpose::JournalFile };
                    if self.failed(now, purpose, &e, notes) == Verdict::Retry {
                        self.journal.file_refused(now, n);
                    }
                }
            },
            Done::Boot(step) => self.boot_done(now, step, result, out, notes),
            Done::Segment { log, generation, step } => {
                self.segment_done(now, (log, generation), step, result, out, notes);
            }
            Done::Checkpoint { number, step } => {
                self.checkpoint_done(now, number, step, result, notes);
            }
            Done::Remove { log, step } => self.remove_done(now, log, step, result, out, notes),
            Done::Nothing => {
                if let Err(e) = result {
                    match self.failed(now, Purpose::Cleanup, &e, notes) {
                        Verdict::Retry => self.sweep_later(now),
                        Verdict::Doubt => self.sweep_in_doubt(now),
                        _ => {}
                    }
                }
            }
            Done::Ticket(ticket) => panic!("ticket {ticket} belongs to whoever asked"),
        }
        if self.is_serving() {
            self.pump(now, out);
            self.assess(now, notes);
            self.ask_checkpoint(notes);
        }
        self.invariants();
    }

    /// Once per turn: sends the open group off if none is under way, and segments that should be written.
    pub fn flush(&mut self, now: Now, out: &mut Vec<DiskOp>) {
        if !self.has_journal() {
            return;
        }
        self.journal.flush(now, out);
        if self.is_serving() {
            self.trim_cache();
            self.pump(now, out);
        }
    }

    /// The deadline came, or nothing did.
    pub fn tick(&mut self, now: Now, out: &mut Vec<DiskOp>, notes: &mut Vec<Note>) {
        if !self.has_journal() {
            return;
        }
        self.journal.tick(now, out);
        self.space.must_wait(now);
        if self.is_serving() {
            self.sweep_again(now, out);
            self.pump(now, out);
            self.assess(now, notes);
        }
        self.invariants();
    }

    /// When [`Storage::tick`] is wanted if nothing else happens.
    pub fn deadline(&self) -> Option<Mono> {
        if !self.has_journal() {
            return None;
        }
        let writes = self.writes.deadline().filter(|_| !self.space.waits());
        let times = [self.journal.deadline(), writes, self.space.deadline(), self.sweep.deadline()];
        times.into_iter().flatten().min()
    }

    /// Makes a log. Its id must never have been used. True once the returned group is durable; its
    /// directory follows with its first segment.
    pub fn create(
        &mut self,
        dir: LogDir,
        topic_id: [u8; 16],
        partition: u32,
        config: LogConfig,
    ) -> GroupSeq {
        let id = dir.log;
        assert!(!self.logs.contains_key(&id), "{id} exists");
        assert!(!self.removals.contains_key(&id), "{id} was deleted: ids are never reused");
        let seq = self.put(Frame::LogCreate { dir: dir.clone(), topic_id, partition });
        self.logs.insert(id, Log::new(dir, topic_id, partition, config));
        seq
    }

    /// Changes how files are cut from now on. Not journalled: say it again after recovery.
    pub fn configure(&mut self, log: LogId, config: LogConfig) {
        self.log_mut(log).config = config;
    }

    /// Ends a log. It is gone from here at once; its files go once the returned group is durable, and
    /// [`Note::Deleted`] says when they are.
    pub fn delete(&mut self, log: LogId) -> GroupSeq {
        let seq = self.put(Frame::LogDelete { log });
        self.checkpoint_loses(log, seq);
        self.forget_log(log);
        self.after.push_back((seq, After::Remove(log)));
        seq
    }

    /// The time by which things are old, unless the wall clock is not to be believed.
    pub fn wall(&mut self, now: Now) -> Wall {
        self.journal.look(now)
    }

    /// The longest batch that [`Storage::append`] takes: it must lie in one file of the journal.
    pub fn batch_bytes_max(&self) -> usize {
        self.config.journal.batch_bytes_max()
    }

    /// Appends a stamped batch, which is not longer than [`Storage::batch_bytes_max`]: its base offset is the log's end.
    pub fn append(&mut self, now: Now, log: LogId, epoch: Epoch, batch: Batch) -> GroupSeq {
        let head = Head::of(&batch).expect("a stamped batch has offsets");
        let seq = self.put(Frame::Append {
            log,
            epoch,
            base: head.base,
            last: head.last(),
            crc: batch.crc(),
            bytes: batch.bytes().clone(),
        });
        let entry = self.logs.get_mut(&log).expect("the log exists");
        if entry.append(self.journal.look(now), seq, head, batch) {
            self.joined.push_back((seq, log));
        }
        entry.invariants();
        self.cached.push_back((log, head.next));
        self.cached_bytes += u64::from(head.bytes);
        self.space.unwritten_bytes += u64::from(head.bytes);
        seq
    }

    /// Moves a log's first offset up; never beyond what is durable. Whole segments below it go once
    /// the returned group is durable.
    pub fn set_start(&mut self, log: LogId, start: Offset) -> GroupSeq {
        let entry = self.log(log);
        assert!(start <= entry.end, "{log}: start {start} beyond end {}", entry.end);
        if start <= entry.start {
            return self.open_seq();
        }
        let seq = self.put(Frame::LogStart { log, start });
        let entry = self.log_mut(log);
        entry.start = start;
        entry.faulty.remove(Offset(0), start);
        entry.invariants();
        self.after.push_back((seq, After::DropSegments(log, start)));
        seq
    }

    /// Removes everything from `to` on, which is where a batch begins. The log is in another generation from now
    /// on: what was under way for the removed part is dropped when it comes back.
    pub fn truncate(&mut self, log: LogId, to: Offset) -> GroupSeq {
        let seq = self.put(Frame::Truncate { log, to });
        let entry = self.logs.get_mut(&log).expect("the log exists");
        if entry.writer.busy() {
            self.writes.piece_gone();
        }
        let gone = entry.truncate(seq, to);
        entry.invariants();
        self.cached_bytes -= gone.cached_bytes;
        self.space.unwritten_bytes -= gone.unwritten_bytes;
        if gone.joined {
            self.joined.push_back((seq, log));
        }
        self.after.push_back((seq, After::Unlink(log, gone.segments)));
        self.checkpoint_cut(log, to, seq);
        seq
    }

    /// Keeps replication's hard state, at most 4 KiB, opaque.
    pub fn hard_state(&mut self, log: LogId, state: Bytes) -> GroupSeq {
        self.log_mut(log).hard_state = state.clone();
        self.put(Frame::HardState { log, state })
    }

    /// Marks `from .. to` as lost: a read of it failed, or a batch there has a bad checksum. The
    /// mark is part of the log from now on and durable with the returned group.
    pub fn mark_faulty(&mut self, log: LogId, from: Offset, to: Offset) -> GroupSeq {
        let seq = self.put(Frame::FaultyMark { log, from, to });
        self.log_mut(log).faulty.add(from, to);
        seq
    }

    /// Everything up to this group is durable.
    pub fn durable(&self) -> GroupSeq {
        self.durable
    }

    /// The group that the next append would join.
    pub fn open_seq(&self) -> GroupSeq {
        self.journal.open_seq()
    }

    /// Whether the log exists.
    pub fn contains(&self, log: LogId) -> bool {
        self.logs.contains_key(&log)
    }

    /// First offset.
    pub fn start(&self, log: LogId) -> Offset {
        self.log(log).start
    }

    /// First offset that a recovery would find.
    pub fn durable_start(&self, log: LogId) -> Offset {
        self.log(log).durable_start
    }

    /// Offset of the next record.
    pub fn end(&self, log: LogId) -> Offset {
        self.log(log).end
    }

    /// The log is durable up to here.
    pub fn synced(&self, log: LogId) -> Offset {
        self.log(log).synced
    }

    /// Bytes of its batches.
    pub fn size(&self, log: LogId) -> u64 {
        self.log(log).size()
    }

    /// Which life of the log it is; goes into whatever may come back late.
    pub fn generation(&self, log: LogId) -> Generation {
        self.log(log).generation(self.boot)
    }

    /// Its directory and id.
    pub fn dir(&self, log: LogId) -> &LogDir {
        &self.log(log).dir
    }

    /// Its segments, oldest first, with what is still on its way to them.
    pub fn segments(&self, log: LogId) -> &[Segment] {
        &self.log(log).segments
    }

    /// What of it cannot be read.
    pub fn faulty(&self, log: LogId) -> &Spans {
        &self.log(log).faulty
    }

    /// Looks for a record by time in `from .. until`. [`Lookup::Cold`] goes segment by segment.
    pub fn find_time(&self, log: LogId, query: TimeQuery, from: Offset, until: Offset) -> Lookup {
        let log = self.log(log);
        let (segment, ask, query, next) = match log.find_time(query, from, until) {
            TimeRead::Hot(found) => return Lookup::Hot(found),
            TimeRead::Faulty => return Lookup::Faulty,
            TimeRead::Cold { segment, query, rest, next } => (segment, query, rest, next),
        };
        let len = log.believed_bytes(&segment);
        let (dir, segment) = (log.dir.clone(), segment.base);
        Lookup::Cold { op: OpKind::Find { dir, segment, len, query: ask }, query, next }
    }

    /// Whole batches from the one that holds `from`, none that ends beyond `until`, as many as fit in
    /// `bytes_max`; the first comes however large it is.
    pub fn read(&mut self, log: LogId, from: Offset, until: Offset, bytes_max: u32) -> Read {
        self.read_lent(log, from, until, bytes_max, bytes_max)
    }

    /// The same, with a bound of its own for bytes that are lent from memory: as long as somebody holds them, they stay there.
    pub fn read_lent(
        &mut self,
        log: LogId,
        from: Offset,
        until: Offset,
        bytes_max: u32,
        lent_max: u32,
    ) -> Read {
        let entry = self.log(log);
        match entry.read(from, until, bytes_max, lent_max) {
            LogRead::Hot { batches, next } => Read::Hot { batches, next },
            LogRead::Cold { segment, len, query } => {
                let op = OpKind::Find { dir: entry.dir.clone(), segment, len, query };
                Read::Cold { op, segment }
            }
            LogRead::Faulty => Read::Faulty,
            LogRead::Empty => Read::Empty,
        }
    }

    /// An operation that looks which batches of `from .. until` in the segment with this base are bad
    /// ([`Found::Damage`]), among about `bytes_max` bytes. `None` if they are in no file any more.
    pub fn find_damage(
        &self,
        log: LogId,
        segment: Offset,
        (from, until): (Offset, Offset),
        bytes_max: u64,
    ) -> Option<OpKind> {
        let log = self.log(log);
        let found = log.segments.iter().find(|s| s.base == segment)?;
        let (from, until) = (from.max(log.start), until.min(log.written).min(found.next));
        let query = crate::disk::Query::Damage { from, until, bytes_max };
        let (dir, len) = (log.dir.clone(), log.believed_bytes(found));
        (from < until).then_some(OpKind::Find { dir, segment, len, query })
    }

    /// Offset after the last of the segment with this base; `None` if there is no such segment any more.
    pub fn segment_end(&self, log: LogId, segment: Offset) -> Option<Offset> {
        self.log(log).segments.iter().find(|s| s.base == segment).map(|s| s.next)
    }

    /// Where the bytes of a [`Found::Range`] in the segment with this base are: file, first byte, length.
    /// `None` for any other answer.
    pub fn cold(
        &self,
        log: LogId,
        segment: Offset,
        found: &Found,
    ) -> Option<(crate::disk::FileName, u64, u32)> {
        match *found {
            Found::Range { at, len, .. } => {
                Some((self.log(log).file(crate::disk::LogFile::Segment(segment)), at, len))
            }
            _ => None,
        }
    }

    fn log(&self, log: LogId) -> &Log {
        self.logs.get(&log).unwrap_or_else(|| panic!("{log} does not exist"))
    }

    fn log_mut(&mut self, log: LogId) -> &mut Log {
        self.logs.get_mut(&log).unwrap_or_else(|| panic!("{log} does not exist"))
    }

    /// Puts a frame into the open group: a checkpoint taken from now on covers it.
    fn put(&mut self, frame: Frame) -> GroupSeq {
        self.journal.put(frame)
    }

    /// A journal group is durable, and with it all before.
    fn group_done(
        &mut self,
        now: Now,
        seq: GroupSeq,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let through = self.journal.done(now, seq, out).through;
        self.durable = self.durable.max(through);
        while let Some((_, id)) = self.joined.pop_front_if(|(seq, _)| *seq <= through) {
            if let Some(log) = self.logs.get_mut(&id) {
                log.durable(through);
                log.invariants();
                self.queue_write(now, id);
            }
        }
        while let Some((_, what)) = self.after.pop_front_if(|(seq, _)| *seq <= through) {
            match what {
                After::DropSegments(log, start) => {
                    self.log_start_durable(log, start);
                    self.drop_segments(log, out);
                }
                After::Unlink(log, segments) => self.unlink(log, &segments, out),
                After::Remove(log) => self.start_removal(now, log, out, notes),
            }
        }
        self.boot_durable(now, notes, out);
        notes.push(Note::Durable(through));
    }

    /// Something failed; says what that means to whoever is in charge.
    fn failed(
        &mut self,
        now: Now,
        purpose: Purpose,
        error: &crate::disk::DiskError,
        notes: &mut Vec<Note>,
    ) -> Verdict {
        let verdict = verdict(purpose, error.kind);
        match verdict {
            Verdict::Fatal => {
                self.stage = Stage::Failed;
                notes.push(Note::Fatal(format!(
                    "{error}: the disk failed, and what it holds cannot be known without a restart"
                )));
            }
            Verdict::Refuse => {
                self.stage = Stage::Failed;
                let bytes = self.config.journal.first_file_bytes;
                notes.push(Note::Fatal(format!(
                    "{error}: a new data directory needs {bytes} bytes and some more to begin with; free \
                     some space, or choose a directory on another disk"
                )));
            }
            Verdict::Retry => {
                let news = !self.space.full && !self.journal.is_refused();
                if matches!(purpose, Purpose::Store) {
                    self.reached.mark(Reach::SegmentRefused);
                    self.space.disk_full(now, self.config.retry_ms);
                }
                if news && purpose != Purpose::Cleanup {
                    notes.push(Note::Warning(format!(
                        "{error}: the disk is full; nothing is appended until there is space again"
                    )));
                }
            }
            Verdict::Doubt | Verdict::Absent | Verdict::Unreadable | Verdict::Skip => {}
        }
        verdict
    }

    /// What must hold whenever nobody is inside; the logs that were touched have checked themselves.
    fn invariants(&self) {
        let waits = |seq: Option<GroupSeq>| seq.is_none_or(|seq| seq > self.durable);
        assert!(waits(self.joined.front().map(|j| j.0)), "a durable group's logs were not told");
        assert!(waits(self.after.front().map(|a| a.0)), "a durable group's consequences are due");
    }
}
