//! What happened: as a hash, always; as lines for people, on demand.
//!
//! Every pop of the heap, every event that a machine takes and every effect that it has goes into the hash, contents
//! included, so that two runs with equal hashes did the same. The hash costs no allocation and no formatting.

use super::{Happening, World};
use crate::digest::Digest;
use crate::heap::{MS, Nanos};
use sordini_core::seam::Event;
use sordini_core::trace::{Sink, Traced, encode};
use sordini_log::disk::{DiskOp, OpKind};
use std::fmt;

pub use crate::story::{operation, result};

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The world itself.
    World,
    /// A node.
    Node(u32),
    /// A client.
    Client(u32),
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An event of the heap, which says little by itself.
    Pop,
    /// A machine takes an event.
    Take,
    /// A piece goes to somebody and arrives at this time, unless it is held up or lost.
    Send {
        /// Who gets it.
        to: Actor,
        /// When.
        arrives: Nanos,
    },
    /// A machine wants something of its disk.
    Submit,
    /// The disk has done something.
    Disk,
    /// The same, and what was written is durable.
    Sync,
    /// A machine reports.
    Fact,
    /// A high watermark moves.
    Watermark,
    /// A fault strikes.
    Fault,
    /// A fault is over.
    Mended,
    /// A process ends.
    Down,
    /// A process begins.
    Boot,
    /// A client begins an operation, or asks.
    Ask,
    /// A client was told that an operation is done.
    Ack,
    /// A client was told that it never will be.
    Refused,
    /// A client does not know.
    Unknown,
    /// Anything else.
    Note,
}

impl Kind {
    /// Whether it belongs into a short telling.
    pub fn is_telling(self) -> bool {
        use Kind::*;
        !matches!(self, Pop | Take | Send { .. } | Submit | Disk | Watermark | Note)
    }
}

/// A line of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Nanos,
    /// What it is about.
    pub kind: Kind,
    /// Who.
    pub actor: Actor,
    /// What.
    pub text: String,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::World => write!(f, "world"),
            Actor::Node(n) => write!(f, "node {n}"),
            Actor::Client(n) => write!(f, "client {n}"),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, us) = (self.at / MS, self.at % MS / 1000);
        let actor = self.actor.to_string();
        write!(f, "{ms:>8}.{us:03} ms  {actor:<10} {}", self.text)
    }
}

impl World {
    /// From now on, everything that happens is written down.
    pub fn begin_story(&mut self) {
        self.story.get_or_insert_default();
        self.ledger.diary.get_or_insert_default();
    }

    /// Adds a line to the story, if one is written.
    pub fn tell(&mut self, actor: Actor, text: impl FnOnce() -> String) {
        self.tell_as(Kind::Note, actor, text);
    }

    /// Adds a line that is about something.
    pub fn tell_as(&mut self, kind: Kind, actor: Actor, text: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(Line { at: self.now, kind, actor, text: text() });
        }
    }

    /// Adds an event of the heap to the hash.
    pub(super) fn trace(&mut self, what: Happening) {
        let (kind, a, b) = match what {
            Happening::Turn { node, life } => (1, node.into(), life.into()),
            Happening::Timer { node, life } => (2, node.into(), life.into()),
            Happening::Disk { node, life, lane } => {
                (3 + lane as u64, u64::from(node), u64::from(life))
            }
            Happening::Inward { conn } => (6, conn.0, 0),
            Happening::Take { conn } => (7, conn.0, 0),
            Happening::Outward { conn } => (8, conn.0, 0),
            Happening::Client { client } => (9, client.into(), 0),
            Happening::Restart { node, life } => (10, node.into(), life.into()),
            Happening::Doom { node, life } => (13, node.into(), life.into()),
            Happening::Strike { n } => (11, n.into(), 0),
            Happening::Mend { n } => (12, n.into(), 0),
        };
        self.hash.number(self.now);
        self.hash.number(kind << 56 | b << 40 ^ a);
        self.tell_as(Kind::Pop, Actor::World, || format!("{what:?}"));
    }
}

/// Adds whatever goes through the seam to a hash, with file names and arguments, without memory of its own.
pub fn add(hash: &mut Digest, value: &impl Traced) {
    let mut ink = Ink { hash, drops: [0; INK_BYTES], used: 0 };
    encode(value, &mut ink);
    ink.dry();
}

/// Bytes of small pieces that are hashed together.
const INK_BYTES: usize = 96;

/// A trace on its way into a hash.
struct Ink<'a> {
    hash: &'a mut Digest,
    drops: [u8; INK_BYTES],
    used: usize,
}

impl Sink for Ink<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if self.used + bytes.len() > INK_BYTES {
            self.dry();
        }
        match self.drops.get_mut(self.used..self.used + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
            }
            None => self.hash.bytes(bytes),
        }
    }
}

impl Ink<'_> {
    fn dry(&mut self) {
        if self.used > 0 {
            self.hash.bytes(&self.drops[..self.used]);
            self.used = 0;
        }
    }
}

/// An event in one line.
pub fn show_event(event: &Event) -> String {
    match event {
        Event::Bytes { conn, bytes } => format!("takes {} bytes of {conn}", bytes.len()),
        Event::Sent { conn, bytes } => format!("has sent {bytes} bytes on {conn}"),
        Event::Opened { conn, .. } => format!("accepts {conn}"),
        Event::Closed { conn, why } => format!("loses {conn}: {why:?}"),
        Event::Disk(completion) => format!("hears of {:?}", completion.done),
        other => format!("takes {other:?}"),
    }
}

/// Whether an operation that succeeds makes something durable.
pub fn makes_durable(op: &DiskOp) -> bool {
    matches!(op.kind, OpKind::Sync { .. } | OpKind::Write { sync: true, .. })
}
