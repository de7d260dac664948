//! The world: nodes, clients, links and what will happen to them, as one value.
//!
//! One pop of the heap is one event. The world composes values that know nothing of each other: a
//! [`Node`] is a real [`Shard`](sordini_core::Shard) with a platter and a clock, a [`Client`] is a load with a connection, a
//! [`Link`] carries bytes between them. Whatever production's adapters may do in any order is drawn here: when bytes arrive
//! and in how many pieces, when a disk operation is done, which turn takes what. A turn of a node is
//! [`seam::turn`], production's own loop body.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the state, and what each event does |
//! | `node` | a node's turn, its disk, its deaths and births |
//! | `net` | links: pieces on their way, resets, the kernel's windows |
//! | `doom` | ends that wait for a process: storms of crashes, crashes at an operation |
//! | `client` | the body of a client: connecting, timeouts, frames |
//! | `held` | what the data directory holds that a run began on |
//! | `audit` | an auditor who reads everything through the wire |
//! | `rest` | everybody leaves, and what is left is written down |
//! | `rebirth` | processes die and others begin, and what each knows is written down |
//! | `trace` | the hash of everything that happens, and the story for people |
//!
//! A world is `Clone`: it can be forked at any event.

mod audit;
pub mod client;
mod death;
pub mod doom;
mod held;
mod net;
mod node;
mod rebirth;
mod recorded;
mod rest;
pub mod trace;

pub use client::Client;
pub use death::Death;
pub use net::Links;
pub use node::Node;
pub use trace::{Actor, Kind, Line};

use crate::chance::{Chance, Purpose, Who};
use crate::clock::EPOCH_MS;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::fault::{FAULTS, Hit, Strike};
use crate::heap::{Heap, MS, Nanos};
use crate::ledger::{Ledger, Retention, TopicNo};
use crate::marks::Marks;
use crate::scenario::Scenario;
use sordini_core::config::broker::BrokerConfig;
use sordini_core::seam::{ConnId, Fact, NetOp};
use sordini_log::LogId;
use sordini_log::disk::Lane;
use sordini_log::journal::JournalConfig;
use sordini_reach::Reached;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something to come. Small and without data: what it needs waits where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Happening {
    /// A node takes its turn on what has come.
    Turn { node: u32, life: u32 },
    /// A node's deadline.
    Timer { node: u32, life: u32 },
    /// A disk operation is done.
    Disk { node: u32, life: u32, lane: Lane },
    /// A piece arrives at the node.
    Inward { conn: ConnId },
    /// The kernel takes what the node wants to send.
    Take { conn: ConnId },
    /// A piece arrives at the client.
    Outward { conn: ConnId },
    /// A client looks what there is to do.
    Client { client: u32 },
    /// A process that ended is started again.
    Restart { node: u32, life: u32 },
    /// The end that a storm of crashes holds for this life.
    Doom { node: u32, life: u32 },
    /// A fault strikes.
    Strike { n: u32 },
    /// A fault is over.
    Mend { n: u32 },
}

/// Nodes, clients, links, and what will happen.
#[derive(Clone, Debug)]
pub struct World {
    /// What it was made of.
    pub scenario: Arc<Scenario>,
    /// And from which seed.
    pub seed: u64,
    /// Virtual time.
    pub now: Nanos,
    /// What a clock that is right shows at its beginning, ms since 1970.
    pub begins_ms: i64,
    /// Events so far.
    pub events: u64,
    /// The brokers.
    pub nodes: Vec<Node>,
    /// The clients.
    pub clients: Vec<Client>,
    /// Connections.
    pub links: Links,
    /// What clients were promised.
    pub ledger: Ledger,
    /// What brokers reported, without the moves of high watermarks, which are too many.
    pub facts: Vec<(Nanos, u32, Fact)>,
    /// By node and log: the partition that it was made for.
    pub(super) logs: BTreeMap<(u32, LogId), (String, i32)>,
    /// By node and log: how much of it is durable, by what the broker reported.
    pub(super) watermarks: BTreeMap<(u32, LogId), u64>,
    /// The schedule of faults.
    pub strikes: Vec<Strike>,
    /// How many did harm, by row of [`FAULTS`].
    pub struck: Vec<u64>,
    /// Strikes that did harm or lay in wait for something to harm.
    pub armed: u64,
    /// Rare states that were reached.
    pub marks: Marks,
    /// Places in the core that processes came to which are gone.
    pub reached: Reached,
    /// Hash of everything that happened.
    pub hash: Digest,
    /// With `Some`, the hash after each event, and how long the story was then.
    pub hashes: Option<Vec<(u64, usize)>>,
    /// With `Some`, a line for everything that happens.
    pub story: Option<Vec<Line>>,
    /// Whether faults may still begin.
    pub stormy: bool,
    /// Whether clients act.
    pub lively: bool,
    heap: Heap<Happening>,
    net: Chance,
    audit: audit::Inbox,
    /// Network operations of a turn; kept for its memory.
    net_ops: Vec<NetOp>,
}

impl World {
    /// Empty disks, processes about to boot, and clients about to connect.
    pub fn new(seed: u64, scenario: Arc<Scenario>) -> World {
        let mut ledger = Ledger::default();
        ledger.retention = retention(&scenario.broker);
        ledger.message_bytes_max = message_bytes_max(&scenario.broker);
        ledger.batch_bytes_max = scenario.storage.journal.batch_bytes_max() as i64;
        ledger.relaxed = is_relaxed(&scenario.broker);
        ledger.syncs_max = syncs_max(&scenario.storage.journal);
        let clients = clients(seed, &scenario, &mut ledger);
        let faults = scenario.faults.iter().enumerate();
        let strikes = faults.flat_map(|(n, f)| f.strikes(seed, n, scenario.nodes)).collect();
        let mut world = World {
            seed,
            now: 0,
            begins_ms: scenario.image.as_ref().map_or(EPOCH_MS, |image| image.wall_ms),
            events: 0,
            nodes: (0..scenario.nodes).map(|n| Node::new(seed, n, &scenario)).collect(),
            clients,
            links: Links::default(),
            ledger,
            facts: Vec::new(),
            logs: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            strikes,
            struck: vec![0; FAULTS.len()],
            armed: 0,
            marks: Marks::default(),
            reached: Reached::default(),
            hash: Digest::default(),
            hashes: None,
            story: None,
            stormy: true,
            lively: true,
            heap: Heap::new(Chance::of(seed, Who::World, Purpose::Ties)),
            net: Chance::of(seed, Who::World, Purpose::Net),
            audit: audit::Inbox::default(),
            net_ops: Vec::new(),
            scenario,
        };
        world.stand_on_image();
        for n in 0..world.strikes.len() {
            let strike = &world.strikes[n];
            let mut ties = Chance::of(seed, Who::Fault(strike.stream), Purpose::Ties);
            let what = Happening::Strike { n: n as u32 };
            world.heap.push_with(strike.at, ties.bits(), what);
        }
        (0..world.nodes.len() as u32).for_each(|n| world.boot(n));
        (0..world.clients.len()).for_each(|n| world.wake_client(n as u32, 0));
        world
    }

    /// What a clock that is right shows, ms.
    pub fn wall_ms(&self) -> i64 {
        self.begins_ms + (self.now / MS) as i64
    }

    /// Places in the core that any process came to.
    pub fn all_reached(&self) -> Reached {
        let mut all = self.reached.clone();
        self.nodes.iter().filter(|n| n.up).for_each(|node| all.add(&node.shard.reached()));
        all
    }

    /// The next event happens. False if nothing is to come.
    pub fn step(&mut self) -> Result<bool, Failure> {
        let lived = self.happen();
        if let Some(hashes) = &mut self.hashes {
            hashes.push((self.hash.finish(), self.story.as_ref().map_or(0, Vec::len)));
        }
        lived
    }

    fn happen(&mut self) -> Result<bool, Failure> {
        let Some((at, what)) = self.heap.pop() else { return Ok(false) };
        debug_assert!(at >= self.now, "time goes on");
        self.now = at;
        self.events += 1;
        self.trace(what);
        match what {
            Happening::Turn { node, life } => self.turn(node, life)?,
            Happening::Timer { node, life } => self.timer(node, life),
            Happening::Disk { node, life, lane } => self.disk_done(node, life, lane),
            Happening::Inward { conn } => self.inward(conn),
            Happening::Take { conn } => self.take(conn)?,
            Happening::Outward { conn } => self.outward(conn)?,
            Happening::Client { client } => self.client_wakes(client),
            Happening::Restart { node, life } => {
                if self.nodes[node as usize].life == life {
                    self.boot(node);
                }
            }
            Happening::Doom { node, life } => self.doom(node, life),
            Happening::Strike { n } => self.strike(n),
            Happening::Mend { n } => self.mend(n),
        }
        Ok(true)
    }

    /// What [`World::step`] would do, and when.
    pub fn next(&self) -> Option<(Nanos, Happening)> {
        self.heap.peek()
    }

    /// Steps until `done` says so; an error of `check` if that takes longer than `limit`.
    pub fn run_until(
        &mut self,
        limit: Nanos,
        check: &'static str,
        what: &str,
        mut done: impl FnMut(&World) -> bool,
    ) -> Result<(), Failure> {
        let end = self.now.saturating_add(limit);
        while !done(self) {
            let next = self.heap.peek().map(|(at, _)| at);
            if next.is_none_or(|at| at > end) {
                let (from, to) = ((end - limit) / 1_000_000, end / 1_000_000);
                let stuck = self.stuck();
                let what = format!("{what} did not happen between {from} ms and {to} ms: {stuck}");
                return Err(Failure::new(check, what));
            }
            self.step()?;
        }
        Ok(())
    }

    /// All faults end and none begins any more; clients finish what they began and begin nothing new.
    pub fn heal(&mut self) {
        self.stormy = false;
        (0..self.strikes.len()).for_each(|n| self.mend(n as u32));
        for node in 0..self.nodes.len() as u32 {
            self.nodes[node as usize].refusals = 0;
            if !self.nodes[node as usize].up {
                self.boot(node);
            }
        }
        self.clients.iter_mut().for_each(|client| client.making = false);
        self.links.iter_mut().for_each(|link| link.byte_ns = 0);
    }

    /// Whether every node listens and every client has finished what it began.
    pub fn is_converged(&self) -> bool {
        self.nodes.iter().all(|n| n.listening || n.is_lost())
            && self
                .clients
                .iter()
                .all(|c| c.is_finished() || self.nodes[c.node() as usize].is_lost())
    }

    /// What is not as [`World::is_converged`] wants it.
    fn stuck(&self) -> String {
        let nodes = self.nodes.iter().filter(|n| !n.listening).map(|n| n.to_string());
        let clients = self.clients.iter().filter(|c| !c.is_finished()).map(|c| c.to_string());
        nodes.chain(clients).collect::<Vec<_>>().join("; ")
    }

    fn strike(&mut self, n: u32) {
        if !self.stormy {
            return;
        }
        let strike = &self.strikes[n as usize];
        let (node, lasts, spec) = (strike.node, strike.lasts, strike.spec);
        let chance = Chance::of(self.seed, Who::Fault(strike.stream), Purpose::Effect);
        let scenario = Arc::clone(&self.scenario);
        let fault = &scenario.faults[spec];
        let until = self.now + lasts;
        let mut hit = Hit { node, until, n, row: fault.row, chance, memo: 0 };
        let harmed = fault.fault.strike(self, &mut hit);
        let kind = if harmed { Kind::Fault } else { Kind::Note };
        self.tell_as(kind, Actor::Node(node), || {
            format!("FAULT {} {}", fault.name(), if harmed { "" } else { "finds nothing to harm" })
        });
        if harmed {
            self.struck[fault.row] += u64::from(!fault.fault.lies_in_wait());
            self.armed += 1;
            self.heap.push(hit.until, Happening::Mend { n });
            self.strikes[n as usize].hit = Some(hit);
        }
    }

    fn mend(&mut self, n: u32) {
        let Some(mut hit) = self.strikes[n as usize].hit.take() else { return };
        let scenario = Arc::clone(&self.scenario);
        let fault = &scenario.faults[self.strikes[n as usize].spec];
        self.tell_as(Kind::Mended, Actor::Node(hit.node), || format!("MENDED {}", fault.name()));
        fault.fault.mend(self, &mut hit);
    }
}

/// When records go by themselves. Limits that no run is long or large enough for are none.
fn retention(config: &BrokerConfig) -> Retention {
    const LONG_MS: i64 = 24 * 3_600_000;
    let limit = |key: &str| config.given.get(key).and_then(|value| value.parse::<i64>().ok());
    Retention {
        ms: limit("log.retention.ms").filter(|ms| (0..LONG_MS).contains(ms)),
        bytes: limit("log.retention.bytes").filter(|bytes| *bytes >= 0),
    }
}

/// The largest batch of topics that say nothing.
fn message_bytes_max(config: &BrokerConfig) -> i64 {
    let given = config.given.get("message.max.bytes").and_then(|value| value.parse().ok());
    given.unwrap_or(1_048_588)
}

/// Whether answers do not wait for the disk on topics that say nothing.
fn is_relaxed(config: &BrokerConfig) -> bool {
    config.given.get("log.flush").is_some_and(|value| value == "relaxed")
}

/// Syncs of a journal after which a batch is durable that was put there before: of the group under way, of the full ones that wait, two of
/// which are larger than one may be, and of its own; and a few for what is put without asking for room.
fn syncs_max(journal: &JournalConfig) -> u64 {
    let group = journal.group_bytes_max.min(journal.first_file_bytes).max(1);
    2 * journal.queue_bytes_max.div_ceil(group) + 6
}

/// The clients of a scenario, and their topics in the ledger.
fn clients(seed: u64, scenario: &Scenario, ledger: &mut Ledger) -> Vec<Client> {
    let mut topics: Vec<(u32, &str)> = Vec::new();
    let mut clients = Vec::new();
    for spec in &scenario.loads {
        let key = (spec.node, spec.topic.as_str());
        let number = topics.iter().position(|t| *t == key).unwrap_or_else(|| {
            topics.push(key);
            let found = scenario.topics.iter().find(|(name, _)| *name == spec.topic);
            let (name, partitions) = found.expect("scenarios name their topics");
            ledger.topic(name, *partitions, spec.node);
            topics.len() - 1
        });
        for n in 0..spec.clients {
            let id = clients.len() as u32;
            clients.push(Client::new(seed, id, spec.stream + n, spec, TopicNo(number as u16)));
        }
    }
    clients
}
