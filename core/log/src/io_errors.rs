//! What a failed disk operation means: a table, looked up once per failure.
//!
//! | what failed                      | Full        | NotFound  | Io, Corrupt | Stale      |
//! |----------------------------------|-------------|-----------|-------------|------------|
//! | making a new data directory      | refuse      | fatal     | fatal       | fatal      |
//! | journal group                    | again later | fatal     | fatal       | fatal      |
//! | a further journal file           | again later | fatal     | fatal       | fatal      |
//! | segment, index, checkpoint, name | again later | fatal     | fatal       | doubt      |
//! | removal of leftovers             | again later | fatal     | fatal       | doubt      |
//! | read at boot                     | unreadable  | not there | unreadable  | unreadable |
//! | list for a sweep                 | skip        | skip      | skip        | skip       |
//!
//! A failed write or sync is never tried again on the same file and believed: the kernel may have marked
//! the lost pages clean ("fsyncgate"), so the process ends and recovery reads what is really there. A
//! full disk is different: what was not taken is still here, all of it is written again at the same place, and
//! only then synced and believed. That holds for a journal group too (its place was written before, but a file
//! system that copies on write needs space all the same). The one thing that could not be done again is
//! the sync of a segment, whose earlier pieces may have left the cache: so a disk never calls that failure Full
//! ([`DiskErrorKind::Full`]), and it is fatal like any other lost write. A new data directory holds nothing that
//! waiting could save, and whoever starts the first broker is there to read why it did not start.
//! Where a directory does not say that it is the log's, nothing was done: that is looked into, and the same done again.
//! Reads on somebody's behalf come back to the core, which marks the range with
//! [`crate::storage::Storage::mark_faulty`] if the bytes are bad.

use crate::disk::DiskErrorKind;
use sordini_mutant::mutant;

/// What an operation was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Directories and first journal file of a data directory that holds nothing yet.
    Founding,
    /// Write or sync of a journal group, or of the header that comes before the first of a life.
    JournalGroup,
    /// Making a journal file.
    JournalFile,
    /// Anything in the store lane that somebody waits for: segments, indexes, checkpoints, names.
    Store,
    /// Unlinking and cutting what is no longer wanted.
    Cleanup,
    /// A read or list while booting.
    BootRead,
    /// A list that looks for leftovers.
    Sweep,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The process must end: nothing that it believes about the disk can be trusted.
    Fatal,
    /// Do the same again later; no new data is taken until it works.
    Retry,
    /// Look whose the directory is, then do the same again.
    Doubt,
    /// Do not start.
    Refuse,
    /// The file or directory is not there, which is an answer.
    Absent,
    /// The file is there and its bytes are no good, which recovery must judge.
    Unreadable,
    /// It does not matter; the next boot looks again.
    Skip,
}

/// Looks the failure up.
pub fn verdict(purpose: Purpose, kind: DiskErrorKind) -> Verdict {
    use DiskErrorKind::{Corrupt, Full, Io, NotFound, Stale};
    match (purpose, kind) {
        (Purpose::Sweep, _) => Verdict::Skip,
        (Purpose::BootRead, NotFound) => Verdict::Absent,
        (Purpose::BootRead, Full | Io | Corrupt | Stale) => Verdict::Unreadable,
        (Purpose::Founding, Full) => Verdict::Refuse,
        (_, Full) => Verdict::Retry,
        (Purpose::JournalGroup, Io) => mutant!(S02, Verdict::Fatal, Verdict::Retry),
        (Purpose::Store | Purpose::Cleanup, Stale) => {
            mutant!(B25, Verdict::Doubt, Verdict::Fatal)
        }
        (_, NotFound | Io | Corrupt | Stale) => Verdict::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DiskErrorKind::{Corrupt, Full, Io, NotFound, Stale};
    use Purpose::{BootRead, Cleanup, Founding, JournalFile, JournalGroup, Store, Sweep};
    use Verdict::{Absent, Doubt, Fatal, Refuse, Retry, Skip, Unreadable};

    /// The table at the head of this file, row by row.
    #[test]
    fn the_table() {
        for (purpose, full, missing, other, stale) in [
            (Founding, Refuse, Fatal, Fatal, Fatal),
            (JournalGroup, Retry, Fatal, Fatal, Fatal),
            (JournalFile, Retry, Fatal, Fatal, Fatal),
            (Store, Retry, Fatal, Fatal, Doubt),
            (Cleanup, Retry, Fatal, Fatal, Doubt),
            (BootRead, Unreadable, Absent, Unreadable, Unreadable),
            (Sweep, Skip, Skip, Skip, Skip),
        ] {
            assert_eq!(verdict(purpose, Full), full, "{purpose:?}");
            assert_eq!(verdict(purpose, NotFound), missing, "{purpose:?}");
            for kind in [Io, Corrupt] {
                assert_eq!(verdict(purpose, kind), other, "{purpose:?}");
            }
            assert_eq!(verdict(purpose, Stale), stale, "{purpose:?}");
        }
    }
}
