//! What happens on links: pieces arrive, kernels take, connections end.

use super::{Actor, Happening, Kind, World};
use crate::failure::Failure;
use crate::heap::Nanos;
use crate::link::{Link, Piece};
use crate::marks::Mark;
use bytes::{Bytes, BytesMut};
use sordini_core::seam::{CloseReason, ConnId, DiskErrorKind, Event, FileName, ListenerId, NetOp};
use std::net::{Ipv4Addr, SocketAddr};

/// A write is not shorter than this, however small the client's window is: each is an event.
const SHORT_BYTES_MIN: u64 = 16 << 10;
/// What a kernel with next to no room takes at once.
const TINY_BYTES: u64 = 200;

/// Who is at the client's end.
fn other_end(link: &Link) -> Actor {
    link.client.map_or(Actor::World, Actor::Client)
}

/// All links. A [`ConnId`] is a slot and a count of its uses, so that it is found at once and never used again.
#[derive(Clone, Debug, Default)]
pub struct Links {
    slots: Vec<(u32, Option<Link>)>,
    free: Vec<u32>,
}

impl Links {
    /// The link, unless it is over.
    pub fn find(&self, conn: ConnId) -> Option<&Link> {
        let (uses, link) = self.slots.get(conn.0 as u32 as usize)?;
        link.as_ref().filter(|_| u64::from(*uses) == conn.0 >> 32)
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, conn: ConnId) -> Option<&mut Link> {
        let (uses, link) = self.slots.get_mut(conn.0 as u32 as usize)?;
        link.as_mut().filter(|_| u64::from(*uses) == conn.0 >> 32)
    }

    /// All links that are not over.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.slots.iter().filter_map(|(_, link)| link.as_ref())
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.slots.iter_mut().filter_map(|(_, link)| link.as_mut())
    }

    /// Forgets the link if nobody has it any more.
    pub fn retire(&mut self, conn: ConnId) {
        if self.find(conn).is_some_and(Link::is_over) {
            self.slots[conn.0 as u32 as usize].1 = None;
            self.free.push(conn.0 as u32);
        }
    }

    fn add(&mut self, client: Option<u32>, node: u32, window: u64) -> ConnId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() as u32 - 1
        });
        let (uses, link) = &mut self.slots[slot as usize];
        *uses += 1;
        let conn = ConnId(u64::from(*uses) << 32 | u64::from(slot));
        *link = Some(Link::new(conn, client, node, window));
        conn
    }
}

impl World {
    /// Connections of a node that its process knows.
    pub fn conns_of(&self, node: u32) -> Vec<ConnId> {
        let known = self.links.iter().filter(|l| l.node == node && l.life.is_some());
        known.map(|l| l.conn).collect()
    }

    /// A client asks for a connection.
    pub(super) fn connect(&mut self, client: Option<u32>, node: u32) -> ConnId {
        let conn = self.links.add(client, node, self.scenario.pace.window);
        if let Some(client) = client {
            let client = &self.clients[client as usize];
            let link = self.links.find_mut(conn).expect("just added");
            link.window = client.window().unwrap_or(link.window);
            (link.byte_ns, link.held_until) = (client.byte_ns(), client.cut_until);
        }
        self.send_inward(conn, Piece::Open);
        conn
    }

    /// A client sends bytes, which arrive in pieces.
    pub(super) fn transmit(&mut self, conn: ConnId, mut bytes: BytesMut) {
        self.flip(conn, &mut bytes);
        while bytes.len() > 1 && self.net.odds(1, self.scenario.pace.split) {
            let piece = bytes.split_to(1 + self.net.index(bytes.len() - 1));
            self.send_inward(conn, Piece::Bytes(piece));
        }
        self.send_inward(conn, Piece::Bytes(bytes));
    }

    /// A client closes its connection, and hears nothing more of it.
    pub(super) fn hang_up(&mut self, conn: ConnId) {
        self.send_inward(conn, Piece::Close(CloseReason::Peer));
        if let Some(link) = self.links.find_mut(conn) {
            link.held_by_client = false;
        }
        self.links.retire(conn);
    }

    /// If bits flip on the way, one does in the last record of a Produce: that near to the end of the frame there is nothing but
    /// its value.
    fn flip(&mut self, conn: ConnId, frame: &mut BytesMut) {
        let Some(link) = self.links.find(conn) else { return };
        let node = &mut self.nodes[link.node as usize];
        let is_produce = frame.get(4..6) == Some(&[0, 0]) && frame.len() > 120;
        if node.flips > 0 && is_produce && link.client.is_some() {
            node.flips -= 1;
            let at = frame.len() - 5 - self.net.index(4);
            frame[at] ^= 1 << self.net.below(8);
        }
    }

    /// Nothing arrives over a connection before `until`.
    pub fn hold(&mut self, conn: ConnId, until: Nanos) {
        if let Some(link) = self.links.find_mut(conn) {
            link.held_until = link.held_until.max(until);
        }
    }

    /// The client's end is gone, and nobody tells the node. False if it was gone before.
    pub fn vanish_client(&mut self, conn: ConnId, fault: u64) -> bool {
        let Some(link) = self.links.find_mut(conn) else { return false };
        let Some(client) = link.client.filter(|_| link.held_by_client) else { return false };
        link.held_by_client = false;
        link.vanished = Some(fault);
        link.inward.pieces.clear();
        link.outward.pieces.clear();
        // Nobody says that anything has arrived: the window never opens again.
        link.in_flight = u64::MAX / 2;
        self.client_loses(client);
        true
    }

    /// The node's end is gone, and nobody tells the client, who finds out when it sends or has waited long enough.
    pub fn vanish_node(&mut self, conn: ConnId) -> bool {
        let Some(link) = self.links.find_mut(conn) else { return false };
        if link.life.is_none() || !link.held_by_client {
            return false;
        }
        let node = link.node;
        link.inward.pieces.clear();
        link.outward.pieces.clear();
        link.queued.clear();
        link.unread.clear();
        (link.in_flight, link.life) = (0, None);
        self.deliver(node, Event::Closed { conn, why: CloseReason::Error("gone".into()) });
        true
    }

    /// The node finds out which clients are gone.
    pub fn keepalive(&mut self, node: u32, fault: u64) {
        let gone = self.links.iter().filter(|l| l.node == node && l.vanished == Some(fault));
        let gone: Vec<ConnId> = gone.map(|l| l.conn).collect();
        for conn in gone {
            self.send_inward(conn, Piece::Close(CloseReason::Error("keepalive".into())));
        }
    }

    /// Both ends lose the connection, and what is on it; the node may get the beginning of what was about to arrive.
    pub fn reset(&mut self, conn: ConnId) {
        let Some(link) = self.links.find_mut(conn) else { return };
        let first = link.inward.pieces.pop_front();
        link.inward.pieces.clear();
        if let Some((at, Piece::Bytes(mut bytes))) = first
            && bytes.len() > 1
        {
            let cut = bytes.split_to(1 + self.net.index(bytes.len() - 1));
            link.inward.pieces.push_front((at, Piece::Bytes(cut)));
        }
        link.outward.pieces.clear();
        (link.in_flight, link.taking) = (0, false);
        link.queued.clear();
        link.unread.clear();
        self.send_inward(conn, Piece::Close(CloseReason::Error("reset by a fault".into())));
        self.send_outward(conn, Piece::Close(CloseReason::Peer));
    }

    /// What a clogged network held back comes now.
    pub fn unclog(&mut self, id: u32) {
        let node = &self.nodes[id as usize];
        let (inward, outward) = (node.clogged_in == 0, node.clogged_out == 0);
        let links: Vec<_> = self.links.iter().filter(|l| l.node == id).collect();
        let due = |link: &&Link| {
            let inward = link.inward.pieces.iter().filter(|_| inward).map(|p| (p.0, true));
            let outward = link.outward.pieces.iter().filter(|_| outward).map(|p| (p.0, false));
            inward.chain(outward).map(|(at, way)| (link.conn, at, way)).collect::<Vec<_>>()
        };
        let due: Vec<(ConnId, Nanos, bool)> = links.iter().flat_map(due).collect();
        for (conn, at, inward) in due.into_iter().filter(|(_, at, _)| *at <= self.now) {
            let delay = self.net.below(self.scenario.pace.net);
            debug_assert!(at <= self.now);
            let what =
                if inward { Happening::Inward { conn } } else { Happening::Outward { conn } };
            self.heap.push(self.now + delay, what);
        }
    }

    /// How long a piece takes.
    fn latency(&mut self, node: u32) -> Nanos {
        let node = &self.nodes[node as usize];
        let (extra, tail, more) = (node.net_delay, node.net_tail, node.net_more);
        let mean = self.scenario.pace.net;
        let mut delay = more + mean / 2 + self.net.exponential(mean / 2);
        if extra > 0 {
            delay += self.net.exponential(extra);
        }
        if tail > 0 && self.net.odds(1, 50) {
            delay += self.net.exponential(tail);
        }
        delay
    }

    pub(super) fn send_inward(&mut self, conn: ConnId, piece: Piece<BytesMut>) {
        let Some(node) = self.links.find(conn).map(|l| l.node) else { return };
        let delay = self.latency(node);
        let byte_ns = self.nodes[node as usize].byte_ns;
        let bytes = if let Piece::Bytes(bytes) = &piece { bytes.len() as u64 } else { 0 };
        let link = self.links.find_mut(conn).expect("found above");
        let (from, to) = (other_end(link), Actor::Node(node));
        let text = self.story.is_some().then(|| piece.show(BytesMut::len));
        let lasts = bytes * byte_ns;
        let at = link.inward.send(self.now, delay, lasts, piece);
        self.heap.push(at, Happening::Inward { conn });
        self.tell_as(Kind::Send { to, arrives: at }, from, || text.unwrap_or_default());
    }

    pub(super) fn send_outward(&mut self, conn: ConnId, piece: Piece<Bytes>) {
        let Some(node) = self.links.find(conn).map(|l| l.node) else { return };
        let delay = self.latency(node);
        let byte_ns = self.nodes[node as usize].byte_ns;
        let bytes = if let Piece::Bytes(bytes) = &piece { bytes.len() as u64 } else { 0 };
        let link = self.links.find_mut(conn).expect("found above");
        let (from, to) = (Actor::Node(node), other_end(link));
        let text = self.story.is_some().then(|| piece.show(Bytes::len));
        let lasts = bytes * byte_ns.max(link.byte_ns);
        let at = link.outward.send(self.now, delay, lasts, piece);
        self.heap.push(at, Happening::Outward { conn });
        self.tell_as(Kind::Send { to, arrives: at }, from, || text.unwrap_or_default());
    }

    /// A piece arrives at a node.
    pub(super) fn inward(&mut self, conn: ConnId) {
        let Some(link) = self.links.find_mut(conn) else { return };
        let node = &self.nodes[link.node as usize];
        if node.clogged_in > 0 {
            return; // comes when it is unclogged
        }
        if link.held_until > self.now {
            self.heap.push(link.held_until, Happening::Inward { conn });
            return;
        }
        let Some(piece) = link.inward.arrive(self.now) else { return };
        let id = link.node;
        match (piece, link.life.is_some()) {
            (Piece::Open, _) if node.listening => {
                (link.life, link.accepted) = (Some(node.life), self.now);
                let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
                self.deliver(id, Event::Opened { conn, listener: ListenerId(0), peer });
            }
            (Piece::Bytes(bytes), true) if link.reading => {
                self.deliver(id, Event::Bytes { conn, bytes });
            }
            (Piece::Bytes(bytes), true) => link.unread.extend_from_slice(&bytes),
            (Piece::Close(why), true) => {
                link.life = None;
                link.queued.clear();
                self.deliver(id, Event::Closed { conn, why });
                self.links.retire(conn);
            }
            (Piece::Close(_), false) => self.links.retire(conn),
            // Nobody is there: the kernel says so, if there is one.
            (Piece::Open | Piece::Bytes(_), _) if node.powered => {
                self.send_outward(conn, Piece::Close(CloseReason::Peer));
            }
            (Piece::Open | Piece::Bytes(_), _) => {}
        }
    }

    /// What a node asks of the network.
    pub(super) fn obey(&mut self, id: u32, op: NetOp) {
        match op {
            NetOp::Send { conn, body } => {
                if let Some(link) = self.links.find_mut(conn).filter(|l| l.life.is_some()) {
                    link.queue(body);
                    self.take_soon(conn);
                }
            }
            NetOp::ReadOff { conn } => {
                self.marks.count(Mark::ReadOff, true);
                if let Some(link) = self.links.find_mut(conn) {
                    link.reading = false;
                }
            }
            NetOp::ReadOn { conn } => {
                let Some(link) = self.links.find_mut(conn) else { return };
                link.reading = true;
                if !link.unread.is_empty() {
                    let bytes = std::mem::take(&mut link.unread);
                    self.deliver(id, Event::Bytes { conn, bytes });
                }
            }
            NetOp::Close { conn, .. } => {
                if let Some(link) = self.links.find_mut(conn).filter(|l| l.life.is_some()) {
                    link.closing = true;
                    self.take_soon(conn);
                }
            }
            NetOp::Listen => {
                let node = &mut self.nodes[id as usize];
                (node.listening, node.founded) = (true, true);
                node.built_on_ruins |= node.ruined;
            }
            NetOp::Deafen => self.nodes[id as usize].listening = false,
            NetOp::Expect { .. } => {}
        }
    }

    /// The kernel looks soon what it can take, unless it is about to.
    pub fn take_soon(&mut self, conn: ConnId) {
        let Some(link) = self.links.find_mut(conn) else { return };
        if !link.taking && (link.takes() || link.closing) {
            link.taking = true;
            let delay = self.net.below(self.scenario.pace.turn + 1);
            self.heap.push(self.now + delay, Happening::Take { conn });
        }
    }

    /// The kernel takes what the client's window has room for.
    pub(super) fn take(&mut self, conn: ConnId) -> Result<(), Failure> {
        loop {
            let Some(link) = self.links.find_mut(conn) else { return Ok(()) };
            link.taking = false;
            let id = link.node;
            if link.life.is_none() {
                return Ok(());
            }
            if !link.takes() {
                if link.closing && link.queued.is_empty() {
                    link.life = None;
                    self.send_outward(conn, Piece::Close(CloseReason::Peer));
                    self.deliver(id, Event::Closed { conn, why: CloseReason::Peer });
                    self.links.retire(conn);
                }
                return Ok(());
            }
            let cold = matches!(link.queued.front(), Some(sordini_core::seam::Part::File { .. }));
            self.marks.count(Mark::ColdRead, cold);
            let tiny = self.nodes[id as usize].tiny > 0;
            if tiny && link.in_flight > 0 {
                return Ok(());
            }
            let before = self.nodes[id as usize].platter.counts;
            let taken = link.take(&mut self.nodes[id as usize].platter).expect("looked at above");
            self.bitten(id);
            let Some(link) = self.links.find_mut(conn) else { return Ok(()) };
            match taken {
                Ok(mut bytes) => {
                    let room = link.window.saturating_sub(link.in_flight).max(SHORT_BYTES_MIN);
                    link.put_back(&mut bytes, if tiny { TINY_BYTES } else { room });
                    let count = bytes.len() as u64;
                    link.in_flight += count;
                    self.deliver(id, Event::Sent { conn, bytes: count });
                    self.send_pieces(conn, bytes);
                }
                Err(e) => {
                    // A segment that was dropped between the answer and its sending, or its whole topic, or the directory has to be
                    // told again whose it is: the client asks again. Else bytes that are bad for no reason, or a file that is gone
                    // from a disk that never failed.
                    let platter = &self.nodes[id as usize].platter;
                    // The range may have come from a search that was misled.
                    let met = platter.counts.faults != before.faults || platter.is_bitten(e.log);
                    let gone =
                        matches!(e.error.kind, DiskErrorKind::NotFound | DiskErrorKind::Stale);
                    let dropped = self.ledger.may_drop() || self.is_deleted(id, &e.slice.file);
                    let nameless =
                        e.error.kind == DiskErrorKind::Stale && platter.is_nameless(e.log);
                    let excused = met || nameless || gone && dropped;
                    if !excused {
                        let what = format!("{}: {}", e.slice.file.path(), e.error);
                        return Err(Failure::new("served_bytes", what));
                    }
                    let Some(link) = self.links.find_mut(conn) else { return Ok(()) };
                    let (log, generation, slice, error) = (e.log, e.generation, e.slice, e.error);
                    link.life = None;
                    link.queued.clear();
                    self.deliver(id, Event::FileFailed { log, generation, slice, error });
                    self.send_outward(conn, Piece::Close(CloseReason::BadFile));
                    self.deliver(id, Event::Closed { conn, why: CloseReason::BadFile });
                    self.links.retire(conn);
                    return Ok(());
                }
            }
        }
    }

    /// Whether a file is gone with its log, whose topic somebody asked to delete.
    fn is_deleted(&self, id: u32, file: &FileName) -> bool {
        let FileName::Log(dir, _) = file else { return false };
        let topic = dir.name.rsplit_once('-').map_or("", |(topic, _)| topic);
        self.ledger.may_be_deleted(id, topic) && !self.nodes[id as usize].platter.has_log(dir)
    }

    fn send_pieces(&mut self, conn: ConnId, mut bytes: Bytes) {
        while bytes.len() > 1 && self.net.odds(1, self.scenario.pace.split) {
            let piece = bytes.split_to(1 + self.net.index(bytes.len() - 1));
            self.send_outward(conn, Piece::Bytes(piece));
        }
        self.send_outward(conn, Piece::Bytes(bytes));
    }

    /// A piece arrives at a client.
    pub(super) fn outward(&mut self, conn: ConnId) -> Result<(), Failure> {
        let Some(link) = self.links.find_mut(conn) else { return Ok(()) };
        if self.nodes[link.node as usize].clogged_out > 0 {
            return Ok(()); // comes when it is unclogged
        }
        if link.held_until > self.now {
            self.heap.push(link.held_until, Happening::Outward { conn });
            return Ok(());
        }
        let Some(piece) = link.outward.arrive(self.now) else { return Ok(()) };
        let (client, held) = (link.client, link.held_by_client);
        if let Piece::Bytes(bytes) = &piece {
            link.in_flight = link.in_flight.saturating_sub(bytes.len() as u64);
            self.take_soon(conn);
        }
        match (piece, client) {
            _ if !held => Ok(()),
            (Piece::Bytes(bytes), Some(client)) => self.client_receives(client, bytes),
            (Piece::Bytes(bytes), None) => {
                self.audit.receive(bytes);
                Ok(())
            }
            (Piece::Open | Piece::Close(_), client) => {
                let link = self.links.find_mut(conn).expect("found above");
                link.held_by_client = false;
                let half_open = link.life.is_some();
                if half_open {
                    self.send_inward(conn, Piece::Close(CloseReason::Peer));
                }
                self.links.retire(conn);
                match client {
                    Some(client) => self.client_loses(client),
                    None => self.audit.lose(),
                }
                Ok(())
            }
        }
    }
}
