//! Boot recovery, stage by stage: list, read, replay into memory, make this boot durable, serve.
//!
//! | stage   | waits for                                   | then                                    |
//! |---------|---------------------------------------------|-----------------------------------------|
//! | Listing | entries of `checkpoint`, `journal`, root    | reads what is there, or makes the house |
//! | Making  | directories of a new data directory         | starts an empty journal                 |
//! | Reading | bytes of the checkpoints and journal files, | replays                                 |
//! |         | syncs of the directories that named them    |                                         |
//! | Naming  | the checkpoint is `current`, and no `next`  | writes marks and this boot's number     |
//! | Sealing | the group with this boot's number and marks | serves                                  |
//!
//! Nothing that recovery read is changed before it is over, but for names of checkpoints: it may crash and start again at
//! any point. The newest checkpoint with valid content counts, in the order `current`, `next` (complete, but its rename was
//! lost), `previous`. If the disk gives nothing of a journal file, or not all of its last group, recovery ends ([`journal_withheld`],
//! [`tail_withheld`]). Log directories are not
//! looked into: 1,000 logs cost no more than their lines in the checkpoint, and leftovers in them are cleaned while serving
//! ([`super::sweep`]).
//!
//! A checkpoint that looked damaged, or could not be read, may look well to the next process: a read may bring the wrong bytes
//! once. By then what it says of segments is not true any more, for they were cut and are being refilled from the one that
//! was believed instead. So that one is made `current` and a `next` is removed, durably, before anything is cut ([`naming`]). Its
//! bytes are written once more first: a `next` whose sync failed reads well from the page cache, and no later sync would write it. The name
//! waits until that sync has returned, for it may fail as well.
//!
//! A process that was killed leaves names that only the page cache knows: a checkpoint renamed and not synced, a new
//! journal file. Whoever goes on from them (and writes over the journal that the checkpoint before needs) must first make them
//! durable, or the next power failure brings the older names back. So the directories are synced before anything is
//! written.
//!
//! A directory is new if it has no checkpoint and its journal has no group: nothing was ever acknowledged there. A
//! crash leaves it so only before the first group is durable, and no log has a directory before then. So where
//! one has, the journal was lost, and taking the directory for a new one would lose the logs with it ([`orphan`]).

use super::replay::{Rebuilt, rebuild};
use super::{Note, Recovered, Storage};
use crate::checkpoint;
use crate::disk::{
    BLOCK_BYTES, Data, DirEntry, DirName, DiskErrorKind, DiskOk, DiskOp, DiskResult, Done,
    FileName, OpKind,
};
use crate::id::GroupSeq;
use crate::io_errors::{Purpose, Verdict};
use crate::journal::{Finding, Frame, Journal, JournalError, JournalImage, recover};
use crate::time::Now;
use bytes::Bytes;
use smallvec::SmallVec;
use sordini_mutant::mutant;
use sordini_reach::Reach;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Where boot recovery is. See the module's table.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Before [`Storage::boot`].
    New,
    Listing {
        checkpoints: Option<Vec<DirEntry>>,
        journal: Option<Vec<DirEntry>>,
        root: Option<Vec<DirEntry>>,
    },
    Making {
        left: u32,
    },
    Reading {
        left: u32,
        /// A directory that only a log can have.
        orphan: Option<String>,
        /// What is in the data directory.
        names: BTreeSet<String>,
        /// What there is, by step; an error where the disk did not give it.
        checkpoints: BTreeMap<u32, Result<Bytes, String>>,
        /// Blocks of the journal that the disk did not give, by step, and why.
        withheld: BTreeMap<u32, String>,
        journal: Vec<(u32, Bytes)>,
        /// Lengths of the journal files.
        lens: BTreeMap<u32, u64>,
        /// Blocks of files that could not be read in one go, by number and block.
        blocks: BTreeMap<(u32, u32), Bytes>,
    },
    Naming {
        todo: VecDeque<OpKind>,
        rebuilt: Box<Rebuilt>,
    },
    Sealing {
        seq: GroupSeq,
        recovered: Box<Recovered>,
    },
    Serving,
    /// A fatal error was told; nothing more is done.
    Failed,
}

const LIST_CHECKPOINTS: u32 = 0;
const LIST_JOURNAL: u32 = 1;
const LIST_ROOT: u32 = 2;
const MAKE: u32 = 6;
/// Syncs of the directories whose names are believed.
const SETTLE: u32 = 7;
/// Reads of checkpoints, in the order in which they are believed.
const CHECKPOINTS: [(u32, FileName); 3] =
    [(3, FileName::Checkpoint), (4, FileName::CheckpointNext), (5, FileName::CheckpointPrevious)];
const _: () = assert!(CHECKPOINTS.len() == checkpoint::NAMES.len());
/// The checkpoint that was believed becomes `current`, durably.
const NAME: u32 = 8;
/// Reads of journal files: this plus the file's number.
const JOURNAL: u32 = 16;
/// Reads of single blocks of a journal file that could not be read as a whole: this, the file's number, the
/// block's.
const BLOCK: u32 = 1 << 31;
const BLOCK_BITS: u32 = 20;
const FILES_MAX: u32 = 1 << 11;

impl Storage {
    /// Starts recovery. [`Note::Recovered`] or [`Note::Fatal`] ends it.
    pub fn boot(&mut self, now: Now, out: &mut Vec<DiskOp>) {
        assert!(matches!(self.stage, Stage::New), "a storage boots once");
        // A clock that jumps while a new directory is made has nothing else to be doubted by.
        self.journal.look(now);
        self.stage = Stage::Listing { checkpoints: None, journal: None, root: None };
        let list = |dir, step| DiskOp { kind: OpKind::List { dir }, done: Done::Boot(step) };
        out.push(list(DirName::Checkpoint, LIST_CHECKPOINTS));
        out.push(list(DirName::Journal, LIST_JOURNAL));
        out.push(list(DirName::Root, LIST_ROOT));
    }

    pub(super) fn is_serving(&self) -> bool {
        matches!(self.stage, Stage::Serving)
    }

    /// Whether the journal may write: recovery has read all it needs.
    pub(super) fn has_journal(&self) -> bool {
        matches!(self.stage, Stage::Serving | Stage::Sealing { .. })
    }

    pub(super) fn boot_done(
        &mut self,
        now: Now,
        step: u32,
        result: DiskResult,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let purpose = if step == MAKE { Purpose::Founding } else { Purpose::BootRead };
        let ok = match result {
            Ok(ok) => Some(ok),
            Err(e) if step == NAME || step == SETTLE && e.kind != DiskErrorKind::NotFound => {
                let why = format!(
                    "{e}: what recovery read may not be durable; \
                     see that the disk has space and no errors, and start again"
                );
                return self.boot_failed(why, notes);
            }
            Err(e) => match self.failed(now, purpose, &e, notes) {
                Verdict::Absent => None,
                Verdict::Unreadable if step <= LIST_ROOT => {
                    let why = format!("{e}: recovery cannot go on without it");
                    return self.boot_failed(why, notes);
                }
                Verdict::Unreadable if (JOURNAL..BLOCK).contains(&step) => {
                    notes.push(Note::Warning(format!("{e}: reading it block by block")));
                    return self.read_blocks(step - JOURNAL, out, notes);
                }
                // A checkpoint, or a block of the journal.
                Verdict::Unreadable => {
                    notes.push(Note::Warning(e.to_string()));
                    if let Stage::Reading { checkpoints, withheld, .. } = &mut self.stage {
                        match step {
                            BLOCK.. => _ = withheld.insert(step, e.to_string()),
                            _ => _ = checkpoints.insert(step, Err(e.to_string())),
                        }
                    }
                    None
                }
                Verdict::Fatal | Verdict::Refuse => return,
                Verdict::Retry | Verdict::Doubt | Verdict::Skip => {
                    unreachable!("not a verdict on a boot's step")
                }
            },
        };
        match &mut self.stage {
            Stage::Listing { checkpoints, journal, root } => {
                let entries = match ok {
                    Some(DiskOk::Entries(entries)) => entries,
                    _ => Vec::new(),
                };
                let list = match step {
                    LIST_JOURNAL => journal,
                    LIST_ROOT => root,
                    _ => checkpoints,
                };
                *list = Some(entries);
                self.listed(out, notes);
            }
            Stage::Making { left } => {
                *left -= 1;
                if *left == 0 {
                    self.replay(now, BTreeMap::new(), Vec::new(), out, notes);
                }
            }
            Stage::Reading { left, checkpoints, withheld, journal, blocks, .. } => {
                *left -= 1;
                match ok {
                    Some(DiskOk::Bytes(bytes)) if step >= BLOCK => {
                        let (file, block) = (step - BLOCK, step % (1 << BLOCK_BITS));
                        blocks.insert((file >> BLOCK_BITS, block), bytes);
                    }
                    Some(DiskOk::Bytes(bytes)) if step >= JOURNAL => {
                        journal.push((step - JOURNAL, bytes));
                    }
                    Some(DiskOk::Bytes(bytes)) => _ = checkpoints.insert(step, Ok(bytes)),
                    _ => {}
                }
                if *left == 0 {
                    let checkpoints = std::mem::take(checkpoints);
                    if let Some(why) = journal_withheld(withheld, blocks) {
                        return self.boot_failed(why, notes);
                    }
                    let journal = self.journal_files();
                    self.replay(now, checkpoints, journal, out, notes);
                }
            }
            Stage::Naming { .. } => self.name_next(now, out, notes),
            Stage::New | Stage::Sealing { .. } | Stage::Serving | Stage::Failed => {}
        }
    }

    fn boot_failed(&mut self, why: String, notes: &mut Vec<Note>) {
        self.reached.mark(Reach::StartRefused);
        self.stop(why, notes);
    }

    /// Nothing more is done.
    pub(super) fn stop(&mut self, why: String, notes: &mut Vec<Note>) {
        self.stage = Stage::Failed;
        notes.push(Note::Fatal(why));
    }

    /// The directories are known: read everything in checkpoint and journal at once.
    fn listed(&mut self, out: &mut Vec<DiskOp>, notes: &mut Vec<Note>) {
        let Stage::Listing {
            checkpoints: Some(checkpoints),
            journal: Some(journal),
            root: Some(root),
        } = &self.stage
        else {
            return;
        };
        let orphan = orphan(root);
        let mut reads = Vec::new();
        let mut lens = BTreeMap::new();
        for ((step, file), name) in CHECKPOINTS.into_iter().zip(checkpoint::NAMES) {
            if let Some(entry) = checkpoints.iter().find(|e| e.name == name) {
                reads.push((step, file, entry.len));
            }
        }
        for entry in journal {
            let number = entry.name.strip_suffix(".journal").and_then(|n| n.parse::<u32>().ok());
            match number.filter(|n| FileName::Journal(*n).path().ends_with(&entry.name)) {
                Some(n) => {
                    reads.push((JOURNAL + n, FileName::Journal(n), entry.len));
                    lens.insert(n, entry.len);
                }
                None => notes.push(Note::Warning(format!(
                    "journal/{}: not a journal file; left alone",
                    entry.name
                ))),
            }
        }
        if let (true, Some(name)) = (reads.is_empty(), &orphan) {
            let why = journal_lost(name);
            return self.boot_failed(why, notes);
        }
        if reads.is_empty() {
            let make = |kind| DiskOp { kind, done: Done::Boot(MAKE) };
            out.push(make(OpKind::MakeDir { dir: DirName::Journal }));
            out.push(make(OpKind::MakeDir { dir: DirName::Checkpoint }));
            out.push(make(OpKind::SyncDir { dir: DirName::Root }));
            self.stage = Stage::Making { left: 3 };
            return;
        }
        let named: &[DirName] =
            mutant!(B20, &[DirName::Root, DirName::Journal, DirName::Checkpoint], &[]);
        let settle = |dir| DiskOp { kind: OpKind::SyncDir { dir }, done: Done::Boot(SETTLE) };
        let syncs = named.len() as u32;
        out.extend(named.iter().cloned().map(settle));
        self.stage = Stage::Reading {
            left: reads.len() as u32 + syncs,
            orphan,
            names: root.iter().map(|e| e.name.clone()).collect(),
            checkpoints: BTreeMap::new(),
            withheld: BTreeMap::new(),
            journal: Vec::new(),
            lens,
            blocks: BTreeMap::new(),
        };
        out.extend(reads.into_iter().map(|(step, file, len)| DiskOp {
            kind: OpKind::Read { file, at: 0, len },
            done: Done::Boot(step),
        }));
    }

    /// A journal file cannot be read as a whole: the blocks that can be read are worth having.
    fn read_blocks(&mut self, number: u32, out: &mut Vec<DiskOp>, notes: &mut Vec<Note>) {
        let Stage::Reading { left, lens, .. } = &mut self.stage else { return };
        let count = lens[&number].div_ceil(BLOCK_BYTES as u64).max(1);
        if number >= FILES_MAX || count >= 1 << BLOCK_BITS {
            return self.boot_failed(format!("journal file {number} cannot be read"), notes);
        }
        *left += count as u32 - 1;
        self.reached.mark(Reach::BlockByBlock);
        out.extend((0..count as u32).map(|block| DiskOp {
            kind: OpKind::Read {
                file: FileName::Journal(number),
                at: u64::from(block) * BLOCK_BYTES as u64,
                len: BLOCK_BYTES as u64,
            },
            done: Done::Boot(BLOCK + (number << BLOCK_BITS) + block),
        }));
    }

    /// What was read of the journal, by file. A block that could not be read is full of ones, which no
    /// block of ours ever is: recovery calls it rotten.
    fn journal_files(&mut self) -> Vec<(u32, Bytes)> {
        let Stage::Reading { journal, lens, blocks, .. } = &mut self.stage else {
            return Vec::new();
        };
        let mut files = std::mem::take(journal);
        for (number, len) in lens.iter() {
            let mut read = blocks.range((*number, 0)..=(*number, u32::MAX)).peekable();
            if read.peek().is_none() {
                continue;
            }
            let mut bytes = vec![0xff; *len as usize];
            for ((_, block), read) in read {
                let at = *block as usize * BLOCK_BYTES;
                bytes[at..at + read.len()].copy_from_slice(read);
            }
            files.push((*number, Bytes::from(bytes)));
        }
        files.sort_unstable_by_key(|(number, _)| *number);
        files
    }

    /// Everything is read: builds the logs and writes the group that makes this boot one.
    fn replay(
        &mut self,
        now: Now,
        checkpoints: BTreeMap<u32, Result<Bytes, String>>,
        journal: Vec<(u32, Bytes)>,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let mut checkpoints = checkpoints;
        let files = CHECKPOINTS.map(|(step, _)| checkpoints.remove(&step));
        let contents = files.clone();
        let [current, next, _] = files.each_ref().map(Option::is_some);
        let (place, checkpoint) = match checkpoint::choose(files) {
            Ok((chosen, wrong)) => {
                let older = chosen.as_ref().is_some_and(|(place, _)| *place > 0);
                self.reached.mark_if(Reach::OlderCheckpoint, older);
                notes.extend(wrong.into_iter().map(Note::Warning));
                chosen.unzip()
            }
            Err(why) => return self.boot_failed(why, notes),
        };
        if checkpoint.is_some() && journal.is_empty() {
            return self.boot_failed(
                "there is a checkpoint and no journal: somebody removed the files in journal/, and \
                 acknowledged records with them; restore them"
                    .into(),
                notes,
            );
        }
        let empty = journal.is_empty();
        let is_founded = checkpoint.is_some();
        let from = checkpoint.as_ref().map_or(GroupSeq(1), |c| c.from);
        let image = match recover(journal, from).and_then(|image| whole_for(place, image)) {
            Ok(image) => image,
            Err(e) => return self.boot_failed(e.to_string(), notes),
        };
        if let Stage::Reading { withheld, .. } = &self.stage
            && let Some(why) = tail_withheld(withheld, &image.findings)
        {
            return self.boot_failed(why, notes);
        }
        let found = image.findings.iter().filter_map(reach);
        found.for_each(|reach| self.reached.mark(reach));
        if let Stage::Reading { orphan: Some(name), .. } = &self.stage
            && !is_founded
            && image.groups.is_empty()
        {
            let why = journal_lost(name);
            return self.boot_failed(why, notes);
        }
        let seen = self.journal.look(now);
        self.journal = match empty {
            true => Journal::create(self.config.journal),
            false => Journal::resume(&image, self.config.journal),
        };
        let number = checkpoint.as_ref().map_or(0, |c| c.number);
        let mut rebuilt = match rebuild(seen, checkpoint, image) {
            Ok(rebuilt) => rebuilt,
            Err(why) => return self.boot_failed(why, notes),
        };
        if let Stage::Reading { names, .. } = &self.stage {
            rebuilt.removals.values_mut().for_each(|removal| removal.compare(names));
        }
        self.journal.remember(now.mono, rebuilt.wall);
        self.checkpointing.number = number;
        self.checkpointing.current_exists = current || place.is_some();
        let believed = place.and_then(|place| {
            let bytes = contents.into_iter().nth(place)??.ok()?;
            Some((&CHECKPOINTS[place].1, bytes))
        });
        let named = naming(believed, next);
        if mutant!(B21, named.is_empty(), true) {
            return self.adopt(now, rebuilt, out, notes);
        }
        self.stage = Stage::Naming { todo: named.into(), rebuilt: Box::new(rebuilt) };
        self.name_next(now, out, notes);
    }

    /// The next step of [`naming`], if the one before was done. Never two at once: a rename behind a sync that fails would make
    /// `current` what no later sync writes.
    fn name_next(&mut self, now: Now, out: &mut Vec<DiskOp>, notes: &mut Vec<Note>) {
        let Stage::Naming { todo, .. } = &mut self.stage else { return };
        if let Some(kind) = todo.pop_front() {
            out.push(DiskOp { kind, done: Done::Boot(NAME) });
        } else if let Stage::Naming { rebuilt, .. } =
            std::mem::replace(&mut self.stage, Stage::Failed)
        {
            self.adopt(now, *rebuilt, out, notes);
        }
    }

    fn adopt(&mut self, now: Now, rebuilt: Rebuilt, out: &mut Vec<DiskOp>, notes: &mut Vec<Note>) {
        let Rebuilt { boot, logs, removals, marks, mut recovered, .. } = rebuilt;
        self.boot = boot + 1;
        recovered.boot = self.boot;
        recovered.fresh = boot == 0;
        self.durable = self.journal.synced();
        for log in logs.values() {
            self.cached_bytes += log.cache.bytes();
            self.space.unwritten_bytes += log.appended_bytes - log.written_bytes;
            self.cached.extend(log.cache.from(log.written).map(|c| (log.dir.log, c.next)));
        }
        self.logs = logs;
        self.removals = removals;
        // Marks go first: nothing may be decided before they are durable.
        for (log, spans) in marks {
            for span in spans.iter() {
                self.put(Frame::FaultyMark { log, from: span.from, to: span.to });
                notes.push(Note::Faulty { log, from: span.from, to: span.to });
            }
        }
        let seq = self.put(Frame::Boot { boot: self.boot });
        self.stage = Stage::Sealing { seq, recovered };
        self.journal.flush(now, out);
    }

    /// A group is durable; if it is the one that boot waits for, boot is over.
    pub(super) fn boot_durable(&mut self, now: Now, notes: &mut Vec<Note>, out: &mut Vec<DiskOp>) {
        match std::mem::replace(&mut self.stage, Stage::Serving) {
            Stage::Sealing { seq, recovered } if seq <= self.durable => {
                notes.push(Note::Recovered(recovered));
                let ids: Vec<_> = self.logs.keys().copied().collect();
                ids.into_iter().for_each(|id| self.queue_write(now, id));
                self.resume_removals(now, out, notes);
                self.start_sweep(out);
            }
            stage => self.stage = stage,
        }
    }
}

/// Whether the journal still holds all that the checkpoint at this place among [`checkpoint::NAMES`] needs. What a newer one made free may
/// have been written over, in any order and in part: then a group that an older one needs is not damaged, as it looks, but used up, and
/// what it held is in segments that are not believed.
pub(super) fn whole_for(
    place: Option<usize>,
    image: JournalImage,
) -> Result<JournalImage, JournalError> {
    let faulty = image.findings.iter().find_map(|finding| match finding {
        Finding::Faulty { seq, .. } => Some(*seq),
        _ => None,
    });
    match faulty.filter(|_| place.is_some_and(|place| place > 0)) {
        Some(seq) => Err(JournalError::UsedUp { seq }),
        None => Ok(image),
    }
}

/// What the disk has to do before segments are cut to what the checkpoint with this name and content says: it becomes `current`,
/// durably, so that what was passed over cannot be believed later, and a `next` is no more.
fn naming(believed: Option<(&FileName, Bytes)>, has_next: bool) -> Vec<OpKind> {
    let (current, next) = (FileName::Checkpoint, FileName::CheckpointNext);
    let keeps_next = believed.as_ref().is_some_and(|(name, _)| **name == next);
    let mut ops = Vec::new();
    if let Some((name, bytes)) = believed.filter(|(name, _)| **name != current) {
        let data = Data::Slices(SmallVec::from_iter([bytes]));
        ops.push(OpKind::Write { file: name.clone(), at: 0, data, sync: true });
        ops.push(OpKind::Rename { from: name.clone(), to: current });
    }
    if has_next && !keeps_next {
        ops.push(OpKind::Unlink { file: next });
    }
    if !ops.is_empty() {
        ops.push(OpKind::SyncDir { dir: DirName::Checkpoint });
    }
    ops
}

/// Why recovery must not go on with the journal files that could be read, if it must not: of another one the disk gave not a single
/// block. Bad blocks cost what is in them; a disk that gives nothing says nothing of what there is, and where the journal ends, and
/// the groups in that file would be missed without a word.
fn journal_withheld(
    withheld: &BTreeMap<u32, String>,
    blocks: &BTreeMap<(u32, u32), Bytes>,
) -> Option<String> {
    let failed = withheld.range(BLOCK..).map(|(step, why)| ((step - BLOCK) >> BLOCK_BITS, why));
    let is_lost = |number| blocks.range((number, 0)..=(number, u32::MAX)).next().is_none();
    let (number, why) = failed.into_iter().find(|(number, _)| is_lost(*number))?;
    let path = FileName::Journal(number).path();
    Some(format!(
        "not a block of {path} can be read ({why}), and what it holds may have been acknowledged: see that the disk has no errors, \
         and start again; if {path} is lost for good, restore journal/ and checkpoint/ from a backup"
    ))
}

/// The mark of what recovery found.
fn reach(finding: &Finding) -> Option<Reach> {
    match finding {
        Finding::Cut { damage, .. } if damage.rotten > 0 => Some(Reach::RottenTailCut),
        Finding::Cut { .. } => Some(Reach::TailCut),
        Finding::Faulty { .. } => Some(Reach::GroupLost),
        // No fault strikes a header: it names no group of which a later one could say that it was durable.
        Finding::Header { .. } | Finding::Short { .. } => None,
    }
}

/// Why recovery must not cut the last group of the journal, if it must not: of its blocks the disk did not give one. Nothing proves that it
/// was durable, and nothing that it was not; and where bytes that are wrong stay wrong, what cannot be read now may be read later.
fn tail_withheld(withheld: &BTreeMap<u32, String>, findings: &[Finding]) -> Option<String> {
    let cuts = findings.iter().filter_map(|finding| match finding {
        Finding::Cut { at: (number, first), damage: d, .. } => {
            let first = BLOCK + (number << BLOCK_BITS) + first;
            withheld.range(first..first + d.new + d.old + d.torn + d.rotten).next()
        }
        _ => None,
    });
    let (step, why) = cuts.into_iter().next()?;
    let (number, block) = ((step - BLOCK) >> BLOCK_BITS, step % (1 << BLOCK_BITS));
    let (path, at) = (FileName::Journal(number).path(), u64::from(block) * BLOCK_BYTES as u64);
    Some(format!(
        "{path} cannot be read at {at} ({why}), where the last group of the journal is or would be, which may have been acknowledged: \
         see that the disk has no errors, and start again; if these bytes are lost for good and that group can be given up, write \
         {BLOCK_BYTES} zeroes there"
    ))
}

/// A directory among those of a data directory that is, or was, a log's: `<topic>-<partition>`, or one that is being
/// deleted.
pub(super) fn orphan(root: &[DirEntry]) -> Option<String> {
    let is_logs = |name: &str| {
        let partition = name.rsplit_once('-').filter(|(topic, _)| !topic.is_empty());
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        partition.is_some_and(|(_, p)| digits(p)) || super::sweep::deleted(name).is_some()
    };
    root.iter().find(|e| e.is_dir && is_logs(&e.name)).map(|e| e.name.clone())
}

/// Why a directory without a journal is not taken for a new one.
pub(super) fn journal_lost(orphan: &str) -> String {
    format!(
        "{orphan} is the directory of a partition, and the files in journal/ hold not a single group: they were \
         removed or overwritten, and acknowledged records with them. Restore journal/ and checkpoint/ from a \
         backup; only if {orphan} and its like can be given up, move them away, and the broker begins anew"
    )
}
