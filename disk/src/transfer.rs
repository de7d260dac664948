//! Bytes to a file and back: all of them, or an error.
//!
//! Short transfers are continued and interrupted calls repeated. Writes are gathered, so that a group
//! of blocks or a run of batches goes down in one system call without being copied together first.
//!
//! `fdatasync` makes data durable, not `O_DSYNC`: see the table in the crate's essay.

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread, pwritev, retry_on_intr};
use sordini_log::disk::{BLOCK_BYTES, Data};
use std::fs::File;
use std::io::IoSlice;

/// Slices handed to the kernel at once: 1 MiB of blocks.
const SLICES_MAX: usize = 256;

/// Writes `data` at `at`. A direct file wants whole blocks at block boundaries.
pub(crate) fn write(file: &File, at: u64, data: &Data, direct: bool) -> Result<(), Errno> {
    match data {
        Data::Blocks(blocks) => {
            let grain = if direct { BLOCK_BYTES } else { 1 };
            write_gathered(file, at, grain, |i| blocks.get(i).map(|b| &b.0[..]))
        }
        Data::Slices(slices) => write_gathered(file, at, 1, |i| slices.get(i).map(|s| &s[..])),
    }
}

/// Writes the slices that `slice` gives by number until it gives none. After a short write goes on at
/// the last multiple of `grain`.
fn write_gathered<'a>(
    file: &File,
    mut at: u64,
    grain: usize,
    slice: impl Fn(usize) -> Option<&'a [u8]>,
) -> Result<(), Errno> {
    // The next byte to write is byte `skip` of slice `index`.
    let (mut index, mut skip) = (0, 0);
    loop {
        let mut gathered = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        let (mut i, mut from) = (index, skip);
        while count < SLICES_MAX
            && let Some(bytes) = slice(i)
        {
            if from < bytes.len() {
                gathered[count] = IoSlice::new(&bytes[from..]);
                count += 1;
            }
            (i, from) = (i + 1, 0);
        }
        if count == 0 {
            return Ok(());
        }
        let wrote = retry_on_intr(|| pwritev(file, &gathered[..count], at))?;
        let mut wrote = wrote - wrote % grain;
        if wrote == 0 {
            return Err(Errno::IO); // neither progress nor a reason: not a device to trust
        }
        at += wrote as u64;
        while wrote > 0 {
            let left = slice(index).expect("no more was written than given").len() - skip;
            if wrote < left {
                skip += wrote;
                break;
            }
            wrote -= left;
            (index, skip) = (index + 1, 0);
        }
    }
}

/// Writes `len` zeroes from the start of `file`, whose length becomes at least that.
pub(crate) fn write_zeroes(file: &File, len: u64, direct: bool) -> Result<(), Errno> {
    let zero = sordini_log::disk::Block::default();
    let blocks = len / BLOCK_BYTES as u64;
    let grain = if direct { BLOCK_BYTES } else { 1 };
    write_gathered(file, 0, grain, |i| ((i as u64) < blocks).then_some(&zero.0[..]))?;
    let rest = (len % BLOCK_BYTES as u64) as usize;
    let at = blocks * BLOCK_BYTES as u64;
    write_gathered(file, at, 1, |i| (i == 0 && rest > 0).then_some(&zero.0[..rest]))
}

/// Makes everything written to `file` durable, its length included.
pub(crate) fn sync(file: &File) -> Result<(), Errno> {
    retry_on_intr(|| rustix::fs::fdatasync(file))
}

/// Up to `len` bytes at `at`, fewer only at the end. Memory is taken for what the file holds, not for
/// what was asked.
pub(crate) fn read(file: &File, at: u64, len: u64, direct: bool) -> Result<Bytes, Errno> {
    let size = rustix::fs::fstat(file)?.st_size as u64;
    let len = len.min(size.saturating_sub(at)) as usize;
    if direct { read_aligned(file, at, len) } else { read_plain(file, at, len) }
}

fn read_plain(file: &File, at: u64, len: usize) -> Result<Bytes, Errno> {
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        let next = at + bytes.len() as u64;
        if retry_on_intr(|| pread(file, spare_capacity(&mut bytes), next))? == 0 {
            break;
        }
    }
    bytes.truncate(len); // the allocator may have given more room than was asked for
    Ok(bytes.into())
}

/// Fills `buf` from `at`; gives how many bytes came, fewer only at the end.
pub(crate) fn read_into(file: &File, at: u64, buf: &mut [u8]) -> Result<usize, Errno> {
    let mut came = 0;
    while came < buf.len() {
        let n = retry_on_intr(|| pread(file, &mut buf[came..], at + came as u64))?;
        if n == 0 {
            break;
        }
        came += n;
    }
    Ok(came)
}

/// A direct read: whole blocks into memory that starts on a block boundary, then the part asked for.
fn read_aligned(file: &File, at: u64, len: usize) -> Result<Bytes, Errno> {
    let lead = (at % BLOCK_BYTES as u64) as usize;
    let whole = (lead + len).next_multiple_of(BLOCK_BYTES);
    let mut bytes = vec![0; whole + BLOCK_BYTES];
    let start = bytes.as_ptr().align_offset(BLOCK_BYTES);
    let target = &mut bytes[start..start + whole];
    let mut came = 0;
    while came < lead + len {
        let from = at - lead as u64 + came as u64;
        let n = retry_on_intr(|| pread(file, &mut target[came..], from))?;
        came += n;
        if n == 0 || came % BLOCK_BYTES != 0 {
            break; // the end of the file, which need not be a whole block
        }
    }
    let end = came.min(lead + len).max(lead);
    Ok(Bytes::from(bytes).slice(start + lead..start + end))
}
