//! `sordini check`: verifies a stopped data directory and names what is wrong with it.
//!
//! What is checked is decided in `sordini-log`; here it gets the files. Reads only, under the lock that a
//! broker would hold, so that none can start meanwhile.

use crate::output::{Progress, count, print, size};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use sordini_log::disk::{DirEntry, DiskError, DiskErrorKind, ReadAt};
use sordini_log::storage::check::{Severity, Tree, check};
use std::cell::RefCell;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// `sordini check`
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The data directory of a stopped broker
    #[arg(default_value = "sordini-data")]
    dir: PathBuf,
}

/// Runs the command. Damage is an error; remarks are not.
pub fn run(args: &CheckArgs) -> Result<()> {
    let dir = &args.dir;
    let _lock = hold(dir)?;
    let progress = Progress::bytes(bytes_below(dir).unwrap_or(0));
    let tree = Rest { dir, read: RefCell::new((0, progress)) };
    let mut problems = Vec::new();
    let checked = check(&tree, &mut |problem| problems.push(problem));
    drop(tree);
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    let mut text = String::new();
    for problem in &problems {
        let severity = match problem.severity {
            Severity::Damage => "DAMAGE",
            Severity::Remark => "remark",
        };
        text += &format!("{severity}  {}: {}\n", problem.file, problem.what);
    }
    text += &format!(
        "{}: {}, {} with {} ({}), {} behind the checkpoint ({})\n",
        dir.display(),
        count(checked.logs, "log"),
        count(checked.segments, "segment"),
        count(checked.batches, "batch"),
        size(checked.bytes),
        count(checked.groups, "journal group"),
        size(checked.journal_bytes),
    );
    print(&text)?;
    let damaged = problems.iter().filter(|p| p.severity == Severity::Damage).count();
    if damaged > 0 {
        bail!("{} in {}, named above", count(damaged as u64, "damaged place"), dir.display());
    }
    Ok(())
}

/// A data directory of a stopped broker: holds off brokers for as long as the file lives.
pub fn hold(dir: &Path) -> Result<Option<File>> {
    ensure!(
        dir.join(".sordini").is_file(),
        "expected a data directory of Sordini's, {} has no file .sordini; give the --data directory of a \
         broker",
        dir.display()
    );
    sordini_disk::check_format(dir)?;
    let path = dir.join(".lock");
    let file = match File::open(&path) {
        // A copy of a data directory may lack it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.with_context(|| format!("cannot open {}", path.display()))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            let holder = holder.lines().next().unwrap_or("a process").to_owned();
            bail!("{} is in use by {holder}; stop that broker first", dir.display())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The directory's files as `sordini-log` wants to see them.
struct Rest<'a> {
    dir: &'a Path,
    /// Bytes read so far, and who shows them.
    read: RefCell<(u64, Progress)>,
}

impl Rest<'_> {
    fn has_read(&self, bytes: u64) {
        let (done, progress) = &mut *self.read.borrow_mut();
        *done += bytes;
        progress.set(*done);
    }
}

impl Tree for Rest<'_> {
    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError> {
        let path = self.dir.join(dir);
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry?;
            let meta = entry.metadata()?;
            let len = if meta.is_dir() { 0 } else { meta.len() };
            let name = entry.file_name().to_string_lossy().into_owned();
            Ok(DirEntry { name, is_dir: meta.is_dir(), len })
        };
        let entries = fs::read_dir(&path).and_then(|all| all.map(entry).collect());
        entries.map_err(|error| failed(&path, error))
    }

    fn open(&self, file: &str) -> Result<Box<dyn ReadAt + '_>, DiskError> {
        let path = self.dir.join(file);
        let opened = File::open(&path).map_err(|error| failed(&path, error))?;
        Ok(Box::new(Opened { file: opened, path, rest: self }))
    }

    fn read(&self, file: &str) -> Result<Bytes, DiskError> {
        let path = self.dir.join(file);
        let bytes = fs::read(&path).map_err(|error| failed(&path, error))?;
        self.has_read(bytes.len() as u64);
        Ok(Bytes::from(bytes))
    }
}

struct Opened<'a> {
    file: File,
    path: PathBuf,
    rest: &'a Rest<'a>,
}

impl ReadAt for Opened<'_> {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let mut done = 0;
        while done < buf.len() {
            match self.file.read_at(&mut buf[done..], at + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&self.path, error)),
            }
        }
        self.rest.has_read(done as u64);
        Ok(done)
    }
}

fn failed(path: &Path, error: io::Error) -> DiskError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => DiskErrorKind::NotFound,
        _ => DiskErrorKind::Io,
    };
    DiskError { kind, detail: format!("cannot read {}: {error}", path.display()) }
}

/// Bytes of all files in a directory and the directories in it.
fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += if meta.is_dir() { bytes_below(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_not_ours_or_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let args = CheckArgs { dir: dir.path().to_owned() };
        assert!(run(&args).unwrap_err().to_string().contains("has no file .sordini"));
        for (text, said) in [("format 9\n", "has format 9"), ("x", "it should say \"format 1\"")] {
            fs::write(dir.path().join(".sordini"), text).unwrap();
            let error = run(&args).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
        fs::write(dir.path().join(".sordini"), "format 1\n").unwrap();
        fs::write(dir.path().join(".lock"), "pid 4711\n").unwrap();
        let holder = File::open(dir.path().join(".lock")).unwrap();
        holder.lock().unwrap();
        assert!(run(&args).unwrap_err().to_string().contains("in use by pid 4711"));
    }
}
