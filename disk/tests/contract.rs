//! The disk contract on real files: the promises that the simulated disk keeps, kept by this room too.

use sordini_disk::{Options, RealDisk};
use sordini_log::disk::{Completion, Disk, DiskOp};
use sordini_sim::contract;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A data directory in scratch space, and whoever has it open.
struct Bench {
    disk: Option<RealDisk>,
    options: Options,
    /// Submits everything as from an idle loop.
    idle: bool,
    woken: Receiver<()>,
    came: VecDeque<Completion>,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(options: Options, idle: bool) -> Bench {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let (_, woken) = channel();
        let mut bench = Bench { disk: None, options, idle, woken, came: VecDeque::new(), dir };
        contract::Bench::reopen(&mut bench);
        bench
    }
}

impl contract::Bench for Bench {
    fn submit(&mut self, mut ops: Vec<DiskOp>, idle: bool) {
        self.disk.as_mut().expect("open").submit(&mut ops, idle || self.idle);
        assert!(ops.is_empty(), "all operations are taken");
    }

    fn wait(&mut self) -> Completion {
        loop {
            if let Some(completion) = self.came.pop_front() {
                return completion;
            }
            let mut came = Vec::new();
            self.disk.as_mut().expect("open").completions(&mut came);
            self.came.extend(came);
            if self.came.is_empty() {
                // A wake-up may be stale; that none comes for an answer is what must not happen.
                self.woken.recv_timeout(Duration::from_secs(30)).expect("an answer");
            }
        }
    }

    fn reopen(&mut self) {
        self.disk = None;
        self.came.clear();
        let (wake, woken) = channel();
        let wake = Arc::new(move || wake.send(()).unwrap_or(()));
        let disk = RealDisk::open(self.dir.path(), self.options.clone(), wake);
        self.disk = Some(disk.expect("the directory opens again"));
        self.woken = woken;
    }
}

#[test]
fn real_files_keep_every_promise() {
    contract::check_all(|| Bench::new(Options::default(), false));
}

#[test]
fn real_files_keep_every_promise_inline_with_few_files_through_the_page_cache() {
    let options =
        Options { read_threads: 1, files_open_max: Some(2), direct: false, ..Options::default() };
    contract::check_all(|| Bench::new(options.clone(), true));
}
