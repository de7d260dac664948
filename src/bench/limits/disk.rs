//! Durable appends without a broker: one after the other, and those of many writers together, as a
//! database's group commit does it.

use crate::bench::engine::histogram;
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use rustix::fs::{Mode, OFlags, fdatasync, open};
use rustix::io::{Errno, pwrite};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread::{self, Thread};
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

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.from..self.from + self.len]
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

    /// Written with zeroes from end to end.
    fn filled(dir: &Path) -> Result<Scratch> {
        let scratch = Scratch::new(dir)?;
        let zeroes = Aligned::new(1 << 20, 0);
        for at in (0..FILE_BYTES).step_by(zeroes.len) {
            write(&scratch.file, zeroes.bytes(), at)?;
        }
        rustix::fs::fsync(&scratch.file)?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // a temporary file that stays does no harm
    }
}

/// Appends pieces of `bytes`, each synced, for so long. The file is in `dir`.
pub fn append(dir: &Path, bytes: usize, length: Duration) -> Result<Synced> {
    let scratch = Scratch::filled(dir)?;
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

/// What writers in threads of their own append together: a committing thread writes and syncs what has gathered
/// and wakes those whose records were in it, while the next ones gather. Appends a second.
pub fn group(dir: &Path, bytes: usize, writers: usize, length: Duration) -> Result<f64> {
    let scratch = Scratch::filled(dir)?;
    let record = vec![0x5a; bytes];
    let commit = Commit::default();
    let since = Instant::now();
    let appends = thread::scope(|scope| {
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(|| commit.write(&record))).collect();
        let committed = commit.run(&scratch.file, bytes * writers, since + length);
        commit.over.store(true, Ordering::SeqCst);
        threads.iter().for_each(|t| t.thread().unpark());
        let appends = threads.into_iter().map(|t| t.join().expect("a writer does not panic"));
        committed.map(|()| appends.sum::<u64>())
    })?;
    Ok(appends as f64 / since.elapsed().as_secs_f64())
}

/// Group commit.
#[derive(Default)]
struct Commit {
    gathered: Mutex<Gathered>,
    /// Something has gathered.
    ready: Condvar,
    /// The groups before this one are durable.
    durable: AtomicU64,
    over: AtomicBool,
}

#[derive(Default)]
struct Gathered {
    records: Vec<u8>,
    writers: Vec<Thread>,
    /// Number of the group.
    group: u64,
}

impl Commit {
    /// Appends until all is over; gives how often that became durable.
    fn write(&self, record: &[u8]) -> u64 {
        let mut appends = 0;
        while !self.over.load(Ordering::SeqCst) {
            let mut gathered = self.lock();
            gathered.records.extend_from_slice(record);
            gathered.writers.push(thread::current());
            let ours = gathered.group;
            drop(gathered);
            self.ready.notify_one();
            while self.durable.load(Ordering::SeqCst) <= ours {
                if self.over.load(Ordering::SeqCst) {
                    return appends;
                }
                thread::park();
            }
            appends += 1;
        }
        appends
    }

    /// Writes and syncs group after group.
    fn run(&self, file: &OwnedFd, bytes_max: usize, until: Instant) -> Result<()> {
        let mut memory = Aligned::new(bytes_max, 0);
        let mut writers = Vec::new();
        let mut at = 0;
        while Instant::now() < until {
            let mut gathered = self.lock();
            while gathered.records.is_empty() {
                gathered = self.ready.wait(gathered).expect("a writer does not panic");
            }
            let len = gathered.records.len();
            memory.bytes_mut()[..len].copy_from_slice(&gathered.records);
            gathered.records.clear();
            std::mem::swap(&mut gathered.writers, &mut writers);
            gathered.group += 1;
            let group = gathered.group;
            drop(gathered);
            let whole = len.next_multiple_of(BLOCK_BYTES);
            at = if at + whole > FILE_BYTES { 0 } else { at };
            write(file, &memory.bytes()[..whole], at)?;
            fdatasync(file)?;
            at += whole;
            self.durable.store(group, Ordering::SeqCst);
            writers.drain(..).for_each(|writer| writer.unpark());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().expect("a writer does not panic")
    }
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
    fn writers_share_their_syncs() {
        let dir = tempfile::tempdir().unwrap();
        let length = Duration::from_millis(100);
        assert!(group(dir.path(), 5000, 8, length).unwrap() > 0.0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn appends_are_counted_and_the_file_is_gone_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let synced = append(dir.path(), 5000, Duration::from_millis(30)).unwrap();
        assert!(synced.rate > 0.0 && !synced.latency.is_empty());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
