//! A node: a real shard, its platter and its clock, and how a process is born (how it ends is in [`super::death`]).

use super::doom::{Storm, Trap};
use super::recorded::{Net, Recorded};
use super::trace::{self, Actor, Kind, Line};
use super::{Death, Happening, World};
use crate::chance::{Chance, Purpose, Who};
use crate::clock::Clock;
use crate::digest::Digest;
use crate::failure::Failure;
use crate::heap::{MS, Nanos};
use crate::link::Piece;
use crate::marks::Mark;
use crate::platter::{Damaged, Platter, Role, classify};
use crate::scenario::Scenario;
use sordini_core::limits::EVENTS_PER_TURN_MAX;
use sordini_core::seam::{
    self, CloseReason, Completion, ConnId, Done, Event, Fact, Machine, Now, Outbox,
};
use sordini_core::shard::Shard;
use sordini_log::disk::Lane;
use sordini_log::{LogId, Offset};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// How old records get where nobody says anything else, ms: Kafka's default, and ours.
const RETENTION_MS: i64 = 7 * 24 * 3_600_000;

/// A broker with its disk and its clock.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its number.
    pub id: u32,
    /// Its disk.
    pub platter: Platter,
    /// Its clocks.
    pub clock: Clock,
    /// Whether the process runs.
    pub up: bool,
    /// Whether the machine has power: without, nothing is refused, there is only silence.
    pub powered: bool,
    /// Counts processes; what belongs to another life is dropped.
    pub life: u32,
    /// Whether clients may connect.
    pub listening: bool,
    /// Whether the process was asked to end.
    pub stopping: bool,
    /// How many faults hold the process still.
    pub paused: u32,
    /// Added to the mean time of the network.
    pub net_delay: Nanos,
    /// Added to the time of every piece.
    pub net_more: Nanos,
    /// Added to the mean time of one piece in fifty.
    pub net_tail: Nanos,
    /// How long a byte takes, either way, ns.
    pub byte_ns: Nanos,
    /// How many faults leave kernels next to no room.
    pub tiny: u32,
    /// In so many Produce requests to come a bit will flip.
    pub flips: u32,
    /// How many faults hold what comes, and what goes.
    pub clogged_in: u32,
    /// See `clogged_in`.
    pub clogged_out: u32,
    /// How many times longer the disk takes; 1 if nothing is wrong.
    pub disk_factor: u64,
    /// How many faults hold each lane.
    pub stuck: [u32; 3],
    /// Files of these roles hold what is asked of them, and with it all that must wait behind it.
    pub stuck_roles: Vec<Role>,
    /// Mean time by which timers come too late.
    pub timers_late: Nanos,
    /// How many faults have timers come too early.
    pub timers_early: u32,
    /// What ends one life after another.
    pub storms: Vec<Storm>,
    /// What ends the process at an operation of its disk.
    pub traps: Vec<Trap>,
    /// Whether a process ever came so far that the journal says what time it was.
    pub knows_the_time: bool,
    /// Whether this process read damage to something that recovery needs: it may have to give up.
    pub ruined: bool,
    /// Whether a process served after it had read such damage: what it wrote does not fit what comes back when that is mended.
    pub(super) built_on_ruins: bool,
    /// How often in a row a process ended itself before it listened.
    pub(super) refusals: u32,
    /// Offsets whose bytes lie under damage that was read.
    damaged: BTreeMap<LogId, Vec<(u64, u64)>>,
    /// Disk operations left to this life.
    pub(super) ops_left: Option<u64>,
    /// Operations of each lane that are under way.
    working: [u32; 3],
    /// Operations of each lane that would be done if it were not stuck.
    held: [u32; 3],
    /// Faults of the disk when this process began: if there are more, an end of the process is excused.
    faults_at_boot: u64,
    /// Times that the disk was too full, when this process began.
    full_at_boot: u64,
    /// Whether a process ever listened: from then on a full disk is no reason to end.
    pub founded: bool,
    pub(super) shard: Shard,
    out: Outbox,
    pub(super) inbox: Vec<Event>,
    turn_due: bool,
    /// The earliest timer in the heap.
    timer_at: Nanos,
    turns: Chance,
    disk: Chance,
    seeds: Chance,
    timers: Chance,
}

/// Overlapping strikes of a slow disk add up. One that is slower than this is stuck, which is another fault: what it has begun would
/// last for minutes after it is ordinary again.
const SLOWEST: Nanos = 5000 * MS;

/// So often a process tries to start on a damaged disk before whoever watches over it gives up.
const REFUSALS_MAX: u32 = 3;

impl Node {
    /// An empty disk and no process.
    pub fn new(seed: u64, id: u32, scenario: &Scenario) -> Node {
        let who = Who::Node(id);
        let mut platter = Platter::default();
        platter.capacity = scenario.pace.disk_bytes;
        Node {
            id,
            platter,
            clock: Clock::default(),
            up: false,
            powered: true,
            life: 0,
            listening: false,
            stopping: false,
            paused: 0,
            net_delay: 0,
            net_more: 0,
            net_tail: 0,
            byte_ns: 0,
            tiny: 0,
            flips: 0,
            clogged_in: 0,
            clogged_out: 0,
            disk_factor: 1,
            stuck: [0; 3],
            stuck_roles: Vec::new(),
            timers_late: 0,
            timers_early: 0,
            storms: Vec::new(),
            traps: Vec::new(),
            knows_the_time: false,
            ruined: false,
            built_on_ruins: false,
            refusals: 0,
            damaged: BTreeMap::new(),
            ops_left: None,
            working: [0; 3],
            held: [0; 3],
            faults_at_boot: 0,
            full_at_boot: 0,
            founded: false,
            shard: shard(scenario, [0; 32]),
            out: Outbox::default(),
            inbox: Vec::new(),
            turn_due: false,
            timer_at: Nanos::MAX,
            turns: Chance::of(seed, who, Purpose::Turns),
            disk: Chance::of(seed, who, Purpose::Disk),
            seeds: Chance::of(seed, who, Purpose::Seed),
            timers: Chance::of(seed, who, Purpose::Timers),
        }
    }

    /// Whether it will not start again: its disk is damaged beyond what recovery can decide, and it says so each time.
    pub fn is_lost(&self) -> bool {
        !self.up && self.refusals >= REFUSALS_MAX
    }

    /// Whether the process has nothing to think about and its journal nothing to write.
    pub(super) fn has_synced(&self) -> bool {
        self.inbox.is_empty() && self.platter.ready_in(Lane::Journal) == 0
    }

    /// Whether every one of these offsets lies under damage that was read.
    fn is_damaged(&self, log: LogId, from: Offset, to: Offset) -> bool {
        let spans = self.damaged.get(&log).map_or(&[][..], Vec::as_slice);
        (from.0..to.0).all(|at| spans.iter().any(|(from, to)| (*from..*to).contains(&at)))
    }

    /// When a timer that is due at `due` comes: then, if no fault has it come late or early.
    fn timer(&mut self, due: Nanos, now: Nanos) -> Nanos {
        let late = match self.timers_late {
            0 => 0,
            mean => self.timers.exponential(mean),
        };
        // Ever earlier timers would never end.
        let early = self.timers_early > 0 && due - now > MS && self.timers.odds(1, 2);
        if early { now + MS + self.timers.below(due - now - MS) } else { due.saturating_add(late) }
    }

    /// What the process is told of time and space.
    fn now(&self, at: Nanos) -> Now {
        Now { mono: self.clock.mono(at), wall: self.clock.wall(at), disk_free: self.platter.free() }
    }

    /// Whether a new data directory found no space: then a process says how much it needs, and ends.
    fn lacks_space_to_begin(&self) -> bool {
        !self.founded && self.platter.counts.full > self.full_at_boot
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.up, self.listening) {
            (false, _) => "is down",
            (true, false) => "does not listen",
            (true, true) => "listens",
        };
        write!(f, "node {} {state}", self.id)
    }
}

fn shard(scenario: &Scenario, seed: [u8; 32]) -> Shard {
    let (broker, limits) = (scenario.broker.clone(), scenario.limits.clone());
    Shard::new(broker, limits, scenario.storage.clone(), seed)
}

impl World {
    /// A process begins on the node's disk as it is. Nothing happens if one is running.
    pub fn boot(&mut self, id: u32) {
        let node = &mut self.nodes[id as usize];
        if node.up {
            return;
        }
        let mut seed = [0; 32];
        seed.as_chunks_mut::<8>().0.iter_mut().for_each(|b| *b = node.seeds.bits().to_le_bytes());
        node.shard = shard(&self.scenario, seed);
        node.life += 1;
        node.ruined = node.built_on_ruins;
        (node.up, node.powered, node.listening, node.stopping) = (true, true, false, false);
        node.clock.boot(self.now);
        node.out = Outbox::default();
        node.faults_at_boot = node.platter.counts.faults;
        node.full_at_boot = node.platter.counts.full;
        (node.working, node.held) = ([0; 3], [0; 3]);
        node.timer_at = Nanos::MAX;
        node.turn_due = false;
        let life = node.life;
        self.tell_as(Kind::Boot, Actor::Node(id), || format!("a process begins, life {life}"));
        self.deliver(id, Event::Boot);
        self.threaten(id);
    }

    /// Something happens to the process; it takes its turn soon.
    pub(super) fn deliver(&mut self, id: u32, event: Event) {
        let node = &mut self.nodes[id as usize];
        if node.up {
            node.inbox.push(event);
            self.wake(id);
        }
    }

    /// The process takes its turn soon, if there is anything for it.
    pub fn wake(&mut self, id: u32) {
        let node = &mut self.nodes[id as usize];
        if node.up && node.paused == 0 && !node.turn_due && !node.inbox.is_empty() {
            node.turn_due = true;
            let delay = node.turns.below(2 * self.scenario.pace.turn + 1);
            let what = Happening::Turn { node: id, life: node.life };
            self.heap.push(self.now + delay, what);
        }
    }

    /// A turn: what has come, one flush, and the effects.
    pub(super) fn turn(&mut self, id: u32, life: u32) -> Result<(), Failure> {
        let right_ms = self.wall_ms();
        let World { nodes, hash, story, net_ops, marks, now, ledger, .. } = self;
        let node = &mut nodes[id as usize];
        if !node.up || node.life != life {
            return Ok(());
        }
        node.turn_due = false;
        if node.paused > 0 {
            return Ok(());
        }
        let at = node.now(*now);
        ledger.ahead_ms = ledger.ahead_ms.max(at.wall.0 - right_ms);
        ledger.behind_ms = ledger.behind_ms.max(right_ms - at.wall.0);
        // A clock that is wrong from the start is believed, and then a default counts that no run is long enough for.
        let boots = matches!(node.inbox.first(), Some(Event::Boot));
        if boots && !node.knows_the_time && at.wall.0 - right_ms >= RETENTION_MS {
            ledger.retention.ms.get_or_insert(RETENTION_MS);
        }
        let count = node.inbox.len().min(EVENTS_PER_TURN_MAX);
        let idle = count == node.inbox.len();
        let told = story.is_some().then(Vec::new);
        let mut events = node.inbox.drain(..count).inspect(|event| {
            trace::add(hash, event);
            if let Some(story) = story {
                let text = trace::show_event(event);
                story.push(Line { at: *now, kind: Kind::Take, actor: Actor::Node(id), text });
            }
        });
        // The iterator's borrow of the hash ends before effects are written down.
        let mut outer = Digest::default();
        let mut disk = Recorded { platter: &mut node.platter, hash: &mut outer, marks, told };
        let mut effects = Digest::default();
        let mut net = Net(net_ops, &mut effects);
        let alive =
            seam::turn(&mut node.shard, at, &mut events, idle, &mut net, &mut disk, &mut node.out);
        drop(events);
        let told = disk.told.unwrap_or_default();
        hash.number(effects.finish());
        hash.number(outer.finish());
        for op in told {
            self.tell_as(Kind::Submit, Actor::Node(id), || format!("wants {op}"));
        }
        if !self.nodes[id as usize].out.facts.is_empty() {
            self.heed(id)?;
        }
        if alive {
            self.effects(id);
        }
        Ok(())
    }

    /// What the machine reported.
    fn heed(&mut self, id: u32) -> Result<(), Failure> {
        let mut facts = std::mem::take(&mut self.nodes[id as usize].out.facts);
        let (mut fatal, mut drained) = (None, false);
        for fact in facts.drain(..) {
            trace::add(&mut self.hash, &fact);
            self.marks.see_fact(&fact);
            let kind = match &fact {
                Fact::HighWatermark { .. } => Kind::Watermark,
                _ => Kind::Fact,
            };
            self.tell_as(kind, Actor::Node(id), || format!("fact: {fact:?}"));
            let node = &mut self.nodes[id as usize];
            match &fact {
                Fact::Recovered { .. } => node.knows_the_time = true,
                Fact::HighWatermark { log, offset } => {
                    self.watermarks.insert((id, *log), *offset);
                    continue;
                }
                Fact::Fatal(why)
                    if node.platter.counts.faults == node.faults_at_boot
                        && !node.ruined
                        && !node.lacks_space_to_begin() =>
                {
                    let why = format!("node {id} ended itself without a fault of its disk: {why}");
                    return Err(Failure::new("never_fatal", why));
                }
                Fact::Fatal(_) => fatal = Some(()),
                Fact::Drained => drained = true,
                Fact::Faulty { log, from, to } if !node.is_damaged(*log, *from, *to) => {
                    let what =
                        format!("{log}: {from}..{to} is faulty and nobody damaged all of it");
                    return Err(Failure::new("nothing_faulty", what));
                }
                _ => {}
            }
            if let Fact::PartitionCreated { topic, partition, log } = &fact {
                self.logs.insert((id, *log), (topic.clone(), *partition));
            }
            self.facts.push((self.now, id, fact));
        }
        self.nodes[id as usize].out.facts = facts;
        if fatal.is_some() {
            self.ended(id);
        } else if drained {
            self.down(id, Death::Stop);
        }
        Ok(())
    }

    /// The process ended itself; whoever watches over it starts it again after a moment.
    fn ended(&mut self, id: u32) {
        let listened = self.nodes[id as usize].listening;
        self.down(id, Death::Kill);
        let node = &mut self.nodes[id as usize];
        node.refusals = if listened || !node.ruined { 0 } else { node.refusals + 1 };
        if node.is_lost() {
            self.marks.count(Mark::Refused, node.refusals == REFUSALS_MAX);
            return;
        }
        let delay = 20 * MS + node.turns.below(1000 * MS);
        self.heap.push(self.now + delay, Happening::Restart { node: id, life: node.life });
    }

    /// What the turn wants of disk, network and clock.
    fn effects(&mut self, id: u32) {
        let mut ops = std::mem::take(&mut self.net_ops);
        for op in ops.drain(..) {
            self.obey(id, op);
        }
        self.net_ops = ops;
        for lane in [Lane::Journal, Lane::Store, Lane::Reads] {
            self.start_disk(id, lane);
        }
        let node = &mut self.nodes[id as usize];
        if let Some(mono) = node.shard.deadline() {
            let at = node.timer(node.clock.when(mono).max(self.now + 1), self.now);
            if at < node.timer_at {
                node.timer_at = at;
                self.heap.push(at, Happening::Timer { node: id, life: node.life });
            }
        }
        // More has come than one turn takes.
        self.wake(id);
    }

    /// The machine's deadline may have come.
    pub(super) fn timer(&mut self, id: u32, life: u32) {
        let node = &mut self.nodes[id as usize];
        if !node.up || node.life != life || node.timer_at != self.now {
            return; // an earlier one came in between, or it belongs to another life
        }
        node.timer_at = Nanos::MAX;
        let Some(mono) = node.shard.deadline() else { return };
        let at = node.clock.when(mono);
        if at <= self.now || node.timers_early > 0 {
            self.deliver(id, Event::Tick);
        } else {
            let at = node.timer(at, self.now);
            node.timer_at = at;
            self.heap.push(at, Happening::Timer { node: id, life });
        }
    }

    /// Operations of a lane get under way as far as its order allows.
    fn start_disk(&mut self, id: u32, lane: Lane) {
        let node = &mut self.nodes[id as usize];
        let wanted = node.platter.ready_in(lane) as u32;
        while node.working[lane as usize] < wanted {
            node.working[lane as usize] += 1;
            let mean = match lane {
                Lane::Journal => self.scenario.pace.sync,
                _ => self.scenario.pace.disk,
            };
            let mean = mean.saturating_mul(node.disk_factor).min(SLOWEST.max(mean));
            let lasts = mean / 2 + node.disk.exponential(mean / 2);
            let what = Happening::Disk { node: id, life: node.life, lane };
            self.heap.push(self.now + lasts, what);
        }
    }

    /// A disk operation is done.
    pub(super) fn disk_done(&mut self, id: u32, life: u32, lane: Lane) {
        let node = &mut self.nodes[id as usize];
        if !node.up || node.life != life {
            return;
        }
        let choice = match node.platter.ready_in(lane) {
            0 | 1 => 0,
            ready => node.disk.index(ready),
        };
        let next = node.platter.peek_in(lane, choice).map(|op| classify(&op.kind));
        if node.stuck[lane as usize] > 0
            || next.is_some_and(|(role, _)| node.stuck_roles.contains(&role))
        {
            node.held[lane as usize] += 1;
            return;
        }
        node.working[lane as usize] -= 1;
        if next.is_some_and(|(role, verb)| self.is_trapped(id, role, verb)) {
            return;
        }
        let node = &mut self.nodes[id as usize];
        let next = match (&self.story, lane) {
            (Some(_), Lane::Journal | Lane::Store) => node.platter.peek_in(lane, choice),
            _ => None,
        };
        let durable = next.is_some_and(trace::makes_durable);
        let told = || next.map_or_else(|| "read or sync".to_owned(), trace::operation);
        let op = self.story.is_some().then(told).unwrap_or_default();
        let Some(completion) = node.platter.step_lane(lane, choice) else { return };
        let kind = if durable && completion.result.is_ok() { Kind::Sync } else { Kind::Disk };
        self.tell_as(kind, Actor::Node(id), || {
            format!("disk: {op} -> {}", trace::result(&completion.result))
        });
        let is_group = matches!(completion.done, Done::Group(_));
        self.ledger.lives(id).syncs += u64::from(is_group && completion.result.is_ok());
        self.bitten(id);
        self.complete(id, completion);
        self.start_disk(id, lane);
        self.wear(id);
    }

    /// Faults that lay in wait in the disk have struck: they count.
    pub(super) fn bitten(&mut self, id: u32) {
        for n in self.nodes[id as usize].platter.struck.drain(..) {
            let spec = self.strikes[n as usize].spec;
            self.struck[self.scenario.faults[spec].row] += 1;
        }
        let harmed = self.nodes[id as usize].platter.take_damage();
        self.nodes[id as usize].ruined |= harmed.vital;
        for Damaged { log, from, to } in harmed.batches {
            self.nodes[id as usize].damaged.entry(log).or_default().push((from, to));
            if let Some((topic, partition)) = self.logs.get(&(id, log)) {
                self.ledger.damage(topic, *partition, id, from..to);
            }
        }
    }

    fn complete(&mut self, id: u32, completion: Completion) {
        self.deliver(id, Event::Disk(completion));
    }

    /// A lane is not stuck any more.
    pub fn unstick(&mut self, id: u32, lane: Lane) {
        let node = &mut self.nodes[id as usize];
        if node.stuck[lane as usize] > 0 {
            return;
        }
        for _ in 0..std::mem::take(&mut node.held[lane as usize]) {
            let delay = 1 + node.disk.below(MS);
            let what = Happening::Disk { node: id, life: node.life, lane };
            self.heap.push(self.now + delay, what);
        }
    }

    /// The process is done with a connection whose other end may not know yet.
    pub(super) fn orphan(&mut self, conn: ConnId, told: bool) {
        let Some(link) = self.links.find_mut(conn) else { return };
        link.life = None;
        link.queued.clear();
        link.unread.clear();
        if told {
            self.send_outward(conn, Piece::Close(CloseReason::Peer));
        }
        self.links.retire(conn);
    }
}

/// Scenarios are shared between threads that each run worlds of their own.
const _: fn(&Arc<Scenario>) = |scenario| {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(scenario);
};
