//! What the store lane does, and journal writes: one function per operation, each a few system calls.

use crate::error::{failed, lost, refused};
use crate::files::{Files, Missing, Open, dir_path};
use crate::remove::{Removals, Started};
use crate::transfer::{self, STAGED_BYTES_MIN, Stage};
use rustix::fs::{AtFlags, FallocateFlags, Mode, mkdirat, renameat, unlinkat};
use rustix::io::Errno;
use sordini_log::disk::{
    Data, DirName, DiskError, DiskErrorKind, DiskOk, DiskResult, Done, FileName, LogFile,
};
use sordini_log::disk::{DiskOp, OpKind};
use std::fmt;
use std::sync::Arc;

/// A sync whose turn has come: it knows its file, whatever becomes of the name.
pub(crate) struct SyncJob {
    file: FileName,
    open: Arc<Open>,
    done: Done,
}

impl SyncJob {
    /// Makes everything that was written to the file durable.
    pub(crate) fn run(self, files: &Files) -> (Done, DiskResult) {
        let synced = self.open.sync().map_err(|errno| lost("sync", &self.file.path(), errno));
        let told = synced.and_then(|()| files.lost_error(&self.file).map_or(Ok(()), Err));
        (self.done, told.map(|()| DiskOk::Unit))
    }
}

/// What became of an operation.
pub(crate) enum Ran {
    /// It is over.
    Over(Done, DiskResult),
    /// It goes on in the removals, which will answer.
    Removing,
    /// It goes on beside the lane.
    Syncing(SyncJob),
}

/// Runs an operation that is not a read.
pub(crate) fn run(files: &Files, removals: &mut Removals, stage: &mut Stage, op: DiskOp) -> Ran {
    let DiskOp { kind, done } = op;
    tracing::trace!(?done, kind = %Brief(&kind), "store");
    let result = match kind {
        OpKind::Create { file, len } => create(files, &file, len),
        OpKind::Write { file, at, data, sync } => write(files, Some(stage), &file, at, &data, sync),
        OpKind::Sync { file } => match files.open(&file, Missing::Error) {
            Ok(open) => return Ran::Syncing(SyncJob { file, open, done }),
            Err(error) => Err(error),
        },
        OpKind::Truncate { file, len } => truncate(files, &file, len),
        OpKind::Rename { from, to } => rename(files, &from, &to),
        OpKind::RenameDir { from, to } => rename_dir(files, &from, &to),
        OpKind::Unlink { file } => unlink(files, removals, &file),
        OpKind::MakeDir { dir } => make_dir(files, &dir),
        OpKind::SyncDir { dir } => sync_dir(files, &dir),
        OpKind::RemoveDir { dir } => match removals.remove_dir(files, &dir, done) {
            Ok(Started::UnderWay) => return Ran::Removing,
            Ok(Started::Gone) => Ok(()),
            Err(error) => Err(error),
        },
        OpKind::List { .. } | OpKind::Read { .. } | OpKind::Find { .. } => {
            unreachable!("reads have a lane of their own")
        }
    };
    Ran::Over(done, result.map(|()| DiskOk::Unit))
}

/// An operation without its bytes.
struct Brief<'a>(&'a OpKind);

impl fmt::Display for Brief<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            OpKind::Write { file, at, data, sync } => {
                write!(f, "Write {} at {at} len {} sync {sync}", file.path(), data.len())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// Writes, and with `sync` makes all of the file durable.
pub(crate) fn write(
    files: &Files,
    stage: Option<&mut Stage>,
    name: &FileName,
    at: u64,
    data: &Data,
    sync_too: bool,
) -> Result<(), DiskError> {
    let open = files.open(name, Missing::Make)?;
    if open.direct && matches!(data, Data::Slices(s) if !s.is_empty()) {
        let detail = format!("cannot write {}: a journal takes whole blocks", name.path());
        return Err(refused(DiskErrorKind::Io, detail));
    }
    open.will_write();
    let long = data.len() >= STAGED_BYTES_MIN;
    let segment = matches!(name, FileName::Log(_, LogFile::Segment(_)));
    let written = match (data, stage) {
        (Data::Slices(slices), Some(stage)) if long && segment => match open.bypass() {
            Some(bypass) => match stage.write(&open.file, bypass, at, slices) {
                // A device that wants larger blocks than ours: the page cache knows what it likes.
                Err(Errno::INVAL) => cached(&open, at, data),
                written => written,
            },
            None => cached(&open, at, data),
        },
        (Data::Slices(_), _) if segment => cached(&open, at, data),
        _ => transfer::write(&open.file, at, data, open.direct),
    };
    written.map_err(|errno| {
        failed(&format!("write {} bytes at {at} of", data.len()), &name.path(), errno)
    })?;
    if !sync_too {
        return Ok(());
    }
    open.sync().map_err(|errno| failed("sync", &name.path(), errno))?;
    files.lost_error(name).map_or(Ok(()), Err)
}

/// Through the page cache.
fn cached(open: &Open, at: u64, data: &Data) -> Result<(), Errno> {
    transfer::write(&open.file, at, data, false)?;
    open.pace(data.len())
}

fn create(files: &Files, name: &FileName, len: u64) -> Result<(), DiskError> {
    let open = files.open(name, Missing::Replace)?;
    let fail = |errno| failed(&format!("make {len} bytes of"), &name.path(), errno);
    open.will_write();
    if len > 0 {
        // All of it or an early "no space"; and in few pieces. The zeroes are written all the same,
        // because only bytes that were really written can later be overwritten and synced without a change of metadata.
        match rustix::fs::fallocate(&open.file, FallocateFlags::empty(), 0, len) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(errno) => return Err(fail(errno)),
        }
    }
    transfer::write_zeroes(&open.file, len, open.direct).map_err(fail)?;
    open.sync().map_err(|errno| failed("sync", &name.path(), errno))
}

fn truncate(files: &Files, name: &FileName, len: u64) -> Result<(), DiskError> {
    let open = match files.open(name, Missing::Error) {
        Err(e) if e.kind == DiskErrorKind::NotFound => return Ok(()),
        open => open?,
    };
    let fail = |errno| failed(&format!("cut to {len} bytes"), &name.path(), errno);
    if rustix::fs::fstat(&open.file).map_err(fail)?.st_size as u64 <= len {
        return Ok(());
    }
    open.will_write();
    rustix::fs::ftruncate(&open.file, len).map_err(fail)
}

fn rename(files: &Files, from: &FileName, to: &FileName) -> Result<(), DiskError> {
    let (source, target) = (from.path(), to.path());
    renameat(files.root(), source.as_str(), files.root(), target.as_str())
        .map_err(|errno| failed(&format!("rename to {target}"), &source, errno))?;
    files.renamed(from, to);
    Ok(())
}

fn rename_dir(files: &Files, from: &DirName, to: &DirName) -> Result<(), DiskError> {
    let fail = |errno| failed(&format!("rename to {}", to.path()), &from.path(), errno);
    let (source, target) = (dir_path(from).map_err(fail)?, dir_path(to).map_err(fail)?);
    if let DirName::Log(dir) = from {
        // The deletion of a topic may be repeated by recovery after its name was given to another one.
        if files.is_foreign(dir).map_err(fail)? {
            return Ok(());
        }
    }
    let renamed = renameat(files.root(), source.as_str(), files.root(), target.as_str());
    // After it: whoever opens a file under the old name meanwhile must not keep it.
    if let DirName::Log(dir) | DirName::Deleted(dir) = from {
        files.forget_log(dir.log);
    }
    match renamed {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(fail(errno)),
    }
}

fn unlink(files: &Files, removals: &mut Removals, name: &FileName) -> Result<(), DiskError> {
    let path = name.path();
    if let FileName::Log(dir, _) = name
        && files.is_foreign(dir).map_err(|errno| failed("remove", &path, errno))?
    {
        return Ok(());
    }
    let large = removals.hold_if_large(files.root(), &path);
    let unlinked = unlinkat(files.root(), path.as_str(), AtFlags::empty());
    files.forget(name); // after it, for a reader may have opened the file just before
    match unlinked {
        Ok(()) => {
            removals.reclaim(large);
            Ok(())
        }
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed("remove", &path, errno)),
    }
}

fn make_dir(files: &Files, dir: &DirName) -> Result<(), DiskError> {
    let fail = |errno| failed("make directory", &dir.path(), errno);
    let path = dir_path(dir).map_err(fail)?;
    match mkdirat(files.root(), path.as_str(), Mode::from_raw_mode(0o750)) {
        Ok(()) => Ok(()),
        Err(Errno::EXIST) => files.open_dir(dir).map(drop).map_err(fail),
        Err(errno) => Err(fail(errno)),
    }
}

fn sync_dir(files: &Files, dir: &DirName) -> Result<(), DiskError> {
    let fail = |errno| failed("sync directory", &dir.path(), errno);
    let open = files.open_dir(dir).map_err(fail)?;
    rustix::io::retry_on_intr(|| rustix::fs::fsync(&open)).map_err(fail)
}
