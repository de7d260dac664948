//! Removing little by little.
//!
//! Giving back the space of 1 GiB keeps a file system busy for 0.2 s, and the store lane must not stand
//! still that long. So a large file is cut down in steps before its handle is closed, and between two
//! steps the lane runs what was submitted meanwhile.
//!
//! This is the one exception to the lane's order: the removal of a directory ends some time after
//! operations that were submitted later. An unlinked file's name, however, is gone at once; only its space comes later.
//! What a crash leaves: a `-delete` directory, which the next life lists and removes, and nameless files, which the file
//! system itself frees.

use crate::error::failed;
use crate::files::{Files, dir_path};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ftruncate, openat, unlinkat};
use rustix::io::Errno;
use sordini_log::LogId;
use sordini_log::disk::{DirName, DiskError, DiskOk, DiskResult, Done};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

/// Space given back in one step, in bytes: a millisecond's work.
const STEP_BYTES: u64 = 4 << 20;
/// Unlinked files held open to be cut down; beyond it, closing does it all at once.
const HELD_MAX: usize = 16;

/// Removals under way.
#[derive(Default)]
pub(crate) struct Removals {
    jobs: VecDeque<Job>,
}

/// A large file that is held open while its name is removed.
pub(crate) struct Large {
    file: OwnedFd,
    len: u64,
}

enum Job {
    /// A file without a name gives its space back.
    Reclaim(Large),
    /// A directory goes, with the file that is being cut down right now.
    Dir { path: String, log: Option<LogId>, handle: OwnedFd, done: Done, cutting: Option<Large> },
}

impl Removals {
    /// Whether nothing is left to do.
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Begins to remove a directory. A missing one, or one that is another log's by now, is done at the first step.
    pub(crate) fn remove_dir(
        &mut self,
        files: &Files,
        dir: &DirName,
        done: Done,
    ) -> Result<Started, DiskError> {
        let fail = |errno| failed("remove directory", &dir.path(), errno);
        let log = match dir {
            DirName::Log(log_dir) | DirName::Deleted(log_dir) => Some(log_dir.log),
            _ => None,
        };
        if let DirName::Log(log_dir) = dir
            && files.is_foreign(log_dir).map_err(fail)?
        {
            return Ok(Started::Gone);
        }
        let path = dir_path(dir).map_err(fail)?;
        if path == "." {
            return Err(fail(Errno::INVAL));
        }
        match files.open_dir(dir) {
            Ok(handle) => {
                self.jobs.push_back(Job::Dir { path, log, handle, done, cutting: None });
                Ok(Started::UnderWay)
            }
            Err(Errno::NOENT) => Ok(Started::Gone),
            Err(errno) => Err(fail(errno)),
        }
    }

    /// Opens the file if it is too large to be closed in one go.
    pub(crate) fn hold_if_large(&self, root: &OwnedFd, path: &str) -> Option<Large> {
        if self.jobs.len() >= HELD_MAX { None } else { large(root, path).ok().flatten() }
    }

    /// Takes over the space of an unlinked file.
    pub(crate) fn reclaim(&mut self, file: Option<Large>) {
        self.jobs.extend(file.map(Job::Reclaim));
    }

    /// Does a little of the oldest removal; gives its answer if that ended it.
    pub(crate) fn step(&mut self, files: &Files) -> Option<(Done, DiskResult)> {
        match self.jobs.front_mut()? {
            Job::Reclaim(file) => {
                // A failure costs nothing but a longer close.
                if !cut(file).unwrap_or(false) {
                    self.jobs.pop_front();
                }
                None
            }
            Job::Dir { path, log, handle, done, cutting } => {
                let result = match step_dir(files, path, handle, cutting) {
                    Ok(true) => return None,
                    Ok(false) => Ok(DiskOk::Unit),
                    Err(errno) => Err(failed("remove directory", path, errno)),
                };
                if let Some(log) = *log {
                    files.forget_log(log); // whoever read to the last must not keep the space
                }
                let done = *done;
                self.jobs.pop_front();
                Some((done, result))
            }
        }
    }
}

/// How the removal of a directory began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// There is nothing to remove.
    Gone,
    /// The answer comes from [`Removals::step`].
    UnderWay,
}

/// Removes one entry, or a piece of it; false once the directory is gone.
fn step_dir(
    files: &Files,
    path: &str,
    handle: &OwnedFd,
    cutting: &mut Option<Large>,
) -> Result<bool, Errno> {
    if let Some(file) = cutting {
        if !cut(file)? {
            *cutting = None;
        }
        return Ok(true);
    }
    for entry in Dir::read_from(handle)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            unlinkat(handle, name, AtFlags::REMOVEDIR)?; // not ours; refused unless empty
            return Ok(true);
        }
        *cutting = name.to_str().ok().and_then(|name| large(handle, name).ok()).flatten();
        unlinkat(handle, name, AtFlags::empty())?;
        return Ok(true);
    }
    match unlinkat(files.root(), path, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Opens a file of more than one step's length.
fn large(dir: &OwnedFd, path: &str) -> Result<Option<Large>, Errno> {
    let stat = rustix::fs::statat(dir, path, AtFlags::SYMLINK_NOFOLLOW)?;
    let len = stat.st_size as u64;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || len <= STEP_BYTES {
        return Ok(None);
    }
    let file = openat(dir, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(Some(Large { file, len }))
}

/// Cuts a step off the end; false once nothing is left.
fn cut(file: &mut Large) -> Result<bool, Errno> {
    file.len = file.len.saturating_sub(STEP_BYTES);
    ftruncate(&file.file, file.len)?;
    Ok(file.len > 0)
}
