//! What the system said, in the core's five words and in people's own.
//!
//! Every failed system call passes here exactly once, where the operation and the file are known, so
//! that no message ever reads "No such file or directory" and nothing else.

use rustix::io::Errno;
use sordini_log::disk::{DiskError, DiskErrorKind};

/// An error of `what` (an operation, in words) on `path`.
pub(crate) fn failed(what: &str, path: &str, errno: Errno) -> DiskError {
    let words = std::io::Error::from(errno);
    DiskError { kind: kind(errno), detail: format!("cannot {what} {path}: {words}") }
}

/// An error of a sync: what was not written is forgotten, so that even a full disk is no "try again".
pub(crate) fn lost(what: &str, path: &str, errno: Errno) -> DiskError {
    DiskError { kind: DiskErrorKind::Io, ..failed(what, path, errno) }
}

/// An error that no system call reported.
pub(crate) fn refused(kind: DiskErrorKind, detail: String) -> DiskError {
    DiskError { kind, detail }
}

fn kind(errno: Errno) -> DiskErrorKind {
    match errno {
        Errno::NOENT => DiskErrorKind::NotFound,
        Errno::NOSPC | Errno::DQUOT => DiskErrorKind::Full,
        _ => DiskErrorKind::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_operation_file_and_cause() {
        let e = failed("write 4096 bytes at 0 of", "orders-0/1.log", Errno::NOSPC);
        assert_eq!(e.kind, DiskErrorKind::Full);
        assert!(e.detail.starts_with("cannot write 4096 bytes at 0 of orders-0/1.log: No space"));
        assert_eq!(failed("sync", "x", Errno::IO).kind, DiskErrorKind::Io);
        assert_eq!(lost("sync", "x", Errno::NOSPC).kind, DiskErrorKind::Io);
        assert_eq!(failed("sync", "x", Errno::ROFS).kind, DiskErrorKind::Io);
        assert_eq!(failed("read", "x", Errno::NOENT).kind, DiskErrorKind::NotFound);
    }
}
