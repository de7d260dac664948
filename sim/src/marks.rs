//! Marks: rare states that a run reached. A mark that stays at zero over many seeds says that the swarm does not go where
//! it should.

use sordini_core::seam::Fact;
use sordini_log::disk::{FileName, LogFile, OpKind};
use std::fmt;

macro_rules! marks {
    ($($name:ident $about:literal;)*) => {
        /// A rare state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mark {
            $(#[doc = $about] $name,)*
        }

        /// Every mark with what it stands for.
        pub const MARKS: &[(Mark, &str)] = &[$((Mark::$name, $about),)*];
    };
}

marks! {
    CrashInRecovery "a crash before recovery was over";
    CrashMidOperation "a crash with a disk operation half done";
    Replayed "recovery found groups to replay";
    JournalGrew "a journal file beyond the first was made";
    Checkpointed "a checkpoint got its name";
    SegmentSynced "a segment was synced";
    SegmentRolled "a second segment of a log was begun";
    SegmentDropped "a segment was removed";
    DirRemoved "the directory of a deleted log was removed";
    ColdRead "an answer was read from a file";
    Located "a cold fetch was located by its index";
    ReadOff "the machine stopped reading from a connection";
    ReadOnly "the disk was too full for writes";
    Ended "the process ended itself after an error of its disk";
    MarkedFaulty "a range was marked faulty";
    TailLost "a crash took what was acknowledged before any sync";
    Refused "a node refused to start on a damaged disk, for good";
}

/// How often each was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks([u64; MARKS.len()]);

impl Marks {
    /// Counts one if `reached`.
    pub fn count(&mut self, mark: Mark, reached: bool) {
        self.0[mark as usize] += u64::from(reached);
    }

    /// How often.
    pub fn of(&self, mark: Mark) -> u64 {
        self.0[mark as usize]
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Marks) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// Looks at a disk operation.
    pub fn see_op(&mut self, kind: &OpKind) {
        let mark = match kind {
            OpKind::Create { file: FileName::Journal(n), .. } if *n > 1 => Mark::JournalGrew,
            OpKind::Rename { to: FileName::Checkpoint, .. } => Mark::Checkpointed,
            OpKind::Sync { file: FileName::Log(_, LogFile::Segment(base)) } => {
                self.count(Mark::SegmentRolled, base.0 > 0);
                Mark::SegmentSynced
            }
            OpKind::Unlink { file: FileName::Log(_, LogFile::Segment(_)) } => Mark::SegmentDropped,
            OpKind::RemoveDir { .. } => Mark::DirRemoved,
            OpKind::Find { .. } => Mark::Located,
            _ => return,
        };
        self.count(mark, true);
    }

    /// Looks at a fact.
    pub fn see_fact(&mut self, fact: &Fact) {
        match fact {
            Fact::Recovered { groups, .. } => self.count(Mark::Replayed, *groups > 0),
            Fact::ReadOnly(true) => self.count(Mark::ReadOnly, true),
            Fact::Fatal(_) => self.count(Mark::Ended, true),
            Fact::Faulty { .. } => self.count(Mark::MarkedFaulty, true),
            _ => {}
        }
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (mark, _)) in MARKS.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{mark:?} {}", self.of(*mark))?;
        }
        Ok(())
    }
}
