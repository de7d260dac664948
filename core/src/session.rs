//! One client connection: frames out of bytes, answers in the order of the requests, and bounds.
//!
//! A session knows framing and order and nothing of topics. Requests are taken one at a time; an
//! answer that is ready early waits here until those before it have left, since the protocol
//! pairs answers with requests by their order. Reading stops while too many requests wait, while too
//! many bytes are unsent, or while the node has no room for another produce.

use crate::limits::Limits;
use crate::seam::{Body, CloseReason, ConnId, ListenerId, NetOp};
use bytes::{Bytes, BytesMut};
use sordini_log::Mono;
use sordini_mutant::mutant;
use sordini_wire::frame::FrameSplitter;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Below this, a frame fits the buffer that a connection has anyway.
const EXPECT_BYTES_MIN: u32 = 8 * 1024;

/// A request's place: its connection, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId {
    /// The connection it came from.
    pub conn: ConnId,
    /// Counts the requests of the connection from 0.
    pub seq: u64,
}

/// What became of a request.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // few, short-lived, and boxing costs an allocation per answer
enum Slot {
    /// The node works on it.
    Waiting,
    /// To be sent as soon as all before it are.
    Ready(Body),
    /// Answered by silence (acks=0).
    Silent,
}

/// A connection's state.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its number.
    pub conn: ConnId,
    /// Where it was accepted.
    pub listener: ListenerId,
    /// The other side's address.
    pub peer: SocketAddr,
    /// When a request of this session first found no room; live while one waits for it.
    pub stalled_since: Option<Mono>,
    splitter: FrameSplitter,
    /// A frame that was taken out and could not be served yet.
    held: Option<Bytes>,
    /// Requests not yet answered, oldest first; `first` is the number of the front one.
    slots: VecDeque<Slot>,
    first: u64,
    /// Bytes of answers that the kernel has not taken yet: those with the network, and those that wait for their turn.
    unsent: u64,
    /// Whether the network was told to stop reading.
    reading_off: bool,
    /// Whether a close was asked for: nothing more is taken or sent.
    closing: bool,
    /// Bytes that the frame under way still lacked when last looked at.
    expected: u32,
}

impl Session {
    /// A connection that was just accepted.
    pub fn new(conn: ConnId, listener: ListenerId, peer: SocketAddr, limits: &Limits) -> Session {
        Session {
            conn,
            listener,
            peer,
            stalled_since: None,
            splitter: FrameSplitter::new(limits.request_bytes_max),
            held: None,
            slots: VecDeque::new(),
            first: 0,
            unsent: 0,
            reading_off: false,
            closing: false,
            expected: 0,
        }
    }

    /// Takes bytes from the network.
    pub fn push(&mut self, bytes: BytesMut) {
        if !self.closing {
            self.splitter.push(bytes);
        }
    }

    /// The next request to serve, unless the session's bounds say wait.
    ///
    /// # Errors
    /// If the stream is no sequence of frames within the limit; the text is for people.
    pub fn next_frame(&mut self, limits: &Limits) -> Result<Option<(RequestId, Bytes)>, String> {
        if self.closing
            || self.slots.len() >= limits.requests_in_flight_max
            || self.unsent >= limits.unsent_bytes_max
        {
            return Ok(None);
        }
        let frame = match self.held.take() {
            Some(held) => Some(held),
            None => self.splitter.next_frame().map_err(|e| e.to_string())?.map(BytesMut::freeze),
        };
        Ok(frame.map(|frame| {
            let seq = self.first + self.slots.len() as u64;
            self.slots.push_back(Slot::Waiting);
            (RequestId { conn: self.conn, seq }, frame)
        }))
    }

    /// Puts back the request that [`Session::next_frame`] gave last: there is no room for it now.
    pub fn hold(&mut self, frame: Bytes, now: Mono) {
        assert!(self.held.is_none(), "one held request at most");
        assert!(matches!(self.slots.pop_back(), Some(Slot::Waiting)), "the newest request");
        self.held = Some(frame);
        self.stalled_since.get_or_insert(now);
    }

    /// Whether a request waits for room in the node.
    pub fn is_stalled(&self) -> bool {
        self.held.is_some()
    }

    /// The answer to a request is known; `None` means silence. Sends what may now leave, in order.
    pub fn answer(&mut self, seq: u64, body: Option<Body>, net: &mut Vec<NetOp>) {
        if self.closing {
            return;
        }
        let index = usize::try_from(seq - self.first).expect("answered once, after it was asked");
        let slot = &mut self.slots[mutant!(B15, index, 0)];
        assert!(matches!(slot, Slot::Waiting), "request {seq} was answered before");
        self.unsent += body.as_ref().map_or(0, Body::len);
        *slot = body.map_or(Slot::Silent, Slot::Ready);
        while matches!(self.slots.front(), Some(Slot::Ready(_) | Slot::Silent)) {
            self.first += 1;
            if let Some(Slot::Ready(body)) = self.slots.pop_front() {
                net.push(NetOp::Send { conn: self.conn, body });
            }
        }
    }

    /// The kernel took bytes.
    pub fn sent(&mut self, bytes: u64) {
        self.unsent = self.unsent.saturating_sub(bytes);
    }

    /// Asks for the end of the connection, after what is queued. Nothing more is read.
    pub fn close(&mut self, why: CloseReason, net: &mut Vec<NetOp>) {
        if !self.closing {
            self.closing = true;
            self.slots.clear();
            self.held = None;
            net.push(NetOp::Close { conn: self.conn, why });
        }
    }

    /// Whether [`Session::close`] was called.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether no request waits for its answer and none is half here.
    pub fn is_quiet(&self) -> bool {
        self.slots.is_empty() && self.held.is_none()
    }

    /// Bytes of answers not yet in the kernel.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// Tells the network whether to read on, and how much to make room for; called after each step.
    pub fn steer(&mut self, limits: &Limits, net: &mut Vec<NetOp>) {
        if self.closing {
            return;
        }
        let off = self.held.is_some()
            || self.slots.len() >= limits.requests_in_flight_max
            || self.unsent >= limits.unsent_bytes_max;
        if off != self.reading_off {
            self.reading_off = off;
            let conn = self.conn;
            net.push(if off { NetOp::ReadOff { conn } } else { NetOp::ReadOn { conn } });
        }
        let wanted = u32::try_from(self.splitter.wanted()).unwrap_or(u32::MAX);
        if self.expected == 0 && wanted > EXPECT_BYTES_MIN {
            net.push(NetOp::Expect { conn: self.conn, bytes: wanted });
        }
        self.expected = wanted;
    }

    /// What must hold between any two events.
    pub fn invariants(&self, limits: &Limits) {
        assert!(self.slots.len() <= limits.requests_in_flight_max);
        assert!(!matches!(self.slots.front(), Some(Slot::Ready(_) | Slot::Silent)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_wait_for_their_turn_stop_reading_as_those_do_that_are_unsent() {
        let limits = Limits { unsent_bytes_max: 1000, ..Limits::default() };
        let (conn, peer) = (ConnId(1), "127.0.0.1:1".parse().expect("an address"));
        let mut session = Session::new(conn, ListenerId(0), peer, &limits);
        session.push(BytesMut::from(&[0, 0, 0, 1, 7].repeat(5)[..]));
        let mut seqs = Vec::new();
        let mut net = Vec::new();
        while let Some((id, _)) = session.next_frame(&limits).expect("frames") {
            seqs.push(id.seq);
            // The first is answered last.
            if id.seq > 0 {
                session.answer(id.seq, Some(Body::from(Bytes::from(vec![0; 400]))), &mut net);
            }
        }
        assert_eq!(seqs, [0, 1, 2, 3], "three answers are more than may be owed");
        session.steer(&limits, &mut net);
        assert!(matches!(net[..], [NetOp::ReadOff { .. }]), "nothing is sent, {net:?}");
        session.answer(0, Some(Body::from(Bytes::from(vec![0; 400]))), &mut net);
        assert_eq!(session.unsent(), 1600);
        session.sent(1600);
        assert!(session.next_frame(&limits).expect("frames").is_some(), "it goes on");
    }
}
