//! The machine: sessions and node of one shard, as one pure value.
//!
//! Bytes become requests in a [`Session`], requests are served by the [`Node`], answers leave through the
//! session in the order of the requests. This file routes; it decides only who is served next.

#[cfg(test)]
mod tests;

use crate::api::{self, Head, Stop, api_versions};
use crate::census::Census;
use crate::config::broker::BrokerConfig;
use crate::digest;
use crate::gather::Call;
use crate::limits::Limits;
use crate::node::{Node, Stage, Step};
use crate::seam::{CloseReason, ConnId, Event, Fact, Machine, Mono, NetOp, Now, Outbox};
use crate::session::{RequestId, Session};
use bytes::Bytes;
use sordini_log::{Room, StorageConfig};
use sordini_reach::{Reach, Reached};
use sordini_wire::api::{ApiKey, request_header_version};
use sordini_wire::message::Message;
use sordini_wire::message::header::RequestHeader;
use sordini_wire::primitive::Reader;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One shard of the broker.
#[derive(Clone, Debug)]
pub struct Shard {
    node: Node,
    sessions: BTreeMap<ConnId, Session>,
    /// Connections whose next request waits for room, in the order in which they came.
    stalled: VecDeque<ConnId>,
    /// When those look at their own timeouts; live while there are any.
    stall_look_at: Mono,
    /// Connections with something to take up that this step has not got to.
    ready: BTreeSet<ConnId>,
    /// Whether the network was told to listen.
    listening: bool,
    /// Whether the end was reported.
    drained: bool,
}

impl Shard {
    /// A shard that has not booted. All its chance comes from `seed`.
    pub fn new(
        config: BrokerConfig,
        limits: Limits,
        storage: StorageConfig,
        seed: [u8; 32],
    ) -> Shard {
        Shard {
            node: Node::new(config, limits, storage, seed),
            sessions: BTreeMap::new(),
            stalled: VecDeque::new(),
            stall_look_at: Mono(0),
            ready: BTreeSet::new(),
            listening: false,
            drained: false,
        }
    }

    /// The node, to be looked at.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// A number that two shards share if all that decides what follows is the same in both; see [`digest`].
    pub fn digest(&self) -> u64 {
        let rng = &self.node.rng;
        digest::of(&(self, rng.get_seed(), rng.get_word_pos()))
    }

    /// Rare states that it came to.
    pub fn reached(&self) -> Reached {
        self.node.storage.all_reached()
    }

    /// What is held for others now.
    pub fn census(&self) -> Census {
        Census {
            connections: self.sessions.len(),
            stalled: self.stalled.len(),
            unsent_bytes: self.sessions.values().map(Session::unsent).sum(),
            ..Census::of(&self.node)
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.sessions.len()
    }

    /// Serves what a session has, as far as its bounds allow.
    fn serve(&mut self, now: Now, conn: ConnId, out: &mut Outbox) {
        loop {
            let Some(session) = self.sessions.get_mut(&conn) else { return };
            let next = session.next_frame(&self.node.limits);
            let (id, frame) = match next {
                Ok(Some(next)) => next,
                Ok(None) => break,
                Err(why) => {
                    session.close(CloseReason::Refused(why), &mut out.net);
                    break;
                }
            };
            let stalled_ms = session.stalled_since.map_or(0, |since| now.mono.ms_since(since));
            let mut step = Step { now, disk: &mut out.disk, facts: &mut out.facts, stalled_ms };
            let stop = request(&mut self.node, &mut step, id, &frame);
            let session = self.sessions.get_mut(&conn).expect("still there");
            match stop {
                Ok(()) => session.stalled_since = None,
                Err(Stop::Stall) => {
                    self.node.storage.reached.mark(Reach::RequestStalled);
                    session.hold(frame, now.mono);
                    if self.stalled.is_empty() {
                        self.stall_look_at = now.mono.after_ms(STALL_LOOK_MS);
                    }
                    if !self.stalled.contains(&conn) {
                        self.stalled.push_back(conn);
                    }
                    break;
                }
                Err(Stop::Close(why)) => {
                    out.facts.push(Fact::Client { conn, what: why.clone() });
                    session.close(CloseReason::Refused(why), &mut out.net);
                    break;
                }
            }
            self.answer(out);
        }
        if let Some(session) = self.sessions.get_mut(&conn) {
            session.steer(&self.node.limits, &mut out.net);
            session.invariants(&self.node.limits);
        }
    }

    /// Hands the node's answers to their sessions. A session that has got room again is taken up in the same step.
    fn answer(&mut self, out: &mut Outbox) {
        let sessions = &mut self.sessions;
        for (id, body) in self.node.replies() {
            let Some(session) = sessions.get_mut(&id.conn) else { continue };
            session.answer(id.seq, body, &mut out.net);
            self.ready.insert(id.conn);
        }
    }

    /// Gives those who wait for room another try, first come first served.
    fn retry(&mut self, now: Now, out: &mut Outbox) {
        for _ in 0..self.stalled.len() {
            let Some(conn) = self.stalled.pop_front() else { return };
            self.serve(now, conn, out);
            let again = self.sessions.get(&conn).is_some_and(Session::is_stalled);
            if again && self.node.room() == Room::Full {
                // It went to the back of the queue; its place is the front.
                if let Some(at) = self.stalled.iter().rposition(|c| *c == conn) {
                    self.stalled.remove(at);
                    self.stalled.push_front(conn);
                }
                return;
            }
        }
    }

    /// Lets those who wait for room find out whether they have waited too long.
    fn look_at_stalled(&mut self, now: Now, out: &mut Outbox) {
        if self.stalled.is_empty() || now.mono < self.stall_look_at {
            return;
        }
        self.stall_look_at = now.mono.after_ms(STALL_LOOK_MS);
        for conn in self.stalled.clone() {
            self.serve(now, conn, out);
        }
        let sessions = &self.sessions;
        self.stalled.retain(|c| sessions.get(c).is_some_and(Session::is_stalled));
    }

    /// Everything that follows from an event: answers, and who can go on because of them.
    fn settle(&mut self, now: Now, out: &mut Outbox) {
        self.answer(out);
        if !self.stalled.is_empty() && self.node.room() != Room::Full {
            self.retry(now, out);
        }
        while let Some(conn) = self.ready.pop_first() {
            self.serve(now, conn, out);
        }
        if !self.listening && self.node.stage == Stage::Serving {
            self.listening = true;
            out.net.push(NetOp::Listen);
        }
        self.report_end(out);
    }

    /// Says once that nothing is under way any more.
    fn report_end(&mut self, out: &mut Outbox) {
        if self.node.stage != Stage::Draining || self.drained {
            return;
        }
        let owed = self.sessions.values().any(|s| !s.is_closing() && s.unsent() > 0);
        if !owed && self.node.is_quiet() {
            self.drained = true;
            let conns: Vec<ConnId> = self.sessions.keys().copied().collect();
            for conn in conns {
                let session = self.sessions.get_mut(&conn).expect("listed above");
                session.close(CloseReason::Shutdown, &mut out.net);
            }
            out.facts.push(Fact::Drained);
        }
    }

    fn closed(&mut self, conn: ConnId) {
        self.sessions.remove(&conn);
        self.stalled.retain(|c| *c != conn);
        self.ready.remove(&conn);
        self.node.forget(conn);
    }
}

/// Serves one request.
fn request(node: &mut Node, step: &mut Step<'_>, id: RequestId, frame: &Bytes) -> Result<(), Stop> {
    let Head { key, version, correlation } = api::peek(frame)?;
    let call = Call { id, key, version, correlation };
    let Some(row) = api::row(key) else {
        return Err(Stop::Close(format!("API key {key} is not served here")));
    };
    if !row.versions.contains(&version) {
        if key == api_versions::KEY {
            api_versions::refuse(node, call);
            return Ok(());
        }
        let (name, first, last) = (row.name, row.versions.start(), row.versions.end());
        let why = format!("expected {name} version {first} to {last}, came {version}");
        return Err(Stop::Close(why));
    }
    let mut body = Reader::new(frame.clone());
    let header = request_header_version(ApiKey(key), version).expect("a row of the table");
    RequestHeader::decode(&mut body, header)?;
    (row.serve)(node, step, call, body)
}

impl Machine for Shard {
    fn step(&mut self, now: Now, event: Event, out: &mut Outbox) {
        let mut step = Step { now, disk: &mut out.disk, facts: &mut out.facts, stalled_ms: 0 };
        match event {
            Event::Boot => self.node.boot(&mut step),
            Event::Disk(completion) => self.node.disk(&mut step, completion),
            Event::Tick => {
                self.node.tick(&mut step);
                self.look_at_stalled(now, out);
            }
            Event::FileFailed { log, generation, slice, error } => {
                self.node.file_failed(&mut step, (log, generation), &slice, error);
            }
            Event::Shutdown => {
                self.node.drain(&mut step);
                out.net.push(NetOp::Deafen);
            }
            Event::Opened { conn, listener, peer } => {
                let session = Session::new(conn, listener, peer, &self.node.limits);
                self.sessions.insert(conn, session);
            }
            Event::Closed { conn, .. } => self.closed(conn),
            Event::Sent { conn, bytes } => {
                if let Some(session) = self.sessions.get_mut(&conn) {
                    session.sent(bytes);
                    self.ready.insert(conn);
                }
            }
            Event::Bytes { conn, bytes } => {
                if let Some(session) = self.sessions.get_mut(&conn) {
                    session.push(bytes);
                    self.ready.insert(conn);
                }
            }
        }
        self.settle(now, out);
    }

    fn flush(&mut self, now: Now, out: &mut Outbox) {
        let mut step = Step { now, disk: &mut out.disk, facts: &mut out.facts, stalled_ms: 0 };
        self.node.flush(&mut step);
        self.settle(now, out);
    }

    fn deadline(&self) -> Option<Mono> {
        let look = (!self.stalled.is_empty()).then_some(self.stall_look_at);
        [self.node.deadline(), look].into_iter().flatten().min()
    }

    fn owes(&self, conn: ConnId) -> bool {
        self.sessions.get(&conn).is_some_and(|session| !session.is_quiet())
    }
}

/// How often a request that waits for room looks at its own timeout, ms.
const STALL_LOOK_MS: u64 = 50;
