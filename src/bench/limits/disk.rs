//! Durable appends without a broker: one after the other, and many writers' in one.

use crate::bench::engine::histogram;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use rustix::fs::{Mode, OFlags, fdatasync, open};
use rustix::io::{Errno, pwrite};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file is overwritten from the front when its end is reached, as a journal is.
const FILE_BYTES: usize = 128 << 20;
/// Alignment that O_DIRECT asks for.
const BLOCK_BYTES: usize = 4096;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Synced {
    /// Appends a second.
    pub rate: f64,
    /// Time of one append and its sync, ns.
    pub latency: Histogram<u64>,
    /// Whether the page cache was bypassed; not every file system can.
    pub direct: bool,
}

/// Bytes in one piece whose first one lies where O_DIRECT wants it.
struct Aligned {
    memory: Vec<u8>,
    from: usize,
    len: usize,
}

impl Aligned {
    /// `bytes` of them, rounded up to whole blocks.
    fn new(bytes: usize, value: u8) -> Aligned {
        let len = bytes.next_multiple_of(BLOCK_BYTES);
        let memory = vec![value; len + BLOCK_BYTES];
        let from = memory.as_ptr().align_offset(BLOCK_BYTES);
        Aligned { memory, from, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.from..self.from + self.len]
    }
}

/// A file that is deleted when it is dropped.
struct Scratch {
    file: OwnedFd,
    path: PathBuf,
    direct: bool,
}

impl Scratch {
    fn new(dir: &Path) -> Result<Scratch> {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let path = dir.join(format!("bench-{}.tmp", std::process::id()));
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        let (file, direct) = match open(&path, flags | OFlags::DIRECT, Mode::RUSR | Mode::WUSR) {
            Ok(file) => (file, true),
            Err(Errno::INVAL) => (open(&path, flags, Mode::RUSR | Mode::WUSR)?, false),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
        };
        Ok(Scratch { file, path, direct })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // a temporary file that stays does no harm
    }
}

/// Appends pieces of `bytes`, each synced, for so long. The file is in `dir`.
pub fn append(dir: &Path, bytes: usize, length: Duration) -> Result<Synced> {
    let scratch = Scratch::new(dir)?;
    let zeroes = Aligned::new(1 << 20, 0);
    for at in (0..FILE_BYTES).step_by(zeroes.len) {
        write(&scratch.file, zeroes.bytes(), at)?;
    }
    rustix::fs::fsync(&scratch.file)?;
    let piece = Aligned::new(bytes, 0x5a);
    let mut latency = histogram();
    let since = Instant::now();
    let mut at = 0;
    let mut appends = 0u64;
    while since.elapsed() < length {
        if at + piece.len > FILE_BYTES {
            at = 0;
        }
        let began = Instant::now();
        write(&scratch.file, piece.bytes(), at)?;
        fdatasync(&scratch.file)?;
        latency.saturating_record(began.elapsed().as_nanos() as u64);
        at += piece.len;
        appends += 1;
    }
    let rate = appends as f64 / since.elapsed().as_secs_f64();
    Ok(Synced { rate, latency, direct: scratch.direct })
}

fn write(file: &OwnedFd, bytes: &[u8], at: usize) -> Result<()> {
    let written = pwrite(file, bytes, at as u64)?;
    let wanted = bytes.len();
    anyhow::ensure!(written == wanted, "expected to write {wanted} bytes, {written} went out");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_are_counted_and_the_file_is_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let synced = append(dir.path(), 5000, Duration::from_millis(30)).unwrap();
        assert!(synced.rate > 0.0 && !synced.latency.is_empty());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
