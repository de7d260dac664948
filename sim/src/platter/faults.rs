//! Faults of the simulated disk, as data: which operations they strike, and what they do.
//!
//! Some of them are things that disks do (errors, a full disk, a sync that fails and forgets, one
//! that lies); a lie on a chosen file also stands for a sync that the software left out, so that every
//! check can be seen to fail.

use sordini_log::disk::{DirName, FileName, LogFile, OpKind};

/// What a file or directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are those of the files
pub enum Role {
    Root,
    Journal,
    Checkpoint,
    CheckpointNext,
    CheckpointPrevious,
    LogDir,
    Metadata,
    Segment,
    Index,
    TimeIndex,
}

/// What an operation does, without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are those of the operations
pub enum Verb {
    Create,
    Write,
    Sync,
    Truncate,
    Rename,
    RenameDir,
    Unlink,
    MakeDir,
    RemoveDir,
    SyncDir,
    List,
    Read,
    Find,
}

/// What happens instead of what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The operation fails with EIO and does nothing.
    Io,
    /// The operation fails with ENOSPC and does nothing. A sync of a file is [`Harm::SyncFails`], a read succeeds.
    Full,
    /// A sync (or the sync of a synced write) fails with EIO and marks the dirty pages clean.
    SyncFails,
    /// The operation succeeds, but nothing of it is made durable.
    Lies,
    /// A sync (or the sync of a synced write) succeeds, and all is in a cache of the device that the next power failure
    /// empties. An honest sync later saves it, unless the pages were marked clean.
    SyncLies {
        /// Whether they were.
        forgets: bool,
    },
    /// A read brings only so many bytes.
    Short(u64),
}

/// A fault: strikes `times` operations that match, after letting `spare` of them pass.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Only files and directories of this role; any if none.
    pub role: Option<Role>,
    /// Only these operations; any if none.
    pub verb: Option<Verb>,
    /// How many matching operations pass unharmed first.
    pub spare: u64,
    /// How many are then struck.
    pub times: u64,
    /// What happens to them.
    pub harm: Harm,
    /// Who is told of it: the number of a strike, or [`NOBODY`].
    pub owner: u32,
}

/// The owner of a fault that nobody asks about.
pub const NOBODY: u32 = u32::MAX;

impl Fault {
    /// Strikes every `verb` on `role`, for ever.
    pub fn always(role: Role, verb: Verb, harm: Harm) -> Fault {
        Fault { role: Some(role), verb: Some(verb), spare: 0, times: u64::MAX, harm, owner: NOBODY }
    }

    /// Strikes the operation number `n` (from 0), whatever it is.
    pub fn nth(n: u64, harm: Harm) -> Fault {
        Fault { role: None, verb: None, spare: n, times: 1, harm, owner: NOBODY }
    }

    /// What happens to this operation; counts it.
    pub(super) fn strikes(&mut self, role: Role, verb: Verb) -> Option<Harm> {
        let hit = self.role.is_none_or(|r| r == role) && self.verb.is_none_or(|v| v == verb);
        if !hit || self.times == 0 {
            return None;
        }
        if self.spare > 0 {
            self.spare -= 1;
            return None;
        }
        if self.harm == Harm::Full && matches!(verb, Verb::List | Verb::Read | Verb::Find) {
            return None; // reads take no space: the next operation that may is struck
        }
        if matches!(self.harm, Harm::SyncLies { .. }) && !matches!(verb, Verb::Write | Verb::Sync) {
            return None; // nor is anything else synced
        }
        self.times -= 1;
        Some(self.harm)
    }
}

impl Verb {
    /// Whether the operation may need space.
    pub fn changes(self) -> bool {
        !matches!(self, Verb::List | Verb::Read | Verb::Find)
    }
}

impl Role {
    /// The role of a file.
    pub fn of_file(file: &FileName) -> Role {
        match file {
            FileName::Journal(_) => Role::Journal,
            FileName::Checkpoint => Role::Checkpoint,
            FileName::CheckpointNext => Role::CheckpointNext,
            FileName::CheckpointPrevious => Role::CheckpointPrevious,
            FileName::Log(_, LogFile::Metadata) => Role::Metadata,
            FileName::Log(_, LogFile::Segment(_)) => Role::Segment,
            FileName::Log(_, LogFile::Index(_)) => Role::Index,
            FileName::Log(_, LogFile::TimeIndex(_)) => Role::TimeIndex,
        }
    }

    /// The role of a directory.
    pub fn of_dir(dir: &DirName) -> Role {
        match dir {
            DirName::Root => Role::Root,
            DirName::Journal => Role::Journal,
            DirName::Checkpoint => Role::Checkpoint,
            DirName::Log(_) | DirName::Deleted(_) => Role::LogDir,
        }
    }
}

/// Role and verb of an operation.
pub fn classify(kind: &OpKind) -> (Role, Verb) {
    match kind {
        OpKind::Create { file, .. } => (Role::of_file(file), Verb::Create),
        OpKind::Write { file, .. } => (Role::of_file(file), Verb::Write),
        OpKind::Sync { file } => (Role::of_file(file), Verb::Sync),
        OpKind::Truncate { file, .. } => (Role::of_file(file), Verb::Truncate),
        OpKind::Rename { from, .. } => (Role::of_file(from), Verb::Rename),
        OpKind::RenameDir { from, .. } => (Role::of_dir(from), Verb::RenameDir),
        OpKind::Unlink { file } => (Role::of_file(file), Verb::Unlink),
        OpKind::MakeDir { dir } => (Role::of_dir(dir), Verb::MakeDir),
        OpKind::RemoveDir { dir } => (Role::of_dir(dir), Verb::RemoveDir),
        OpKind::SyncDir { dir } => (Role::of_dir(dir), Verb::SyncDir),
        OpKind::List { dir } => (Role::of_dir(dir), Verb::List),
        OpKind::Read { file, .. } => (Role::of_file(file), Verb::Read),
        OpKind::Find { .. } => (Role::Segment, Verb::Find),
    }
}
