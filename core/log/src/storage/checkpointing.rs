//! Taking a checkpoint: an instant, a wait, a file, three names.
//!
//! | state   | waits for                                                             | then             |
//! |---------|-----------------------------------------------------------------------|------------------|
//! | Idle    | two thirds of the journal, or the owner                              | encodes the file |
//! | Waiting | the group open at that instant; all segments synced as far as it says | writes `next`    |
//! | Writing | one operation at a time                                               | the next step    |
//!
//! The file is encoded at the instant, for where each batch goes is decided when it is appended. It is
//! written only once everything that it says is true. Only when its name is durable is the journal before
//! it free. Steps: 0 `next` written and synced, 1 `current` -> `previous`, 2 `next` -> `current`, 3 names
//! synced. A full disk repeats the step. What recovery started from is `current`, and there is no `next`
//! ([`super::boot`]).

use super::{Note, Section, Storage};
use crate::checkpoint::{Checkpoint, SavedLog};
use crate::disk::{Data, DirName, DiskOp, DiskResult, Done, FileName, OpKind};
use crate::id::{GroupSeq, LogId, Offset};
use crate::io_errors::{Purpose, Verdict};
use crate::log::Log;
use crate::time::Now;
use crate::writer::Home;
use bytes::Bytes;
use smallvec::SmallVec;
use sordini_mutant::mutant;
use std::collections::{BTreeMap, BTreeSet};

/// Where the checkpoint is.
#[derive(Clone, Debug, Default)]
pub(super) struct Checkpointing {
    /// Number of the last one begun.
    pub number: u64,
    /// Whether there is a `current` to keep.
    pub current_exists: bool,
    /// The owner was asked and has not answered.
    asked: bool,
    state: State,
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Idle,
    Waiting {
        taken: Taken,
        through: GroupSeq,
        logs: BTreeSet<LogId>,
    },
    Writing {
        taken: Taken,
        step: u8,
        busy: bool,
    },
}

/// What a checkpoint says.
#[derive(Clone, Debug)]
struct Taken {
    file: Bytes,
    /// The journal is needed from here on.
    from: GroupSeq,
    /// How far each log's segments are vouched for.
    ends: BTreeMap<LogId, Offset>,
}

const NAMES_SYNCED: u8 = 3;

impl Storage {
    /// Whether a checkpoint is under way.
    pub fn is_checkpointing(&self) -> bool {
        !matches!(self.checkpointing.state, State::Idle)
    }

    /// Whether an operation of a checkpoint is under way.
    pub(super) fn checkpoint_writes(&self) -> bool {
        matches!(self.checkpointing.state, State::Writing { busy: true, .. })
    }

    /// Takes a checkpoint of this instant, `sections` included. Answers [`Note::CheckpointWanted`], but may
    /// be called whenever [`Storage::is_checkpointing`] is false, e.g. at shutdown. [`Note::CheckpointDone`] ends it.
    pub fn checkpoint(&mut self, now: Now, sections: Vec<Section>, out: &mut Vec<DiskOp>) {
        assert!(!self.is_checkpointing(), "one checkpoint at a time");
        let open_seq = self.journal.open_seq();
        let skip = self.journal.open_frames();
        let through = if skip > 0 { open_seq } else { GroupSeq(open_seq.0 - 1) };
        self.checkpointing.number += 1;
        self.checkpointing.asked = false;
        let file = Checkpoint {
            number: self.checkpointing.number,
            boot: self.boot,
            from: open_seq,
            skip,
            logs: self.logs.values().map(save).collect(),
            removals: self.removals.values().filter_map(|r| r.unnamed()).collect(),
            sections,
        }
        .encode();
        let ends = self.logs.iter().map(|(id, log)| (*id, log.end)).collect();
        let behind = self.logs.iter_mut().filter(|(_, log)| log.file_synced < log.end);
        let logs: BTreeSet<LogId> = behind
            .map(|(id, log)| {
                log.writer.target = Some(log.end);
                *id
            })
            .collect();
        self.queue_writes(now, &logs);
        let taken = Taken { file, from: open_seq, ends };
        self.checkpointing.state = State::Waiting { taken, through, logs };
        self.pump(now, out);
    }

    /// A log's files may have reached what the checkpoint waits for, or the log is gone.
    pub(super) fn checkpoint_progress(&mut self, id: LogId) {
        let State::Waiting { logs, .. } = &mut self.checkpointing.state else { return };
        match self.logs.get_mut(&id) {
            Some(log) if log.writer.target.is_some_and(|t| log.file_synced < t) => {}
            Some(log) => {
                log.writer.target = None;
                logs.remove(&id);
            }
            None => _ = logs.remove(&id),
        }
    }

    /// A log was cut in group `seq`: the checkpoint under way vouches for no more than is left.
    pub(super) fn checkpoint_cut(&mut self, id: LogId, to: Offset, seq: GroupSeq) {
        self.checkpoint_loses(id, seq);
        let (State::Waiting { taken, .. } | State::Writing { taken, .. }) =
            &mut self.checkpointing.state
        else {
            return;
        };
        if let Some(end) = taken.ends.get_mut(&id) {
            *end = (*end).min(to);
        }
        self.checkpoint_progress(id);
    }

    /// A log is deleted or cut in group `seq`. What a waiting checkpoint says of its files may never become true; that is
    /// no harm once a recovery is sure to see that too.
    pub(super) fn checkpoint_loses(&mut self, id: LogId, seq: GroupSeq) {
        if let State::Waiting { logs, through, .. } = &mut self.checkpointing.state
            && logs.contains(&id)
        {
            *through = seq.max(*through);
        }
    }

    /// Starts the next step if nothing holds it up.
    pub(super) fn step_checkpoint(&mut self, out: &mut Vec<DiskOp>) {
        let checkpointing = &mut self.checkpointing;
        if let State::Waiting { taken, through, logs } = &checkpointing.state
            && *through <= self.durable
            && mutant!(B12, logs.is_empty(), true)
        {
            let taken = taken.clone();
            checkpointing.state = State::Writing { taken, step: 0, busy: false };
        }
        let State::Writing { taken, step, busy } = &mut checkpointing.state else { return };
        if std::mem::replace(busy, true) {
            return;
        }
        if *step == 1 && !checkpointing.current_exists {
            *step = 2;
        }
        let (current, next) = (FileName::Checkpoint, FileName::CheckpointNext);
        let kind = match *step {
            0 => OpKind::Write {
                file: next,
                at: 0,
                data: Data::Slices(SmallVec::from_iter([taken.file.clone()])),
                sync: mutant!(S09, true, false),
            },
            1 => OpKind::Rename { from: current, to: FileName::CheckpointPrevious },
            2 => OpKind::Rename { from: next, to: current },
            _ => OpKind::SyncDir { dir: DirName::Checkpoint },
        };
        let done = Done::Checkpoint { number: checkpointing.number, step: *step };
        out.push(DiskOp { kind, done });
    }

    /// A step is done; [`Storage::step_checkpoint`] starts the next.
    pub(super) fn checkpoint_done(
        &mut self,
        now: Now,
        number: u64,
        step: u8,
        result: DiskResult,
        notes: &mut Vec<Note>,
    ) {
        let failed = match result {
            Ok(_) => None,
            Err(e) => Some(self.failed(now, Purpose::Store, &e, notes)),
        };
        let State::Writing { taken, step: at, busy } = &mut self.checkpointing.state else {
            return;
        };
        assert!(number == self.checkpointing.number && step == *at, "a step at a time");
        match failed {
            Some(Verdict::Fatal) => return,
            Some(_) => {
                *busy = false;
                return;
            }
            None => self.space.taken(),
        }
        if step < mutant!(B13, NAMES_SYNCED, 2) {
            (*at, *busy) = (step + 1, false);
            return;
        }
        for (id, end) in &taken.ends {
            if let Some(log) = self.logs.get_mut(id) {
                log.checkpointed = log.checkpointed.max((*end).min(log.file_synced));
            }
        }
        self.journal.recycle(taken.from);
        self.checkpointing.current_exists = true;
        self.checkpointing.state = State::Idle;
        notes.push(Note::CheckpointDone);
    }

    /// Asks for a checkpoint once two thirds of the journal are used, or there is no room in it, and one would free some of it: it never frees the file
    /// that is being written, which may be more than that of a small ring.
    pub(super) fn ask_checkpoint(&mut self, notes: &mut Vec<Note>) {
        let used = self.journal.used() * 3 > self.journal.size() * 2;
        // In a small ring what is lost at the ends of files may be more than a third.
        let full = self.journal.room() == 0;
        let due = (used || full) && self.journal.holds_full_files();
        let asked = self.checkpointing.asked || self.is_checkpointing();
        if due && !asked {
            self.checkpointing.asked = true;
            notes.push(Note::CheckpointWanted);
        }
    }
}

/// A log as it is now, or will be once the checkpoint is written.
fn save(log: &Log) -> SavedLog {
    SavedLog {
        dir: log.dir.clone(),
        topic_id: log.topic_id,
        partition: log.partition,
        made: log.writer.home == Home::Made || log.file_synced < log.end,
        closed: log.writer.closed,
        start: log.start,
        end: log.end,
        config: log.config,
        hard_state: log.hard_state.clone(),
        faulty: log.faulty.clone(),
        segments: log.segments.clone(),
    }
}
