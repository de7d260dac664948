//! The reads lane: bytes, lists and queries, in no order, on a few threads.

use crate::error::{failed, refused};
use crate::files::{Files, Missing, Open, dir_path};
use crate::transfer;
use rustix::fs::{Advice, AtFlags, Dir, FileType, fadvise, statat};
use rustix::io::Errno;
use sordini_log::disk::{
    DirEntry, DirName, DiskError, DiskErrorKind, DiskOk, DiskOp, DiskResult, Done, FileName,
};
use sordini_log::disk::{Found, LogFile, OpKind, Query, ReadAt};
use sordini_log::{LogDir, Offset, segment};
use std::sync::Arc;

/// Runs a read, a list or a query.
pub(crate) fn run(files: &Files, op: &DiskOp) -> DiskResult {
    let recovery = matches!(op.done, Done::Boot(_));
    match &op.kind {
        OpKind::Read { file, at, len } => read(files, file, *at, *len, recovery),
        OpKind::List { dir } => list(files, dir).map(DiskOk::Entries),
        OpKind::Find { dir, segment, len, query } => {
            find(files, dir, *segment, *len, query).map(DiskOk::Found)
        }
        _ => unreachable!("every other operation has another lane"),
    }
}

fn read(files: &Files, name: &FileName, at: u64, len: u64, recovery: bool) -> DiskResult {
    let open = files.open(name, Missing::Error)?;
    let fail = |errno| failed(&format!("read {len} bytes at {at} of"), &name.path(), errno);
    if recovery && !open.direct {
        // After a failed write-back the page cache holds what the disk does not. Recovery must believe the disk.
        fadvise(&open.file, 0, None, Advice::DontNeed).map_err(fail)?;
    }
    transfer::read(&open.file, at, len, open.direct).map(DiskOk::Bytes).map_err(fail)
}

fn find(
    files: &Files,
    dir: &LogDir,
    base: Offset,
    len: u64,
    query: &Query,
) -> Result<Found, DiskError> {
    let name = |file| FileName::Log(dir.clone(), file);
    let log = name(LogFile::Segment(base));
    let path = log.path();
    let log = Source { open: Some(files.open(&log, Missing::Error)?), name: log };
    let index = Source::index(files, name(LogFile::Index(base)))?;
    let time_index = Source::index(files, name(LogFile::TimeIndex(base)))?;
    segment::locate(query, base, &log, &index, &time_index, len)
        .map_err(|e| refused(e.kind, format!("cannot search {path}: {}", e.detail)))
}

/// A file to be searched; one without a handle is empty.
struct Source {
    open: Option<Arc<Open>>,
    name: FileName,
}

impl Source {
    /// An index, which may be missing or out of reach: it only makes the search faster.
    fn index(files: &Files, name: FileName) -> Result<Source, DiskError> {
        match files.open(&name, Missing::Error) {
            Ok(open) => Ok(Source { open: Some(open), name }),
            Err(e) if matches!(e.kind, DiskErrorKind::NotFound | DiskErrorKind::Io) => {
                Ok(Source { open: None, name })
            }
            Err(e) => Err(e),
        }
    }
}

impl ReadAt for Source {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let Some(open) = &self.open else { return Ok(0) };
        transfer::read_into(&open.file, at, buf).map_err(|errno| {
            failed(&format!("read {} bytes at {at} of", buf.len()), &self.name.path(), errno)
        })
    }
}

fn list(files: &Files, dir: &DirName) -> Result<Vec<DirEntry>, DiskError> {
    let fail = |errno| failed("list directory", &dir.path(), errno);
    dir_path(dir).map_err(fail)?;
    let handle = files.open_dir(dir).map_err(fail)?;
    let mut entries = Vec::new();
    for entry in Dir::read_from(&handle).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        // Names with a dot in front are this room's own, or the operator's.
        let Ok(name) = entry.file_name().to_str() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let is_dir = entry.file_type() == FileType::Directory;
        let len = if is_dir {
            0
        } else {
            match statat(&handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat.st_size as u64,
                Err(Errno::NOENT) => continue, // removed while we looked
                Err(errno) => return Err(fail(errno)),
            }
        };
        entries.push(DirEntry { name: name.to_owned(), is_dir, len });
    }
    entries.sort();
    Ok(entries)
}
