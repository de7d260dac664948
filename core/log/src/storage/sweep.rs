//! Looking for leftovers of an earlier life, while serving: one listing at a time, and that of a log whose name a deleted one
//! holds once that is gone, or of one whose directory did not say whose it is. What a full disk could not remove (a file system that copies on write needs space even for
//! that) is looked for again later.
//!
//! Directories that end in `.<id>-delete` are removed. In a log's directory, segment files that
//! nobody names (created after the checkpoint that recovery started from, or dropped shortly before
//! the crash) are unlinked, and the last segment is cut to what the checkpoint vouches for. Other people's
//! files are left alone. A log that is written before its turn cuts its own leftovers ([`crate::writer`]).

use super::{Note, Storage, remove};
use crate::disk::{
    DirEntry, DirName, DiskErrorKind, DiskOk, DiskOp, DiskResult, Done, LogFile, OpKind,
};
use crate::id::{LogDir, LogId, Offset};
use crate::io_errors::Purpose;
use crate::log::Log;
use crate::time::{Mono, Now};
use crate::writer::{Home, Plate};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Where the sweep is.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    /// Whether a directory is being listed.
    listing: bool,
    /// Logs whose directories are to be listed.
    todo: BTreeSet<LogId>,
    /// Everything is looked through again then.
    again: Option<Mono>,
}

impl Sweep {
    pub fn deadline(&self) -> Option<Mono> {
        self.again
    }
}

/// How long leftovers wait that a full disk could not remove.
const SWEEP_RETRY_MS: u64 = 5000;

pub(super) const ROOT: u8 = 10;
pub(super) const LOG: u8 = 11;

impl Storage {
    pub(super) fn start_sweep(&mut self, out: &mut Vec<DiskOp>) {
        let unswept = self.logs.iter().filter(|(_, log)| log.writer.unswept);
        self.sweep.todo = unswept.map(|(id, _)| *id).collect();
        self.sweep.listing = true;
        let done = Done::Remove { log: LogId(0), step: ROOT };
        out.push(DiskOp { kind: OpKind::List { dir: DirName::Root }, done });
    }

    /// Something could not be removed for want of space.
    pub(super) fn sweep_later(&mut self, now: Now) {
        self.sweep.again.get_or_insert(now.mono.after_ms(SWEEP_RETRY_MS));
    }

    /// A directory does not say any more whose it is; which one, nobody remembers.
    pub(super) fn sweep_in_doubt(&mut self, now: Now) {
        self.sweep_later(now);
        let ids: Vec<_> = self.logs.keys().copied().collect();
        ids.into_iter().for_each(|id| self.doubt(now, id));
    }

    /// Looks through everything again if it is time.
    pub(super) fn sweep_again(&mut self, now: Now, out: &mut Vec<DiskOp>) {
        if self.sweep.again.take_if(|at| *at <= now.mono).is_none() {
            return;
        }
        let has_home = |log: &&mut Log| log.writer.home == Home::Made || log.writer.found;
        self.logs.values_mut().filter(has_home).for_each(|log| log.writer.unswept = true);
        self.start_sweep(out);
    }

    pub(super) fn sweep_done(
        &mut self,
        now: Now,
        id: LogId,
        step: u8,
        result: DiskResult,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        self.sweep.listing = false;
        let exists = result.is_ok();
        let entries = match result {
            Ok(DiskOk::Entries(entries)) => Some(entries),
            Err(e) if e.kind == DiskErrorKind::NotFound => Some(Vec::new()),
            Err(e) => {
                self.failed(now, Purpose::Sweep, &e, notes);
                None
            }
            Ok(_) => None,
        };
        match (step, entries) {
            (ROOT, Some(entries)) => self.sweep_root(&entries, out),
            (_, Some(entries)) => {
                if let Some(log) = self.logs.get_mut(&id) {
                    log.writer.found |= exists;
                }
                self.sweep_log(id, &entries, out);
                self.find_lost_indexes(id, &entries);
            }
            (_, None) => {}
        }
        self.reindex_next(out);
        self.sweep_next(out);
    }

    fn sweep_root(&self, entries: &[DirEntry], out: &mut Vec<DiskOp>) {
        let deleted = entries.iter().filter(|e| e.is_dir).filter_map(|e| deleted(&e.name));
        for dir in deleted.filter(|dir| !self.removals.contains_key(&dir.log)) {
            let kind = OpKind::RemoveDir { dir: DirName::Deleted(dir) };
            out.push(DiskOp { kind, done: Done::Nothing });
        }
    }

    fn sweep_log(&mut self, id: LogId, entries: &[DirEntry], out: &mut Vec<DiskOp>) {
        let Some(log) = self.logs.get_mut(&id).filter(|l| l.writer.unswept) else { return };
        log.writer.unswept = false;
        let mut ops = Vec::new();
        for file in entries.iter().filter_map(|e| log_file(&e.name)) {
            let (LogFile::Segment(base) | LogFile::Index(base) | LogFile::TimeIndex(base)) = file
            else {
                continue;
            };
            let known = log.segments.binary_search_by_key(&base, |s| s.base).is_ok();
            // A segment that nobody has begun to write would otherwise inherit what the file holds.
            let begun = base < log.written || base == log.written && log.writer.busy();
            if !known {
                ops.push(OpKind::Unlink { file: log.file(file) });
                continue;
            }
            log.writer.lays(base);
            if !begun {
                ops.push(OpKind::Truncate { file: log.file(file), len: 0 });
            }
        }
        // A piece under way begins with this cut, and may have written behind it by now. The next one repeats it, for
        // this one may not succeed.
        if !log.writer.busy()
            && let Some(stale) = &log.writer.stale
        {
            log.cut_files(stale, &mut ops);
        }
        out.extend(ops.into_iter().map(|kind| DiskOp { kind, done: Done::Nothing }));
    }

    /// Lists the next directory, if none is being listed.
    pub(super) fn sweep_next(&mut self, out: &mut Vec<DiskOp>) {
        if self.sweep.listing {
            return;
        }
        let mut from = LogId(0);
        while let Some(&id) = self.sweep.todo.range(from..).next() {
            from = LogId(id.0 + 1);
            let log = self.logs.get(&id).filter(|log| log.writer.unswept);
            // While a deleted log may hold the name, what is there may be that one's.
            if log.is_some_and(|log| remove::holds_name(&self.removals, &log.dir.name)) {
                continue;
            }
            // Nothing is cut in a directory that does not say whose it is.
            if log.is_some_and(|log| log.writer.plate != Plate::Good) {
                continue;
            }
            self.sweep.todo.remove(&id);
            // One that was deleted meanwhile has nothing left to find.
            if let Some(log) = log {
                self.sweep.listing = true;
                let kind = OpKind::List { dir: DirName::Log(log.dir.clone()) };
                out.push(DiskOp { kind, done: Done::Remove { log: id, step: LOG } });
                return;
            }
        }
    }
}

/// `<name>.<id>-delete`, taken apart.
pub(super) fn deleted(name: &str) -> Option<LogDir> {
    let (name, id) = name.strip_suffix("-delete")?.rsplit_once('.')?;
    let log = LogId(id.parse().ok()?);
    Some(LogDir { name: Arc::from(name), log }).filter(|dir| !dir.name.is_empty())
}

/// A file name in a log's directory, taken apart; `None` if it is none of ours.
fn log_file(name: &str) -> Option<LogFile> {
    let (base, kind) = name.split_once('.')?;
    let base = Offset(base.parse().ok().filter(|_| base.len() == 20)?);
    match kind {
        "log" => Some(LogFile::Segment(base)),
        "index" => Some(LogFile::Index(base)),
        "timeindex" => Some(LogFile::TimeIndex(base)),
        _ => None,
    }
}
