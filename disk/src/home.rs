//! The data directory: one process at a time, one known format, nobody else's files.
//!
//! Two small files in it belong to this room. Their names start with a dot, so that no listing shows them.
//! - `.lock`: locked as long as the process lives (`flock`, so that a killed process leaves nothing behind);
//!   its text says who holds it: `pid 4711` and `started 2026-11-20T19:40:12Z`.
//! - `.sordini`: `format 1`, durable before anything else is made. A directory that has files but no such
//!   file is somebody else's and is refused, as is one of a newer format.

use rustix::fs::{Access, AtFlags, Dir, Mode, OFlags, accessat, openat};
use rustix::io::Errno;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The format of the data directory that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say what the fields are
pub enum OpenError {
    /// Another process holds it.
    #[error(
        "data directory {} is in use by process {pid}{}: stop that process, or choose another \
         directory",
        dir.display(),
        started.as_ref().map(|at| format!(" (running since {at})")).unwrap_or_default()
    )]
    Locked { dir: PathBuf, pid: String, started: Option<String> },
    /// The path names something else.
    #[error("data directory {} is not a directory: choose another path, or move that file away", dir.display())]
    NotADirectory { dir: PathBuf },
    /// It is missing, and the system does not make it.
    #[error(
        "data directory {} is not there and cannot be made ({cause}): make it yourself, or choose another path",
        dir.display()
    )]
    Unmade { dir: PathBuf, cause: String },
    /// The process may not write there.
    #[error(
        "data directory {} cannot be written by this user ({cause}): change its owner, or choose \
         another directory", dir.display()
    )]
    Permission { dir: PathBuf, cause: String },
    /// It was written by a later version.
    #[error(
        "data directory {} has format {found}, and this version knows formats up to {known}: run \
         the version that wrote it, or a later one", dir.display()
    )]
    NewerFormat { dir: PathBuf, found: String, known: u32 },
    /// It holds files that Sordini did not write.
    #[error(
        "data directory {} holds \"{entry}\" and no .sordini file, so it is not Sordini's: choose \
         an empty directory", dir.display()
    )]
    Foreign { dir: PathBuf, entry: String },
    /// Anything else that the system said.
    #[error("cannot {what} {}: {cause}", path.display())]
    Io { what: &'static str, path: PathBuf, cause: String },
}

impl OpenError {
    pub(crate) fn threads(dir: &Path, error: &std::io::Error) -> OpenError {
        OpenError::Io { what: "start threads for", path: dir.into(), cause: error.to_string() }
    }
}

/// The hold on a data directory; dropping it lets go.
pub(crate) struct Lock(#[allow(dead_code)] File);

/// Makes the directory where it is missing, locks it, and checks that it is ours to write.
pub(crate) fn open(dir: &Path) -> Result<(OwnedFd, Lock), OpenError> {
    let root = open_root(dir)?;
    // Before the lock: not even that is written into somebody else's directory.
    is_ours(dir, &root)?;
    let lock = take_lock(dir, &root)?;
    // And under it: until now another process may have written.
    if !is_ours(dir, &root)? {
        write_format(dir, &root)
            .map_err(|errno| explain(dir, &dir.join(".sordini"), "write", errno))?;
    }
    Ok((root, Lock(lock)))
}

/// Refuses a directory that [`RealDisk::open`](crate::RealDisk::open) would refuse for whose it is or for its
/// format. Reads only.
pub fn check_format(dir: &Path) -> Result<(), OpenError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(dir, flags, Mode::empty())
        .map_err(|errno| explain(dir, dir, "open directory", errno))?;
    is_ours(dir, &root).map(|_| ())
}

fn open_root(dir: &Path) -> Result<OwnedFd, OpenError> {
    if let Err(e) = std::fs::create_dir_all(dir) {
        if dir.exists() && !dir.is_dir() {
            return Err(OpenError::NotADirectory { dir: dir.into() });
        }
        let errno = Errno::from_io_error(&e).unwrap_or(Errno::IO);
        return Err(match explain(dir, dir, "make directory", errno) {
            OpenError::Io { cause, .. } => OpenError::Unmade { dir: dir.into(), cause },
            explained => explained,
        });
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(dir, flags, Mode::empty())
        .map_err(|errno| explain(dir, dir, "open directory", errno))?;
    accessat(&root, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|errno| explain(dir, dir, "write in directory", errno))?;
    Ok(root)
}

fn take_lock(dir: &Path, root: &OwnedFd) -> Result<File, OpenError> {
    let path = dir.join(".lock");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC;
    let lock = openat(root, ".lock", flags, Mode::from_raw_mode(0o640))
        .map_err(|errno| explain(dir, &path, "open", errno))?;
    let mut lock = File::from(lock);
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = lock.read_to_string(&mut text); // without it the message only says less
            let word = |key: &str| text.lines().find_map(|l| Some(l.strip_prefix(key)?.to_owned()));
            let pid = word("pid ").unwrap_or_else(|| "unknown".into());
            return Err(OpenError::Locked { dir: dir.into(), pid, started: word("started ") });
        }
        Err(TryLockError::Error(e)) => {
            let errno = Errno::from_io_error(&e).unwrap_or(Errno::IO);
            return Err(explain(dir, &path, "lock", errno));
        }
    }
    let text = format!("pid {}\nstarted {}\n", std::process::id(), utc(SystemTime::now()));
    let written =
        lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| lock.write_all(text.as_bytes()));
    match written.map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO)) {
        // A full disk must not keep us from starting, for then nobody could delete anything.
        Ok(()) | Err(Errno::NOSPC | Errno::DQUOT) => Ok(lock),
        Err(errno) => Err(explain(dir, &path, "write", errno)),
    }
}

/// Whether the directory has our format; not yet if it is empty. Anybody else's is refused.
fn is_ours(dir: &Path, root: &OwnedFd) -> Result<bool, OpenError> {
    let path = dir.join(".sordini");
    // Listed before `.sordini` is looked for: whoever makes the directory ours right now writes that first.
    let entry = first_entry(root).map_err(|errno| explain(dir, dir, "list directory", errno))?;
    let file = match openat(root, ".sordini", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => {
            return match entry {
                Some(entry) => Err(OpenError::Foreign { dir: dir.into(), entry }),
                None => Ok(false),
            };
        }
        Err(errno) => return Err(explain(dir, &path, "open", errno)),
    };
    let mut bytes = Vec::new();
    File::from(file).take(4096).read_to_end(&mut bytes).map_err(|e| OpenError::Io {
        what: "read",
        path: path.clone(),
        cause: e.to_string(),
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let found = text.lines().find_map(|l| l.strip_prefix("format ")).unwrap_or("").trim();
    match found.parse::<u32>() {
        Ok(1..=FORMAT) => Ok(true),
        Ok(later) if later > FORMAT => {
            Err(OpenError::NewerFormat { dir: dir.into(), found: found.into(), known: FORMAT })
        }
        _ => Err(OpenError::Io {
            what: "understand",
            path,
            cause: format!("it should say \"format {FORMAT}\"; restore that line"),
        }),
    }
}

/// Writes the format beside its place and renames it there, so that it is whole or absent.
fn write_format(dir: &Path, root: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let mut file = File::from(openat(root, ".sordini-new", flags, Mode::from_raw_mode(0o640))?);
    let io = |e: std::io::Error| Errno::from_io_error(&e).unwrap_or(Errno::IO);
    file.write_all(format!("format {FORMAT}\n").as_bytes()).map_err(io)?;
    rustix::fs::fsync(&file)?;
    rustix::fs::renameat(root, ".sordini-new", root, ".sordini")?;
    rustix::fs::fsync(root)?;
    // The directory itself may be new too. Some file systems refuse to sync a parent that is not ours.
    if let Some(parent) = dir.canonicalize().ok().as_deref().and_then(Path::parent)
        && let Ok(parent) = File::open(parent)
    {
        let _ = rustix::fs::fsync(&parent);
    }
    Ok(())
}

/// Something in the directory that is neither hidden nor a file system's own.
fn first_entry(root: &OwnedFd) -> Result<Option<String>, Errno> {
    for entry in Dir::read_from(root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && name != "lost+found" {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn explain(dir: &Path, path: &Path, what: &'static str, errno: Errno) -> OpenError {
    let cause = std::io::Error::from(errno).to_string();
    match errno {
        Errno::NOTDIR => OpenError::NotADirectory { dir: dir.into() },
        Errno::ACCESS | Errno::PERM | Errno::ROFS => {
            OpenError::Permission { dir: dir.into(), cause }
        }
        _ => OpenError::Io { what, path: path.into(), cause },
    }
}

/// A time as RFC 3339 writes it, in UTC, to the second.
fn utc(at: SystemTime) -> String {
    let seconds = at.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    // Days to a date, counting years from March so that the leap day is a year's last
    // (H. Hinnant, "chrono-compatible low-level date algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_reads_as_people_write_it() {
        let at = |seconds| utc(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_203_612), "2026-11-20T19:40:12Z");
    }
}
