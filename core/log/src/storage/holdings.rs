//! What the storage holds at a moment: bytes in memory, and names on the disk.

use super::Storage;
use crate::disk::{DirName, FileName, LogFile};
use std::collections::BTreeMap;

/// What the storage holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Bytes of batches in the logs' tail caches.
    pub cached_bytes: u64,
    /// Bytes of batches that are not in segments yet.
    pub unwritten_bytes: u64,
    /// Deleted logs whose directory is not gone.
    pub removals: usize,
    /// Logs that exist.
    pub logs: usize,
    /// The same logs, by the name of their directory, each with the names of the files in it that it knows.
    pub files: BTreeMap<String, Vec<String>>,
}

impl Storage {
    /// What is held now.
    pub fn holdings(&self) -> Holdings {
        let files = |log: &crate::log::Log| {
            let name = |file| FileName::Log(log.dir.clone(), file).path();
            let of_segment = |base| {
                [LogFile::Segment(base), LogFile::Index(base), LogFile::TimeIndex(base)].map(name)
            };
            let segments = log.segments.iter().flat_map(|segment| of_segment(segment.base));
            segments.chain([name(LogFile::Metadata)]).collect()
        };
        let path = |log: &crate::log::Log| DirName::Log(log.dir.clone()).path();
        Holdings {
            cached_bytes: self.cached_bytes,
            unwritten_bytes: self.space.unwritten_bytes,
            removals: self.removals.len(),
            logs: self.logs.len(),
            files: self.logs.values().map(|log| (path(log), files(log))).collect(),
        }
    }
}
