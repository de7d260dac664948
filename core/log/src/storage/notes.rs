//! What the storage says to its owner, and what it answers.

use crate::disk::{Found, OpKind};
use crate::id::{Epoch, GroupSeq, LogDir, LogId, Offset};
use crate::segment::later;
use crate::time::Wall;
use bytes::Bytes;
use smallvec::SmallVec;
use sordini_wire::batch::Batch;

/// Something that the owner must know.
#[derive(Clone, Debug)]
pub enum Note {
    /// Recovery is over: logs may be used from now on. Comes once, before all others but `Fatal` and `Warning`.
    Recovered(Box<Recovered>),
    /// Everything put into this group or one before is durable.
    Durable(GroupSeq),
    /// Call [`crate::storage::Storage::checkpoint`] with sections taken at that instant.
    CheckpointWanted,
    /// The checkpoint is durable and the journal before it is free.
    CheckpointDone,
    /// Nothing of a deleted log is left on disk.
    Deleted(LogId),
    /// The process must end before anything else is sent or written.
    Fatal(String),
    /// Something that an operator must know.
    Warning(String),
    /// A range of a log cannot be read; the mark is put, and durable with its group.
    Faulty {
        /// Which log.
        log: LogId,
        /// First offset.
        from: Offset,
        /// Offset after the last.
        to: Offset,
    },
    /// The room for new data changed.
    Room(Room),
}

/// Whether new data may be appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Room {
    /// Yes.
    #[default]
    Free,
    /// Not now: the journal is full until a checkpoint frees it. Back-pressure, not an error.
    Full,
    /// No: the disk is nearly full. Reads, deletes and retention go on, and it ends by itself.
    ReadOnly,
}

/// A piece of the checkpoint that is somebody else's: state that was folded from logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it is; the owner's numbering.
    pub name: u16,
    /// Which log it belongs to, if it is about one.
    pub log: Option<LogId>,
    /// Version of its own format.
    pub version: u16,
    /// Its bytes, opaque here.
    pub bytes: Bytes,
}

/// What recovery found.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Number of this boot; durable already.
    pub boot: u64,
    /// Whether the data directory was new.
    pub fresh: bool,
    /// Sections of the checkpoint that recovery started from.
    pub sections: Vec<Section>,
    /// Every log as it is now, after replay; in order of their ids.
    pub logs: Vec<RecoveredLog>,
    /// What happened since the checkpoint, in journal order: to be folded on top of the sections.
    pub replay: Vec<Replay>,
    /// What was wrong, for people.
    pub findings: Vec<String>,
    /// Journal groups replayed.
    pub groups: u64,
    /// Bytes of batches replayed.
    pub bytes: u64,
}

/// A log that recovery found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredLog {
    /// Its directory and id.
    pub dir: LogDir,
    /// Topic id it was created with.
    pub topic_id: [u8; 16],
    /// Partition number it was created with.
    pub partition: u32,
    /// First offset.
    pub start: Offset,
    /// Offset of the next record.
    pub end: Offset,
    /// The last hard state put; empty if none was.
    pub hard_state: Bytes,
}

/// A journal entry since the checkpoint.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Which log.
    pub log: LogId,
    /// When it was written, as the journal knows it.
    pub wall: Wall,
    /// What happened to it.
    pub what: Replayed,
}

/// What happened to a log.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Replayed {
    /// A batch was appended in this leader epoch.
    Batch { epoch: Epoch, batch: Batch },
    /// A batch was appended whose bytes are lost.
    Lost { from: Offset, to: Offset },
    /// Hard state was put.
    HardState(Bytes),
    /// The log was cut at this offset.
    Truncate(Offset),
    /// The log's first offset moved here.
    Start(Offset),
    /// The log was created.
    Create,
    /// The log was deleted.
    Delete,
}

/// What a range of a log is answered from.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Read {
    /// Whole batches in memory; `next` is the offset after them.
    Hot { batches: SmallVec<[Bytes; 4]>, next: Offset },
    /// Submit `op` (an [`OpKind::Find`]) under [`crate::disk::Done::Ticket`]; its answer is for the segment with
    /// this base.
    Cold { op: OpKind, segment: Offset },
    /// The bytes are lost.
    Faulty,
    /// Nothing is there: the range is empty, beyond the end or below the start.
    Empty,
}

/// Where the search for a record by time goes on.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Lookup {
    /// The answer: a record or nothing.
    Hot(Found),
    /// Submit `op`, tell `query` what it found ([`TimeQuery::found`]), and if that was not the answer, ask `query` again
    /// from `next`.
    Cold { op: OpKind, query: TimeQuery, next: Offset },
    /// The next batch that could hold the answer is lost.
    Faulty,
}

/// Which record is looked for, and how far the search has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeQuery {
    /// The first one with at least this timestamp, ms.
    At(i64),
    /// The first one with the largest timestamp.
    Max(Latest),
}

/// How far a search for the largest timestamp has come. Segments are searched from the one that promises most on; what a
/// segment promises is an upper bound, so the search ends when none promises more than was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latest {
    /// The best record so far, or nothing.
    pub(crate) best: Found,
    /// The segment that was searched last: what it promised, and its base.
    pub(crate) passed: Option<(i64, Offset)>,
}

impl Default for Latest {
    fn default() -> Latest {
        Latest { best: Found::Nothing, passed: None }
    }
}

impl TimeQuery {
    /// A segment was searched; whether what was found is the answer.
    pub fn found(&mut self, found: Found) -> bool {
        match self {
            TimeQuery::At(_) => found != Found::Nothing,
            TimeQuery::Max(latest) => {
                let best = std::mem::replace(&mut latest.best, Found::Nothing);
                latest.best = later(best, found);
                false
            }
        }
    }
}
