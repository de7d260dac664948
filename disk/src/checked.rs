//! Record batches out of a segment, every one of them checked before anybody sees it.
//!
//! No byte is served unchecked. The check costs a fiftieth of a microsecond per KiB as long as the bytes
//! are still in the CPU's cache, so a long range is read and checked in chunks. The memory it is read into is
//! reused: fresh memory from the system costs more than the read itself.

use crate::error::{failed, refused};
use crate::files::{Files, Missing};
use bytes::Bytes;
use rustix::io::{pread, retry_on_intr};
use sordini_log::disk::{DiskError, DiskErrorKind, FileName};
use sordini_wire::batch;
use std::sync::{Arc, Mutex};

/// Bytes read before they are checked.
const CHUNK_BYTES: usize = 256 << 10;
/// Memory kept for the next read, in bytes.
const KEPT_BYTES_MAX: usize = 8 << 20;

/// Reads `len` bytes at `at`, which must be whole batches whose checksums hold.
///
/// [`DiskErrorKind::NotFound`]: the file is gone, perhaps since the read began.
/// [`DiskErrorKind::Stale`]: it is another log's.
/// [`DiskErrorKind::Corrupt`]: the file ends early, or a batch is not what it says.
pub(crate) fn read(
    files: &Files,
    pool: &Arc<Pool>,
    name: &FileName,
    at: u64,
    len: u32,
) -> Result<Bytes, DiskError> {
    let open = files.open(name, Missing::Error)?;
    let fail = |errno| failed(&format!("read {len} bytes at {at} of"), &name.path(), errno);
    let stat = rustix::fs::fstat(&open.file).map_err(fail)?;
    let short = |held: u64| {
        let path = name.path();
        // A file whose name was removed is cut down before its handles are closed.
        let removed = rustix::fs::fstat(&open.file).is_ok_and(|s| s.st_nlink == 0);
        let (kind, what) = match removed {
            true => (DiskErrorKind::NotFound, "was removed".into()),
            false => (DiskErrorKind::Corrupt, format!("ends at {held}")),
        };
        refused(kind, format!("cannot read {len} bytes at {at} of {path}: the file {what}"))
    };
    if (stat.st_size as u64) < at + u64::from(len) {
        return Err(short(stat.st_size as u64)); // before memory is taken
    }
    let mut lease = pool.lend(len as usize);
    let bytes = lease.bytes();
    let (mut came, mut checked) = (0, 0);
    while came < bytes.len() {
        let end = bytes.len().min(came + CHUNK_BYTES);
        let next = at + came as u64;
        let n = retry_on_intr(|| pread(&open.file, &mut bytes[came..end], next)).map_err(fail)?;
        if n == 0 {
            return Err(short(next));
        }
        came += n;
        checked += check(&bytes[checked..came]).map_err(|(position, what)| {
            let place = at + (checked + position) as u64;
            let detail = format!("the batch at {place} of {} is corrupt: {what}", name.path());
            refused(DiskErrorKind::Corrupt, detail)
        })?;
    }
    if checked < bytes.len() {
        let place = at + checked as u64;
        let detail = format!("the batch at {place} of {} is cut off", name.path());
        return Err(refused(DiskErrorKind::Corrupt, detail));
    }
    Ok(lease.freeze())
}

/// Checks the whole batches at the start of `bytes`; gives their total length, or where the first bad one is.
fn check(bytes: &[u8]) -> Result<usize, (usize, batch::BatchError)> {
    let mut walk = batch::walk(bytes);
    while let Some(placed) = walk.next() {
        let placed = placed.map_err(|e| (walk.position(), e))?;
        placed.batch.check_crc().map_err(|e| (placed.position, e))?;
    }
    Ok(walk.position())
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
        Lease { buffer, len, pool: self.clone() }
    }
}

impl Lease {
    fn bytes(&mut self) -> &mut [u8] {
        &mut self.buffer[..self.len]
    }

    fn freeze(self) -> Bytes {
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
