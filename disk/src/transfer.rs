//! Bytes to a file and back: all of them, or an error.
//!
//! Short transfers are continued and interrupted calls repeated. Writes are gathered, so that a group
//! of blocks or a run of batches goes down in one system call without being copied together first.
//!
//! `fdatasync` makes data durable, not `O_DSYNC`: see the table in the crate's essay.

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, pread, pwritev, retry_on_intr};
use sordini_log::disk::{BLOCK_BYTES, Block, Data};
use std::fs::File;
use std::io::IoSlice;
use std::os::fd::AsRawFd;
use zerocopy::IntoBytes;

/// Slices handed to the kernel at once: 1 MiB of blocks.
const SLICES_MAX: usize = 256;

/// Writes `data` at `at`. A direct file wants whole blocks at block boundaries.
pub(crate) fn write(file: &File, at: u64, data: &Data, direct: bool) -> Result<(), Errno> {
    match data {
        Data::Blocks(blocks) => {
            let grain = if direct { BLOCK_BYTES } else { 1 };
            write_all(file, at, blocks.as_bytes(), grain)
        }
        Data::Slices(slices) => write_gathered(file, at, 1, |i| slices.get(i).map(|s| &s[..])),
    }
}

/// Writes contiguous bytes. After a short write goes on at the last multiple of `grain`.
fn write_all(file: &File, at: u64, bytes: &[u8], grain: usize) -> Result<(), Errno> {
    write_gathered(file, at, grain, |i| (i == 0).then_some(bytes))
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

/// Another handle of the same file that bypasses the page cache.
pub(crate) fn reopen_direct(file: &File) -> Result<File, Errno> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::DIRECT;
    retry_on_intr(|| rustix::fs::open(&path, flags, Mode::empty())).map(File::from)
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

/// Aligned memory through which long runs go past the page cache.
pub(crate) struct Stage {
    blocks: Vec<Block>,
}

/// Shorter runs go through the page cache: there is little to save, and more would be read back.
pub(crate) const STAGED_BYTES_MIN: u64 = 16 << 10;
/// Bytes copied and written at once.
const STAGE_BYTES: usize = 1 << 20;

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage { blocks: Vec::new() }
    }

    /// Writes `slices` at `at`: whole blocks through `bypass`, what is left at either end through the
    /// page cache of `file`. No page is written both ways: the page of a run's end is that of the next
    /// one's beginning.
    pub(crate) fn write(
        &mut self,
        file: &File,
        bypass: &File,
        at: u64,
        slices: &[Bytes],
    ) -> Result<(), Errno> {
        let len: usize = slices.iter().map(Bytes::len).sum();
        let mut source = Source { slices, skip: 0 };
        if self.blocks.is_empty() {
            self.blocks = vec![Block::default(); STAGE_BYTES / BLOCK_BYTES];
        }
        let stage = self.blocks.as_mut_bytes();
        let mut done = 0;
        while done < len {
            let at = at + done as u64;
            let into_block = (at % BLOCK_BYTES as u64) as usize;
            let left = len - done;
            let (n, whole) = match () {
                () if into_block > 0 => (left.min(BLOCK_BYTES - into_block), false),
                () if left < BLOCK_BYTES => (left, false),
                () => ((left - left % BLOCK_BYTES).min(STAGE_BYTES), true),
            };
            source.fill(&mut stage[..n]);
            if whole {
                write_all(bypass, at, &stage[..n], BLOCK_BYTES)?;
            } else {
                write_all(file, at, &stage[..n], 1)?;
            }
            done += n;
        }
        Ok(())
    }
}

/// Slices that are read from the front.
struct Source<'a> {
    slices: &'a [Bytes],
    /// Bytes of the first one that are gone.
    skip: usize,
}

impl Source<'_> {
    /// Moves the next bytes to `to`; there are as many.
    fn fill(&mut self, to: &mut [u8]) {
        let mut filled = 0;
        while filled < to.len() {
            let next = &self.slices[0][self.skip..];
            let n = next.len().min(to.len() - filled);
            to[filled..filled + n].copy_from_slice(&next[..n]);
            filled += n;
            self.skip += n;
            if self.skip == self.slices[0].len() {
                (self.slices, self.skip) = (&self.slices[1..], 0);
            }
        }
    }
}
