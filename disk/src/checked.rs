//! Record batches out of a segment, every one of them checked before anybody sees it.
//!
//! No byte is served unchecked. The check costs a fiftieth of a microsecond per KiB as long as the bytes
//! are still in the CPU's cache, so a long range is read and checked in chunks. The memory it is read into is
//! reused: fresh memory from the system costs more than the read itself.

use crate::error::{failed, refused};
use crate::files::{Files, Missing, Open};
use bytes::Bytes;
use rustix::io::{Errno, pread, retry_on_intr};
use sordini_log::disk::{DiskError, DiskErrorKind, FileName, LogFile};
use sordini_wire::batch::{self, BatchError, BatchView};
use std::fmt;
use std::sync::{Arc, Mutex};

/// Bytes read before they are checked.
const CHUNK_BYTES: usize = 256 << 10;
/// Memory kept for the next read, in bytes.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// What is read: whole batches of a segment.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    /// The segment.
    pub(crate) file: FileName,
    /// Where the first batch starts.
    pub(crate) at: u64,
    /// Bytes of batches from there on.
    pub(crate) len: u32,
    /// About how many of them are wanted at a time.
    pub(crate) about: u32,
}

/// Reads batches from the start of `range` on until about so many bytes have come as are wanted: at least one
/// batch, at most twice what is wanted unless that one is longer, and nothing beyond the range. The checksums of all hold.
///
/// [`DiskErrorKind::NotFound`]: the file is gone, perhaps since the read began.
/// [`DiskErrorKind::Stale`]: it is another log's.
/// [`DiskErrorKind::Corrupt`]: the file or the range ends within a batch, or a batch is not what it says.
pub(crate) fn read(files: &Files, pool: &Arc<Pool>, range: &Range) -> Result<Bytes, DiskError> {
    let open = files.open(&range.file, Missing::Error)?;
    let len = range.len as usize;
    let size = rustix::fs::fstat(&open.file).map_err(|e| range.failed(e))?.st_size as u64;
    if size < range.at + len as u64 {
        return Err(range.short(&open, size)); // before memory is taken
    }
    let wanted = (range.about as usize).max(1);
    let mut lease = pool.lend(len.min(2 * wanted));
    let mut check = Check::new(&range.file);
    let (mut came, mut target) = (0, len.min(wanted));
    loop {
        while came < target {
            let end = target.min(came + CHUNK_BYTES);
            let next = range.at + came as u64;
            let n = retry_on_intr(|| pread(&open.file, &mut lease.buffer[came..end], next))
                .map_err(|e| range.failed(e))?;
            if n == 0 {
                return Err(range.short(&open, next));
            }
            came += n;
            check.on(&lease.buffer[..came]).map_err(|e| range.corrupt(check.through, &e))?;
        }
        if check.through == came {
            break;
        }
        // The last batch is cut in two. It is finished if that is little, or if it is the only one.
        let needed = check.through + size_of_cut(&lease.buffer[check.through..came]);
        if needed > len {
            return Err(range.corrupt(check.through, &"it goes beyond what was written"));
        }
        if needed > 2 * wanted && check.through > 0 {
            break;
        }
        if needed > lease.buffer.len() {
            let mut longer = pool.lend(needed);
            longer.buffer[..came].copy_from_slice(&lease.buffer[..came]);
            lease = longer;
        }
        target = needed;
    }
    Ok(lease.freeze(check.through))
}

impl Range {
    fn failed(&self, errno: Errno) -> DiskError {
        let Range { file, at, len, .. } = self;
        failed(&format!("read {len} bytes at {at} of"), &file.path(), errno)
    }

    fn corrupt(&self, position: usize, what: &dyn fmt::Display) -> DiskError {
        let (place, path) = (self.at + position as u64, self.file.path());
        let detail = format!("the batch at {place} of {path} is corrupt: {what}");
        refused(DiskErrorKind::Corrupt, detail)
    }

    /// The file holds less than it should. One whose name was removed is cut down before its handles are closed.
    fn short(&self, open: &Open, held: u64) -> DiskError {
        let Range { file, at, len, .. } = self;
        let removed = rustix::fs::fstat(&open.file).is_ok_and(|s| s.st_nlink == 0);
        let (kind, what) = match removed {
            true => (DiskErrorKind::NotFound, "was removed".into()),
            false => (DiskErrorKind::Corrupt, format!("ends at {held}")),
        };
        let path = file.path();
        refused(kind, format!("cannot read {len} bytes at {at} of {path}: the file {what}"))
    }
}

/// Bytes of a batch that is cut off, as far as its beginning tells: at least those that will.
fn size_of_cut(bytes: &[u8]) -> usize {
    match BatchView::parse(bytes) {
        Err(BatchError::Partial { needed, .. }) => needed,
        _ => unreachable!("a whole batch, or a bad one, was found before"),
    }
}

/// How far batches have been checked.
struct Check {
    /// Bytes that are good.
    through: usize,
    /// The next batch starts at this offset or above: a checksum does not cover the base offset.
    next: i64,
}

impl Check {
    fn new(file: &FileName) -> Check {
        let FileName::Log(_, LogFile::Segment(base)) = file else {
            return Check { through: 0, next: 0 };
        };
        Check { through: 0, next: base.wire() }
    }

    /// Goes on over the whole batches of `bytes`, which start with those that were checked before.
    fn on(&mut self, bytes: &[u8]) -> Result<(), String> {
        for placed in batch::walk(&bytes[self.through..]) {
            let batch = placed.map_err(|e| e.to_string())?.batch;
            batch.check_crc().map_err(|e| e.to_string())?;
            let (base, next) = (batch.base_offset(), batch.next_offset());
            if base < self.next || next <= base {
                let least = self.next;
                return Err(format!("offsets {base} to {next} where {least} was due"));
            }
            self.through += batch.size();
            self.next = next;
        }
        Ok(())
    }
}

/// Memory between two reads.
#[derive(Default)]
pub(crate) struct Pool {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

/// A buffer that goes back to its pool.
struct Lease {
    buffer: Vec<u8>,
    len: usize,
    pool: Arc<Pool>,
}

impl Pool {
    /// A buffer of at least `len` bytes.
    fn lend(self: &Arc<Pool>, len: usize) -> Lease {
        // Powers of two, so that what one read leaves fits the next.
        let class = len.next_power_of_two().max(4096);
        let mut kept = self.kept.lock().expect("a disk thread panicked");
        let fits = |b: &Vec<u8>| b.len() >= class && b.len() <= 4 * class;
        let found = kept.buffers.iter().rposition(fits);
        let buffer = found.map(|i| kept.buffers.swap_remove(i));
        kept.bytes -= buffer.as_ref().map_or(0, Vec::len);
        drop(kept);
        let buffer = buffer.unwrap_or_else(|| vec![0; class]);
        Lease { buffer, len: 0, pool: self.clone() }
    }
}

impl Lease {
    /// The first `len` bytes, for whoever wants to keep them.
    fn freeze(mut self, len: usize) -> Bytes {
        self.len = len;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut kept = self.pool.kept.lock().expect("a disk thread panicked");
        if kept.bytes + self.buffer.len() <= KEPT_BYTES_MAX {
            kept.bytes += self.buffer.len();
            kept.buffers.push(std::mem::take(&mut self.buffer));
        }
    }
}
