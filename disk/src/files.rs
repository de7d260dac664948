//! Open files: a table, least recently used first out, within the process's limit.
//!
//! Invariants:
//! - A key holds the log's number, and a log's files are opened through their directory's handle, and only
//!   after `partition.metadata` in that directory named the same log. So a handle is never one of the
//!   topic that was recreated under the same name, whichever came first.
//! - A file with unsynced writes is synced before it is closed. The kernel reports a failed write-back to
//!   whoever holds the file open then; closing early would lose the report. If that sync fails, the
//!   error waits under the file's name for the next sync that asks.
//! - Only files that nobody uses are closed, so the table may exceed its limit by one per thread.
//! - Journal files are opened direct and never evicted: they are few, and always in use.

use crate::error::{failed, lost, refused};
use crate::transfer;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use sordini_log::disk::{DirName, DiskError, DiskErrorKind, FileName, LogFile};
use sordini_log::{LogDir, LogId};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// Dirty bytes of a file that the page cache may hold.
const CACHED_BYTES_MAX: u64 = 512 << 10;

/// An open file.
pub(crate) struct Open {
    /// The handle, readable and writable.
    pub(crate) file: File,
    /// Whether it bypasses the page cache, and so wants aligned blocks.
    pub(crate) direct: bool,
    /// A second handle of a segment that bypasses the page cache; `None` in it: the file system refuses.
    bypass: OnceLock<Option<File>>,
    /// Whether something was written since the last sync began.
    unsynced: AtomicBool,
    /// Bytes written to the page cache since then.
    cached_bytes: AtomicU64,
}

impl Open {
    /// Notes that the file is about to be written.
    pub(crate) fn will_write(&self) {
        self.unsynced.store(true, Ordering::SeqCst);
    }

    /// The same file past the page cache, for long runs of whole blocks.
    pub(crate) fn bypass(&self) -> Option<&File> {
        self.bypass.get_or_init(|| transfer::reopen_direct(&self.file).ok()).as_ref()
    }

    /// Notes that so many bytes went to the page cache. Those of a busy file go on to the device in portions: one
    /// sync of many megabytes would hold up the journal's.
    pub(crate) fn pace(&self, bytes: u64) -> Result<(), Errno> {
        let cached = self.cached_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if cached < CACHED_BYTES_MAX { Ok(()) } else { self.sync() }
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        self.unsynced.store(false, Ordering::SeqCst);
        self.cached_bytes.store(0, Ordering::Relaxed);
        transfer::sync(&self.file)
    }
}

/// Whether a missing file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is an error.
    Error,
    /// It is made.
    Make,
    /// It is made, and cut to nothing if it was there.
    Replace,
}

/// The table.
pub(crate) struct Files {
    root: OwnedFd,
    open_max: usize,
    /// Whether journal files are tried direct.
    direct: AtomicBool,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    journal: HashMap<u32, Arc<Open>>,
    slots: HashMap<FileName, Slot>,
    /// Names by last use, oldest first; exactly the keys of `slots`.
    by_use: BTreeMap<u64, FileName>,
    /// Uses so far.
    uses: u64,
    /// How often names were forgotten: what was opened before and is entered after must not be kept.
    forgets: u64,
    /// Errors of syncs that nobody asked for.
    lost: HashMap<FileName, DiskError>,
}

struct Slot {
    open: Arc<Open>,
    used: u64,
}

impl Files {
    /// A table for the files below `root` that keeps up to `open_max` of them open, journal aside.
    pub(crate) fn new(root: OwnedFd, open_max: usize, direct: bool) -> Files {
        let direct = AtomicBool::new(direct);
        Files { root, open_max: open_max.max(1), direct, table: Mutex::default() }
    }

    /// The data directory.
    pub(crate) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// The file, opened if it is not.
    pub(crate) fn open(&self, name: &FileName, missing: Missing) -> Result<Arc<Open>, DiskError> {
        let forgets = {
            let mut table = self.table();
            // A file that is to be replaced keeps its inode: whoever holds it open sees the new one.
            if missing != Missing::Replace
                && let Some(open) = table.find(name)
            {
                return Ok(open);
            }
            table.forgets
        };
        let opened = Arc::new(self.open_new(name, missing)?);
        if matches!(name, FileName::Log(_, LogFile::Metadata)) {
            return Ok(opened); // read to learn whose directory this is, so its key proves nothing
        }
        let kept = {
            let mut table = self.table();
            if table.forgets != forgets {
                return Ok(opened);
            }
            table.enter(name, opened)
        };
        self.make_room();
        Ok(kept)
    }

    /// The file moved: its handle serves the new name, and the replaced one is closed.
    pub(crate) fn renamed(&self, from: &FileName, to: &FileName) {
        let mut table = self.table();
        let gone = table.forget(to);
        if let Some(open) = table.forget(from) {
            table.enter(to, open);
        }
        drop(table);
        drop(gone); // closing may take the file system a while; not under the lock
    }

    /// The name is gone.
    pub(crate) fn forget(&self, name: &FileName) {
        let gone = self.table().forget(name);
        drop(gone);
    }

    /// All names of a log are gone.
    pub(crate) fn forget_log(&self, log: LogId) {
        let mut table = self.table();
        let ours = |n: &FileName| matches!(n, FileName::Log(dir, _) if dir.log == log);
        let names: Vec<FileName> = table.slots.keys().filter(|n| ours(n)).cloned().collect();
        let gone: Vec<_> = names.iter().map(|n| table.forget(n)).collect();
        table.forgets += 1; // even when none was open: one may be about to be entered
        drop(table);
        drop(gone);
    }

    /// Takes the error of a sync of this file that nobody has heard of.
    pub(crate) fn lost_error(&self, name: &FileName) -> Option<DiskError> {
        let mut table = self.table();
        if table.lost.is_empty() { None } else { table.lost.remove(name) }
    }

    /// Number of files that are open, journal files aside.
    #[cfg(test)]
    pub(crate) fn open_count(&self) -> usize {
        self.table().slots.len()
    }

    /// Closes files, the longest unused first, until no more are open than may be.
    fn make_room(&self) {
        while self.table().slots.len() > self.open_max && self.close_one() {}
    }

    /// Closes the longest unused file that nobody holds; false if there is none.
    fn close_one(&self) -> bool {
        loop {
            let mut table = self.table();
            let Some(name) = table.unused() else { return false };
            let open = table.slots[&name].open.clone();
            if !open.unsynced.load(Ordering::SeqCst) {
                let gone = table.remove(&name);
                drop(table);
                drop((gone, open));
                return true;
            }
            drop(table);
            // Whoever comes for the file meanwhile finds it; the next round looks afresh.
            if let Err(errno) = open.sync() {
                let error = lost("sync", &name.path(), errno);
                self.table().lost.insert(name, error);
            }
        }
    }

    fn open_new(&self, name: &FileName, missing: Missing) -> Result<Open, DiskError> {
        let (dir, base) = self.place(name, missing)?;
        let mut flags = OFlags::RDWR | OFlags::CLOEXEC;
        if missing != Missing::Error {
            flags |= OFlags::CREATE;
        }
        if missing == Missing::Replace {
            flags |= OFlags::TRUNC;
        }
        let mode = Mode::from_raw_mode(0o640);
        let wants_direct =
            matches!(name, FileName::Journal(_)) && self.direct.load(Ordering::Relaxed);
        let opened = |file: OwnedFd, direct| Open {
            file: File::from(file),
            direct,
            bypass: OnceLock::new(),
            unsynced: AtomicBool::new(false),
            cached_bytes: AtomicU64::new(0),
        };
        if wants_direct {
            match self.open_at(&dir, &base, flags | OFlags::DIRECT, mode) {
                Ok(file) => return Ok(opened(file, true)),
                Err(Errno::INVAL) => self.give_up_direct(),
                Err(errno) => return Err(failed("open", &name.path(), errno)),
            }
        }
        let file = self
            .open_at(&dir, &base, flags, mode)
            .map_err(|errno| failed("open", &name.path(), errno))?;
        Ok(opened(file, false))
    }

    /// The file system refuses direct access: journal files go through the page cache from now on.
    fn give_up_direct(&self) {
        if self.direct.swap(false, Ordering::Relaxed) {
            tracing::warn!(
                "this file system refuses O_DIRECT: the journal goes through the page cache, which \
                 is as durable and slower; put the data directory on ext4 or xfs"
            );
        }
    }

    /// The directory that holds the file, verified to be its log's, and the name in it.
    fn place(&self, name: &FileName, missing: Missing) -> Result<(OwnedFd, String), DiskError> {
        let path = name.path();
        let (parent, base) = path.rsplit_once('/').expect("every file lies in a directory");
        let dir = self.open_dir(&name.dir()).map_err(|errno| failed("open", parent, errno))?;
        if let FileName::Log(log_dir, file) = name
            && *file != LogFile::Metadata
        {
            match self.owner(&dir) {
                Ok(Some(log)) if log == log_dir.log => {}
                Ok(Some(log)) => return Err(stale(log_dir, log)),
                // A directory whose metadata has not been written yet: there is nothing to read in it.
                Ok(None) if missing != Missing::Error => {}
                Ok(None) => {
                    let detail = format!(
                        "cannot open {path}: {parent}/partition.metadata is missing or names no log"
                    );
                    return Err(refused(DiskErrorKind::Stale, detail));
                }
                Err(errno) => {
                    return Err(failed("read", &format!("{parent}/partition.metadata"), errno));
                }
            }
        }
        Ok((dir, base.to_owned()))
    }

    /// A handle of a directory.
    pub(crate) fn open_dir(&self, dir: &DirName) -> Result<OwnedFd, Errno> {
        let path = dir_path(dir)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        self.open_at(&self.root, &path, flags, Mode::empty())
    }

    /// Opens; if the process holds too many files already (connections count too), at the cost of one of ours.
    fn open_at(
        &self,
        dir: &OwnedFd,
        path: &str,
        flags: OFlags,
        mode: Mode,
    ) -> Result<OwnedFd, Errno> {
        loop {
            match openat(dir, path, flags, mode) {
                Err(Errno::MFILE | Errno::NFILE) if self.close_one() => {}
                Err(Errno::INTR) => {}
                opened => return opened,
            }
        }
    }

    /// Whether a directory that bears the log's name belongs to another log.
    pub(crate) fn is_foreign(&self, log_dir: &LogDir) -> Result<bool, Errno> {
        let dir = match self.open_dir(&DirName::Log(log_dir.clone())) {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(false),
            Err(errno) => return Err(errno),
        };
        Ok(self.owner(&dir)?.is_some_and(|log| log != log_dir.log))
    }

    /// The log that a directory's `partition.metadata` names; `None` where there is none, or none that can be read: that is not
    /// an error of the file that somebody asks for, and it is written again.
    fn owner(&self, dir: &OwnedFd) -> Result<Option<LogId>, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = match self.open_at(dir, "partition.metadata", flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        match transfer::read(&file, 0, 4096, false) {
            Ok(text) => Ok(sordini_log::home::log_id(&text)),
            Err(Errno::IO) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("a disk thread panicked")
    }
}

impl Table {
    fn find(&mut self, name: &FileName) -> Option<Arc<Open>> {
        if let FileName::Journal(number) = name {
            return self.journal.get(number).cloned();
        }
        let slot = self.slots.get_mut(name)?;
        self.uses += 1;
        let key = self.by_use.remove(&slot.used).expect("every slot has its place in the order");
        slot.used = self.uses;
        self.by_use.insert(slot.used, key);
        Some(slot.open.clone())
    }

    /// Enters an open file, unless one of that name is here already; gives the one to use.
    fn enter(&mut self, name: &FileName, open: Arc<Open>) -> Arc<Open> {
        if let FileName::Journal(number) = name {
            return self.journal.entry(*number).or_insert(open).clone();
        }
        if let Some(there) = self.find(name) {
            return there;
        }
        self.uses += 1;
        self.by_use.insert(self.uses, name.clone());
        self.slots.insert(name.clone(), Slot { open: open.clone(), used: self.uses });
        open
    }

    /// Removes a file whose name means nothing, or something else, from now on.
    fn forget(&mut self, name: &FileName) -> Option<Arc<Open>> {
        self.forgets += 1;
        self.remove(name)
    }

    fn remove(&mut self, name: &FileName) -> Option<Arc<Open>> {
        if let FileName::Journal(number) = name {
            return self.journal.remove(number);
        }
        let slot = self.slots.remove(name)?;
        self.by_use.remove(&slot.used);
        Some(slot.open)
    }

    /// The longest unused file that nobody holds.
    fn unused(&mut self) -> Option<FileName> {
        let Table { slots, by_use, .. } = self;
        let mut names = by_use.values();
        names
            .find(|name| {
                let slot = slots.get_mut(*name).expect("the order names only slots");
                Arc::get_mut(&mut slot.open).is_some()
            })
            .cloned()
    }
}

/// Path of a directory relative to the data directory. Refuses names that would lead out of it.
pub(crate) fn dir_path(dir: &DirName) -> Result<String, Errno> {
    let path = dir.path();
    match path.as_str() {
        "" => Ok(".".into()),
        ".." | "." => Err(Errno::INVAL),
        name if name.contains(['/', '\0']) => Err(Errno::INVAL),
        _ => Ok(path),
    }
}

fn stale(dir: &LogDir, now: LogId) -> DiskError {
    let detail = format!("directory {} belongs to {now} now, not to {}", dir.name, dir.log);
    refused(DiskErrorKind::Stale, detail)
}
