//! A connection between a client and a node as a value: bytes in both directions, in pieces, each with its moment.
//!
//! Both directions keep their order, as TCP does; when a piece arrives is the world's to draw. What the node
//! sends waits first in its socket ([`Link::queued`]), is taken by the kernel as far as the client's window goes, and is then
//! on its way. Parts of files are read from the platter when they are taken, not when it was decided to send them.

use crate::heap::Nanos;
use crate::platter::Platter;
use bytes::{Bytes, BytesMut};
use sordini_core::seam::{
    Body, CloseReason, ConnId, DiskError, DiskErrorKind, FileSlice, Generation, LogId, Part,
};
use sordini_log::segment::check_range;
use std::collections::VecDeque;

/// What goes over a link.
#[derive(Clone, Debug)]
pub enum Piece<B> {
    /// The client connects; the first piece of its direction.
    Open,
    /// Bytes.
    Bytes(B),
    /// The end, or a reset: nothing follows.
    Close(CloseReason),
}

impl<B> Piece<B> {
    /// In a few words.
    pub fn show(&self, len: impl Fn(&B) -> usize) -> String {
        match self {
            Piece::Open => "connects".to_owned(),
            Piece::Bytes(bytes) => format!("{} bytes", len(bytes)),
            Piece::Close(why) => format!("closes: {why:?}"),
        }
    }
}

/// One direction: what is on its way, oldest first.
#[derive(Clone, Debug)]
pub struct Way<B> {
    /// When each piece arrives; never before the one ahead of it.
    pub pieces: VecDeque<(Nanos, Piece<B>)>,
    /// When the newest piece arrives or arrived.
    pub last: Nanos,
}

/// A connection as the world carries it.
#[derive(Clone, Debug)]
pub struct Link {
    /// The node's name for it.
    pub conn: ConnId,
    /// Which client; none is the auditor.
    pub client: Option<u32>,
    /// Which node it leads to.
    pub node: u32,
    /// Which life of the node knows it; none before it was accepted and after the node is done with it.
    pub life: Option<u32>,
    /// When the node accepted it; live once it has.
    pub accepted: Nanos,
    /// Whether the client still has it.
    pub held_by_client: bool,
    /// To the node.
    pub inward: Way<BytesMut>,
    /// To the client.
    pub outward: Way<Bytes>,
    /// Arrived while the machine does not read.
    pub unread: BytesMut,
    /// Whether the machine reads.
    pub reading: bool,
    /// Given by the machine, not taken by the kernel.
    pub queued: VecDeque<Part>,
    /// Whether the kernel is about to take something.
    pub taking: bool,
    /// Bytes that may be on their way to the client at once.
    pub window: u64,
    /// Bytes that are.
    pub in_flight: u64,
    /// The machine asked for the end: it comes once everything is sent.
    pub closing: bool,
    /// How long the client takes to read a byte, ns.
    pub byte_ns: Nanos,
    /// Nothing arrives before, in either direction.
    pub held_until: Nanos,
    /// With `Some`, the client is gone without a word; the number says by which fault.
    pub vanished: Option<u64>,
}

/// A file part that could not be read.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the fields are those of the event
pub struct Unreadable {
    pub log: LogId,
    pub generation: Generation,
    pub slice: FileSlice,
    pub error: DiskError,
}

impl<B> Default for Way<B> {
    fn default() -> Way<B> {
        Way { pieces: VecDeque::new(), last: 0 }
    }
}

impl<B> Way<B> {
    /// `piece` arrives `delay` after `now`, or with what is ahead of it, and takes so long to come in; when it has come.
    pub fn send(&mut self, now: Nanos, delay: Nanos, lasts: Nanos, piece: Piece<B>) -> Nanos {
        self.last = self.last.max(now + delay) + lasts;
        self.pieces.push_back((self.last, piece));
        self.last
    }

    /// What arrives at `now`, if anything does.
    pub fn arrive(&mut self, now: Nanos) -> Option<Piece<B>> {
        self.pieces.pop_front_if(|(at, _)| *at <= now).map(|(_, piece)| piece)
    }
}

impl Link {
    /// A link that the client has just asked for.
    pub fn new(conn: ConnId, client: Option<u32>, node: u32, window: u64) -> Link {
        Link {
            conn,
            client,
            node,
            life: None,
            accepted: 0,
            held_by_client: true,
            inward: Way::default(),
            outward: Way::default(),
            unread: BytesMut::new(),
            reading: true,
            queued: VecDeque::new(),
            taking: false,
            window,
            in_flight: 0,
            closing: false,
            byte_ns: 0,
            held_until: 0,
            vanished: None,
        }
    }

    /// The machine sends a response.
    pub fn queue(&mut self, body: Body) {
        self.queued.extend(body.parts);
    }

    /// Puts what `room` has no place for back in front: a short write.
    pub fn put_back(&mut self, bytes: &mut Bytes, room: u64) {
        if bytes.len() as u64 > room {
            let rest = bytes.split_off(room as usize);
            self.queued.push_front(Part::Memory(rest));
        }
    }

    /// Whether the kernel would take something now.
    pub fn takes(&self) -> bool {
        !self.queued.is_empty() && self.in_flight < self.window
    }

    /// The next part in memory, read and checked if it is in a file.
    pub fn take(&mut self, platter: &mut Platter) -> Option<Result<Bytes, Unreadable>> {
        match self.queued.pop_front()? {
            Part::Memory(bytes) => Some(Ok(bytes)),
            Part::File { log, generation, slice } => {
                let bytes = platter
                    .read(&slice.file, slice.at, u64::from(slice.len))
                    .and_then(|bytes| check_range(&bytes).map(|()| bytes));
                let short = |bytes: &Bytes| bytes.len() != slice.len as usize;
                Some(match bytes {
                    Ok(bytes) if !short(&bytes) => Ok(bytes),
                    Ok(bytes) => {
                        let detail = format!("{} of {} bytes", bytes.len(), slice.len);
                        let error = DiskError { kind: DiskErrorKind::Corrupt, detail };
                        Err(Unreadable { log, generation, slice, error })
                    }
                    Err(error) => Err(Unreadable { log, generation, slice, error }),
                })
            }
        }
    }

    /// Whether nobody has it any more.
    pub fn is_over(&self) -> bool {
        self.life.is_none() && !self.held_by_client
    }
}
