//! A disk as a pure value: it can be forked, stepped in any order and cut off from power anywhere.
//!
//! It implements what `sordini_log::disk` promises and nothing more, so that whatever the promises
//! leave open is decided by the caller (a seed, or an exhaustive walk): which lane's operation is next,
//! what becomes of each unsynced sector, length and name when the power fails, and which operation
//! meets a fault. Time does not exist here; [`Platter::step`] is one operation done.
//!
//! A crash in the middle of an operation is the operation done without being made durable
//! ([`Platter::start`]), then the crash: since each sector then meets its own fate, every way of being
//! half done is among the fates.

mod fates;
mod faults;
mod file;
mod image;
mod names;
mod perform;
mod veil;

pub use fates::{Fates, Tail};
pub use faults::{Fault, Harm, NOBODY, Role, Verb, classify};
pub use image::{Base, SECTOR_BYTES};
pub use names::NodeId;
pub use veil::{Damaged, Harmed, Shown, Spot};

use crate::digest::Digest;
use bytes::Bytes;
use file::File;
use names::{Names, ROOT};
use sordini_log::disk::{
    Completion, DirName, Disk, DiskError, DiskOk, DiskOp, FileName, Lane, OpKind,
};
use sordini_log::journal::block;
use sordini_log::{LogDir, LogId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// What becomes of something unsynced when the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The newest version is on the device.
    Kept,
    /// The last synced version is on the device.
    Lost,
    /// A sector begins with so many bytes of the newest version and goes on with the last synced one.
    /// For a length or a name the same as `Lost`.
    Torn(u16),
    /// A sector behind the last synced length holds whatever the device had there, which follows from `seed`; with `over`, so does
    /// one that the power cut off while it was changed, or it has a wrong bit. For anything else the same as `Lost`.
    #[allow(missing_docs)]
    Garbage { seed: u64, over: bool },
    /// One of the versions between: a page cache may have written back at any time. 0 is the last synced one.
    Older(u8),
}

/// Something whose fate a crash decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Unsynced {
    /// A sector of a file.
    Sector { file: NodeId, n: u64 },
    /// The length of a file.
    Length { file: NodeId },
    /// The n-th change of names since it was last asked, in their order.
    Name { n: usize },
}

/// What happened on a platter, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Operations performed.
    pub ops: u64,
    /// Power failures.
    pub crashes: u64,
    /// Operations that met a fault.
    pub faults: u64,
    /// Operations for which there was no space.
    pub full: u64,
    /// Damaged sectors that were read.
    pub bites: u64,
    /// Sectors, lengths and names that a crash decided about.
    pub fates: u64,
}

/// A simulated disk.
#[derive(Clone, Debug)]
pub struct Platter {
    names: Names,
    files: BTreeMap<NodeId, File>,
    next_node: NodeId,
    /// Lengths of all files together.
    used: u64,
    /// Files that were looked up last and are found where they were: forgotten whenever a name changes.
    found: Vec<(FileName, NodeId)>,
    journal: VecDeque<DiskOp>,
    store: VecDeque<DiskOp>,
    /// Syncs that have begun, and the file of each; never at the front of `store`.
    syncs: Vec<(DiskOp, Result<NodeId, DiskError>)>,
    reads: Vec<DiskOp>,
    /// Faults to come; data, so that a scenario can list them.
    pub faults: Vec<Fault>,
    /// Owners of the faults that struck, until somebody takes them.
    pub struck: Vec<u32>,
    /// Damage that was read since somebody asked last.
    harmed: Harmed,
    /// Logs in whose files damage was read, ever.
    bitten: BTreeSet<LogId>,
    /// Logs whose directory was found not to say whose it is, ever, because its plate is damaged.
    nameless: BTreeSet<LogId>,
    /// Bytes that files may take together.
    pub capacity: u64,
    /// What happened so far.
    pub counts: Counts,
}

impl Default for Platter {
    fn default() -> Platter {
        Platter {
            names: Names::default(),
            files: BTreeMap::new(),
            next_node: 1,
            used: 0,
            found: Vec::new(),
            journal: VecDeque::new(),
            store: VecDeque::new(),
            syncs: Vec::new(),
            reads: Vec::new(),
            faults: Vec::new(),
            struck: Vec::new(),
            harmed: Harmed::default(),
            bitten: BTreeSet::new(),
            nameless: BTreeSet::new(),
            capacity: u64::MAX,
            counts: Counts::default(),
        }
    }
}

impl Disk for Platter {
    fn submit(&mut self, ops: &mut Vec<DiskOp>, _idle: bool) {
        for op in ops.drain(..) {
            match op.kind.lane() {
                Lane::Journal => self.journal.push_back(op),
                Lane::Store => self.store.push_back(op),
                Lane::Reads => self.reads.push(op),
            }
        }
        self.begin_syncs();
    }
}

impl Platter {
    /// How many operations could be next: the first of each ordered lane, every sync that has begun, every read.
    pub fn ready(&self) -> usize {
        [Lane::Journal, Lane::Store, Lane::Reads].map(|lane| self.ready_in(lane)).iter().sum()
    }

    /// Performs the operation number `choice` of those that are [`Platter::ready`] (modulo their
    /// number). None when nothing is.
    pub fn step(&mut self, choice: usize) -> Option<Completion> {
        let (op, node) = self.take(choice)?;
        let result = match node {
            Some(node) => self.perform_sync(&op.kind, node),
            None => self.perform(op.kind, true),
        };
        self.begin_syncs();
        Some(Completion { done: op.done, result })
    }

    /// Performs the operation number `choice` of those of `lane` that are [`Platter::ready_in`] (modulo their
    /// number). None when there is none.
    pub fn step_lane(&mut self, lane: Lane, choice: usize) -> Option<Completion> {
        let before = match lane {
            Lane::Journal => 0,
            Lane::Store => self.ready_in(Lane::Journal),
            Lane::Reads => self.ready_in(Lane::Journal) + self.ready_in(Lane::Store),
        };
        self.step(before + choice.checked_rem(self.ready_in(lane))?)
    }

    /// How many operations of a lane could be next: the first of an ordered one, every sync that has begun, every
    /// read.
    pub fn ready_in(&self, lane: Lane) -> usize {
        match lane {
            Lane::Journal => usize::from(!self.journal.is_empty()),
            Lane::Store => usize::from(!self.store.is_empty()) + self.syncs.len(),
            Lane::Reads => self.reads.len(),
        }
    }

    /// The operation that [`Platter::step_lane`] would perform.
    pub fn peek_in(&self, lane: Lane, choice: usize) -> Option<&DiskOp> {
        let choice = choice.checked_rem(self.ready_in(lane))?;
        match lane {
            Lane::Journal => self.journal.front(),
            Lane::Store => {
                self.store.front().into_iter().chain(self.syncs.iter().map(|s| &s.0)).nth(choice)
            }
            Lane::Reads => self.reads.get(choice),
        }
    }

    /// The operation that [`Platter::step`] would perform.
    pub fn peek(&self, choice: usize) -> Option<&DiskOp> {
        let ordered = [self.journal.front(), self.store.front()];
        let syncs = self.syncs.iter().map(|(op, _)| op);
        let ready: Vec<&DiskOp> =
            ordered.into_iter().flatten().chain(syncs).chain(&self.reads).collect();
        ready.get(choice.checked_rem(ready.len())?).copied()
    }

    /// The operation of an ordered lane that comes next.
    pub fn next_in(&self, lane: Lane) -> Option<&DiskOp> {
        match lane {
            Lane::Journal => self.journal.front(),
            Lane::Store => self.store.front(),
            Lane::Reads => self.reads.first(),
        }
    }

    /// Begins the first operation of each ordered lane without making anything durable: where it is when the power
    /// fails. Only [`Platter::crash`] may follow.
    pub fn start(&mut self) {
        for op in [self.journal.pop_front(), self.store.pop_front()].into_iter().flatten() {
            let _ = self.perform(op.kind, false);
        }
    }

    /// The power fails: each unsynced change of names, length and sector meets its fate, in this order and
    /// the order of files' numbers; what was queued is gone.
    pub fn crash(&mut self, fate: &mut dyn FnMut(Unsynced) -> Fate) {
        self.counts.crashes += 1;
        self.counts.fates += self.unsynced() as u64;
        self.journal.clear();
        self.store.clear();
        self.syncs.clear();
        self.reads.clear();
        self.names.crash(|n| fate(Unsynced::Name { n }) == Fate::Kept);
        let live: BTreeSet<NodeId> = self.names.paths().into_values().collect();
        self.names.retain(&live);
        self.files.retain(|node, _| live.contains(node));
        let deniable = if self.has_lies() { self.deniable() } else { BTreeMap::new() };
        // Of a page of the journal behind its header all belongs to one group: garbage in it harms no other.
        let journal = self.names.paths().into_iter().filter(|(path, _)| path.ends_with(".journal"));
        let journal: BTreeSet<NodeId> = journal.map(|(_, node)| node).collect();
        for (&node, file) in &mut self.files {
            file.crash(|sector| match sector {
                Some(n) => match fate(Unsynced::Sector { file: node, n }) {
                    Fate::Garbage { seed, over } => {
                        let is_group = n >= block::SECTORS as u64 && journal.contains(&node);
                        Fate::Garbage { seed, over: over && is_group }
                    }
                    fate => fate,
                },
                None => fate(Unsynced::Length { file: node }),
            });
            let deniable = deniable.get(&node);
            file.expose(|n| deniable.is_none_or(|sectors| sectors.contains(&n)));
        }
        self.found.clear();
        self.used = self.files.values().map(File::len).sum();
    }

    /// The process ends and nothing else fails: what was queued is gone, what was written stays.
    pub fn kill(&mut self) {
        self.journal.clear();
        self.store.clear();
        self.syncs.clear();
        self.reads.clear();
    }

    /// How many names, lengths and sectors a crash now would decide about.
    pub fn unsynced(&self) -> usize {
        let of_file = |f: &File| f.unsynced().count() + usize::from(f.length_unsynced());
        self.names.unsynced() + self.files.values().map(of_file).sum::<usize>()
    }

    /// Flips the bits `mask` of one byte of the file at `path`. False if there is no such byte.
    pub fn rot(&mut self, path: &str, at: u64, mask: u8) -> bool {
        let node = self.names.find(path);
        match node.and_then(|node| self.files.get_mut(&node)) {
            Some(file) if at < file.len() => {
                file.rot(at, mask);
                true
            }
            _ => false,
        }
    }

    /// An empty disk comes to hold these directories and files, all of it durable; a directory comes before what is in it.
    pub fn stand_on(&mut self, dirs: &[String], files: &[(String, Arc<dyn Base>)]) {
        for dir in dirs {
            let node = self.new_node();
            assert!(self.names.link(dir, node, true), "{dir} lies in a directory");
        }
        for (path, base) in files {
            let node = self.new_node();
            assert!(self.names.link(path, node, false), "{path} lies in a directory");
            self.used += base.len();
            self.files.insert(node, File::over(Arc::clone(base)));
        }
        self.names.sync_all();
    }

    /// The logs that have a directory: each with that directory's name.
    pub fn logs(&self) -> Vec<(LogId, String)> {
        let dirs = self.names.entries(ROOT).filter(|(_, node)| self.names.is_dir(*node));
        let log = |(name, _): (&str, NodeId)| Some((self.owner_of(name)?, name.to_owned()));
        dirs.filter_map(log).collect()
    }

    /// Paths of all files, with their lengths in bytes.
    pub fn list(&self) -> Vec<(String, u64)> {
        let files = self.names.paths().into_iter();
        files.filter_map(|(path, node)| Some((path, self.files.get(&node)?.len()))).collect()
    }

    /// Bytes of a file as a reader thread beside the lanes would see them now.
    pub fn read(&mut self, file: &FileName, at: u64, len: u64) -> Result<Bytes, DiskError> {
        match self.perform(OpKind::Read { file: file.clone(), at, len }, true)? {
            DiskOk::Bytes(bytes) => Ok(bytes),
            other => panic!("a read brings bytes, not {other:?}"),
        }
    }

    /// Whether the log still has its directory, under its own name.
    pub fn has_log(&self, dir: &LogDir) -> bool {
        self.owner(&DirName::Log(dir.clone())) == Some(dir.log)
    }

    /// All bytes of the file at `path`.
    pub fn content(&self, path: &str) -> Option<Vec<u8>> {
        let file = self.files.get(&self.names.find(path)?)?;
        Some(file.read(0, file.len()))
    }

    /// Bytes that can still be taken.
    pub fn free(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }

    /// Digest of all paths and bytes as the process sees them.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest::default();
        for (path, node) in self.names.paths() {
            digest.bytes(path.as_bytes());
            match self.files.get(&node) {
                Some(file) => file.digest(&mut digest),
                None => digest.number(u64::MAX),
            }
        }
        digest.finish()
    }

    /// A sync whose turn in the lane has come knows its file from now on, whatever becomes of the name.
    fn begin_syncs(&mut self) {
        while let Some(op) = self.store.pop_front_if(|op| matches!(op.kind, OpKind::Sync { .. })) {
            let OpKind::Sync { file } = &op.kind else { unreachable!("just looked at") };
            let node = self.existing(file);
            self.syncs.push((op, node));
        }
    }

    /// The operation; of a sync also its file.
    fn take(&mut self, choice: usize) -> Option<(DiskOp, Option<Result<NodeId, DiskError>>)> {
        let mut choice = choice.checked_rem(self.ready())?;
        for lane in [&mut self.journal, &mut self.store] {
            if !lane.is_empty() {
                if choice == 0 {
                    return lane.pop_front().map(|op| (op, None));
                }
                choice -= 1;
            }
        }
        if choice < self.syncs.len() {
            let (op, node) = self.syncs.remove(choice);
            return Some((op, Some(node)));
        }
        Some((self.reads.remove(choice - self.syncs.len()), None))
    }
}
