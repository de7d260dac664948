//! The storage of a shard alone on a platter: no network and no Kafka, only the promise that what
//! was said to be durable is there after any power failure.
//!
//! A [`Rig`] is a value, so the explorer forks it before every disk operation, lets the power
//! fail in the fork in as many ways as it likes, boots the fork and compares it with the [`ledger`].

pub mod check;
pub mod explore;
pub mod ledger;
pub mod load;

use crate::chance::Chance;
use crate::failure::Failure;
use crate::platter::{Fate, Platter, Unsynced};
use crate::story;
use bytes::Bytes;
use ledger::{Books, Deed, Ledger, fold};
use load::Load;
use sordini_log::disk::Found;
use sordini_log::disk::{
    Completion, Disk, DiskError, DiskErrorKind, DiskOk, DiskOp, Done, Lane, OpKind,
};
use sordini_log::storage::{
    Note, Read, Recovered, Replayed, Room, Section, Storage, StorageConfig,
};
use sordini_log::{LogId, Mono, Now, Offset, Wall};
use std::collections::BTreeMap;

/// What the checks expect beyond what always holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harmed {
    /// Only crashes: every block and batch must be readable.
    Never,
    /// The disk returned errors: the storage may give up, and nothing else.
    Errors,
    /// Bits rotted: ranges may be lost if that is said, and recovery may refuse to start.
    Rot,
}

/// What a rig lived through, to see that a run did reach what it is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Batches that were said to be durable.
    pub acked: u64,
    /// Checkpoints that were completed.
    pub checkpoints: u64,
    /// Deleted logs that left nothing on disk.
    pub deleted: u64,
    /// Answers that were compared with the books, those from memory included.
    pub reads: u64,
}

/// A storage on a platter, with the load that drives it and the books that judge it.
#[derive(Clone, Debug)]
pub struct Rig {
    /// The disk.
    pub platter: Platter,
    /// What is driven.
    pub storage: Storage,
    /// What it promised.
    pub ledger: Ledger,
    /// What was reached.
    pub tally: Tally,
    /// What the checks must excuse.
    pub harmed: Harmed,
    /// Whether checkpoints are taken when they are wanted.
    pub answering: bool,
    /// Ranges that the storage said are lost.
    pub lost: BTreeMap<LogId, Vec<(Offset, Offset)>>,
    /// With `Some`, one line for each event, to tell the story of a failure.
    pub story: Option<Vec<String>>,
    /// Why the storage gave up, if it did; it takes no further part then.
    pub fatal: Option<String>,
    config: StorageConfig,
    load: Load,
    now: Now,
    serving: bool,
    /// Which lane is next.
    order: Chance,
    /// Reads under way on somebody's behalf.
    tickets: BTreeMap<u64, Ticket>,
    ticket_next: u64,
    ops: Vec<DiskOp>,
}

#[derive(Clone, Copy, Debug)]
enum Ticket {
    Find { log: LogId, segment: Offset, from: Offset },
    Read { log: LogId, base: Offset, next: Offset },
}

impl Rig {
    /// An empty platter and a storage that has not booted.
    pub fn new(seed: u64, config: StorageConfig) -> Rig {
        Rig {
            platter: Platter::default(),
            storage: Storage::new(config.clone()),
            ledger: Ledger::default(),
            tally: Tally::default(),
            harmed: Harmed::Never,
            answering: true,
            lost: BTreeMap::new(),
            story: None,
            fatal: None,
            config,
            load: Load::new(Chance::new(seed, 1)),
            now: Now { mono: Mono(0), wall: Wall(1_700_000_000_000), disk_free: 0 },
            serving: false,
            order: Chance::new(seed, 2),
            tickets: BTreeMap::new(),
            ticket_next: 0,
            ops: Vec::new(),
        }
    }

    /// A new process on the same platter: begins recovery.
    pub fn restart(&mut self) {
        self.platter.kill();
        self.storage = Storage::new(self.config.clone());
        (self.serving, self.fatal) = (false, None);
        self.tickets.clear();
        self.now.mono = Mono(0);
        self.storage.boot(self.now, &mut self.ops);
        self.platter.submit(&mut self.ops, false);
    }

    /// The power fails, in the middle of the operations that were next if `midway`; then begins recovery.
    pub fn crash(&mut self, midway: bool, fate: &mut dyn FnMut(Unsynced) -> Fate) {
        if midway {
            self.platter.start();
        }
        let story = &mut self.story;
        self.platter.crash(&mut |what| {
            let fate = fate(what);
            if let Some(story) = story {
                story.push(format!("  fate: {what:?} {fate:?}"));
            }
            fate
        });
        self.tell(|| format!("power failure (midway: {midway})"));
        self.restart();
    }

    /// Whether recovery is over.
    pub fn is_serving(&self) -> bool {
        self.serving
    }

    /// One disk operation, and what the storage makes of it. False if there was none.
    pub fn step(&mut self) -> Result<bool, Failure> {
        let choice = self.order.index(self.platter.ready());
        self.step_of(choice)
    }

    /// The next operation of the journal lane. False if there is none.
    pub fn step_journal(&mut self) -> Result<bool, Failure> {
        match self.platter.next_in(Lane::Journal) {
            Some(_) => self.step_of(0),
            None => Ok(false),
        }
    }

    /// The next operation of the store lane. False if there is none.
    pub fn step_store(&mut self) -> Result<bool, Failure> {
        let before = usize::from(self.platter.next_in(Lane::Journal).is_some());
        match self.platter.next_in(Lane::Store) {
            Some(_) => self.step_of(before),
            None => Ok(false),
        }
    }

    fn step_of(&mut self, choice: usize) -> Result<bool, Failure> {
        let what =
            self.story.as_ref().and_then(|_| self.platter.peek(choice)).map(story::operation);
        let Some(completion) = self.platter.step(choice) else { return Ok(false) };
        self.tell(|| {
            format!("disk: {} -> {}", what.unwrap_or_default(), story::result(&completion.result))
        });
        self.complete(completion)?;
        Ok(true)
    }

    /// One turn without requests: a disk operation if there is one, else time passes until the storage wants
    /// something. False if it is at rest.
    pub fn idle_turn(&mut self) -> Result<bool, Failure> {
        self.flush()?;
        if self.step()? {
            return Ok(true);
        }
        let deadline = self.storage.deadline();
        self.now.mono = self.now.mono.max(deadline.unwrap_or_default());
        Ok(deadline.is_some())
    }

    /// Goes on until recovery is over or the storage gives up.
    pub fn recover(&mut self) -> Result<(), Failure> {
        for _ in 0..10_000 {
            if self.serving || self.fatal.is_some() {
                return Ok(());
            }
            if !self.idle_turn()? {
                return Err(Failure::new("liveness", "recovery waits for nothing"));
            }
        }
        Err(Failure::new("liveness", "recovery did not end within 10,000 turns"))
    }

    /// Some requests, one flush, some time: what a turn of the loop would bring.
    pub fn turn(&mut self) -> Result<(), Failure> {
        if self.fatal.is_some() {
            return Ok(());
        }
        if self.serving {
            let mut load = self.load.clone();
            load.act(self);
            self.load = load;
        }
        self.flush()
    }

    /// Time passes without requests until everything came to rest.
    pub fn settle(&mut self) -> Result<(), Failure> {
        for _ in 0..100_000 {
            if self.fatal.is_some() || !self.idle_turn()? {
                return Ok(());
            }
        }
        Err(Failure::new("liveness", "the storage did not come to rest within 100,000 turns"))
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.now.mono = Mono(self.now.mono.0 + self.order.below(2_000_000));
        self.now.wall = Wall(self.now.wall.0 + 1);
        self.now.disk_free = self.platter.free();
        let mut notes = Vec::new();
        if self.storage.deadline().is_some_and(|at| at <= self.now.mono) {
            self.storage.tick(self.now, &mut self.ops, &mut notes);
        }
        self.storage.flush(self.now, &mut self.ops);
        self.take(notes)
    }

    fn complete(&mut self, completion: Completion) -> Result<(), Failure> {
        self.now.mono = Mono(self.now.mono.0 + self.order.below(100_000));
        self.now.disk_free = self.platter.free();
        if let Done::Ticket(ticket) = completion.done {
            return self.answered(ticket, completion.result);
        }
        let mut notes = Vec::new();
        self.storage.done(self.now, completion, &mut self.ops, &mut notes);
        self.take(notes)
    }

    /// Acts on what the storage says, then submits what it wants from the disk.
    fn take(&mut self, notes: Vec<Note>) -> Result<(), Failure> {
        for note in notes {
            self.tell(|| format!("note: {note:.300?}"));
            match note {
                Note::Recovered(recovered) => self.recovered(&recovered)?,
                Note::Durable(through) => self.tally.acked += self.ledger.durable(through),
                Note::CheckpointWanted if self.answering => self.checkpoint(),
                Note::CheckpointWanted => {}
                Note::Fatal(why) => {
                    if self.harmed == Harmed::Never {
                        return Err(Failure::new("never fatal", why));
                    }
                    self.fatal = Some(why);
                    self.platter.kill();
                    self.ops.clear();
                    return Ok(());
                }
                Note::Faulty { log, from, to } => {
                    if self.harmed != Harmed::Rot {
                        let what = format!("{log}: {from}..{to} is faulty after crashes only");
                        return Err(Failure::new("crashes leave nothing faulty", what));
                    }
                    self.lost.entry(log).or_default().push((from, to));
                }
                Note::CheckpointDone => self.tally.checkpoints += 1,
                Note::Deleted(_) => self.tally.deleted += 1,
                Note::Warning(_) | Note::Room(_) => {}
            }
        }
        self.platter.submit(&mut self.ops, false);
        Ok(())
    }

    /// The sections are a fold over each log, so that recovery can be seen to bring all of it back.
    fn checkpoint(&mut self) {
        let sections = self.ledger.newest().iter().map(|(log, book)| Section {
            name: 1,
            log: Some(*log),
            version: 1,
            bytes: Bytes::copy_from_slice(&book.fold.to_le_bytes()),
        });
        let sections = sections.collect();
        self.storage.checkpoint(self.now, sections, &mut self.ops);
    }

    fn recovered(&mut self, recovered: &Recovered) -> Result<(), Failure> {
        self.serving = true;
        for replay in &recovered.replay {
            if let Replayed::Lost { from, to } = replay.what
                && self.harmed != Harmed::Rot
            {
                let what = format!("{}: {from}..{to} is lost", replay.log);
                return Err(Failure::new("crashes leave nothing faulty", what));
            }
        }
        let books = check::recovered(self, recovered)?;
        self.ledger.recovered(books);
        Ok(())
    }

    /// Asks for a range; the answer is compared with the books when it comes.
    pub(crate) fn ask(&mut self, log: LogId, from: Offset, until: Offset, bytes_max: u32) {
        self.tally.reads += 1;
        match self.storage.read(log, from, until, bytes_max) {
            Read::Hot { batches, .. } => {
                let bytes: Vec<u8> = batches.iter().flat_map(|b| b.iter().copied()).collect();
                if let Err(failure) = check::served(self, log, from, &bytes) {
                    panic!("{failure}");
                }
            }
            Read::Cold { op, segment } => self.ticket(Ticket::Find { log, segment, from }, op),
            Read::Faulty | Read::Empty => {}
        }
    }

    fn ticket(&mut self, ticket: Ticket, kind: OpKind) {
        self.ticket_next += 1;
        self.tickets.insert(self.ticket_next, ticket);
        self.ops.push(DiskOp { kind, done: Done::Ticket(self.ticket_next) });
    }

    fn answered(&mut self, ticket: u64, result: Result<DiskOk, DiskError>) -> Result<(), Failure> {
        let ticket = self.tickets.remove(&ticket).expect("every operation is answered once");
        let (Ticket::Find { log, .. } | Ticket::Read { log, .. }) = ticket;
        let Some(book) = self.ledger.newest().get(&log) else { return Ok(()) };
        let start = book.start;
        match (ticket, result) {
            (Ticket::Find { segment, from, .. }, Ok(DiskOk::Found(found))) if from >= start => {
                let Found::Range { at, len, base, next } = found else {
                    let what =
                        format!("{log}: nothing holds {from} in segment {segment}: {found:?}");
                    return Err(Failure::new("served bytes are true", what));
                };
                let place = self.storage.cold(log, segment, &found);
                let (file, ..) = place.expect("a range has a place");
                let read = OpKind::Read { file, at, len: u64::from(len) };
                self.ticket(Ticket::Read { log, base, next }, read);
                self.platter.submit(&mut self.ops, false);
                Ok(())
            }
            (Ticket::Read { base, next, .. }, Ok(DiskOk::Bytes(bytes))) if base >= start => {
                check::served_exactly(self, log, base, next, &bytes)
            }
            (Ticket::Find { from, .. }, Err(e)) if from >= start => self.unreadable(log, from, e),
            (Ticket::Read { base, .. }, Err(e)) if base >= start => self.unreadable(log, base, e),
            // The log was cut below: its segment may be gone.
            _ => Ok(()),
        }
    }

    fn unreadable(&self, log: LogId, at: Offset, e: DiskError) -> Result<(), Failure> {
        let excused = match self.harmed {
            Harmed::Never => false,
            Harmed::Errors => e.kind == DiskErrorKind::Io,
            Harmed::Rot => true,
        };
        match excused {
            true => Ok(()),
            false => Err(Failure::new("served bytes are true", format!("{log} at {at}: {e}"))),
        }
    }

    /// Whether anything may be appended.
    pub(crate) fn has_room(&self) -> bool {
        self.storage.room() == Room::Free
    }

    pub(crate) fn now(&self) -> Now {
        self.now
    }

    pub(crate) fn put(&mut self, seq: sordini_log::GroupSeq, deed: Deed) {
        self.tell(|| format!("put in group {}: {}", seq.0, story::deed(&deed)));
        self.ledger.put(seq, deed);
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(line());
        }
    }
}

/// What the folds of a recovered storage amount to: sections, then the replay on top.
pub(crate) fn refold(recovered: &Recovered, books: &Books) -> BTreeMap<LogId, u64> {
    let mut folds: BTreeMap<LogId, u64> = BTreeMap::new();
    for section in &recovered.sections {
        let bytes = section.bytes.as_ref().try_into().expect("sections come back as given");
        folds.insert(section.log.expect("ours are about a log"), u64::from_le_bytes(bytes));
    }
    for replay in &recovered.replay {
        match &replay.what {
            Replayed::Create => _ = folds.insert(replay.log, 0),
            Replayed::Delete => _ = folds.remove(&replay.log),
            Replayed::Batch { batch, .. } => {
                let at = folds.entry(replay.log).or_default();
                *at = fold(*at, batch.bytes());
            }
            Replayed::Lost { from, to } => {
                // A fold cannot go on over bytes that are lost; the true ones stand in for them.
                let at = folds.entry(replay.log).or_default();
                let batches = books.get(&replay.log).map_or(&[][..], |book| &book.batches);
                let lost = batches.iter().filter(|b| *from <= b.base && b.next <= *to);
                *at = lost.fold(*at, |at, batch| fold(at, &batch.bytes));
            }
            Replayed::HardState(_) | Replayed::Truncate(_) | Replayed::Start(_) => {}
        }
    }
    folds
}
