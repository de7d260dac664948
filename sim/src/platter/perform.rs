//! What each operation does to a platter.

use super::faults::{Harm, NOBODY, Verb, classify};
use super::file::File;
use super::names::NodeId;
use super::veil::{Veiled, unreadable};
use super::{Platter, Role};
use bytes::Bytes;
use sordini_log::disk::{
    BLOCK_BYTES, Data, DirEntry, DirName, DiskError, DiskErrorKind, DiskOk, DiskResult, FileName,
    LogFile, OpKind, Query, ReadAt,
};
use sordini_log::segment::locate;
use sordini_log::{LogDir, LogId, Offset};
use std::collections::BTreeSet;

impl Platter {
    /// Does `kind`; nothing of it is made durable unless `durable` (and no fault lies about it).
    pub(super) fn perform(&mut self, kind: OpKind, durable: bool) -> DiskResult {
        let (harm, sync) = match self.harm(&kind, durable) {
            Err(e) => {
                self.withhold(&kind);
                return Err(e);
            }
            Ok(harm) => harm,
        };
        if changes_names(&kind) {
            self.found.clear();
        }
        match kind {
            OpKind::Create { file, len } => self.create(&file, len, sync),
            OpKind::Write { file, at, data, sync: wanted } => {
                self.write(&file, at, &data, if wanted { sync } else { Sync::Nothing })
            }
            OpKind::Sync { .. } => unreachable!("a sync has begun, and knows its file"),
            OpKind::Truncate { file, len } => self.truncate(&file, len),
            OpKind::Rename { from, to } => match self.names.rename(&from.path(), &to.path()) {
                true => Ok(DiskOk::Unit),
                false => Err(not_found("rename", &from.path())),
            },
            OpKind::RenameDir { from, to } => {
                if !self.is_foreign(&from) {
                    self.names.rename(&from.path(), &to.path());
                }
                Ok(DiskOk::Unit)
            }
            OpKind::Unlink { file } => {
                if !self.is_foreign(&file.dir()) {
                    self.names.unlink(&file.path());
                }
                Ok(DiskOk::Unit)
            }
            OpKind::MakeDir { dir } => self.make_dir(&dir),
            OpKind::RemoveDir { dir } => self.remove_dir(&dir),
            OpKind::SyncDir { dir } => {
                let node = self.dir(&dir)?;
                match sync {
                    Sync::Works | Sync::Lies { .. } => self.names.sync(node),
                    Sync::Fails => return Err(sync_failed()),
                    Sync::Nothing => {}
                }
                Ok(DiskOk::Unit)
            }
            OpKind::List { dir } => self.entries(&dir),
            OpKind::Read { file, at, len } => self.read_file(
                &file,
                at,
                if let Some(Harm::Short(max)) = harm { len.min(max) } else { len },
            ),
            OpKind::Find { dir, segment, len, query } => self.find(&dir, segment, len, &query),
        }
    }

    /// Syncs the file that the operation meant when it began, though its name may be gone.
    pub(super) fn perform_sync(
        &mut self,
        kind: &OpKind,
        node: Result<NodeId, DiskError>,
    ) -> DiskResult {
        let (_, sync) = self.harm(kind, true)?;
        let node = node?;
        match self.files.contains_key(&node) {
            true => self.settle(node, sync),
            false => Ok(DiskOk::Unit), // nobody can ever read it again
        }
    }

    /// The node of a file that should be there.
    pub(super) fn existing(&mut self, file: &FileName) -> Result<NodeId, DiskError> {
        self.file(file, Missing::Error)
    }

    /// Counts an operation, and says which fault strikes it and what becomes of a sync in it.
    fn harm(&mut self, kind: &OpKind, durable: bool) -> Result<(Option<Harm>, Sync), DiskError> {
        self.counts.ops += 1;
        let (role, verb) = classify(kind);
        let (mut harm, mut owner) = (None, NOBODY);
        for fault in &mut self.faults {
            if let Some(struck) = fault.strikes(role, verb) {
                harm = Some(struck);
                owner = fault.owner;
                if matches!(struck, Harm::SyncLies { .. }) {
                    continue; // nobody notices until the power fails
                }
                self.counts.faults += 1;
                self.struck.extend(Some(fault.owner).filter(|owner| *owner != NOBODY));
            }
        }
        let sync = match harm {
            Some(Harm::Io) => return Err(injected(DiskErrorKind::Io, "EIO", role, verb)),
            // A sync that fails has lost pages, whatever the kernel's word for it.
            Some(Harm::Full) if verb == Verb::Sync && durable => Sync::Fails,
            Some(Harm::Full) if verb.changes() => {
                return Err(injected(DiskErrorKind::Full, "ENOSPC", role, verb));
            }
            Some(Harm::SyncFails) if durable => Sync::Fails,
            Some(Harm::Lies) => Sync::Nothing,
            Some(Harm::SyncLies { forgets }) if durable => Sync::Lies { owner, forgets },
            _ if durable => Sync::Works,
            _ => Sync::Nothing,
        };
        Ok((harm, sync))
    }

    fn create(&mut self, file: &FileName, len: u64, sync: Sync) -> DiskResult {
        let held =
            self.names.find(&file.path()).and_then(|n| self.files.get(&n)).map_or(0, File::len);
        self.room_for(len.saturating_sub(held))?;
        let node = self.file(file, Missing::Make)?;
        let file = self.files.get_mut(&node).expect("just made");
        file.truncate(0);
        file.truncate(len);
        self.used = self.used - held + len;
        self.settle(node, sync)
    }

    fn write(&mut self, name: &FileName, at: u64, data: &Data, sync: Sync) -> DiskResult {
        let journal = matches!(name, FileName::Journal(_));
        let blocks = matches!(data, Data::Blocks(_));
        assert_eq!(journal, blocks, "{}: journals take blocks, others slices", name.path());
        assert!(
            !journal || at.is_multiple_of(BLOCK_BYTES as u64),
            "{}: {at} is not aligned",
            name.path()
        );
        let node = self.file(name, Missing::Make)?;
        let len = self.files[&node].len();
        self.room_for((at + data.len()).saturating_sub(len))?;
        let file = self.files.get_mut(&node).expect("just found");
        self.used += (at + data.len()).saturating_sub(len) * u64::from(!data.is_empty());
        match data {
            Data::Blocks(blocks) => {
                for (n, block) in blocks.iter().enumerate() {
                    file.write(at + (n * BLOCK_BYTES) as u64, &block.0);
                }
            }
            Data::Slices(slices) => {
                let mut at = at;
                for slice in slices {
                    file.write(at, slice);
                    at += slice.len() as u64;
                }
            }
        }
        self.settle(node, sync)
    }

    fn read_file(&mut self, name: &FileName, at: u64, len: u64) -> DiskResult {
        let node = self.file(name, Missing::Error)?;
        let direct = Role::of_file(name) == Role::Journal;
        let mut met = BTreeSet::new();
        let read = self.files[&node].read_veiled(at, len, direct, &mut met);
        self.met(name, node, met);
        read.map(|bytes| DiskOk::Bytes(Bytes::from(bytes))).map_err(unreadable)
    }

    fn find(&mut self, dir: &LogDir, segment: Offset, len: u64, query: &Query) -> DiskResult {
        let name = |file| FileName::Log(dir.clone(), file);
        let log = self.file(&name(LogFile::Segment(segment)), Missing::Error)?;
        let hint = |file: LogFile| self.names.find(&name(file).path());
        let (index, timeindex) = (hint(LogFile::Index(segment)), hint(LogFile::TimeIndex(segment)));
        let missing = File::default();
        let veiled = |node: Option<NodeId>| {
            Veiled::new(node.and_then(|node| self.files.get(&node)).unwrap_or(&missing))
        };
        let files = [Some(log), index, timeindex].map(veiled);
        let [of_log, of_index, of_timeindex] = &files;
        let found = locate(query, segment, of_log, of_index, of_timeindex, len);
        let [in_log, in_index, in_timeindex] = files.map(|file| file.met.into_inner());
        self.met(&name(LogFile::Segment(segment)), log, in_log);
        for (node, file, met) in [
            (index, LogFile::Index(segment), in_index),
            (timeindex, LogFile::TimeIndex(segment), in_timeindex),
        ] {
            if let Some(node) = node {
                self.met(&name(file), node, met);
            }
        }
        found.map(DiskOk::Found)
    }

    fn settle(&mut self, node: NodeId, sync: Sync) -> DiskResult {
        let file = self.files.get_mut(&node).expect("looked up before");
        match sync {
            Sync::Works => file.sync(),
            Sync::Fails => {
                file.sync_fails();
                return Err(sync_failed());
            }
            Sync::Lies { owner, forgets } => file.sync_lies(owner, forgets),
            Sync::Nothing => {}
        }
        Ok(DiskOk::Unit)
    }

    fn truncate(&mut self, name: &FileName, len: u64) -> DiskResult {
        let node = match self.file(name, Missing::Error) {
            Err(e) if e.kind == DiskErrorKind::NotFound => return Ok(DiskOk::Unit),
            node => node?,
        };
        let file = self.files.get_mut(&node).expect("just found");
        if file.len() > len {
            self.used -= file.len() - len;
            file.truncate(len);
        }
        Ok(DiskOk::Unit)
    }

    fn make_dir(&mut self, dir: &DirName) -> DiskResult {
        let path = dir.path();
        match self.names.find(&path) {
            Some(_) => Ok(DiskOk::Unit),
            None => {
                let node = self.new_node();
                match self.names.link(&path, node, true) {
                    true => Ok(DiskOk::Unit),
                    false => Err(not_found("make directory", &path)),
                }
            }
        }
    }

    fn remove_dir(&mut self, dir: &DirName) -> DiskResult {
        let path = dir.path();
        let Some(node) = self.names.find(&path) else { return Ok(DiskOk::Unit) };
        let names: Vec<String> = self.names.entries(node).map(|(n, _)| n.to_string()).collect();
        for name in names {
            self.names.unlink(&format!("{path}/{name}"));
        }
        self.names.unlink(&path);
        Ok(DiskOk::Unit)
    }

    fn entries(&self, dir: &DirName) -> DiskResult {
        let node = self.dir(dir)?;
        let entry = |(name, node): (&str, NodeId)| DirEntry {
            name: name.to_string(),
            is_dir: self.names.is_dir(node),
            len: self.files.get(&node).map_or(0, File::len),
        };
        Ok(DiskOk::Entries(self.names.entries(node).map(entry).collect()))
    }

    fn dir(&self, dir: &DirName) -> Result<NodeId, DiskError> {
        let path = dir.path();
        let node = self.names.find(&path).filter(|node| self.names.is_dir(*node));
        node.ok_or_else(|| not_found("open directory", &path))
    }

    /// The file, verified to lie in its log's directory.
    fn file(&mut self, name: &FileName, missing: Missing) -> Result<NodeId, DiskError> {
        if let Some((_, node)) = self.found.iter().find(|(known, _)| known == name) {
            return Ok(*node);
        }
        let found = match self.look_up(name, missing) {
            Err(e) if e.kind == DiskErrorKind::NotFound && missing == Missing::Make => {
                self.dir(&name.dir())?;
                let node = self.new_node();
                self.files.insert(node, File::default());
                self.found.clear();
                assert!(
                    self.names.link(&name.path(), node, false),
                    "its directory was found above"
                );
                node
            }
            found => found?,
        };
        if self.found.len() >= FOUND_MAX {
            self.found.remove(0);
        }
        self.found.push((name.clone(), found));
        Ok(found)
    }

    /// The same without making it. Whoever owns its directory is looked at first.
    fn look_up(&mut self, name: &FileName, missing: Missing) -> Result<NodeId, DiskError> {
        let path = name.path();
        self.dir(&name.dir())?;
        let found = self.names.find(&path);
        if let FileName::Log(dir, file) = name
            && *file != LogFile::Metadata
        {
            match self.owner(&name.dir()) {
                Some(log) if log == dir.log => {}
                None if missing == Missing::Make => {}
                owner => {
                    self.met_plate(dir);
                    let detail =
                        format!("{path} was asked for {}, but belongs to {owner:?}", dir.log);
                    return Err(error(DiskErrorKind::Stale, detail));
                }
            }
        }
        found.ok_or_else(|| not_found("open", &path))
    }

    /// Somebody read the plate of a log's directory.
    fn met_plate(&mut self, dir: &LogDir) {
        let plate = FileName::Log(dir.clone(), LogFile::Metadata);
        if let Some(node) = self.names.find(&plate.path()) {
            self.met(&plate, node, BTreeSet::from([0]));
        }
    }

    /// Whether a log's directory is another log's now.
    fn is_foreign(&self, dir: &DirName) -> bool {
        match dir {
            DirName::Log(of) => self.owner(dir).is_some_and(|log| log != of.log),
            _ => false,
        }
    }

    /// The log that a directory's `partition.metadata` names.
    pub(super) fn owner(&self, dir: &DirName) -> Option<LogId> {
        self.owner_of(&dir.path())
    }

    /// The same by the directory's path.
    pub(super) fn owner_of(&self, dir: &str) -> Option<LogId> {
        let node = self.names.find(&format!("{dir}/partition.metadata"))?;
        let mut text = [0; 4096];
        let len = Veiled::new(self.files.get(&node)?).read_at(0, &mut text).ok()?;
        sordini_log::home::log_id(&text[..len])
    }

    fn room_for(&mut self, bytes: u64) -> Result<(), DiskError> {
        if bytes == 0 || bytes <= self.free() {
            return Ok(());
        }
        self.counts.full += 1;
        Err(error(DiskErrorKind::Full, format!("no space for {bytes} bytes more")))
    }

    pub(super) fn new_node(&mut self) -> NodeId {
        self.next_node += 1;
        self.next_node
    }
}

/// How many files are remembered.
const FOUND_MAX: usize = 16;

/// Whether a path may stand for something else afterwards, or a directory belong to another log.
fn changes_names(kind: &OpKind) -> bool {
    match kind {
        OpKind::Write { file, .. } => matches!(file, FileName::Log(_, LogFile::Metadata)),
        OpKind::Create { .. } | OpKind::Sync { .. } | OpKind::Truncate { .. } => false,
        OpKind::SyncDir { .. } | OpKind::List { .. } => false,
        OpKind::Read { .. } | OpKind::Find { .. } => false,
        OpKind::Rename { .. } | OpKind::RenameDir { .. } | OpKind::Unlink { .. } => true,
        OpKind::MakeDir { .. } | OpKind::RemoveDir { .. } => true,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Error,
    Make,
}

/// What the sync within an operation does.
#[derive(Clone, Copy)]
enum Sync {
    Works,
    Fails,
    /// It says that it works: see [`Harm::SyncLies`].
    Lies {
        owner: u32,
        forgets: bool,
    },
    Nothing,
}

fn error(kind: DiskErrorKind, detail: String) -> DiskError {
    DiskError { kind, detail }
}

pub(super) fn injected(kind: DiskErrorKind, name: &str, role: Role, verb: Verb) -> DiskError {
    error(kind, format!("injected {name}: {verb:?} {role:?}"))
}

fn sync_failed() -> DiskError {
    error(DiskErrorKind::Io, "injected EIO: the sync failed and dirty pages count as clean".into())
}

fn not_found(what: &str, path: &str) -> DiskError {
    error(DiskErrorKind::NotFound, format!("cannot {what} {path}: no such file or directory"))
}
