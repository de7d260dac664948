//! Reading: fetches that are under way, and what wakes those that wait.
//!
//! A fetch asks each partition in turn. What is recent comes from memory at once; what is cold is located by
//! the disk first, and its bytes are read when they are sent. A fetch without enough to say waits for a high
//! watermark to move or for its deadline, and costs nothing meanwhile.

pub mod evaluate;
pub mod session;

use crate::gather::Call;
use crate::metadata::TopicId;
use crate::seam::{ConnId, FileSlice};
use bytes::Bytes;
use session::{FetchSessions, SessionUse};
use smallvec::SmallVec;
use sordini_log::{Generation, LogId, Mono, Offset};
use sordini_wire::primitive::Str;
use std::collections::{BTreeMap, BTreeSet};

/// How a request names a topic, kept beyond the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicKey {
    /// Below version 13.
    Name(Str),
    /// From version 13 on.
    Id(TopicId),
}

/// One partition of a fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its topic.
    pub topic: TopicKey,
    /// Its index.
    pub partition: i32,
    /// The first offset that is wanted.
    pub offset: i64,
    /// Leader epoch that the client knows; -1: none.
    pub leader_epoch: i32,
    /// Epoch of the last record that the client has; -1: none (KIP-595).
    pub last_fetched_epoch: i32,
    /// Most bytes of this partition; the first batch comes however large it is.
    pub bytes_max: i32,
}

/// What a fetch asks for besides its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The answer waits until it has as many bytes, or until the deadline.
    pub bytes_min: u64,
    /// Most bytes of all partitions together.
    pub bytes_max: u64,
    /// Only what belongs to no open transaction.
    pub read_committed: bool,
    /// When waiting ends.
    pub deadline: Mono,
}

/// Why a partition of a fetch cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum ReadError {
    /// No such topic or partition.
    UnknownPartition,
    /// No topic has this id.
    UnknownTopicId,
    /// The client's leader epoch is older than the leader's.
    FencedEpoch,
    /// The client's leader epoch is newer than the leader's.
    UnknownEpoch,
    /// The offset is not in the log.
    OutOfRange,
    /// The bytes cannot be read.
    Storage,
    /// The log has gone or was cut meanwhile.
    NotLeader,
}

/// What a partition had to say.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Outcome {
    /// Nothing below the bound.
    Empty,
    /// Batches in memory.
    Hot(SmallVec<[Bytes; 4]>),
    /// The disk is locating the batches of this segment; at most `allowed` bytes unless they are the first of the answer.
    Locating { segment: Offset, allowed: u64 },
    /// Batches in a file.
    Cold { slice: FileSlice, allowed: u64 },
    /// The client's log and ours part at the end of this epoch.
    Diverging { epoch: i32, end: Offset },
    /// An error.
    Error(ReadError),
}

/// A partition's part of the answer.
#[derive(Clone, Debug)]
pub struct PartRead {
    /// Its log, if there is one.
    pub log: Option<(LogId, Generation)>,
    /// High watermark, last stable offset and log start as of the read.
    pub high_watermark: Offset,
    /// See above.
    pub last_stable_offset: Offset,
    /// See above.
    pub log_start: Offset,
    /// What was read.
    pub outcome: Outcome,
}

/// A fetch that is under way.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The request.
    pub call: Call,
    /// What it asks for.
    pub terms: Terms,
    /// Its partitions.
    pub targets: Vec<Target>,
    /// The session that shapes its answer.
    pub session: SessionUse,
    /// One per target, as of the last look.
    pub reads: Vec<PartRead>,
    /// Reads of the disk that have not come back.
    pub outstanding: usize,
}

/// All fetches of a node.
#[derive(Clone, Debug, Default)]
pub struct Fetches {
    /// Incremental sessions.
    pub sessions: FetchSessions,
    pending: BTreeMap<u64, Pending>,
    number_next: u64,
    /// Who waits for which log to move.
    watchers: BTreeMap<LogId, BTreeSet<u64>>,
    /// Whose log has moved since the last look.
    woken: BTreeSet<u64>,
    deadlines: BTreeSet<(Mono, u64)>,
}

impl Fetches {
    /// A number for a fetch.
    pub fn number(&mut self) -> u64 {
        self.number_next += 1;
        self.number_next
    }

    /// Keeps a fetch until its reads come back, a watched log moves or its deadline passes. One that waits for more holds
    /// nothing of what there is: it will be read anew, and memory that is lent to it could not be used for anything else.
    pub fn keep(&mut self, number: u64, mut pending: Pending) {
        if pending.outstanding == 0 {
            for read in &mut pending.reads {
                if let Outcome::Hot(_) = read.outcome {
                    read.outcome = Outcome::Empty;
                }
                if let Some((log, _)) = read.log {
                    self.watchers.entry(log).or_default().insert(number);
                }
            }
            self.deadlines.insert((pending.terms.deadline, number));
        }
        self.pending.insert(number, pending);
    }

    /// Takes a fetch out, with everything that would wake it.
    pub fn take(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        for read in &pending.reads {
            if let Some((log, _)) = read.log
                && let Some(watching) = self.watchers.get_mut(&log)
            {
                watching.remove(&number);
                if watching.is_empty() {
                    self.watchers.remove(&log);
                }
            }
        }
        self.deadlines.remove(&(pending.terms.deadline, number));
        self.woken.remove(&number);
        Some(pending)
    }

    /// A fetch whose reads are under way.
    pub fn pending(&mut self, number: u64) -> Option<&mut Pending> {
        self.pending.get_mut(&number)
    }

    /// A log's high watermark moved, or the log has gone.
    pub fn moved(&mut self, log: LogId) {
        if let Some(watching) = self.watchers.get(&log) {
            self.woken.extend(watching);
        }
    }

    /// Takes the fetches to look at again.
    pub fn woken(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.woken)
    }

    /// Takes the numbers of the fetches whose time has come.
    pub fn expired(&mut self, now: Mono) -> Vec<u64> {
        self.deadlines.iter().take_while(|d| d.0 <= now).map(|d| d.1).collect()
    }

    /// When the next fetch's waiting ends.
    pub fn deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|d| d.0)
    }

    /// A connection is gone, and with it whoever waits there.
    pub fn forget(&mut self, conn: ConnId) {
        let gone: Vec<u64> =
            self.pending.iter().filter(|(_, p)| p.call.id.conn == conn).map(|(n, _)| *n).collect();
        for number in gone {
            self.take(number);
        }
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}
