//! `sordini serve --record FILE`: the life of this process, written down so that it can be lived again.
//!
//! The loop hands whole records to memory, and a thread of its own writes them to the file, at least every
//! [`WRITE_EVERY`]: so much of the end is missing after a kill -9. What was recorded by an earlier process is kept beside
//! it as `FILE.1`, `FILE.2` and so on, up to [`LIVES_KEPT`].

use anyhow::{Context, Result};
use sordini_core::trace::recording::Tape;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest time that a record stays in memory.
const WRITE_EVERY: Duration = Duration::from_millis(20);
/// Bytes that wake the writer before that.
const WRITE_BYTES: usize = 256 << 10;
/// Bytes in memory at which the loop waits for the writer.
const MEMORY_BYTES_MAX: usize = 32 << 20;
/// Recordings of earlier processes that are kept.
const LIVES_KEPT: u32 = 9;

/// A file that is written by a thread.
pub struct FileTape {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is enough to write, or the end has come.
    filled: Condvar,
    /// Something was written.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    ended: bool,
    failed: bool,
}

impl FileTape {
    /// A new file; what had its name gets another.
    pub fn create(path: &Path) -> Result<FileTape> {
        let advice = "give --record a file in a directory that can be written";
        make_room(path).with_context(|| {
            format!(
                "cannot rename the recording {} of an earlier process; {advice}",
                path.display()
            )
        })?;
        let file = File::create_new(path)
            .with_context(|| format!("cannot make the recording {}; {advice}", path.display()))?;
        let shared = Arc::new(Shared::default());
        let writer = {
            let shared = Arc::clone(&shared);
            let work = move || shared.write_all(file);
            std::thread::Builder::new().name("record".into()).spawn(work)?
        };
        Ok(FileTape { shared, writer: Some(writer) })
    }
}

impl Tape for FileTape {
    fn write(&mut self, records: &[u8]) -> bool {
        let mut state = self.shared.lock();
        while state.waiting.len() > MEMORY_BYTES_MAX && !state.failed {
            let waited = self.shared.emptied.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        let before = state.waiting.len();
        state.waiting.extend_from_slice(records);
        if before < WRITE_BYTES && state.waiting.len() >= WRITE_BYTES {
            self.shared.filled.notify_one();
        }
        !state.failed
    }
}

impl Drop for FileTape {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.filled.notify_one();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's life.
    fn write_all(&self, mut file: File) {
        let mut records = Vec::new();
        loop {
            let enough = |state: &mut State| !state.ended && state.waiting.len() < WRITE_BYTES;
            let waited = self.filled.wait_timeout_while(self.lock(), WRITE_EVERY, enough);
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            records.clear();
            std::mem::swap(&mut records, &mut state.waiting);
            let ended = state.ended;
            drop(state);
            self.emptied.notify_one();
            if let Err(error) = file.write_all(&records) {
                tracing::error!("the recording ends here, it cannot be written: {error}");
                self.lock().failed = true;
                self.emptied.notify_one();
                return;
            }
            if ended {
                return;
            }
        }
    }
}

/// Moves every recording of an earlier process one number on; the oldest goes.
fn make_room(path: &Path) -> std::io::Result<()> {
    let numbered = |n: u32| match n {
        0 => path.to_path_buf(),
        n => PathBuf::from(format!("{}.{n}", path.display())),
    };
    for n in (0..LIVES_KEPT).rev() {
        let from = numbered(n);
        if from.exists() {
            std::fs::rename(from, numbered(n + 1))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_in_the_file_and_earlier_lives_beside_it() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("life");
        for life in 0..LIVES_KEPT + 3 {
            let mut tape = FileTape::create(&path).expect("a file");
            for _ in 0..1000 {
                assert!(tape.write(format!("{life};").as_bytes()));
            }
        }
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("text");
        assert_eq!(read("life"), "11;".repeat(1000));
        assert_eq!(read("life.1"), "10;".repeat(1000));
        assert_eq!(read("life.9"), "2;".repeat(1000));
        assert!(!dir.path().join("life.10").exists());
    }

    #[test]
    fn a_record_does_not_wait_long_for_others() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("life");
        let mut tape = FileTape::create(&path).expect("a file");
        tape.write(b"one");
        let is_there = || std::fs::read(&path).is_ok_and(|bytes| bytes == b"one");
        while !is_there() {
            std::thread::yield_now(); // ends, or the test runner ends it
        }
    }
}
