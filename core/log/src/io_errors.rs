//! What a failed disk operation means: a table, looked up once per failure.
//!
//! | what failed                     | Full          | NotFound      | Io, Corrupt, Stale |
//! |---------------------------------|---------------|---------------|--------------------|
//! | journal group                   | fatal         | fatal         | fatal              |
//! | a further journal file          | again later   | fatal         | fatal              |
//! | segment, index, checkpoint, name| again later   | fatal         | fatal              |
//! | read at boot                    | fatal         | not there     | unreadable         |
//! | read for a sweep                | skip          | skip          | skip               |
//!
//! A failed write or sync is never tried again on the same file and believed: the kernel may have marked
//! the lost pages clean ("fsyncgate"), so the process ends and recovery reads what is really there. A
//! full disk is different: nothing was taken, and the same bytes at the same place are tried later.
//! Reads on somebody's behalf come back to the core, which marks the range with
//! [`crate::storage::Storage::mark_faulty`] if the bytes are bad.

use crate::disk::DiskErrorKind;

/// What an operation was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Write or sync of a journal group.
    JournalGroup,
    /// Making a journal file.
    JournalFile,
    /// Anything in the store lane: segments, indexes, checkpoints, names.
    Store,
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
        (Purpose::BootRead, Io | Corrupt | Stale) => Verdict::Unreadable,
        (Purpose::BootRead, Full) => Verdict::Fatal,
        (Purpose::JournalFile | Purpose::Store, Full) => Verdict::Retry,
        (Purpose::JournalGroup, _) => Verdict::Fatal,
        (Purpose::JournalFile | Purpose::Store, NotFound | Io | Corrupt | Stale) => Verdict::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DiskErrorKind::{Corrupt, Full, Io, NotFound, Stale};
    use Purpose::{BootRead, JournalFile, JournalGroup, Store, Sweep};
    use Verdict::{Absent, Fatal, Retry, Skip, Unreadable};

    /// The table at the head of this file, row by row.
    #[test]
    fn the_table() {
        for (purpose, full, missing, other) in [
            (JournalGroup, Fatal, Fatal, Fatal),
            (JournalFile, Retry, Fatal, Fatal),
            (Store, Retry, Fatal, Fatal),
            (BootRead, Fatal, Absent, Unreadable),
            (Sweep, Skip, Skip, Skip),
        ] {
            assert_eq!(verdict(purpose, Full), full, "{purpose:?}");
            assert_eq!(verdict(purpose, NotFound), missing, "{purpose:?}");
            for kind in [Io, Corrupt, Stale] {
                assert_eq!(verdict(purpose, kind), other, "{purpose:?}");
            }
        }
    }
}
