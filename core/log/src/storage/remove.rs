//! Deleting a log's directory: rename, sync, unlink little by little, and a crash anywhere between.
//!
//! | stage    | waits for                                    | then                               |
//! |----------|----------------------------------------------|------------------------------------|
//! | Journal  | the LogDelete frame                          | renames to `<name>.<id>-delete`    |
//! | Looking  | `partition.metadata`, after a restart only   | clears if the directory is its     |
//! | Clearing | removal of what has the new name already     | renames                            |
//! | Renaming | rename and sync of the data directory        | removes what has the new name      |
//! | Removing | the removal                                  | done                               |
//!
//! A topic may be created again under the same name at once. The new log gets no directory before the old
//! one has lost the name durably. After a restart the name may belong to either, and the id inside tells; but most of
//! what a restart finds deleted has left nothing, as the names in the data directory say, which recovery made durable: that
//! is over at once, and a thousand short lives under one name hold nobody up.
//! A checkpoint remembers removals up to the rename; behind it the name itself does ([`super::sweep`]).

use super::{Note, Storage, reindex, sweep};
use crate::disk::{
    DirName, DiskErrorKind, DiskOk, DiskOp, DiskResult, Done, FileName, LogFile, OpKind,
};
use crate::home;
use crate::id::{LogDir, LogId};
use crate::io_errors::{Purpose, Verdict};
use crate::time::Now;
use crate::writer::Home;
use sordini_reach::Reach;
use std::collections::{BTreeMap, BTreeSet};

/// A deleted log of which something may be left on disk.
#[derive(Clone, Debug)]
pub(super) struct Removal {
    dir: LogDir,
    /// Whether a directory with its old name was made or may have been.
    home: bool,
    /// Whether something may have its new name already.
    renamed: bool,
    stage: RemovalStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RemovalStage {
    Journal,
    Looking {
        asked: bool,
    },
    Clearing {
        asked: bool,
    },
    /// Operations not answered yet; whether one of them found the disk full.
    Renaming {
        left: u8,
        full: bool,
    },
    Removing {
        asked: bool,
    },
}

pub(super) const LOOKED: u8 = 0;
pub(super) const RENAMED: u8 = 1;
pub(super) const REMOVED: u8 = 2;

impl Removal {
    /// One that recovery found.
    pub fn found(dir: LogDir) -> Removal {
        Removal { dir, home: true, renamed: true, stage: RemovalStage::Looking { asked: false } }
    }

    /// What the names in the data directory say of it.
    pub fn compare(&mut self, names: &BTreeSet<String>) {
        self.home = names.contains(&*self.dir.name);
        self.renamed = names.contains(&DirName::Deleted(self.dir.clone()).path());
    }

    /// Whether something is asked of the disk.
    pub fn is_under_way(&self) -> bool {
        match self.stage {
            RemovalStage::Journal => false,
            RemovalStage::Looking { asked }
            | RemovalStage::Clearing { asked }
            | RemovalStage::Removing { asked } => asked,
            RemovalStage::Renaming { left, .. } => left > 0,
        }
    }

    /// Its directory, while that may have the log's name.
    pub fn unnamed(&self) -> Option<LogDir> {
        let renamed = matches!(self.stage, RemovalStage::Removing { .. });
        (!renamed).then(|| self.dir.clone())
    }
}

/// Whether a deleted log's directory may still have this name.
pub(super) fn holds_name(removals: &BTreeMap<LogId, Removal>, name: &str) -> bool {
    removals.values().any(|r| r.unnamed().is_some_and(|dir| *dir.name == *name))
}

impl Storage {
    /// Takes a log out of everything that knows it, and leaves a removal.
    pub(super) fn forget_log(&mut self, id: LogId) {
        let log = self.logs.remove(&id).unwrap_or_else(|| panic!("{id} does not exist"));
        self.cached_bytes -= log.cache.bytes();
        self.space.unwritten_bytes -= log.appended_bytes - log.written_bytes;
        if log.writer.busy() {
            self.writes.piece_gone();
        }
        // What a former life made is not this one's yet, and lies there all the same.
        let former = log.writer.unswept || log.writer.found;
        let home = log.writer.home == Home::Made || log.writer.busy() || former;
        let (dir, stage) = (log.dir, RemovalStage::Journal);
        let removal = Removal { dir, home, renamed: false, stage };
        self.removals.insert(id, removal);
        self.checkpoint_progress(id);
    }

    /// The deletion is durable.
    pub(super) fn start_removal(
        &mut self,
        now: Now,
        id: LogId,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let Some(removal) = self.removals.get_mut(&id) else { return };
        if removal.home {
            removal.rename(out);
        } else {
            self.removal_over(now, id, out, notes);
        }
    }

    /// Looks for what is left of logs whose deletion recovery found.
    pub(super) fn resume_removals(
        &mut self,
        now: Now,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let logs = self.logs.values();
        let owned: BTreeSet<_> =
            logs.filter(|l| l.writer.home == Home::Made).map(|l| l.dir.name.clone()).collect();
        let mut over = Vec::new();
        for (id, removal) in &mut self.removals {
            removal.home &= !owned.contains(&removal.dir.name);
            match (removal.home, removal.renamed) {
                (true, _) => {}
                (false, true) => removal.stage = RemovalStage::Removing { asked: false },
                (false, false) => over.push(*id),
            }
        }
        over.into_iter().for_each(|id| self.removal_over(now, id, out, notes));
        self.reached.mark_if(Reach::RemovalResumed, !self.removals.is_empty());
        self.retry_removals(out);
    }

    /// Submits whatever removals stand ready for: all of it after a restart, and again after a full disk.
    pub(super) fn retry_removals(&mut self, out: &mut Vec<DiskOp>) {
        for removal in self.removals.values_mut() {
            let (kind, step) = match &mut removal.stage {
                RemovalStage::Looking { asked } if !*asked => {
                    *asked = true;
                    let file = FileName::Log(removal.dir.clone(), LogFile::Metadata);
                    (OpKind::Read { file, at: 0, len: 4096 }, LOOKED)
                }
                RemovalStage::Clearing { asked } | RemovalStage::Removing { asked } if !*asked => {
                    *asked = true;
                    (OpKind::RemoveDir { dir: DirName::Deleted(removal.dir.clone()) }, REMOVED)
                }
                RemovalStage::Renaming { left: 0, .. } => {
                    removal.rename(out);
                    continue;
                }
                _ => continue,
            };
            out.push(DiskOp { kind, done: Done::Remove { log: removal.dir.log, step } });
        }
    }

    pub(super) fn remove_done(
        &mut self,
        now: Now,
        id: LogId,
        step: u8,
        result: DiskResult,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        if step == sweep::ROOT || step == sweep::LOG {
            return self.sweep_done(now, id, step, result, out, notes);
        }
        if step == reindex::REINDEX {
            return self.reindexed(result, out, notes);
        }
        if step == LOOKED {
            return self.looked(now, id, result, out, notes);
        }
        let mut full = false;
        if let Err(e) = &result {
            if self.failed(now, Purpose::Store, e, notes) == Verdict::Fatal {
                return;
            }
            full = true;
        } else {
            self.space.taken();
        }
        let Some(removal) = self.removals.get_mut(&id) else { return };
        match &mut removal.stage {
            RemovalStage::Renaming { left, full: any } => {
                *left -= 1;
                *any |= full;
                if *left == 0 && !*any {
                    removal.stage = RemovalStage::Removing { asked: false };
                    let name = removal.dir.name.clone();
                    self.name_is_free(now, &name, out);
                    self.retry_removals(out);
                }
            }
            RemovalStage::Clearing { asked } | RemovalStage::Removing { asked } if full => {
                *asked = false;
            }
            RemovalStage::Clearing { .. } => removal.rename(out),
            RemovalStage::Removing { .. } => self.removal_over(now, id, out, notes),
            RemovalStage::Journal | RemovalStage::Looking { .. } => {}
        }
    }

    /// Whose the directory is: only another log's id says that it is not the deleted one's. One that nobody can read is removed: no
    /// checkpoint knows another log in it, so whatever a later log of this name has there is in the journal too.
    fn looked(
        &mut self,
        now: Now,
        id: LogId,
        result: DiskResult,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let Some(removal) = self.removals.get_mut(&id) else { return };
        let other = match &result {
            Ok(DiskOk::Bytes(text)) => home::log_id(text).is_some_and(|owner| owner != id),
            Err(e) if e.kind == DiskErrorKind::NotFound => false,
            Err(e) => {
                let path = FileName::Log(removal.dir.clone(), LogFile::Metadata).path();
                notes
                    .push(Note::Warning(format!("{path}: {e}; removed with the deleted log {id}")));
                false
            }
            _ => false,
        };
        match (other, removal.renamed) {
            (true, true) => {
                removal.stage = RemovalStage::Removing { asked: false };
                let name = removal.dir.name.clone();
                self.name_is_free(now, &name, out);
            }
            (true, false) => self.removal_over(now, id, out, notes),
            (false, true) => removal.stage = RemovalStage::Clearing { asked: false },
            (false, false) => removal.rename(out),
        }
        self.retry_removals(out);
    }

    fn removal_over(&mut self, now: Now, id: LogId, out: &mut Vec<DiskOp>, notes: &mut Vec<Note>) {
        let name = self.removals.remove(&id).expect("it is over once").dir.name;
        self.name_is_free(now, &name, out);
        notes.push(Note::Deleted(id));
    }

    /// Logs that waited for the name may make their directories, or be swept.
    fn name_is_free(&mut self, now: Now, name: &str, out: &mut Vec<DiskOp>) {
        let waiting: Vec<_> =
            self.logs.iter().filter(|(_, l)| *l.dir.name == *name).map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|id| self.queue_write(now, id));
        self.sweep_next(out);
    }
}

impl Removal {
    fn rename(&mut self, out: &mut Vec<DiskOp>) {
        let (from, to) = (DirName::Log(self.dir.clone()), DirName::Deleted(self.dir.clone()));
        let done = Done::Remove { log: self.dir.log, step: RENAMED };
        out.push(DiskOp { kind: OpKind::RenameDir { from, to }, done });
        out.push(DiskOp { kind: OpKind::SyncDir { dir: DirName::Root }, done });
        self.stage = RemovalStage::Renaming { left: 2, full: false };
    }
}
