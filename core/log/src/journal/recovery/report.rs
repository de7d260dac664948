//! What recovery says to people: what it found and cut, and why it refuses.

use super::super::block::Class;
use super::super::frame::Identity;
use crate::id::{GroupSeq, Lsn};
use std::fmt;

/// Number of blocks of each class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // see Class
pub struct Damage {
    pub new: u32,
    pub old: u32,
    pub torn: u32,
    pub rotten: u32,
}

/// Something that recovery has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The last group was not whole and is cut. With `damage.rotten`, it may have been
    /// acknowledged.
    Cut {
        /// The group.
        seq: GroupSeq,
        /// Its position.
        lsn: Lsn,
        /// File and block where it begins.
        at: (u32, u32),
        /// Its blocks, as far as they can be recognised.
        damage: Damage,
    },
    /// A group that may have been acknowledged is not what was written.
    Faulty {
        /// The group.
        seq: GroupSeq,
        /// Its position.
        lsn: Lsn,
        /// File and block where it begins, if any of it is left.
        at: Option<(u32, u32)>,
        /// Its blocks.
        damage: Damage,
        /// What is lost.
        lost: Vec<Identity>,
        /// Whether more is lost than can be named.
        unknown: bool,
    },
    /// The header of a file that holds groups cannot be read; the next start writes it again if it
    /// is the last file.
    Header {
        /// The file.
        file: u32,
    },
    /// A file is shorter than it says.
    Short {
        /// The file.
        file: u32,
        /// Its length, in blocks.
        have: u32,
        /// The length that its header names.
        want: u32,
    },
}

/// Why a journal cannot be recovered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum JournalError {
    #[error(
        "journal/{file:08}.journal is not a journal file: expected magic \"SORDJRNL\" at byte 0. Something \
         else has written it, over records that were acknowledged; put the original back"
    )]
    Foreign { file: u32 },
    #[error(
        "journal file {file} has format version {found}, this program knows up to {known}: a newer \
         program has written it. Start that one"
    )]
    Version { file: u32, found: u32, known: u32 },
    #[error(
        "journal file {file} says that it is file {found}: files were renamed, or copied over each \
         other. Give them their names back"
    )]
    Renamed { file: u32, found: u32 },
    #[error(
        "{first} and {second} of the journal are both incomplete, and no crash can do that: the disk \
         reported a sync too early, or files are from different times. Restore the data directory \
         from a backup, and do not trust this disk"
    )]
    Incomplete { first: Where, second: Where },
    #[error(
        "the checkpoint needs the journal from group {} on, but the journal {}: journal files are \
         missing, or the checkpoint is from another time. Put the missing files back",
        from.0,
        first.map_or("is empty or ends before".into(), |f| format!("begins with group {}", f.0))
    )]
    Missing { from: GroupSeq, first: Option<GroupSeq> },
    #[error(
        "the newest checkpoint is damaged or cannot be read, and the one before it needs group {} of the journal, which is \
         lost, or was written over since the newest one made it free. Start again if the disk may read better; \
         else restore the data directory from a backup",
        seq.0
    )]
    UsedUp { seq: GroupSeq },
    #[error(
        "{at} of the journal {what}: another version of the program has written it, or files of \
         different journals are mixed. Put the right files back"
    )]
    Inconsistent { at: Where, what: String },
}

/// Where a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Where {
    /// The group.
    pub seq: GroupSeq,
    /// Its position.
    pub lsn: Lsn,
    /// Number of the file.
    pub file: u32,
}

impl Damage {
    /// Counts one block.
    pub(super) fn count(&mut self, class: Class) {
        *match class {
            Class::New => &mut self.new,
            Class::Old => &mut self.old,
            Class::Torn => &mut self.torn,
            Class::Rotten => &mut self.rotten,
        } += 1;
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { new, old, torn, rotten } = self;
        write!(f, "{new} blocks new, {old} old, {torn} torn, {rotten} rotten")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Cut { seq, lsn, at: (file, block), damage } => {
                write!(f, "group {} (LSN {}, file {file} block {block})", seq.0, lsn.0)?;
                write!(f, " was not whole and is cut: {damage}")?;
                match damage.rotten {
                    0 => f.write_str("; its sync never returned, so nobody was told of it"),
                    _ => f.write_str("; it may have been acknowledged, and nobody else has it"),
                }
            }
            Finding::Faulty { seq, lsn, at, damage, lost, unknown } => {
                write!(f, "group {} (LSN {}", seq.0, lsn.0)?;
                if let Some((file, block)) = at {
                    write!(f, ", file {file} block {block}")?;
                }
                write!(f, ") was durable and is damaged: {damage}; lost: ")?;
                for (i, id) in lost.iter().enumerate() {
                    write!(f, "{}{id}", if i == 0 { "" } else { ", " })?;
                }
                match (lost.is_empty(), unknown) {
                    (_, true) => f.write_str(" and more that cannot be named"),
                    (true, false) => f.write_str("nothing"),
                    (false, false) => Ok(()),
                }
            }
            Finding::Header { file } => {
                write!(f, "the header of journal file {file} is unreadable; its groups are not")
            }
            Finding::Short { file, have, want } => {
                write!(f, "journal file {file} has {have} blocks instead of {want}")
            }
        }
    }
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {} (LSN {} in file {})", self.seq.0, self.lsn.0, self.file)
    }
}
