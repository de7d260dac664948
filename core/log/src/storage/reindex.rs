//! Indexes that are gone or cut off are made again, one segment at a time, while serving.
//!
//! Lookups do without an index, at the price of a walk over the segment each time. The sweep finds files that are
//! missing or shorter than the log knows them to have been; a reading thread walks the segment once; what it made of it
//! is written and synced like everything else. Only segments that take no more batches: the others' indexes grow.

use super::{Note, Storage};
use crate::disk::{
    Data, DirEntry, DiskOk, DiskOp, DiskResult, Done, Found, LogFile, OpKind, Query,
};
use crate::id::{LogId, Offset};
use crate::segment::{INDEX_ENTRY_BYTES, Segment, TIME_ENTRY_BYTES};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Segments whose indexes are to be made again.
#[derive(Clone, Debug, Default)]
pub(super) struct Reindex {
    queue: VecDeque<(LogId, Offset)>,
    /// The one that is being read, and how often its log had been cut then.
    reading: Option<(LogId, Offset, u32)>,
}

pub(super) const REINDEX: u8 = 12;

impl Storage {
    /// Looks at the index files among the entries of a log's directory.
    pub(super) fn find_lost_indexes(&mut self, id: LogId, entries: &[DirEntry]) {
        let Some(log) = self.logs.get(&id) else { return };
        let len = |file: LogFile| {
            let path = log.file(file).path();
            let name = path.rsplit('/').next().expect("a path has a last part");
            entries.iter().find(|e| e.name == name).map_or(0, |e| e.len)
        };
        let is_short = |s: &&Segment| {
            let index = u64::from(s.index_entries) * u64::from(INDEX_ENTRY_BYTES);
            let time = u64::from(s.time_entries) * u64::from(TIME_ENTRY_BYTES);
            len(LogFile::Index(s.base)) < index || len(LogFile::TimeIndex(s.base)) < time
        };
        let closed = log.segments.split_last().map_or(&[][..], |(_, closed)| closed);
        let believed = closed.iter().take_while(|s| s.next <= log.checkpointed);
        let short: Vec<Offset> = believed.filter(is_short).map(|s| s.base).collect();
        for base in short {
            if !self.reindex.queue.contains(&(id, base)) {
                self.reindex.queue.push_back((id, base));
            }
        }
    }

    /// Starts with the next segment if none is being read.
    pub(super) fn reindex_next(&mut self, out: &mut Vec<DiskOp>) {
        while self.reindex.reading.is_none()
            && let Some((id, base)) = self.reindex.queue.pop_front()
        {
            let Some(log) = self.logs.get(&id) else { continue };
            let Some(segment) = log.segments.iter().find(|s| s.base == base) else { continue };
            let query = Query::Reindex { interval_bytes: log.config.index_interval_bytes };
            let (dir, len) = (log.dir.clone(), segment.bytes);
            let kind = OpKind::Find { dir, segment: base, len, query };
            out.push(DiskOp { kind, done: Done::Remove { log: id, step: REINDEX } });
            self.reindex.reading = Some((id, base, log.cut));
        }
    }

    /// A segment was read: writes its indexes, if it is still there as it was.
    pub(super) fn reindexed(
        &mut self,
        result: DiskResult,
        out: &mut Vec<DiskOp>,
        notes: &mut Vec<Note>,
    ) {
        let Some((id, base, cut)) = self.reindex.reading.take() else { return };
        let log = self.logs.get_mut(&id).filter(|log| log.cut == cut);
        match (log, result) {
            (Some(log), Ok(DiskOk::Found(Found::Indexes { index, time }))) => {
                if let Some(at) = log.segments.iter().position(|s| s.base == base) {
                    // Another interval than that of its time makes another number of them.
                    let segment = &mut log.segments[at];
                    segment.index_entries = index.len() as u32 / INDEX_ENTRY_BYTES;
                    segment.time_entries = time.len() as u32 / TIME_ENTRY_BYTES;
                    let files = [(LogFile::Index(base), index), (LogFile::TimeIndex(base), time)];
                    let ops = files.into_iter().flat_map(|(file, bytes)| {
                        let file = log.file(file);
                        let len = bytes.len() as u64;
                        let data = Data::Slices(SmallVec::from_iter([bytes]));
                        let write = OpKind::Write { file: file.clone(), at: 0, data, sync: true };
                        [OpKind::Truncate { file, len }, write]
                    });
                    out.extend(ops.map(|kind| DiskOp { kind, done: Done::Nothing }));
                }
            }
            (Some(log), Err(e)) => notes.push(Note::Warning(format!(
                "{e}: the indexes of segment {base} in {} are not made again, and lookups walk it",
                log.dir.name
            ))),
            _ => {}
        }
        self.reindex_next(out);
    }
}
