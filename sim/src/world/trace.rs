//! What happened: as a hash, always; as lines for people, on demand.
//!
//! Every pop of the heap, every event that a machine takes and every effect that it has goes into the hash, contents
//! included, so that two runs with equal hashes did the same. The hash costs no allocation and no formatting.

use super::{Happening, World};
use crate::digest::Digest;
use crate::heap::{MS, Nanos};
use sordini_core::seam::{Event, Fact, NetOp, Part};
use sordini_log::disk::{Data, DiskOk, DiskOp, DiskResult, Done, OpKind};
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

/// A line of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: Nanos,
    /// Who.
    pub actor: Actor,
    /// What.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, us) = (self.at / MS, self.at % MS / 1000);
        let actor = match self.actor {
            Actor::World => "world".to_owned(),
            Actor::Node(n) => format!("node {n}"),
            Actor::Client(n) => format!("client {n}"),
        };
        write!(f, "{ms:>8}.{us:03} ms  {actor:<10} {}", self.text)
    }
}

/// A line.
pub fn line(at: Nanos, actor: Actor, text: String) -> Line {
    Line { at, actor, text }
}

impl World {
    /// Adds a line to the story, if one is written.
    pub fn tell(&mut self, actor: Actor, text: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line(self.now, actor, text()));
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
            Happening::Strike { n } => (11, n.into(), 0),
            Happening::Mend { n } => (12, n.into(), 0),
        };
        self.hash.number(self.now);
        self.hash.number(kind << 56 | b << 40 ^ a);
        self.tell(Actor::World, || format!("{what:?}"));
    }
}

/// Adds an event that a machine takes.
pub fn event(hash: &mut Digest, event: &Event) {
    match event {
        Event::Boot => hash.number(1),
        Event::Opened { conn, .. } => pair(hash, 2, conn.0),
        Event::Bytes { conn, bytes } => {
            pair(hash, 3, conn.0);
            hash.bytes(bytes);
        }
        Event::Sent { conn, bytes } => {
            pair(hash, 4, conn.0);
            hash.number(*bytes);
        }
        Event::Closed { conn, .. } => pair(hash, 5, conn.0),
        Event::FileFailed { log, slice, .. } => {
            pair(hash, 6, log.0);
            hash.number(slice.base.0);
        }
        Event::Disk(completion) => {
            pair(hash, 7, done_number(&completion.done));
            disk_result(hash, &completion.result);
        }
        Event::Shutdown => hash.number(8),
        Event::Tick => hash.number(9),
    }
}

/// Adds a network operation.
pub fn net_op(hash: &mut Digest, op: &NetOp) {
    match op {
        NetOp::Send { conn, body } => {
            pair(hash, 11, conn.0);
            for part in &body.parts {
                match part {
                    Part::Memory(bytes) => hash.bytes(bytes),
                    Part::File { log, slice, .. } => {
                        pair(hash, 12, log.0);
                        pair(hash, slice.at, u64::from(slice.len));
                    }
                }
            }
        }
        NetOp::Expect { conn, bytes } => pair(hash, 13 + (u64::from(*bytes) << 8), conn.0),
        NetOp::ReadOff { conn } => pair(hash, 14, conn.0),
        NetOp::ReadOn { conn } => pair(hash, 15, conn.0),
        NetOp::Close { conn, .. } => pair(hash, 16, conn.0),
        NetOp::Listen => hash.number(17),
        NetOp::Deafen => hash.number(18),
    }
}

/// Adds a disk operation.
pub fn disk_op(hash: &mut Digest, op: &DiskOp) {
    pair(hash, 20 + op.kind.lane() as u64, done_number(&op.done));
    match &op.kind {
        OpKind::Write { at, data, sync, .. } => {
            pair(hash, *at, u64::from(*sync));
            match data {
                Data::Blocks(blocks) => blocks.iter().for_each(|b| hash.bytes(&b.0)),
                Data::Slices(slices) => slices.iter().for_each(|b| hash.bytes(b)),
            }
        }
        OpKind::Create { len, .. } => pair(hash, 31, *len),
        OpKind::Sync { .. } => hash.number(32),
        OpKind::Truncate { len, .. } => pair(hash, 33, *len),
        OpKind::Rename { .. } => hash.number(34),
        OpKind::RenameDir { .. } => hash.number(35),
        OpKind::Unlink { .. } => hash.number(36),
        OpKind::MakeDir { .. } => hash.number(37),
        OpKind::RemoveDir { .. } => hash.number(38),
        OpKind::SyncDir { .. } => hash.number(39),
        OpKind::List { .. } => hash.number(40),
        OpKind::Read { at, len, .. } => pair(hash, *at, *len),
        OpKind::Find { dir, segment, len, .. } => {
            pair(hash, dir.log.0, segment.0);
            hash.number(*len);
        }
    }
}

/// Adds a fact.
pub fn fact(hash: &mut Digest, fact: &Fact) {
    match fact {
        Fact::HighWatermark { log, offset } => {
            pair(hash, 50, log.0);
            hash.number(*offset);
        }
        Fact::Recovered { boot, logs, groups, replayed_bytes } => {
            pair(hash, *boot, *logs);
            pair(hash, *groups, *replayed_bytes);
        }
        Fact::Warning(text) | Fact::Fatal(text) => hash.bytes(text.as_bytes()),
        Fact::Drained => hash.number(51),
        Fact::PartitionCreated { log, .. } => pair(hash, 52, log.0),
        Fact::PartitionDeleted { log } => pair(hash, 53, log.0),
        Fact::ReadOnly(on) => pair(hash, 54, u64::from(*on)),
        Fact::Faulty { log, from, to } => {
            pair(hash, 55, log.0);
            pair(hash, from.0, to.0);
        }
        Fact::Client { conn, what } => {
            pair(hash, 56, conn.0);
            hash.bytes(what.as_bytes());
        }
    }
}

fn disk_result(hash: &mut Digest, result: &DiskResult) {
    match result {
        Ok(DiskOk::Unit) => hash.number(60),
        Ok(DiskOk::Bytes(bytes)) => hash.bytes(bytes),
        Ok(DiskOk::Entries(entries)) => {
            hash.number(entries.len() as u64);
            entries.iter().for_each(|entry| hash.bytes(entry.name.as_bytes()));
        }
        Ok(DiskOk::Found(found)) => hash.bytes(format!("{found:?}").as_bytes()),
        Err(e) => {
            pair(hash, 61, e.kind as u64);
            hash.bytes(e.detail.as_bytes());
        }
    }
}

fn done_number(done: &Done) -> u64 {
    match done {
        Done::Group(seq) => seq.0,
        Done::JournalFile(n) => 1 << 56 | u64::from(*n),
        Done::Boot(n) => 2 << 56 | u64::from(*n),
        Done::Segment { log, generation, .. } => 3 << 56 | generation.boot << 32 ^ log.0,
        Done::Checkpoint { number, step } => 4 << 56 | *number << 8 | u64::from(*step),
        Done::Remove { log, step } => 5 << 56 | log.0 << 8 | u64::from(*step),
        Done::Ticket(ticket) => 6 << 56 | ticket,
        Done::Nothing => 7 << 56,
    }
}

fn pair(hash: &mut Digest, a: u64, b: u64) {
    hash.number(a);
    hash.number(b);
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
