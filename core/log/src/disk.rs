//! The disk as the pure rooms see it: operations out, completions in.
//!
//! The operations are those of a plain file system, so that everything which can lose data (what is
//! written where, what is synced when, what a name stands for after a crash) is decided in this room
//! and runs unchanged over real files and over a simulated platter. The implementations move bytes.
//!
//! What an implementation promises:
//! - Operations of one [`Lane`] run in the order of submission, one after the other; lanes run
//!   beside each other. Reads are a lane without any order. Two kinds begin in their lane's order and then go on
//!   beside it, answered when they are over: [`OpKind::RemoveDir`], which may take seconds, and [`OpKind::Sync`], for
//!   several files synced at the same time cost little more than one.
//! - `Ok` for a [`DiskOp::Sync`], or for a [`DiskOp::Write`] with `sync`, means: every byte of that file
//!   written before is durable. Nothing else makes data durable. [`DiskOp::SyncDir`] makes the names in
//!   that directory durable; a file's own sync need not.
//! - Every operation is answered exactly once with its `done`, unless the process dies first.
//! - A read of a range that was never written, or beyond the end, is short; it is never invented.

use crate::id::{LogDir, LogId, Offset};
use bytes::Bytes;
use smallvec::SmallVec;
use std::fmt;
use std::sync::Arc;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Size and alignment of everything that is written to a journal file, in bytes.
pub const BLOCK_BYTES: usize = 4096;

/// One aligned block, so that a journal group can be written past the page cache without another copy.
#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
pub struct Block(pub [u8; BLOCK_BYTES]);

impl Default for Block {
    fn default() -> Block {
        Block([0; BLOCK_BYTES])
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({:02x?}..)", &self.0[..16])
    }
}

/// What a write carries.
#[derive(Clone, Debug)]
pub enum Data {
    /// Aligned blocks, in order (journal files only). The journal keeps a handle and reuses the memory
    /// once the implementation has dropped its own.
    Blocks(Arc<Vec<Block>>),
    /// Slices to be written one after the other (every other file).
    Slices(SmallVec<[Bytes; 2]>),
}

impl Data {
    /// Total length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Data::Blocks(b) => (b.len() * BLOCK_BYTES) as u64,
            Data::Slices(s) => s.iter().map(|b| b.len() as u64).sum(),
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Kind of file within a log's directory; the offset is the segment's base offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogFile {
    /// `partition.metadata`: which topic and which log lives here.
    Metadata,
    /// `%020d.log`: record batches, verbatim and contiguous.
    Segment(Offset),
    /// `%020d.index`: sparse offset index; can always be rebuilt.
    Index(Offset),
    /// `%020d.timeindex`: sparse time index; can always be rebuilt.
    TimeIndex(Offset),
}

/// Every file that Sordini writes, by its role; [`FileName::path`] gives its path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// `journal/%08d.journal`; opened direct (no page cache), always written in whole blocks.
    Journal(u32),
    /// `checkpoint/current`.
    Checkpoint,
    /// `checkpoint/next`: being written; renamed to `current` once synced.
    CheckpointNext,
    /// `checkpoint/previous`: the one before, kept for the day when `current` cannot be read.
    CheckpointPrevious,
    /// A file of a log's directory.
    Log(LogDir, LogFile),
}

/// Every directory that Sordini makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirName {
    /// The data directory itself.
    Root,
    /// `journal`.
    Journal,
    /// `checkpoint`.
    Checkpoint,
    /// A log's directory, e.g. `orders-0`.
    Log(LogDir),
    /// A deleted log's directory until its files are gone: `orders-0.17-delete`.
    Deleted(LogDir),
}

impl FileName {
    /// Path below the data directory, separated by `/`.
    pub fn path(&self) -> String {
        match self {
            FileName::Journal(n) => format!("journal/{n:08}.journal"),
            FileName::Checkpoint => "checkpoint/current".into(),
            FileName::CheckpointNext => "checkpoint/next".into(),
            FileName::CheckpointPrevious => "checkpoint/previous".into(),
            FileName::Log(dir, file) => match file {
                LogFile::Metadata => format!("{}/partition.metadata", dir.name),
                LogFile::Segment(o) => format!("{}/{:020}.log", dir.name, o.0),
                LogFile::Index(o) => format!("{}/{:020}.index", dir.name, o.0),
                LogFile::TimeIndex(o) => format!("{}/{:020}.timeindex", dir.name, o.0),
            },
        }
    }

    /// The directory that holds the file's name.
    pub fn dir(&self) -> DirName {
        match self {
            FileName::Journal(_) => DirName::Journal,
            FileName::Checkpoint | FileName::CheckpointNext | FileName::CheckpointPrevious => {
                DirName::Checkpoint
            }
            FileName::Log(dir, _) => DirName::Log(dir.clone()),
        }
    }
}

impl DirName {
    /// Path below the data directory; empty for the data directory itself.
    pub fn path(&self) -> String {
        match self {
            DirName::Root => String::new(),
            DirName::Journal => "journal".into(),
            DirName::Checkpoint => "checkpoint".into(),
            DirName::Log(dir) => dir.name.to_string(),
            DirName::Deleted(dir) => format!("{}.{}-delete", dir.name, dir.log.0),
        }
    }
}

/// A query that is answered where the bytes are, so that neither index nor headers of a cold segment
/// ever enter the core's memory. `segment::locate` is its one implementation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Query {
    /// The first batch whose last offset is at least `offset`, and as many whole batches after it as
    /// end below `until` and fit in `bytes_max` together; the first comes however large it is.
    Range { offset: Offset, until: Offset, bytes_max: u32 },
    /// The first record at or after `from`, below `until`, whose timestamp is at least `timestamp`.
    Time { timestamp: i64, from: Offset, until: Offset },
    /// The first record with the largest timestamp of those at or after `from`, in batches that end below `until`.
    TimeMax { from: Offset, until: Offset },
    /// The first batches of `from .. until` whose bytes cannot be read or are not what was written; looks at about
    /// `bytes_max` bytes.
    Damage { from: Offset, until: Offset, bytes_max: u64 },
    /// Both indexes of the segment, as they are with an entry for every so many bytes.
    Reindex { interval_bytes: u32 },
}

/// What a [`Query`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Found {
    /// Bytes `at .. at + len` of the segment file hold whole batches, the first of which holds or
    /// follows the offset asked for; `next` is the offset after the last of them.
    Range { at: u64, len: u32, base: Offset, next: Offset },
    /// A record.
    Record { offset: Offset, timestamp: i64, leader_epoch: i32 },
    /// The batches with these offsets are bad, all of them.
    Damage { from: Offset, to: Offset },
    /// The bytes of the offset index and of the time index.
    Indexes { index: Bytes, time: Bytes },
    /// Nothing in this segment fits.
    Nothing,
}

/// One operation. `done` comes back with its result.
#[derive(Clone, Debug)]
pub struct DiskOp {
    /// What to do.
    pub kind: OpKind,
    /// Returned with the result: what to do next, as data.
    pub done: Done,
}

/// What a [`DiskOp`] does.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum OpKind {
    /// Make `file` with `len` bytes of zeroes really written (not sparse) and synced. Replaces an old one.
    Create { file: FileName, len: u64 },
    /// Write `data` at `at`, making the file (not its directory) where missing. With `sync`, done means durable.
    Write { file: FileName, at: u64, data: Data, sync: bool },
    /// Make everything written to `file` durable.
    Sync { file: FileName },
    /// Cut `file` to `len` bytes; durable with the next sync. A missing file is no error.
    Truncate { file: FileName, len: u64 },
    /// Give a file another name, replacing what had it. Durable with the directory's sync.
    Rename { from: FileName, to: FileName },
    /// Give a directory another name. Durable with the parent's sync. A missing source is no error.
    RenameDir { from: DirName, to: DirName },
    /// Remove a file's name. A missing file is no error.
    Unlink { file: FileName },
    /// Make a directory; one that is there already is no error.
    MakeDir { dir: DirName },
    /// Remove a directory with everything in it, little by little. A missing one is no error.
    RemoveDir { dir: DirName },
    /// Make the names in a directory durable.
    SyncDir { dir: DirName },
    /// The entries of a directory, sorted by name; a missing directory is [`DiskErrorKind::NotFound`].
    List { dir: DirName },
    /// Up to `len` bytes at `at`; fewer at the end of the file. Bypasses cached pages where the file is a journal.
    Read { file: FileName, at: u64, len: u64 },
    /// Answer `query` over one segment, of which `len` bytes may be believed.
    Find { dir: LogDir, segment: Offset, len: u64, query: Query },
}

/// Operations of one lane run in order; lanes run beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Writes to journal files: nothing may delay them.
    Journal,
    /// Segments, checkpoints, names.
    Store,
    /// Reads and lists; unordered.
    Reads,
}

impl OpKind {
    /// The lane this operation runs in.
    pub fn lane(&self) -> Lane {
        match self {
            OpKind::Write { file: FileName::Journal(_), .. } => Lane::Journal,
            OpKind::Read { .. } | OpKind::Find { .. } | OpKind::List { .. } => Lane::Reads,
            _ => Lane::Store,
        }
    }
}

/// Continuation as data: what the core was about to do when this operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Done {
    /// A journal group is durable.
    Group(crate::id::GroupSeq),
    /// A step of making a journal file, or the header of the last one, is durable.
    JournalFile(u32),
    /// A step of boot recovery; the number says which read.
    Boot(u32),
    /// A piece of a segment was written, or a segment synced; see [`crate::id::Generation`].
    Segment { log: LogId, generation: crate::id::Generation, step: SegmentStep },
    /// A step of the checkpoint with this number.
    Checkpoint { number: u64, step: u8 },
    /// A step of removing what is no longer wanted.
    Remove { log: LogId, step: u8 },
    /// A read or query on somebody's behalf; the ticket says whose.
    Ticket(u64),
    /// Nobody waits for it: something that is no longer wanted goes. An error still counts.
    Nothing,
}

/// Which step of writing a segment was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum SegmentStep {
    /// What `partition.metadata` says was read.
    Looked,
    /// The log's directory and `partition.metadata` are made and durable.
    Made,
    /// Everything below this offset is in the segment file.
    Written { next: Offset },
    /// Everything below this offset is durable in segment files.
    Synced { next: Offset },
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Last component of its path.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Length in bytes; 0 for a directory.
    pub len: u64,
}

/// What a successful operation brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskOk {
    /// Nothing but success.
    Unit,
    /// Bytes of a read; short at the end of the file.
    Bytes(Bytes),
    /// Entries of a directory.
    Entries(Vec<DirEntry>),
    /// Answer to a query.
    Found(Found),
}

/// Why an operation failed, as far as the core tells failures apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskErrorKind {
    /// No such file or directory.
    NotFound,
    /// No space left (ENOSPC, EDQUOT). The same operation may be tried again: nothing that was written before is lost.
    /// An [`OpKind::Sync`] that fails never says so, for what it did not write the kernel has forgotten.
    Full,
    /// The device failed (EIO and everything else).
    Io,
    /// Bytes were read and are not what was written (bad checksum, bad structure).
    Corrupt,
    /// The file now belongs to another log than the one asked for.
    Stale,
}

/// A failed operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DiskError {
    /// What the core decides by.
    pub kind: DiskErrorKind,
    /// File, operation and the system's own words, for people.
    pub detail: String,
}

/// Result of an operation.
pub type DiskResult = Result<DiskOk, DiskError>;

/// An answered operation, as it comes back from the implementation.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The operation's `done`.
    pub done: Done,
    /// How it ended.
    pub result: DiskResult,
}

/// Where operations go. Completions come back as events, never as return values.
pub trait Disk {
    /// Takes all operations out of `ops`. With `idle`, nothing else is ready to run, so an
    /// implementation may do a journal write on the calling thread; its completion is still an event of the next turn.
    fn submit(&mut self, ops: &mut Vec<DiskOp>, idle: bool);
}

/// Random access to one file's bytes, for what is computed where the bytes are.
pub trait ReadAt {
    /// Reads into `buf` at `at`; returns how many bytes came, fewer only at the end.
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError>;
}

// These move by value through queues and to other threads, several per request: a variant that grows must be boxed or
// say here why it is worth the copies. (Sizes in bytes.)
const _: () = {
    assert!(size_of::<Done>() <= 40);
    assert!(size_of::<DiskOp>() <= 176);
    assert!(size_of::<Completion>() <= 112);
};
