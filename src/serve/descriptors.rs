//! Who may have how many of the process's file descriptors.
//!
//! A file that cannot be opened for want of one ends the process, since a write may depend on it; a client can wait. So
//! connections get what the disk and a reserve leave, whatever `max.connections` says.

use anyhow::{Result, bail};
use sordini_core::config::broker::BrokerConfig;
use sordini_disk::Descriptors;
use sordini_log::StorageConfig;

/// For everything that is neither a connection nor a file of a log or the journal: standard streams, listener, runtime, lock,
/// recording, directories that are open for a moment, and a file more for each thread of the disk.
const RESERVE: u64 = 64;
/// With fewer connections than this a broker is of no use.
const CONNECTIONS_MIN: u64 = 16;

/// How many connections may be open at once: `max.connections`, or what the limit of open files leaves if that is less. The
/// log says which of the two it is.
///
/// # Errors
/// If the limit leaves hardly any.
pub fn connections_max(
    config: &BrokerConfig,
    descriptors: Descriptors,
    storage: &StorageConfig,
) -> Result<usize> {
    let Descriptors { limit, disk } = descriptors;
    // Its files have about this length; one more is being made, and the first is shorter.
    let journal = storage.journal.bytes.div_ceil(storage.journal.file_bytes) + 2;
    let others = disk + journal + RESERVE;
    let left = limit.saturating_sub(others);
    if left < CONNECTIONS_MIN {
        bail!(
            "the limit of open files is {limit}: expected at least {} ({others} for files and {CONNECTIONS_MIN} for \
             connections); raise the hard limit with ulimit -Hn, or LimitNOFILE= in systemd",
            others + CONNECTIONS_MIN
        );
    }
    let wanted = u64::from(config.connections_max);
    let max = wanted.min(left);
    if wanted <= left {
        tracing::info!("{max} connections at a time: max.connections says so");
    } else {
        let why = format!(
            "{max} connections at a time: the limit of {limit} open files leaves no more, {others} of them are for \
             files; raise the hard limit with ulimit -Hn, or LimitNOFILE= in systemd"
        );
        // Nobody asked for the default.
        match config.given.contains_key("max.connections") {
            true => tracing::warn!("{why}"),
            false => tracing::info!("{why}"),
        }
    }
    Ok(usize::try_from(max).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(limit: u64, disk: u64, key: Option<&str>) -> Result<usize> {
        let given = key.map(|n| ("max.connections".to_owned(), n.to_owned()));
        let config = BrokerConfig::new(given.into_iter().collect()).expect("good keys");
        let mut storage = StorageConfig::default();
        (storage.journal.bytes, storage.journal.file_bytes) = (12 << 24, 1 << 24);
        connections_max(&config, Descriptors { limit, disk }, &storage)
    }

    #[test]
    fn connections_get_what_files_leave_and_no_more_than_the_key_says() {
        assert_eq!(left(1024, 512, None).unwrap(), 1024 - 512 - 14 - 64);
        assert_eq!(left(1024, 512, Some("434")).unwrap(), 434);
        assert_eq!(left(1024, 512, Some("435")).unwrap(), 434);
        assert_eq!(left(1024, 512, Some("7")).unwrap(), 7);
        assert_eq!(left(u64::MAX, 8192, None).unwrap(), i32::MAX as usize);
    }

    #[test]
    fn a_limit_that_leaves_nobody_is_refused_with_the_remedy() {
        assert_eq!(left(222, 128, None).unwrap(), 16);
        let text = left(221, 128, None).unwrap_err().to_string();
        assert!(text.contains("expected at least 222") && text.contains("ulimit -Hn"), "{text}");
    }
}
