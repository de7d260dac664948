//! The whole shard on a platter, with clients: a value that is stepped, forked and cut off from power.
//!
//! The world moves bytes and nothing else. Everything that production's adapters may do in any
//! order is drawn here: which connection's bytes come next and in how many pieces, which disk operation is
//! done, when a response is sent. A new process after a crash is a new [`Shard`] on the same platter.

use crate::chance::Chance;
use crate::check;
use crate::client::{Client, Kind, Mood, PARTITIONS, fetch, fetched, framed, opened};
use crate::failure::Failure;
use crate::ledger::{Ledger, View, Views};
use crate::link::Link;
use crate::platter::{Fate, Platter, Unsynced};
use bytes::{Bytes, BytesMut};
use sordini_core::config::broker::BrokerConfig;
use sordini_core::limits::Limits;
use sordini_core::seam::{
    self, CloseReason, ConnId, Event, Fact, ListenerId, Machine, NetOp, Outbox,
};
use sordini_core::shard::Shard;
use sordini_log::storage::StorageConfig;
use sordini_log::{Mono, Now, Wall};
use sordini_wire::frame::FrameSplitter;
use sordini_wire::message::Message;
use sordini_wire::message::fetch::FetchRequest;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

/// What a world is made of.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The broker's own.
    pub broker: BrokerConfig,
    /// Bounds of the machine.
    pub limits: Limits,
    /// Sizes of the storage.
    pub storage: StorageConfig,
    /// Clients by kind.
    pub clients: Vec<Kind>,
}

/// A broker of one shard, its disk and its clients.
#[derive(Clone, Debug)]
pub struct World {
    /// The disk.
    pub platter: Platter,
    /// What clients were promised.
    pub ledger: Ledger,
    /// The clients.
    pub clients: Vec<Client>,
    /// With `Some`, one line for each event.
    pub story: Option<Vec<String>>,
    config: WorldConfig,
    seed: u64,
    shard: Shard,
    out: Outbox,
    now: Now,
    boots: u64,
    listening: bool,
    links: BTreeMap<ConnId, (Link, Option<usize>)>,
    conn_next: u64,
    order: Chance,
    net: Chance,
    clock: Chance,
}

struct Collected<'a>(&'a mut Vec<NetOp>);

impl seam::Net for Collected<'_> {
    fn submit(&mut self, ops: &mut Vec<NetOp>) {
        self.0.append(ops);
    }
}

impl World {
    /// An empty disk, and a process that begins to recover from it.
    pub fn new(seed: u64, config: WorldConfig) -> World {
        let client = |(n, kind): (usize, &Kind)| {
            Client::new(n as u32, *kind, Chance::new(seed, 100 + n as u64))
        };
        let shard = shard(&config, seed, 0);
        World {
            platter: Platter::default(),
            ledger: Ledger::default(),
            clients: config.clients.iter().enumerate().map(client).collect(),
            story: None,
            config,
            seed,
            shard,
            out: Outbox::default(),
            now: Now { mono: Mono(0), wall: Wall(1_700_000_000_000), disk_free: 1 << 50 },
            boots: 0,
            listening: false,
            links: BTreeMap::new(),
            conn_next: 0,
            order: Chance::new(seed, 1),
            net: Chance::new(seed, 2),
            clock: Chance::new(seed, 3),
        }
    }

    /// A new process begins on the disk as it is.
    pub fn boot(&mut self) -> Result<(), Failure> {
        self.boots += 1;
        self.shard = shard(&self.config, self.seed, self.boots);
        (self.out, self.listening) = (Outbox::default(), false);
        self.now.mono = Mono(0);
        self.links.clear();
        self.clients.iter_mut().for_each(Client::disconnected);
        self.turn(vec![Event::Boot])
    }

    /// The power fails, in the middle of the operations that were next if `midway`; a new process begins.
    pub fn crash(
        &mut self,
        midway: bool,
        fate: &mut dyn FnMut(Unsynced) -> Fate,
    ) -> Result<(), Failure> {
        if midway {
            self.platter.start();
        }
        self.platter.crash(fate);
        self.tell(|| format!("power failure (midway: {midway})"));
        self.boot()
    }

    /// Whether clients may connect.
    pub fn is_listening(&self) -> bool {
        self.listening
    }

    /// One disk operation and the machine's turn on it. False if there was none.
    pub fn step_disk(&mut self) -> Result<bool, Failure> {
        let choice = self.order.index(self.platter.ready());
        let what = self
            .story
            .as_ref()
            .and_then(|_| self.platter.peek(choice))
            .map(crate::story::operation);
        let Some(completion) = self.platter.step(choice) else { return Ok(false) };
        self.tell(|| {
            let result = crate::story::result(&completion.result);
            format!("disk: {} -> {result}", what.unwrap_or_default())
        });
        self.turn(vec![Event::Disk(completion)])?;
        Ok(true)
    }

    /// Time passes, clients act, bytes move, and the machine has its turn on what arrived.
    pub fn step_net(&mut self, acting: bool) -> Result<(), Failure> {
        self.now.mono = Mono(self.now.mono.0 + self.clock.below(2_000_000));
        self.now.wall = Wall(self.now.wall.0 + 1);
        let mut events = Vec::new();
        if acting {
            self.clients_act(&mut events);
        }
        let conns: Vec<ConnId> = self.links.keys().copied().collect();
        for conn in conns {
            self.carry(conn, &mut events)?;
        }
        if self.shard.deadline().is_some_and(|at| at <= self.now.mono) {
            events.push(Event::Tick);
        }
        self.turn(events)
    }

    /// Nothing happens but disk and timers until the machine listens.
    pub fn recover(&mut self) -> Result<(), Failure> {
        for _ in 0..20_000 {
            if self.listening {
                return Ok(());
            }
            self.idle_turn()?;
        }
        Err(Failure::new("liveness", "the broker does not listen after 20,000 turns"))
    }

    /// A disk operation, or time passes until the machine wants something.
    pub fn idle_turn(&mut self) -> Result<(), Failure> {
        if self.step_disk()? {
            return Ok(());
        }
        let deadline = self.shard.deadline().unwrap_or(self.now.mono);
        self.now.mono = self.now.mono.max(deadline);
        self.step_net(false)
    }

    /// Clients finish what they began, without new faults.
    pub fn finish(&mut self) -> Result<(), Failure> {
        self.clients.iter_mut().for_each(|client| client.making = false);
        for _ in 0..20_000 {
            if self.clients.iter().all(Client::is_finished) {
                return Ok(());
            }
            self.step_net(true)?;
            self.step_disk()?;
        }
        Err(Failure::new("liveness", "clients do not finish within 20,000 turns"))
    }

    /// Recovers, reads everything as a client of its own, and runs every check.
    pub fn audit(&mut self) -> Result<(), Failure> {
        self.recover()?;
        let mut views = Views::new();
        if self.clients.iter().any(Client::knows_topic) {
            for partition in 0..PARTITIONS {
                views.insert(partition, self.view(partition)?);
            }
        }
        check::all(&self.ledger, &views).map_err(|(check, what)| Failure::new(check, what))
    }

    /// A partition from the beginning to its high watermark.
    fn view(&mut self, partition: i32) -> Result<View, Failure> {
        let conn = self.connect(None);
        self.turn(vec![self.opened(conn)])?;
        let mut whole: Option<View> = None;
        loop {
            let at = whole.as_ref().map_or(0, |v| v.records.last().map_or(v.start, |r| r.0 + 1));
            let request = framed(&fetch(partition, at, 4000, 0), 12, 7);
            let answer = self.ask(conn, request)?;
            let mut body = opened(answer, FetchRequest::API_KEY, 12, 7)?;
            let Some(view) = fetched(&mut body, 12)? else {
                return Err(Failure::new(
                    "fetch is answered as it should be",
                    "try again, it says",
                ));
            };
            let whole = whole.get_or_insert(View { records: Vec::new(), ..view.clone() });
            let before = whole.records.len();
            whole.records.extend(view.records.into_iter().filter(|r| r.0 >= at));
            if whole.records.len() == before {
                return Ok(whole.clone());
            }
        }
    }

    /// Sends a request and waits for its answer; nobody else acts.
    fn ask(&mut self, conn: ConnId, request: Bytes) -> Result<Bytes, Failure> {
        let mut events = vec![Event::Bytes { conn, bytes: BytesMut::from(&request[..]) }];
        let mut splitter = FrameSplitter::default();
        for _ in 0..2000 {
            self.turn(std::mem::take(&mut events))?;
            let Some((link, _)) = self.links.get_mut(&conn) else { break };
            while let Some(piece) = link.deliver(&self.platter) {
                let piece = piece.map_err(|e| Failure::new("served bytes are true", e.what))?;
                events.push(Event::Sent { conn, bytes: piece.len() as u64 });
                splitter.push(BytesMut::from(&piece[..]));
            }
            if let Ok(Some(frame)) = splitter.next_frame() {
                self.turn(events)?;
                return Ok(frame.freeze());
            }
            self.idle_turn()?;
        }
        Err(Failure::new("liveness", "a request was not answered within 2,000 turns"))
    }

    fn clients_act(&mut self, events: &mut Vec<Event>) {
        for n in 0..self.clients.len() {
            let conn = self.links.iter().find(|(_, (_, client))| *client == Some(n));
            let Some(conn) = conn.map(|(conn, _)| *conn) else {
                if self.listening && self.net.odds(1, 2) {
                    let conn = self.connect(Some(n));
                    events.push(self.opened(conn));
                }
                continue;
            };
            if self.net.odds(1, 2)
                && let Some(request) = self.clients[n].act(self.now.wall.0, &mut self.ledger)
            {
                let (link, _) = self.links.get_mut(&conn).expect("found above");
                link.inward.extend_from_slice(&request);
            }
        }
    }

    fn connect(&mut self, client: Option<usize>) -> ConnId {
        self.conn_next += 1;
        let conn = ConnId(self.conn_next);
        self.links.insert(conn, (Link::new(), client));
        conn
    }

    fn opened(&self, conn: ConnId) -> Event {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 40_000));
        Event::Opened { conn, listener: ListenerId(0), peer }
    }

    /// Moves a piece of what is on its way, in each direction, or neither.
    fn carry(&mut self, conn: ConnId, events: &mut Vec<Event>) -> Result<(), Failure> {
        let (link, client) = self.links.get_mut(&conn).expect("listed just now");
        let client = *client;
        if link.open && !link.inward.is_empty() && self.net.odds(2, 3) {
            let whole = self.net.odds(3, 4);
            let len = link.inward.len();
            let count = if whole { len } else { 1 + self.net.index(len) };
            events.push(Event::Bytes { conn, bytes: link.inward.split_to(count) });
        }
        let mut gone = link.closing && link.is_sent();
        if self.net.odds(2, 3)
            && let Some(piece) = link.deliver(&self.platter)
        {
            match piece {
                Ok(bytes) => {
                    events.push(Event::Sent { conn, bytes: bytes.len() as u64 });
                    if let Some(n) = client {
                        let mood = self.clients[n].receive(bytes, &mut self.ledger)?;
                        gone |= mood == Mood::Reconnect;
                    }
                }
                Err(e) => {
                    let what = format!("{}: {}", e.slice.file.path(), e.what);
                    return Err(Failure::new("served bytes are true", what));
                }
            }
        }
        if gone {
            self.links.remove(&conn);
            if let Some(n) = client {
                self.clients[n].disconnected();
            }
            events.push(Event::Closed { conn, why: CloseReason::Peer });
        }
        Ok(())
    }

    fn turn(&mut self, events: Vec<Event>) -> Result<(), Failure> {
        self.now.mono = Mono(self.now.mono.0 + self.clock.below(50_000));
        self.now.disk_free = self.platter.free();
        let mut ops = Vec::new();
        let alive = seam::turn(
            &mut self.shard,
            self.now,
            &mut events.into_iter(),
            false,
            &mut Collected(&mut ops),
            &mut self.platter,
            &mut self.out,
        );
        for fact in std::mem::take(&mut self.out.facts) {
            self.tell(|| format!("fact: {fact:?}"));
            match fact {
                Fact::Fatal(why) => return Err(Failure::new("never fatal", why)),
                Fact::Faulty { log, from, to } => {
                    let what = format!("{log}: {from}..{to} is faulty after crashes only");
                    return Err(Failure::new("crashes leave nothing faulty", what));
                }
                _ => {}
            }
        }
        assert!(alive, "only a fatal fact ends a turn early");
        for op in ops {
            self.obey(op);
        }
        Ok(())
    }

    fn obey(&mut self, op: NetOp) {
        let mut with = |conn: ConnId, act: &mut dyn FnMut(&mut Link)| {
            if let Some((link, _)) = self.links.get_mut(&conn) {
                act(link);
            }
        };
        match op {
            NetOp::Send { conn, body } => with(conn, &mut |link| link.send(body.clone())),
            NetOp::ReadOff { conn } => with(conn, &mut |link| link.open = false),
            NetOp::ReadOn { conn } => with(conn, &mut |link| link.open = true),
            NetOp::Close { conn, .. } => with(conn, &mut |link| link.closing = true),
            NetOp::Listen => self.listening = true,
            NetOp::Deafen => self.listening = false,
            NetOp::Expect { .. } => {}
        }
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }
}

fn shard(config: &WorldConfig, seed: u64, boot: u64) -> Shard {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&boot.to_le_bytes());
    Shard::new(config.broker.clone(), config.limits.clone(), config.storage.clone(), bytes)
}
