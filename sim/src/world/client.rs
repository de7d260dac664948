//! The body of a client: it connects, finds or makes its topic, sends what its load wants, waits so long and no longer,
//! and connects again.

use super::{Actor, Happening, Kind, World};
use crate::chance::{Chance, Purpose, Who};
use crate::failure::Failure;
use crate::heap::{MS, Nanos};
use crate::ledger::TopicNo;
use crate::load::{Ask, Asked, Desk, Load, Outcome, Spec, wire};
use bytes::{Bytes, BytesMut};
use sordini_core::seam::ConnId;
use sordini_wire::frame::FrameSplitter;
use sordini_wire::message::Message;
use sordini_wire::message::create_topics::{CreateTopicsRequest, CreateTopicsResponse};
use sordini_wire::message::metadata::{MetadataRequest, MetadataResponse};
use sordini_wire::primitive::Reader;
use std::collections::VecDeque;
use std::fmt;

/// Longest time that a client waits before it connects again, but for a millisecond.
pub const BACKOFF_MAX: Nanos = 400 * MS;

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Its number in the world.
    pub id: u32,
    /// Whether it begins new operations; without, only what was begun is finished.
    pub making: bool,
    /// Its number in all streams of chance.
    stream: u32,
    spec: Spec,
    load: Box<dyn Load>,
    topic: TopicNo,
    conn: Option<ConnId>,
    splitter: FrameSplitter,
    correlation: i32,
    /// Requests without an answer, in order, and when they were sent.
    waiting: VecDeque<(Nanos, Asked)>,
    /// Whether the topic is known to be there.
    ready: bool,
    /// Whether the broker said that the topic is not there.
    missing: bool,
    /// Number of the next operation, and when it is due.
    next: (u32, Nanos),
    /// When it may connect again.
    connect_at: Nanos,
    /// Connections that were lost since the last answer: the next try comes later for each.
    losses: u32,
    /// It is cut off until then.
    pub cut_until: Nanos,
    /// When it wakes next.
    wake_at: Nanos,
    arrivals: Chance,
    content: Chance,
    connecting: Chance,
}

impl Client {
    /// A client that has not connected.
    pub fn new(seed: u64, id: u32, stream: u32, spec: &Spec, topic: TopicNo) -> Client {
        let chance = |purpose| Chance::of(seed, Who::Client(stream), purpose);
        let mut arrivals = chance(Purpose::Arrivals);
        let first = arrivals.exponential(spec.interval);
        Client {
            id,
            making: true,
            stream,
            spec: spec.clone(),
            load: spec.load.fork(),
            topic,
            conn: None,
            splitter: FrameSplitter::default(),
            correlation: 0,
            waiting: VecDeque::new(),
            ready: false,
            missing: false,
            next: (0, first),
            connect_at: 0,
            losses: 0,
            cut_until: 0,
            wake_at: Nanos::MAX,
            arrivals,
            content: chance(Purpose::Content),
            connecting: chance(Purpose::Connecting),
        }
    }

    /// The node that it connects to.
    pub fn node(&self) -> u32 {
        self.spec.node
    }

    /// Whether everything that it began is answered.
    pub fn is_finished(&self) -> bool {
        self.load.is_finished()
    }

    /// Bytes that may be on their way to it, if not what is usual.
    pub fn window(&self) -> Option<u64> {
        self.spec.window
    }

    /// How long it takes to read a byte, ns. In the end everybody reads as fast as it comes.
    pub fn byte_ns(&self) -> Nanos {
        if self.making { self.spec.byte_ns } else { 0 }
    }

    /// The connection is gone; the client rests for a moment.
    fn disconnected(&mut self, now: Nanos) {
        self.conn = None;
        self.splitter = FrameSplitter::default();
        self.waiting.clear();
        let backoff = (self.spec.backoff << self.losses.min(20)).min(BACKOFF_MAX);
        self.losses += 1;
        self.connect_at = now + MS + self.connecting.below(backoff);
    }

    /// When it has waited long enough for the first answer that is due.
    fn patience_ends(&self) -> Option<Nanos> {
        let (sent, asked) = self.waiting.front()?;
        Some(sent + self.spec.timeout + asked.patience)
    }

    /// When it wants to be woken, if nothing else happens.
    fn wants(&self) -> Option<Nanos> {
        let operation = self.making.then_some(self.next.1);
        let timeout = self.patience_ends();
        let connect = self.conn.is_none().then_some(self.connect_at);
        [operation, timeout, connect].into_iter().flatten().min()
    }

    /// What comes before the load may work: is the topic there, and if not, make it.
    fn opening(&mut self, world_topic: &str, partitions: i32, at: Nanos) -> Option<Ask> {
        if !self.waiting.is_empty() {
            return None;
        }
        self.correlation += 1;
        let correlation = self.correlation;
        if self.missing {
            let request = wire::create_topic(world_topic, partitions, 5000);
            let version = *self.content.pick(&[2, 4, 5, 7]);
            let frame = wire::framed(&request, version, correlation);
            let key = CreateTopicsRequest::API_KEY;
            let asked = Asked::new(key, version, correlation, 0, at);
            return Some(Ask { asked, frame });
        }
        let request = wire::describe_topic(world_topic, self.content.odds(1, 4));
        let version = *self.content.pick(&[4, 8, 9, 12]);
        let frame = wire::framed(&request, version, correlation);
        let key = MetadataRequest::API_KEY;
        Some(Ask { asked: Asked::new(key, version, correlation, 0, at), frame })
    }

    fn opened(
        &mut self,
        asked: &Asked,
        body: &mut Reader,
        partitions: i32,
    ) -> Result<Outcome, Failure> {
        let code = match asked.key {
            CreateTopicsRequest::API_KEY => {
                let answer: CreateTopicsResponse = wire::decoded(body, asked.version)?;
                self.missing = false;
                answer.topics.first().map(|t| t.error_code)
            }
            _ => {
                let answer: MetadataResponse = wire::decoded(body, asked.version)?;
                let topic = answer.topics.first();
                self.missing = topic.is_some_and(|t| t.error_code == 3);
                self.ready = topic.is_some_and(|t| {
                    t.error_code == 0 && t.partitions.len() == partitions as usize
                });
                topic.map(|t| t.error_code)
            }
        };
        match code {
            // Done, not there yet, no leader yet, there already: the next step tells.
            Some(0 | 3 | 5 | 36) => Ok(Outcome::Step),
            Some(code @ (7 | 56)) => Ok(Outcome::Unknown(code)),
            code => Err(Failure::new("legal_answers", format!("{asked:?} was answered {code:?}"))),
        }
    }
}

impl Clone for Client {
    fn clone(&self) -> Client {
        Client {
            load: self.load.fork(),
            spec: self.spec.clone(),
            splitter: self.splitter.clone(),
            waiting: self.waiting.clone(),
            arrivals: self.arrivals.clone(),
            content: self.content.clone(),
            connecting: self.connecting.clone(),
            ..*self
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, waiting) = (self.id, self.waiting.len());
        let connected = if self.conn.is_some() { "connected" } else { "not connected" };
        write!(f, "client {id} is {connected}, waits for {waiting} answers and is not finished")
    }
}

impl World {
    /// The client looks at `at` what there is to do, unless it does so before.
    pub(super) fn wake_client(&mut self, id: u32, at: Nanos) {
        let client = &mut self.clients[id as usize];
        if at < client.wake_at {
            client.wake_at = at;
            self.heap.push(at, Happening::Client { client: id });
        }
    }

    pub(super) fn client_wakes(&mut self, id: u32) {
        let client = &mut self.clients[id as usize];
        if client.wake_at != self.now || !self.lively {
            return; // it woke before, or has gone to sleep for good
        }
        client.wake_at = Nanos::MAX;
        if client.conn.is_none() && client.connect_at <= self.now {
            let node = client.spec.node;
            let conn = self.connect(Some(id), node);
            self.clients[id as usize].conn = Some(conn);
        }
        self.begin_operations(id);
        self.send_requests(id);
        let client = &self.clients[id as usize];
        let expired = client.patience_ends().is_some_and(|at| self.now >= at);
        if expired {
            self.give_up(id);
        }
        self.rest(id);
    }

    /// Operations that are due begin.
    fn begin_operations(&mut self, id: u32) {
        let (now, seed, wall_ms) = (self.now, self.seed, self.wall_ms());
        let client = &mut self.clients[id as usize];
        while client.making && client.next.1 <= now {
            let (n, due) = client.next;
            client.next = (n + 1, due + client.arrivals.exponential(client.spec.interval));
            if client.spec.wants(n) {
                let who = Who::Operation(client.stream, n);
                let mut chance = Chance::of(seed, who, Purpose::Content);
                let mut desk = desk(
                    &mut chance,
                    &mut self.ledger,
                    &mut client.correlation,
                    (client.id, client.topic, now, wall_ms),
                );
                client.load.sample(&mut desk);
            }
        }
    }

    /// Everything that the client wants to send goes out.
    fn send_requests(&mut self, id: u32) {
        let wall_ms = self.wall_ms();
        loop {
            let client = &mut self.clients[id as usize];
            let Some(conn) = client.conn else { return };
            let ask = if client.ready {
                let mut desk = desk(
                    &mut client.content,
                    &mut self.ledger,
                    &mut client.correlation,
                    (client.id, client.topic, self.now, wall_ms),
                );
                client.load.send(&mut desk)
            } else {
                let topic = &self.ledger.topics[usize::from(client.topic.0)];
                client.opening(&topic.name, topic.partitions, self.now)
            };
            let Some(Ask { asked, frame }) = ask else { return };
            client.waiting.push_back((self.now, asked));
            self.tell_as(Kind::Ask, Actor::Client(id), || {
                let Asked { key, version, correlation, .. } = asked;
                format!("asks {} v{version} #{correlation}, {} bytes", api(key), frame.len())
            });
            self.transmit(conn, frame);
        }
    }

    /// Bytes arrived.
    pub(super) fn client_receives(&mut self, id: u32, bytes: Bytes) -> Result<(), Failure> {
        if !self.lively {
            return Ok(());
        }
        let client = &mut self.clients[id as usize];
        client.losses = 0;
        if client.ready && !client.load.listens() {
            client.waiting.clear();
            return Ok(());
        }
        // An answer that trickles through a narrow window is not one that does not come.
        if let Some((since, _)) = client.waiting.front_mut() {
            *since = self.now;
        }
        let piece = bytes.try_into_mut().unwrap_or_else(|bytes| BytesMut::from(&bytes[..]));
        client.splitter.push(piece);
        let accepted = client.conn.and_then(|conn| self.links.find(conn)).map_or(0, |l| l.accepted);
        let broken = |e: &dyn fmt::Display| Failure::new("wire", format!("client {id}: {e}"));
        loop {
            let client = &mut self.clients[id as usize];
            let Some(frame) = client.splitter.next_frame().map_err(|e| broken(&e))? else { break };
            let waiting = client.waiting.pop_front();
            let (_, mut asked) =
                waiting.ok_or_else(|| broken(&"an answer that nobody waits for"))?;
            asked.accepted = accepted;
            let mut body = wire::opened(frame.freeze(), &asked)?;
            let outcome = self.understand(id, &asked, &mut body)?;
            if let Outcome::Unknown(_) = outcome {
                self.give_up(id);
                break;
            }
        }
        self.send_requests(id);
        self.rest(id);
        Ok(())
    }

    fn understand(
        &mut self,
        id: u32,
        asked: &Asked,
        body: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let wall_ms = self.wall_ms();
        let client = &mut self.clients[id as usize];
        if !client.ready {
            let topic = &mut self.ledger.topics[usize::from(client.topic.0)];
            let outcome = client.opened(asked, body, topic.partitions)?;
            topic.known |= client.ready;
            return Ok(outcome);
        }
        let mut desk = desk(
            &mut client.content,
            &mut self.ledger,
            &mut client.correlation,
            (client.id, client.topic, self.now, wall_ms),
        );
        let outcome = client.load.classify(&mut desk, asked, body)?;
        if body.remaining() > 0 {
            let what = format!("{} bytes follow the answer to {asked:?}", body.remaining());
            return Err(Failure::new("wire", what));
        }
        self.ledger.tally.acked += u64::from(outcome == Outcome::Success);
        self.ledger.tally.refused += u64::from(matches!(outcome, Outcome::Refused(_)));
        let kind = match outcome {
            Outcome::Success => Kind::Ack,
            Outcome::Refused(_) => Kind::Refused,
            Outcome::Unknown(_) => Kind::Unknown,
            Outcome::Step => Kind::Note,
        };
        let diary = self.ledger.read_diary();
        self.tell_as(kind, Actor::Client(id), || {
            format!("{} #{}: {outcome:?}{diary}", api(asked.key), asked.correlation)
        });
        Ok(outcome)
    }

    /// The client closes its connection, and does not know what became of what it had asked.
    fn give_up(&mut self, id: u32) {
        if let Some(conn) = self.clients[id as usize].conn {
            self.hang_up(conn);
            self.client_loses(id);
        }
    }

    /// The client's connection is gone.
    pub(super) fn client_loses(&mut self, id: u32) {
        let wall_ms = self.wall_ms();
        let client = &mut self.clients[id as usize];
        client.disconnected(self.now);
        let mut desk = desk(
            &mut client.content,
            &mut self.ledger,
            &mut client.correlation,
            (client.id, client.topic, self.now, wall_ms),
        );
        client.load.lost(&mut desk);
        self.tell_as(Kind::Unknown, Actor::Client(id), || "loses its connection".to_owned());
        self.rest(id);
    }

    fn rest(&mut self, id: u32) {
        if let Some(at) = self.clients[id as usize].wants() {
            self.wake_client(id, at.max(self.now + 1));
        }
    }
}

/// The name of an API.
fn api(key: i16) -> &'static str {
    sordini_core::api::row(key).map_or("unknown", |row| row.name)
}

fn desk<'a>(
    chance: &'a mut Chance,
    ledger: &'a mut crate::ledger::Ledger,
    correlation: &'a mut i32,
    (client, topic, now, wall_ms): (u32, TopicNo, Nanos, i64),
) -> Desk<'a> {
    Desk { client, topic, now, wall_ms, chance, ledger, correlation }
}
