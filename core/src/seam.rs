//! The seam: everything that goes into the machine, and everything that comes out.
//!
//! The brain of the broker is a value. An [`Event`] and a [`Now`] go in, effects come out in a lent
//! [`Outbox`]; nothing here calls anybody back. Production's adapters and the simulator's world move
//! what is listed on this page, and nothing else, so that order, half-open connections, bad framing and
//! lost completions are inside the simulation.

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;
pub use sordini_log::disk::{Completion, Disk, DiskError, DiskErrorKind, DiskOp, DiskResult};
pub use sordini_log::disk::{Done, FileName};
pub use sordini_log::{Generation, LogId, Mono, Now, Offset, Wall};
use std::fmt;
use std::net::SocketAddr;

/// A connection, as the adapter numbers them; never reused within a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Which configured listener accepted a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u16);

/// Why a connection ended, from either side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum CloseReason {
    /// The peer closed it, or its reset arrived.
    Peer,
    /// Reading or writing failed; the system's words.
    Error(String),
    /// The machine asked for it: bad framing, a refused request, a limit. For people.
    Refused(String),
    /// File bytes of a response could not be read or were not what they should be.
    BadFile,
    /// The process is shutting down.
    Shutdown,
    /// Nothing came or went for too long, and nothing was owed.
    Idle,
}

/// Everything that can happen to the machine.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Event {
    /// The first event of a life: start recovery. The data directory is locked and otherwise untouched.
    Boot,
    /// A connection was accepted.
    Opened { conn: ConnId, listener: ListenerId, peer: SocketAddr },
    /// Bytes arrived, in pieces of any size. Reading goes on until [`NetOp::ReadOff`].
    Bytes { conn: ConnId, bytes: BytesMut },
    /// So many more bytes of what was given to [`NetOp::Send`] are in the kernel's hands.
    Sent { conn: ConnId, bytes: u64 },
    /// The connection is gone; nothing more comes of it. Also follows a [`NetOp::Close`].
    Closed { conn: ConnId, why: CloseReason },
    /// A file part of a response could not be read, or was not what it should be.
    FileFailed { log: LogId, generation: Generation, slice: FileSlice, error: DiskError },
    /// A disk operation was answered.
    Disk(Completion),
    /// Finish what is under way, refuse what is new; [`Fact::Drained`] says when it is over.
    Shutdown,
    /// The deadline came, or nothing did.
    Tick,
}

/// A piece of a segment file: whole record batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSlice {
    /// Which file, and whose it must still be.
    pub file: FileName,
    /// First byte.
    pub at: u64,
    /// Number of bytes.
    pub len: u32,
    /// Offset of the first record.
    pub base: Offset,
    /// Offset after the last one.
    pub next: Offset,
}

/// A piece of a response.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Part {
    /// Bytes in memory.
    Memory(Bytes),
    /// Record batches that the adapter reads when their turn to be sent comes. Every batch's CRC is
    /// checked between the read and the send; a bad one closes the connection and comes back as
    /// [`Event::FileFailed`].
    File { log: LogId, generation: Generation, slice: FileSlice },
}

impl Part {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Part::Memory(b) => b.len() as u64,
            Part::File { slice, .. } => u64::from(slice.len),
        }
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is sent over a connection in one go: one response frame, its length prefix included.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// The pieces, in order.
    pub parts: SmallVec<[Part; 2]>,
}

impl Body {
    /// Total length in bytes.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(Part::len).sum()
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body { parts: SmallVec::from_iter([Part::Memory(bytes)]) }
    }
}

/// What the machine asks of the network.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum NetOp {
    /// Queue a response. Responses of one connection leave in this order.
    Send { conn: ConnId, body: Body },
    /// So many more bytes of a frame are under way on this connection: room for them in one buffer saves a copy.
    /// A hint; nothing depends on it.
    Expect { conn: ConnId, bytes: u32 },
    /// Stop reading from this connection.
    ReadOff { conn: ConnId },
    /// Read on.
    ReadOn { conn: ConnId },
    /// Send what is queued, then close.
    Close { conn: ConnId, why: CloseReason },
    /// Start to accept connections: recovery is over.
    Listen,
    /// Stop to accept connections.
    Deafen,
}

/// What happened inside, typed, for logs, metrics and the simulator's checks. Nothing decides by them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Fact {
    /// Recovery is over: what was found.
    Recovered { boot: u64, logs: u64, groups: u64, replayed_bytes: u64 },
    /// Something that an operator must know; see the text.
    Warning(String),
    /// The process must end now with this error, before anything else is sent or written.
    Fatal(String),
    /// Nothing is under way any more; the process may end.
    Drained,
    /// A topic's partition was created.
    PartitionCreated { topic: String, partition: i32, log: LogId },
    /// A log was deleted.
    PartitionDeleted { log: LogId },
    /// A log's high watermark moved.
    HighWatermark { log: LogId, offset: u64 },
    /// The node refuses writes (true) or takes them again (false), because of free disk space.
    ReadOnly(bool),
    /// A range of a log could not be read.
    Faulty { log: LogId, from: Offset, to: Offset },
    /// A client did something that the log should mention.
    Client { conn: ConnId, what: String },
}

/// Effects of a step: lent by the loop, drained by it, reused.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    /// For the disk.
    pub disk: Vec<DiskOp>,
    /// For the network.
    pub net: Vec<NetOp>,
    /// For whoever watches.
    pub facts: Vec<Fact>,
}

/// The broker of one shard, or whatever else is driven like one.
pub trait Machine {
    /// Takes one event. Effects are appended to `out`.
    fn step(&mut self, now: Now, event: Event, out: &mut Outbox);
    /// Closes the open journal group if none is in flight; called once at the end of each turn.
    fn flush(&mut self, now: Now, out: &mut Outbox);
    /// When the machine wants a [`Event::Tick`] if nothing else happens.
    fn deadline(&self) -> Option<Mono>;
    /// Whether a request of this connection waits for its answer: then its silence is not the peer's. One that never
    /// waits need not say so.
    fn owes(&self, _conn: ConnId) -> bool {
        false
    }
}

/// Where network operations go.
pub trait Net {
    /// Takes all operations out of `ops`.
    fn submit(&mut self, ops: &mut Vec<NetOp>);
}

/// One turn of the loop, the same in production and in the simulator: a bounded number of events,
/// one flush, then all effects. `idle` says that no further event waits.
///
/// Facts stay in `out` for the caller, who must look for [`Fact::Fatal`] *before* the effects of
/// this turn reach anybody: on a fatal fact nothing is submitted and false comes back.
pub fn turn<M: Machine>(
    machine: &mut M,
    now: Now,
    events: &mut impl Iterator<Item = Event>,
    idle: bool,
    net: &mut impl Net,
    disk: &mut impl Disk,
    out: &mut Outbox,
) -> bool {
    for event in events {
        machine.step(now, event, out);
    }
    machine.flush(now, out);
    if out.facts.iter().any(|f| matches!(f, Fact::Fatal(_))) {
        out.disk.clear();
        out.net.clear();
        return false;
    }
    net.submit(&mut out.net);
    disk.submit(&mut out.disk, idle);
    true
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}", self.0)
    }
}

// These move by value through queues and channels, at least once per request each: a variant that grows must be boxed or
// say here why it is worth the copies. (Sizes in bytes; those of the disk are in its room.)
const _: () = {
    assert!(size_of::<Now>() <= 24);
    assert!(size_of::<Event>() <= 128);
    assert!(size_of::<Part>() <= 96);
    assert!(size_of::<Body>() <= 208);
    assert!(size_of::<NetOp>() <= 216);
    assert!(size_of::<Fact>() <= 40);
    assert!(size_of::<Outbox>() <= 72);
};
