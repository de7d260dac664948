//! Every shared decision of a shard: which partitions there are, what is parked, what is read.
//!
//! This file holds the state and routes what the storage reports; what is decided about it lies in the
//! files below `node/`, `partition/`, `fetch/` and `api/`.

mod admin;
mod boot;
pub mod damage;
pub mod parts;
mod upkeep;

use crate::api;
use crate::config::broker::BrokerConfig;
use crate::fetch::Fetches;
use crate::gather::Call;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::offsets::OffsetLookups;
use crate::partition::Partition;
use crate::seam::{Body, Completion, DiskOp, Done, Fact, Part};
use crate::session::RequestId;
use damage::Suspicion;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use sordini_log::{GroupSeq, LogId, Mono, Note, Now, Offset, Room, Storage, StorageConfig};
use sordini_mutant::mutant;
use sordini_reach::Reach;
use sordini_wire::message::Message;
use sordini_wire::message::produce::ProduceResponse;
use std::collections::{BTreeMap, VecDeque};

/// What a step lends to whatever it calls.
pub struct Step<'a> {
    /// Time and free disk space.
    pub now: Now,
    /// Operations for the disk.
    pub disk: &'a mut Vec<DiskOp>,
    /// What happened, for whoever watches.
    pub facts: &'a mut Vec<Fact>,
    /// How long the request at hand has waited for room, ms; 0 if it did not.
    pub stalled_ms: u64,
}

/// Where the node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Recovery reads the disk; nobody is listened to.
    Booting,
    /// Recovery is over; this boot's first group must be durable before anybody is answered.
    Starting(GroupSeq),
    /// Open.
    Serving,
    /// Nothing new is taken; what is under way is finished.
    Draining,
}

/// What a disk read was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Ticket {
    /// Slot `slot` of a fetch.
    Fetch { fetch: u64, slot: usize },
    /// Slot `slot` of a ListOffsets.
    Offsets { lookup: u64, slot: usize },
    /// A second look at what could not be read.
    Damage(Suspicion),
}

/// An answer that waits for durability.
#[derive(Clone, Debug)]
struct Parked {
    call: Call,
    /// `None`: silence (acks=0).
    body: Option<Body>,
    /// When it is answered that time is up instead, if ever.
    due: Option<Mono>,
}

/// The node's state.
#[derive(Clone, Debug)]
pub struct Node {
    /// Settings of the broker.
    pub config: BrokerConfig,
    /// Bounds.
    pub limits: Limits,
    /// All logs of this shard.
    pub storage: Storage,
    /// Topics and configs.
    pub metadata: Metadata,
    /// Partitions by their log.
    pub partitions: BTreeMap<LogId, Partition>,
    /// Fetches that wait, and fetch sessions.
    pub fetches: Fetches,
    /// ListOffsets that wait for reads.
    pub offsets: OffsetLookups,
    /// Chance, from the seed.
    pub rng: ChaCha8Rng,
    /// See [`Stage`].
    pub stage: Stage,
    /// The next producer id to give out, and the end of the block that the metadata log has set aside.
    pub producer_ids: std::ops::Range<i64>,
    /// The group that makes that block durable.
    pub producer_ids_group: Option<GroupSeq>,
    /// Answers by the group that they wait for.
    parked: BTreeMap<GroupSeq, Vec<Parked>>,
    /// The earliest time at which one of them may be due; live while one that can be is parked. It may have left since.
    parked_due: Option<Mono>,
    /// Answers that may leave.
    replies: Vec<(RequestId, Option<Body>)>,
    /// Logs that a group appended to, in the order of the groups.
    touched: VecDeque<(GroupSeq, LogId)>,
    /// Reads under way.
    tickets: BTreeMap<u64, Ticket>,
    ticket_next: u64,
    /// End of the metadata log as of the last checkpoint that was begun.
    metadata_saved: Offset,
    /// Whether the storage wants a checkpoint.
    checkpoint_wanted: bool,
    /// When retention looks next.
    upkeep_at: Mono,
    /// Notes of the storage: lent per step, kept for its memory.
    notes: Vec<Note>,
}

impl Node {
    /// A node that has not booted. All its chance comes from `seed`.
    pub fn new(
        config: BrokerConfig,
        limits: Limits,
        storage: StorageConfig,
        seed: [u8; 32],
    ) -> Node {
        Node {
            config,
            limits,
            storage: Storage::new(storage),
            metadata: Metadata::new(),
            partitions: BTreeMap::new(),
            fetches: Fetches::default(),
            offsets: OffsetLookups::default(),
            rng: ChaCha8Rng::from_seed(seed),
            stage: Stage::Booting,
            producer_ids: 0..0,
            producer_ids_group: None,
            metadata_saved: Offset(0),
            parked: BTreeMap::new(),
            parked_due: None,
            replies: Vec::new(),
            touched: VecDeque::new(),
            tickets: BTreeMap::new(),
            ticket_next: 0,
            checkpoint_wanted: false,
            upkeep_at: Mono(0),
            notes: Vec::new(),
        }
    }

    /// Starts recovery.
    pub fn boot(&mut self, step: &mut Step<'_>) {
        self.storage.boot(step.now, step.disk);
    }

    /// A disk operation was answered.
    pub fn disk(&mut self, step: &mut Step<'_>, completion: Completion) {
        if let Done::Ticket(number) = completion.done {
            // A request whose connection is gone has taken its tickets along.
            match self.tickets.remove(&number) {
                Some(Ticket::Fetch { fetch, slot }) => {
                    self.fetch_read(step, fetch, slot, completion.result);
                }
                Some(Ticket::Offsets { lookup, slot }) => {
                    self.offsets_read(step, lookup, slot, completion.result);
                }
                Some(Ticket::Damage(suspicion)) => {
                    self.damage_read(step, suspicion, completion.result);
                }
                None => {}
            }
            return;
        }
        let mut notes = std::mem::take(&mut self.notes);
        self.storage.done(step.now, completion, step.disk, &mut notes);
        self.heed(step, &mut notes);
        self.notes = notes;
    }

    /// Timers.
    pub fn tick(&mut self, step: &mut Step<'_>) {
        let mut notes = std::mem::take(&mut self.notes);
        self.storage.tick(step.now, step.disk, &mut notes);
        self.heed(step, &mut notes);
        self.notes = notes;
        self.fetches_expire(step);
        self.expire_parked(step.now.mono);
        if self.stage == Stage::Serving && step.now.mono >= self.upkeep_at {
            self.upkeep(step);
        }
    }

    /// End of a turn: answers what became true, takes a checkpoint if one is due, closes the group.
    pub fn flush(&mut self, step: &mut Step<'_>) {
        self.fetches_wake(step);
        if self.checkpoint_wanted && !self.storage.is_checkpointing() {
            self.checkpoint_wanted = false;
            self.checkpoint(step);
        }
        // What nobody waits for must be on disk soon all the same.
        let awaited = mutant!(B22, true, self.stage != Stage::Serving || !self.parked.is_empty());
        if awaited {
            self.storage.flush(step.now, step.disk);
        }
    }

    /// When the node wants a tick.
    pub fn deadline(&self) -> Option<Mono> {
        let upkeep = (self.stage == Stage::Serving).then_some(self.upkeep_at);
        let waits = [self.storage.deadline(), self.fetches.deadline(), self.parked_due, upkeep];
        waits.into_iter().flatten().min()
    }

    /// What the storage reports.
    fn heed(&mut self, step: &mut Step<'_>, notes: &mut Vec<Note>) {
        for note in notes.drain(..) {
            match note {
                Note::Recovered(found) => self.recovered(step, *found),
                Note::Durable(through) => self.durable(step, through),
                // One more is taken at the end, and only one: it would wait for ever for the last that is wanted.
                Note::CheckpointWanted => self.checkpoint_wanted |= self.stage != Stage::Draining,
                Note::CheckpointDone => self.trim_metadata(),
                Note::Deleted(log) => step.facts.push(Fact::PartitionDeleted { log }),
                Note::Fatal(why) => step.facts.push(Fact::Fatal(why)),
                Note::Warning(what) => step.facts.push(Fact::Warning(what)),
                Note::Faulty { log, from, to } => step.facts.push(Fact::Faulty { log, from, to }),
                Note::Room(room) => step.facts.push(Fact::ReadOnly(room == Room::ReadOnly)),
            }
        }
    }

    /// All groups through this one are durable: high watermarks move, answers leave.
    fn durable(&mut self, step: &mut Step<'_>, through: GroupSeq) {
        while let Some(&(group, log)) = self.touched.front() {
            if group > through {
                break;
            }
            self.touched.pop_front();
            let Some(partition) = self.partitions.get_mut(&log) else { continue };
            if let Some(offset) = partition.synced(through) {
                step.facts.push(Fact::HighWatermark { log, offset: offset.0 });
                self.fetches.moved(log);
            }
        }
        while let Some(entry) = self.parked.first_entry() {
            if *entry.key() > through {
                break;
            }
            let answers = entry.remove();
            self.replies.extend(answers.into_iter().map(|p| (p.call.id, p.body)));
        }
        if self.parked.is_empty() {
            self.parked_due = None;
        }
        if matches!(self.stage, Stage::Starting(group) if group <= through) {
            self.open(step);
        }
    }

    /// Notes that the open group holds something of `log`.
    fn touch(&mut self, group: GroupSeq, log: LogId) {
        if self.touched.back() != Some(&(group, log)) {
            self.touched.push_back((group, log));
        }
    }

    /// The one place where answers wait. `group`: everything that the answer observed is durable with it; `None`: it is already.
    pub fn park(&mut self, group: Option<GroupSeq>, call: Call, body: Option<Body>) {
        self.park_until(group, call, body, None);
    }

    fn park_until(
        &mut self,
        group: Option<GroupSeq>,
        call: Call,
        body: Option<Body>,
        due: Option<Mono>,
    ) {
        match group {
            Some(group) if mutant!(S01, group > self.storage.durable(), false) => {
                let place = mutant!(B05, group, GroupSeq(group.0 - 1));
                self.parked.entry(place).or_default().push(Parked { call, body, due });
                self.parked_due = [self.parked_due, due].into_iter().flatten().min();
            }
            _ => self.replies.push((call.id, body)),
        }
    }

    /// Answers those that have waited too long, as the disk hangs, that time is up. What they wait for may still
    /// become true.
    fn expire_parked(&mut self, now: Mono) {
        if self.parked_due.is_none_or(|due| due > now) {
            return;
        }
        let is_due = |p: &mut Parked| p.due.is_some_and(|due| due <= now);
        for answers in self.parked.values_mut() {
            for Parked { call, body, .. } in answers.extract_if(.., is_due) {
                let late = body.map(|body| api::produce::timed_out(call, body));
                self.replies.push((call.id, late));
                self.storage.reached.mark(Reach::AnswerExpired);
            }
        }
        self.parked.retain(|_, answers| !answers.is_empty());
        self.parked_due = self.parked.values().flatten().filter_map(|p| p.due).min();
    }

    /// Answers now.
    pub fn reply<M: Message>(&mut self, call: Call, message: &M) {
        self.park(None, call, Some(api::encode(call, message, &[])));
    }

    /// Answers once `group` is durable.
    pub fn reply_after<M: Message>(&mut self, group: Option<GroupSeq>, call: Call, message: &M) {
        self.park(group, call, Some(api::encode(call, message, &[])));
    }

    /// Answers a Produce once `group` is durable, or at `due` that time is up.
    pub fn reply_until(
        &mut self,
        group: Option<GroupSeq>,
        due: Mono,
        call: Call,
        message: &ProduceResponse,
    ) {
        let body = api::encode(call, message, &[]);
        self.park_until(group, call, Some(body), Some(due));
    }

    /// Answers once `group` is durable, with file parts.
    pub fn reply_files<M: Message>(
        &mut self,
        group: Option<GroupSeq>,
        call: Call,
        message: &M,
        files: &[Part],
    ) {
        self.park(group, call, Some(api::encode(call, message, files)));
    }

    /// How many answers wait for durability, and how many reads are under way for somebody.
    pub fn waiting(&self) -> (usize, usize) {
        (self.parked.values().map(Vec::len).sum(), self.tickets.len())
    }

    /// What an answer that shows where a log starts, or that something lies below its start, waits for.
    pub fn start_group(&self, log: Option<LogId>) -> Option<GroupSeq> {
        self.partitions.get(&log?)?.start_group()
    }

    /// Takes the answers that may leave.
    pub fn replies(&mut self) -> std::vec::Drain<'_, (RequestId, Option<Body>)> {
        let () = mutant!(N01, (), sordini_mutant::shuffle(&mut self.replies));
        self.replies.drain(..)
    }

    /// Submits a read whose result comes back under `ticket`.
    pub fn read(&mut self, step: &mut Step<'_>, kind: sordini_log::disk::OpKind, ticket: Ticket) {
        let number = self.ticket_next;
        self.ticket_next += 1;
        self.tickets.insert(number, ticket);
        step.disk.push(DiskOp { kind, done: Done::Ticket(number) });
    }

    /// A connection is gone: nobody waits for its reads any more. Parked answers are dropped by the shard.
    pub fn forget(&mut self, conn: crate::seam::ConnId) {
        self.fetches.forget(conn);
        self.offsets.forget(conn);
    }

    /// Whether a produce would find room; says so for the next one, not for any number.
    pub fn room(&self) -> Room {
        self.storage.room()
    }

    /// Takes nothing new; what waits for data is answered with what there is.
    pub fn drain(&mut self, step: &mut Step<'_>) {
        // Before recovery is over there is nothing that could be saved.
        self.checkpoint_wanted |= self.stage == Stage::Serving;
        self.stage = Stage::Draining;
        self.fetches_end(step);
    }

    /// Whether no answer is owed to anybody, what was answered before it was durable is so by now (`flush=relaxed`), and
    /// the next start finds a checkpoint instead of a long journal. On a full disk nobody waits for the checkpoint: the
    /// journal says it all.
    pub fn is_quiet(&self) -> bool {
        let saving = self.checkpoint_wanted || self.storage.is_checkpointing();
        let saved = !saving || self.storage.room() == Room::ReadOnly;
        let answered = self.parked.is_empty() && self.replies.is_empty();
        saved && answered && mutant!(B26, self.touched.is_empty(), true)
    }
}
