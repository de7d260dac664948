//! Which log is written when, and how many at a time.
//!
//! A log waits until enough durable bytes have come together or the first of them has waited for
//! `write_linger_ms`. A checkpoint, or a cache that cannot shrink otherwise, makes it go at once, and so do
//! segments that are too far behind. Those that waited longest go first: they make the largest pieces. A few
//! pieces of different logs are under way at the same time, so that nothing else in the store lane waits long
//! behind them.

use super::{Storage, remove};
use crate::disk::{
    DiskErrorKind, DiskOk, DiskOp, DiskResult, Done, FileName, LogFile, OpKind, SegmentStep,
};
use crate::id::{Generation, LogId, Offset};
use crate::io_errors::{Purpose, Verdict};
use crate::segment::Segment;
use crate::storage::Note;
use crate::time::{Mono, Now};
use crate::writer::{Home, Plate, Progress};
use sordini_reach::Reach;
use std::collections::{BTreeSet, VecDeque};

/// The queues of logs that want to be written.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes {
    /// To be written now.
    ready: VecDeque<LogId>,
    /// To be written at that time, if not sooner: whoever waits longest is in front. Logs that were written
    /// meanwhile are not taken out.
    dirty: VecDeque<(Mono, LogId)>,
    /// Pieces under way.
    pieces: u32,
    pieces_max: u32,
}

impl Writes {
    pub fn deadline(&self) -> Option<Mono> {
        let free = self.pieces < self.pieces_max;
        self.dirty.front().map(|(due, _)| *due).filter(|_| free)
    }

    /// Whether no piece is under way, and none stands ready.
    pub fn rest(&self) -> bool {
        self.pieces == 0 && self.ready.is_empty()
    }

    pub fn piece_gone(&mut self) {
        self.pieces -= 1;
    }
}

impl Storage {
    /// Puts the log into the queue where it belongs, if it wants to be written at all.
    pub(super) fn queue_write(&mut self, now: Now, id: LogId) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        if !log.wants_piece() || log.writer.ready {
            return;
        }
        let enough = log.waiting_bytes() >= self.config.write_bytes_min;
        // The sweep waits for it, and whoever reads.
        let unread = log.writer.plate != Plate::Good;
        // What was begun is finished, over the ends of segments.
        let begun = log.written < log.writer.goal;
        if enough || begun || unread || log.writer.target.is_some_and(|t| log.file_synced < t) {
            log.writer.ready = true;
            self.writes.ready.push_back(id);
        } else if log.writer.due.is_none() {
            let due = now.mono.after_ms(self.config.write_linger_ms);
            log.writer.due = Some(due);
            self.writes.dirty.push_back((due, id));
        }
    }

    /// Queues logs that a checkpoint waits for. First those that would be next anyhow: they have most to write.
    pub(super) fn queue_writes(&mut self, now: Now, ids: &BTreeSet<LogId>) {
        let dirty: Vec<_> = self.writes.dirty.iter().filter(|w| self.still_waits(w)).collect();
        let first: Vec<_> =
            dirty.into_iter().map(|(_, id)| *id).filter(|id| ids.contains(id)).collect();
        first.iter().chain(ids).for_each(|id| self.queue_write(now, *id));
    }

    /// Whether the log was not written since it came to the queue.
    fn still_waits(&self, (due, id): &(Mono, LogId)) -> bool {
        self.logs.get(id).is_some_and(|log| log.writer.due == Some(*due))
    }

    /// Starts what may start: pieces of logs, steps of a checkpoint, things that a full disk refused.
    pub(super) fn pump(&mut self, now: Now, out: &mut Vec<DiskOp>) {
        self.writes.pieces_max = self.config.pieces_max;
        if self.space.must_wait(now) {
            return;
        }
        self.retry_removals(out);
        while self.writes.pieces < self.config.pieces_max {
            let Some(id) = self.next_to_write(now) else { break };
            let Some(log) = self.logs.get_mut(&id) else { continue };
            let missing = log.writer.home == Home::Missing;
            if missing && remove::holds_name(&self.removals, &log.dir.name) {
                continue; // queued again once the name is free
            }
            if log.writer.plate == Plate::Good {
                log.writer.goal = log.synced;
            }
            let generation = Generation { boot: self.boot, cut: log.cut };
            if log.start_piece(generation, &self.config, out) {
                self.writes.pieces += 1;
                self.reached.mark_if(Reach::BatchSplit, log.writer.splits_a_batch());
            }
        }
        self.step_checkpoint(out);
    }

    fn next_to_write(&mut self, now: Now) -> Option<LogId> {
        let id = match self.writes.ready.pop_front() {
            Some(id) => id,
            None => self.longest_waiting(now)?,
        };
        if let Some(log) = self.logs.get_mut(&id) {
            (log.writer.ready, log.writer.due) = (false, None);
        }
        Some(id)
    }

    /// The first of those that may wait no longer. Who is behind catches up with few large pieces, not with many small
    /// ones, so whoever waited longest goes first then too.
    fn longest_waiting(&mut self, now: Now) -> Option<LogId> {
        let behind = self.is_behind();
        loop {
            let next = self.writes.dirty.pop_front_if(|(due, _)| behind || *due <= now.mono)?;
            if self.still_waits(&next) {
                return Some(next.1);
            }
        }
    }

    /// One operation of a piece came back.
    pub(super) fn segment_done(
        &mut self,
        now: Now,
        (id, generation): (LogId, Generation),
        step: SegmentStep,
        result: DiskResult,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let boot = self.boot;
        let log = self.logs.get(&id).filter(|l| l.generation(boot) == generation);
        // What a full disk did not let be made, the rest of its piece does not find; nor does anybody wait for a piece
        // of another life of the log.
        let follows = log.is_none_or(|l| l.writer.is_refused());
        let mut doubt = false;
        let full = match result {
            _ if step == SegmentStep::Looked => {
                if !self.read_plate(id, generation, result, notes) {
                    return;
                }
                false
            }
            Err(e) if e.kind == DiskErrorKind::NotFound && follows => true,
            Err(e) => match self.failed(now, Purpose::Store, &e, notes) {
                Verdict::Fatal => return,
                verdict => {
                    doubt = verdict == Verdict::Doubt;
                    true
                }
            },
            Ok(_) => false,
        };
        let Some(log) = self.logs.get_mut(&id).filter(|l| l.generation(boot) == generation) else {
            self.reached.mark(Reach::PieceOutlived);
            return; // another life: the log was deleted or truncated
        };
        if doubt {
            log.writer.doubt();
        }
        match log.piece_done(step, full) {
            Progress::Waiting => return,
            Progress::Full => {}
            Progress::Done { bytes } => {
                self.space.unwritten_bytes -= bytes;
                self.space.taken();
            }
        }
        log.invariants();
        self.writes.piece_gone();
        if matches!(step, SegmentStep::Looked | SegmentStep::Made) {
            self.sweep_next(out);
        }
        self.drop_segments(id, out);
        self.checkpoint_progress(id);
        self.queue_write(now, id);
        self.trim_cache();
    }

    /// A log's directory does not say that it is the log's: it is looked at, and told again if need be.
    pub fn doubt(&mut self, now: Now, id: LogId) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.writer.doubt();
        }
        self.queue_write(now, id);
    }

    /// What the directory of a log says was read. False if it says that it is another log's, which no fault of a disk comes to: then
    /// somebody has moved directories, and nothing may be written there.
    fn read_plate(
        &mut self,
        id: LogId,
        generation: Generation,
        result: DiskResult,
        notes: &mut Vec<Note>,
    ) -> bool {
        let boot = self.boot;
        let Some(log) = self.logs.get_mut(&id).filter(|l| l.generation(boot) == generation) else {
            return true;
        };
        let (path, why) = (
            log.file(LogFile::Metadata).path(),
            match &result {
                Ok(DiskOk::Bytes(text)) => match crate::home::log_id(text) {
                    Some(owner) if owner == id => {
                        log.writer.plate = Plate::Good;
                        return true;
                    }
                    Some(owner) => {
                        let fatal = format!(
                            "{}: expected {id}, it names {owner}: the directory is another log's; put that of {id} back in its place, \
                         or, if this one is right, remove the file, which is written again then",
                            log.file(LogFile::Metadata).path()
                        );
                        self.stop(fatal, notes);
                        return false;
                    }
                    None => "it names no log".to_owned(),
                },
                Ok(other) => panic!("a read was answered with {other:?}"),
                Err(e) => e.to_string(),
            },
        );
        log.writer.plate = Plate::Lost;
        notes.push(Note::Warning(format!("{path}: {why}; it is written again")));
        self.reached.mark(Reach::PlateLost);
        true
    }

    /// Drops cached batches, the oldest first, until they fit into the budget. One that is not written
    /// stays, and all behind it; its log is written at once then.
    pub(super) fn trim_cache(&mut self) {
        while self.cached_bytes > self.config.cache_bytes_max {
            let Some(&(id, next)) = self.cached.front() else { break };
            if let Some(log) = self.logs.get_mut(&id) {
                let forgotten = log.forget(next);
                self.cached_bytes -= forgotten;
                self.reached.mark_if(Reach::CacheTrimmed, forgotten > 0);
                if log.written < next.min(log.end) {
                    if log.wants_piece() && !std::mem::replace(&mut log.writer.ready, true) {
                        self.writes.ready.push_back(id);
                    }
                    self.reached.mark(Reach::CacheHeld);
                    break;
                }
            }
            self.cached.pop_front();
        }
    }

    /// A log's new first offset is durable.
    pub(super) fn log_start_durable(&mut self, id: LogId, start: Offset) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.durable_start = log.durable_start.max(start);
        }
    }

    /// Removes the files of segments that lie below the log's start, which is durable. What is not in files yet never gets there; but a
    /// checkpoint may vouch for a directory that the next piece makes, so that one is waited for.
    pub(super) fn drop_segments(&mut self, id: LogId, out: &mut Vec<DiskOp>) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        if log.writer.home == Home::Made && !log.writer.busy() {
            self.space.unwritten_bytes -= log.skip_below_start();
        }
        let gone = log.drop_below_start();
        log.invariants();
        self.unlink(id, &gone, out);
        self.checkpoint_progress(id);
    }

    /// Removes the files of segments that the log does not have any more.
    pub(super) fn unlink(&mut self, id: LogId, segments: &[Segment], out: &mut Vec<DiskOp>) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        for base in segments.iter().map(|s| s.base).filter(|base| *base < log.writer.laid) {
            for file in [LogFile::Segment(base), LogFile::Index(base), LogFile::TimeIndex(base)] {
                let file = FileName::Log(log.dir.clone(), file);
                out.push(DiskOp { kind: OpKind::Unlink { file }, done: Done::Nothing });
            }
        }
    }
}
