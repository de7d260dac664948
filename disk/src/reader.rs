//! The way of record batches from a segment to whoever sends them, past the core.

use crate::Shared;
use crate::checked::Range;
use crate::error::refused;
use bytes::Bytes;
use sordini_log::disk::{DiskError, DiskErrorKind, DiskOp, FileName};
use std::fmt;
use std::sync::Arc;

/// Called with what was read, on a reading thread; must be short and must not panic.
pub type Reply = Box<dyn FnOnce(Result<Bytes, DiskError>) + Send>;

/// Reads ranges of segments on the reading threads of a [`crate::RealDisk`]. Cheap to clone.
#[derive(Clone)]
pub struct FileReader {
    shared: Arc<Shared>,
}

/// Work of the reading threads.
pub(crate) enum ReadJob {
    /// An operation of the trait.
    Op(DiskOp),
    /// A range of batches for [`FileReader`].
    Checked { range: Range, reply: Reply },
}

impl FileReader {
    pub(crate) fn new(shared: Arc<Shared>) -> FileReader {
        FileReader { shared }
    }

    /// Reads record batches from the start of bytes `at .. at + len` of the segment `file` on, checks every batch's
    /// length and CRC, and calls `reply` exactly once: with `about` so many bytes of whole batches, that is
    /// with at least one batch, at most `2 * about` bytes unless that one is longer, and nothing beyond the range. How
    /// many reads may wait is the caller's to bound.
    ///
    /// Errors: [`DiskErrorKind::NotFound`] if the file is gone, [`DiskErrorKind::Stale`] if its name
    /// belongs to another log now, [`DiskErrorKind::Corrupt`] if the file or the range ends within a batch or a
    /// batch is not what it says, [`DiskErrorKind::Io`] if the device fails or the disk was closed.
    pub fn read_checked(&self, file: FileName, at: u64, len: u32, about: u32, reply: Reply) {
        let range = Range { file, at, len, about };
        let job = ReadJob::Checked { range, reply };
        if let Err(ReadJob::Checked { range, reply }) = self.shared.reads.push(job, usize::MAX) {
            let detail = format!("cannot read {}: the disk was closed", range.file.path());
            reply(Err(refused(DiskErrorKind::Io, detail)));
        }
    }
}

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileReader")
    }
}
