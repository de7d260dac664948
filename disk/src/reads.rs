//! The reads lane: bytes, lists and queries, in no order, on a few threads.

use crate::error::{failed, refused};
use crate::files::{Files, Missing, dir_path};
use crate::transfer;
use rustix::fs::{Advice, AtFlags, Dir, FileType, fadvise, statat};
use rustix::io::Errno;
use sordini_log::disk::OpKind;
use sordini_log::disk::{
    DirEntry, DirName, DiskError, DiskErrorKind, DiskOk, DiskOp, DiskResult, Done, FileName,
};

/// Runs a read, a list or a query.
pub(crate) fn run(files: &Files, op: &DiskOp) -> DiskResult {
    let recovery = matches!(op.done, Done::Boot(_));
    match &op.kind {
        OpKind::Read { file, at, len } => read(files, file, *at, *len, recovery),
        OpKind::List { dir } => list(files, dir).map(DiskOk::Entries),
        OpKind::Find { dir, .. } => {
            let detail = format!("cannot search {}: this version answers no queries", dir.name);
            Err(refused(DiskErrorKind::Io, detail))
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
