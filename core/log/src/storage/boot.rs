//! Boot recovery, stage by stage: list, read, replay into memory, make this boot durable, serve.
//!
//! | stage   | waits for                                   | then                                    |
//! |---------|---------------------------------------------|-----------------------------------------|
//! | Listing | entries of `checkpoint` and `journal`       | reads what is there, or makes the house |
//! | Making  | directories of a new data directory         | starts an empty journal                 |
//! | Reading | bytes of the checkpoints and journal files  | replays                                 |
//! | Sealing | the group with this boot's number and marks | serves                                  |
//!
//! Nothing that recovery read is changed before it is over: it may crash and start again at any point.
//! The newest readable checkpoint counts, in the order `current`, `next` (complete, but its rename was
//! lost), `previous`. Log directories are not looked at: 1,000 logs cost no more than their lines in the
//! checkpoint, and leftovers in them are cleaned while serving ([`super::sweep`]).

use super::replay::{Rebuilt, rebuild};
use super::{Note, Recovered, Storage};
use crate::checkpoint::Checkpoint;
use crate::disk::{DirEntry, DirName, DiskOk, DiskOp, DiskResult, Done, FileName, OpKind};
use crate::id::GroupSeq;
use crate::io_errors::{Purpose, Verdict};
use crate::journal::{Frame, Journal, recover};
use crate::time::Now;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Where boot recovery is. See the module's table.
#[derive(Clone, Debug)]
pub(super) enum Stage {
    /// Before [`Storage::boot`].
    New,
    Listing {
        checkpoints: Option<Vec<DirEntry>>,
        journal: Option<Vec<DirEntry>>,
    },
    Making {
        left: u32,
    },
    Reading {
        left: u32,
        checkpoints: BTreeMap<u32, Bytes>,
        journal: Vec<(u32, Bytes)>,
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
const MAKE: u32 = 2;
/// Reads of checkpoints, in the order in which they are believed.
const CHECKPOINTS: [(u32, FileName, &str); 3] = [
    (3, FileName::Checkpoint, "current"),
    (4, FileName::CheckpointNext, "next"),
    (5, FileName::CheckpointPrevious, "previous"),
];
/// Reads of journal files: this plus the file's number.
const JOURNAL: u32 = 16;

impl Storage {
    /// Starts recovery. [`Note::Recovered`] or [`Note::Fatal`] ends it.
    pub fn boot(&mut self, _now: Now, out: &mut Vec<DiskOp>) {
        assert!(matches!(self.stage, Stage::New), "a storage boots once");
        self.stage = Stage::Listing { checkpoints: None, journal: None };
        let list = |dir, step| DiskOp { kind: OpKind::List { dir }, done: Done::Boot(step) };
        out.push(list(DirName::Checkpoint, LIST_CHECKPOINTS));
        out.push(list(DirName::Journal, LIST_JOURNAL));
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
        let purpose = if step == MAKE { Purpose::Store } else { Purpose::BootRead };
        let ok = match result {
            Ok(ok) => Some(ok),
            Err(e) => match self.failed(now, purpose, &e, notes) {
                Verdict::Absent => None,
                Verdict::Unreadable if step >= JOURNAL || step <= LIST_JOURNAL => {
                    return self
                        .boot_failed(format!("{e}: recovery cannot go on without it"), notes);
                }
                Verdict::Unreadable => {
                    notes.push(Note::Warning(e.to_string()));
                    None
                }
                Verdict::Fatal => {
                    self.stage = Stage::Failed;
                    return;
                }
                Verdict::Retry | Verdict::Skip => {
                    return self.boot_failed(format!("{e}: no space to start; free some"), notes);
                }
            },
        };
        match &mut self.stage {
            Stage::Listing { checkpoints, journal } => {
                let entries = match ok {
                    Some(DiskOk::Entries(entries)) => entries,
                    _ => Vec::new(),
                };
                *(if step == LIST_JOURNAL { journal } else { checkpoints }) = Some(entries);
                self.listed(now, out, notes);
            }
            Stage::Making { left } => {
                *left -= 1;
                if *left == 0 {
                    self.replay(now, BTreeMap::new(), Vec::new(), out, notes);
                }
            }
            Stage::Reading { left, checkpoints, journal } => {
                *left -= 1;
                if let Some(DiskOk::Bytes(bytes)) = ok {
                    match step.checked_sub(JOURNAL) {
                        Some(number) => journal.push((number, bytes)),
                        None => _ = checkpoints.insert(step, bytes),
                    }
                }
                if *left == 0 {
                    let (checkpoints, mut journal) =
                        (std::mem::take(checkpoints), std::mem::take(journal));
                    journal.sort_unstable_by_key(|(number, _)| *number);
                    self.replay(now, checkpoints, journal, out, notes);
                }
            }
            Stage::New | Stage::Sealing { .. } | Stage::Serving | Stage::Failed => {}
        }
    }

    fn boot_failed(&mut self, why: String, notes: &mut Vec<Note>) {
        self.stage = Stage::Failed;
        notes.push(Note::Fatal(why));
    }

    /// Both directories are known: read everything in them at once.
    fn listed(&mut self, now: Now, out: &mut Vec<DiskOp>, notes: &mut Vec<Note>) {
        let Stage::Listing { checkpoints: Some(checkpoints), journal: Some(journal) } = &self.stage
        else {
            return;
        };
        let mut reads = Vec::new();
        for (step, file, name) in CHECKPOINTS {
            if let Some(entry) = checkpoints.iter().find(|e| e.name == name) {
                reads.push((step, file, entry.len));
            }
        }
        self.checkpointing.current_exists = checkpoints.iter().any(|e| e.name == "current");
        for entry in journal {
            let number = entry.name.strip_suffix(".journal").and_then(|n| n.parse::<u32>().ok());
            match number.filter(|n| FileName::Journal(*n).path().ends_with(&entry.name)) {
                Some(n) => reads.push((JOURNAL + n, FileName::Journal(n), entry.len)),
                None => notes.push(Note::Warning(format!(
                    "journal/{}: not a journal file; left alone",
                    entry.name
                ))),
            }
        }
        if reads.is_empty() {
            let make = |kind| DiskOp { kind, done: Done::Boot(MAKE) };
            out.push(make(OpKind::MakeDir { dir: DirName::Journal }));
            out.push(make(OpKind::MakeDir { dir: DirName::Checkpoint }));
            out.push(make(OpKind::SyncDir { dir: DirName::Root }));
            self.stage = Stage::Making { left: 3 };
            return;
        }
        self.stage = Stage::Reading {
            left: reads.len() as u32,
            checkpoints: BTreeMap::new(),
            journal: Vec::new(),
        };
        let _ = now;
        out.extend(reads.into_iter().map(|(step, file, len)| DiskOp {
            kind: OpKind::Read { file, at: 0, len },
            done: Done::Boot(step),
        }));
    }

    /// Everything is read: builds the logs and writes the group that makes this boot one.
    fn replay(
        &mut self,
        now: Now,
        checkpoints: BTreeMap<u32, Bytes>,
        journal: Vec<(u32, Bytes)>,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let checkpoint = match newest(checkpoints, notes) {
            Ok(checkpoint) => checkpoint,
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
        let from = checkpoint.as_ref().map_or(GroupSeq(1), |c| c.from);
        let image = match recover(journal, from) {
            Ok(image) => image,
            Err(e) => return self.boot_failed(e.to_string(), notes),
        };
        self.journal = match empty {
            true => Journal::create(self.config.journal),
            false => Journal::resume(&image, self.config.journal),
        };
        let number = checkpoint.as_ref().map_or(0, |c| c.number);
        let rebuilt = match rebuild(now, checkpoint, image) {
            Ok(rebuilt) => rebuilt,
            Err(why) => return self.boot_failed(why, notes),
        };
        self.checkpointing.number = number;
        self.adopt(now, rebuilt, out, notes);
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
        for (log, span) in marks {
            self.put(Frame::FaultyMark { log, from: span.from, to: span.to });
            notes.push(Note::Faulty { log, from: span.from, to: span.to });
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
                self.resume_removals(out);
                self.start_sweep(out);
            }
            stage => self.stage = stage,
        }
    }
}

/// The checkpoint to start from, if there is or was one.
fn newest(
    files: BTreeMap<u32, Bytes>,
    notes: &mut Vec<Note>,
) -> Result<Option<Checkpoint>, String> {
    let mut unreadable = None;
    for (step, file, _) in CHECKPOINTS {
        let Some(bytes) = files.get(&step) else { continue };
        match Checkpoint::decode(bytes.clone()) {
            Ok(checkpoint) => {
                if let Some(why) = unreadable {
                    notes.push(Note::Warning(format!("{why}; going on with {}", file.path())));
                }
                return Ok(Some(checkpoint));
            }
            // A torn `next` beside nothing else is the first checkpoint of all, never completed.
            Err(_) if file == FileName::CheckpointNext => {}
            Err(e) => unreadable = Some(format!("{}: {e}", file.path())),
        }
    }
    match unreadable {
        Some(why) => Err(format!("{why}; no other checkpoint is readable: restore one of them")),
        None => Ok(None),
    }
}
