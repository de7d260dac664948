//! Real files behind the log's disk trait.
//!
//! What is written where and synced when is decided in `sordini-log`; this room moves the bytes and
//! keeps the promises written at the head of `sordini_log::disk`. It adds none of its own wisdom but this:
//!
//! - **Threads.** One for the journal, one for everything else that writes, a few that sync segments, a few that read. A hop to
//!   a thread and back costs about 40 us here, half a sync. So when the loop has nothing else to do
//!   it says `idle`, and a small journal write then runs on the loop's own thread.
//! - **Segments past the page cache.** A run of 16 KiB and more is copied into aligned memory and written direct, but for
//!   the part of a block at either end; on the machine of the table below that moved three times the bytes, since
//!   the kernel neither finds pages for them nor throws them out again. Shorter runs go through the page cache,
//!   and on to the device every 512 KiB: one sync of many megabytes would hold up the journal's.
//! - **Lock, format, limits** of the data directory: [`OpenError`] says what is wrong and what to do.
//! - **Open files** are a table of the least recently used within the process's limit; no log's files are ever
//!   served under the name of another log.
//!
//! Durable writes, p50 in us, the ways taking turns on a busy 2-core VM with ext4 (`cargo bench -p sordini-disk` prints
//! the table anew; compare within it only):
//!
//! | pre-written file, O_DIRECT | 4 KiB | 64 KiB | 1 MiB |
//! |---|---|---|---|
//! | pwritev + fdatasync | 168 | 206 | 758 |
//! | pwritev to an O_DSYNC file | 155 | 193 | 726 |
//! | pwritev2 with RWF_DSYNC | 155 | 190 | 734 |
//! | through the lane, inline | 164 | 200 | 745 |
//! | through the lane, by the thread | 182 | 242 | 736 |
//!
//! The ways differ by less than two runs do, so the lanes use `fdatasync`, whose promise is the trait's:
//! everything written to the file, not this write alone. The journal's thread does not spin for
//! its next group: with two cores that would take a core from the loop or from its clients.
//!
//! Completions wait in a queue; [`RealDisk::completions`] drains it, and `wake` is called when it
//! stops being empty, from whichever thread that happens on.

mod checked;
mod error;
mod files;
mod home;
mod queue;
mod reader;
mod reads;
mod remove;
mod store;
mod transfer;

#[cfg(test)]
mod tests;

pub use home::{OpenError, check_format};
pub use reader::{FileReader, Reply};

use checked::Pool;
use files::Files;
use home::Lock;
use queue::{Completions, Queue, Taken};
use reader::ReadJob;
use remove::Removals;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sordini_log::disk::{Completion, Disk, DiskOk, DiskOp, DiskResult, Done, Lane, OpKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use store::{Ran, SyncJob};
use transfer::Stage;

/// Free space is asked for again after this time at the earliest.
const FREE_AGE_MAX: Duration = Duration::from_millis(100);
/// Segments synced at the same time where a sync is slow: there they share the file system's own journal, so that a
/// checkpoint which waits for a thousand of them waits a third of the time.
const SYNC_THREADS: usize = 8;
/// The same where a sync is fast: more get into each other's way, which costs CPU time under 1,000 partitions.
const FAST_SYNC_THREADS: usize = 2;
/// A sync that took longer was slow.
const SLOW_SYNC: Duration = Duration::from_millis(2);
/// How much the store lane's thread stands back behind the others.
const STORE_NICENESS: i32 = 5;
/// How long the store lane waits for something better to do between two steps of a removal.
const REMOVAL_PAUSE: Duration = Duration::from_micros(500);

/// What may be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads that read. At least 1.
    pub read_threads: usize,
    /// Files held open at once, journal files aside; by default a quarter of the process's limit,
    /// between 64 and 4096.
    pub files_open_max: Option<usize>,
    /// Journal writes up to this many bytes may run on the calling thread; longer ones would keep
    /// the loop from its sockets.
    pub inline_bytes_max: u64,
    /// Whether the journal bypasses the page cache where the file system can.
    pub direct: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { read_threads: 2, files_open_max: None, inline_bytes_max: 64 << 10, direct: true }
    }
}

/// A data directory on a real file system.
pub struct RealDisk {
    shared: Arc<Shared>,
    /// Operations of one submission by lane; empty between submissions.
    sorted: [Vec<DiskOp>; 3],
    free: Option<(Instant, u64)>,
    threads: Vec<JoinHandle<()>>,
    inline_bytes_max: u64,
    descriptors: Descriptors,
    _lock: Lock,
}

/// File descriptors of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// How many there may be: the soft limit, raised; `u64::MAX` where there is none.
    pub limit: u64,
    /// How many of them the disk may hold at once for files of logs, both handles of each counted. Those of the
    /// journal, and a few that are open for a moment only, are not among them.
    pub disk: u64,
}

/// What the threads share.
struct Shared {
    files: Files,
    journal: Queue<DiskOp>,
    store: Queue<DiskOp>,
    syncs: Queue<SyncJob>,
    /// Whether the last of them was slow.
    slow_sync: AtomicBool,
    reads: Queue<ReadJob>,
    pool: Arc<Pool>,
    completions: Completions,
}

impl RealDisk {
    /// Opens the data directory `dir`, making it where it is missing, and starts the threads. Also raises the process's
    /// soft limit of open files to its hard one.
    ///
    /// `wake` is called whenever the queue of completions stops being empty; it must be cheap and must
    /// not call back into the disk.
    pub fn open(
        dir: &Path,
        options: Options,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<RealDisk, OpenError> {
        let (root, lock) = home::open(dir)?;
        let limit = raise_files_max();
        let open_max =
            options.files_open_max.unwrap_or_else(|| (limit / 4).clamp(64, 4096) as usize);
        let descriptors = Descriptors { limit, disk: 2 * open_max as u64 };
        let shared = Arc::new(Shared {
            files: Files::new(root, open_max, options.direct),
            journal: Queue::new(),
            store: Queue::new(),
            syncs: Queue::new(),
            slow_sync: AtomicBool::new(false),
            reads: Queue::new(),
            pool: Arc::default(),
            completions: Completions::new(wake),
        });
        let mut disk = RealDisk {
            shared,
            inline_bytes_max: options.inline_bytes_max,
            sorted: Default::default(),
            free: None,
            threads: Vec::new(),
            descriptors,
            _lock: lock,
        };
        let spawned = disk.spawn_all(options.read_threads.max(1));
        spawned.map_err(|e| OpenError::threads(dir, &e))?;
        Ok(disk)
    }

    /// The process's limit of open files and the disk's share of it, for whoever divides the rest.
    pub fn descriptors(&self) -> Descriptors {
        self.descriptors
    }

    /// A handle for those who send record batches straight from a segment.
    pub fn reader(&self) -> FileReader {
        FileReader::new(self.shared.clone())
    }

    /// Moves the completions that have come to the end of `into`.
    pub fn completions(&mut self, into: &mut Vec<Completion>) {
        self.shared.completions.drain(into);
    }

    /// Bytes that may still be written to this file system by us: what the system said at most 100 ms ago, less what
    /// was submitted since.
    pub fn free(&mut self) -> u64 {
        let now = Instant::now();
        if let Some((at, bytes)) = self.free
            && now.duration_since(at) < FREE_AGE_MAX
        {
            return bytes;
        }
        // A file system that cannot say keeps its last word, or counts as full.
        let last = self.free.map_or(0, |(_, bytes)| bytes);
        let bytes = rustix::fs::fstatvfs(self.shared.files.root())
            .map_or(last, |s| s.f_bavail.saturating_mul(s.f_frsize));
        self.free = Some((now, bytes));
        bytes
    }

    fn spawn_all(&mut self, read_threads: usize) -> std::io::Result<()> {
        self.spawn("disk-journal", Shared::journal_thread)?;
        self.spawn("disk-store", Shared::store_thread)?;
        (0..SYNC_THREADS).try_for_each(|_| self.spawn("disk-sync", Shared::sync_thread))?;
        (0..read_threads).try_for_each(|_| self.spawn("disk-read", Shared::read_thread))
    }

    fn spawn(&mut self, name: &str, body: fn(&Shared)) -> std::io::Result<()> {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
            let _guard = AbortOnPanic;
            body(&shared);
        })?;
        self.threads.push(thread);
        Ok(())
    }

    /// Whether these journal operations may run right here: all that came before them is done, and they are short.
    fn may_run_inline(&self, ops: &[DiskOp]) -> bool {
        let bytes = |op: &DiskOp| match &op.kind {
            OpKind::Write { data, .. } => data.len(),
            _ => 0,
        };
        ops.iter().map(bytes).sum::<u64>() <= self.inline_bytes_max && self.shared.journal.is_idle()
    }
}

impl Disk for RealDisk {
    fn submit(&mut self, ops: &mut Vec<DiskOp>, idle: bool) {
        if ops.is_empty() {
            return;
        }
        for op in ops.drain(..) {
            let lane = op.kind.lane();
            let takes = match &op.kind {
                OpKind::Write { data, .. } if lane == Lane::Store => data.len(),
                OpKind::Create { len, .. } => *len,
                _ => 0,
            };
            if let Some((_, free)) = &mut self.free {
                *free = free.saturating_sub(takes); // the system is asked again later
            }
            self.sorted[lane as usize].push(op);
        }
        self.shared.store.append(self.sorted[Lane::Store as usize].drain(..));
        let reads = self.sorted[Lane::Reads as usize].drain(..);
        self.shared.reads.append(reads.map(ReadJob::Op));
        let mut journal = std::mem::take(&mut self.sorted[Lane::Journal as usize]);
        if idle && self.may_run_inline(&journal) {
            for op in journal.drain(..) {
                let (done, result) = self.shared.journal_op(op);
                self.shared.answer(done, result);
            }
        } else {
            self.shared.journal.append(journal.drain(..));
        }
        self.sorted[Lane::Journal as usize] = journal;
    }
}

impl Drop for RealDisk {
    /// Runs what was submitted to its end, removals aside: those go on in the next life.
    fn drop(&mut self) {
        self.shared.journal.close();
        self.shared.store.close();
        self.shared.reads.close();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // a panic has aborted the process
        }
    }
}

impl Shared {
    fn journal_thread(&self) {
        while let Some(op) = self.journal.take() {
            let (done, result) = self.journal_op(op);
            let must_wake = self.completions.add(Completion { done, result });
            // Before the loop wakes up, so that it finds the lane idle.
            self.journal.finish();
            self.completions.wake(must_wake);
        }
    }

    fn store_thread(&self) {
        // What it does can wait a little; the loop, and whoever waits for the journal, cannot.
        let _ = rustix::process::nice(STORE_NICENESS); // no more than a wish
        let mut removals = Removals::default();
        let mut stage = Stage::new();
        loop {
            let next = if removals.is_empty() {
                self.store.take().map_or(Taken::Closed, Taken::Item)
            } else {
                self.store.take_within(REMOVAL_PAUSE)
            };
            match next {
                Taken::Item(op) => {
                    match store::run(&self.files, &mut removals, &mut stage, op) {
                        Ran::Over(done, result) => self.answer(done, result),
                        Ran::Removing => {}
                        Ran::Syncing(job) => {
                            let slow = self.slow_sync.load(Ordering::Relaxed);
                            let awake = if slow { SYNC_THREADS } else { FAST_SYNC_THREADS };
                            assert!(
                                self.syncs.push(job, awake).is_ok(),
                                "only this thread closes it"
                            );
                        }
                    }
                    self.store.finish();
                }
                Taken::Nothing => {}
                Taken::Closed => return self.syncs.close(),
            }
            if let Some((done, result)) = removals.step(&self.files) {
                self.answer(done, result);
            }
        }
    }

    fn sync_thread(&self) {
        let _ = rustix::process::nice(STORE_NICENESS);
        while let Some(job) = self.syncs.take() {
            let begun = Instant::now();
            let (done, result) = job.run(&self.files);
            self.slow_sync.store(begun.elapsed() > SLOW_SYNC, Ordering::Relaxed);
            self.answer(done, result);
            self.syncs.finish();
        }
    }

    fn read_thread(&self) {
        while let Some(job) = self.reads.take() {
            match job {
                ReadJob::Op(op) => {
                    let result = reads::run(&self.files, &op);
                    self.answer(op.done, result);
                }
                ReadJob::Checked { range, reply } => {
                    reply(checked::read(&self.files, &self.pool, &range));
                }
            }
            self.reads.finish();
        }
    }

    fn journal_op(&self, op: DiskOp) -> (Done, DiskResult) {
        let OpKind::Write { file, at, data, sync } = op.kind else {
            unreachable!("only writes go to the journal's lane");
        };
        let result = store::write(&self.files, None, &file, at, &data, sync).map(|()| DiskOk::Unit);
        (op.done, result)
    }

    fn answer(&self, done: Done, result: DiskResult) {
        let must_wake = self.completions.add(Completion { done, result });
        self.completions.wake(must_wake);
    }
}

/// A disk thread that panics would leave the loop waiting for ever; and what it held is not to be trusted.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// Raises the soft limit of open files as far as the system lets us; gives the limit that holds then.
fn raise_files_max() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let holds = if setrlimit(Resource::Nofile, raised).is_ok() { raised } else { limit };
    holds.current.unwrap_or(u64::MAX)
}
