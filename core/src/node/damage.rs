//! Bytes that could not be read: which batches are really bad, and the marks that say so.
//!
//! What failed is a range of many batches, and perhaps only for a moment: no handle was free, or retention had removed
//! the file. So nothing is marked for the failure itself. A second look goes over the range batch by batch where the bytes
//! are, and what is bad then is marked, that and no more: whoever asks for it is told, and all else is served.

use super::{Node, Step, Ticket};
use crate::seam::{DiskError, DiskErrorKind, DiskResult, Fact, FileName, FileSlice};
use sordini_log::disk::{DiskOk, Found, LogFile};
use sordini_log::{Generation, LogId, Offset};
use sordini_reach::Reach;

/// What could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// The log, and its life.
    pub log: (LogId, Generation),
    /// Base of the segment.
    pub segment: Offset,
    /// First offset.
    pub from: Offset,
    /// Offset after the last.
    pub until: Offset,
    /// About how many bytes they are.
    pub bytes: u64,
}

impl Node {
    /// A file part of an answer could not be sent.
    pub fn file_failed(
        &mut self,
        step: &mut Step<'_>,
        log: (LogId, Generation),
        slice: &FileSlice,
        error: DiskError,
    ) {
        let FileName::Log(_, LogFile::Segment(segment)) = slice.file else { return };
        let suspicion = Suspicion {
            log,
            segment,
            from: slice.base,
            until: slice.next,
            // It may be the rest of a range, the first part of which was sent.
            bytes: u64::from(u32::MAX),
        };
        self.suspect(step, suspicion, error);
    }

    /// Something could not be read: looks again if the bytes may be to blame.
    pub fn suspect(&mut self, step: &mut Step<'_>, suspicion: Suspicion, error: DiskError) {
        step.facts.push(Fact::Warning(error.detail));
        match error.kind {
            DiskErrorKind::Corrupt | DiskErrorKind::Io => self.look_again(step, suspicion),
            DiskErrorKind::Stale if self.is_current(suspicion.log) => {
                self.storage.doubt(step.now, suspicion.log.0);
            }
            _ => {}
        }
    }

    fn look_again(&mut self, step: &mut Step<'_>, suspicion: Suspicion) {
        let Suspicion { log: (log, _), segment, from, until, bytes } = suspicion;
        if self.is_current(suspicion.log)
            && let Some(op) = self.storage.find_damage(log, segment, (from, until), bytes)
        {
            self.read(step, op, Ticket::Damage(suspicion));
        }
    }

    /// The second look is over.
    pub(super) fn damage_read(
        &mut self,
        step: &mut Step<'_>,
        suspicion: Suspicion,
        result: DiskResult,
    ) {
        let (log, _) = suspicion.log;
        if !self.is_current(suspicion.log) {
            self.storage.reached.mark(Reach::SuspicionOutlived);
            return;
        }
        match result {
            Ok(DiskOk::Found(Found::Damage { from, to })) => {
                // A page of a later segment may lie where this one should: what its batches are called says nothing of those.
                let segment_end = self.storage.segment_end(log, suspicion.segment);
                let end = self.storage.synced(log).min(segment_end.unwrap_or(from));
                let (from, to) = (from.max(self.storage.start(log)), to.min(end));
                if from >= to {
                    return;
                }
                self.storage.mark_faulty(log, from, to);
                step.facts.push(Fact::Faulty { log, from, to });
                self.look_again(step, Suspicion { from: to, ..suspicion });
            }
            Ok(_) => {}
            Err(e) => step.facts.push(Fact::Warning(e.detail)),
        }
    }

    fn is_current(&self, (log, generation): (LogId, Generation)) -> bool {
        self.storage.contains(log) && self.storage.generation(log) == generation
    }
}
