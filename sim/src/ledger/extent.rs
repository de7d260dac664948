//! What clients were told of where a log starts and ends, and what they asked for.
//!
//! A start that somebody was told never goes back, and never lies beyond what somebody asked for, unless
//! retention explains it. An end that somebody was told never goes back.

use super::{Ledger, Part};
use crate::failure::Failure;

/// Where a log may start and must end, as far as clients know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// The largest start that anybody was told.
    pub floor: i64,
    /// The largest start that anybody asked for.
    pub ceiling: i64,
    /// Requests to delete everything, of which nobody knows how much that was.
    pub open: u32,
    /// The largest end that anybody was told.
    pub end: i64,
    /// Every start that was news: the wall clock when somebody was told, ms, and the start.
    pub starts: Vec<(i64, i64)>,
}

/// What was known when a request was sent: the answer may know more, never less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// See [`Extent::floor`].
    pub floor: i64,
    /// See [`Extent::end`].
    pub end: i64,
}

/// When records may go by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Once they are older than this, ms.
    pub ms: Option<i64>,
    /// Once so many bytes follow them.
    pub bytes: Option<i64>,
}

impl Retention {
    /// Whether anything may go by itself within a run.
    pub fn is_on(&self) -> bool {
        self.ms.is_some() || self.bytes.is_some()
    }
}

impl Extent {
    /// The largest start that the log may have.
    pub fn start_max(&self) -> i64 {
        if self.open > 0 { i64::MAX } else { self.ceiling.max(self.floor) }
    }
}

impl Ledger {
    /// What is known of a partition's start and end.
    pub fn extent(&self, part: Part) -> Option<&Extent> {
        self.extents.get(&part)
    }

    /// What is known now, for a request that is being sent.
    pub fn known(&self, part: Part) -> Known {
        let extent = self.extents.get(&part);
        extent.map_or(Known::default(), |e| Known { floor: e.floor, end: e.end })
    }

    /// The largest start that the log of `part` may have now.
    pub fn start_max(&self, part: Part) -> i64 {
        match self.may_expire(part.topic) {
            true => i64::MAX,
            false => self.extents.get(&part).map_or(0, Extent::start_max),
        }
    }

    /// Somebody asks that the log start at `offset`; none is its high watermark.
    pub fn ask_start(&mut self, part: Part, offset: Option<i64>) {
        let extent = self.extents.entry(part).or_default();
        match offset {
            Some(offset) => extent.ceiling = extent.ceiling.max(offset),
            None => extent.open += 1,
        }
    }

    /// A request to delete everything was answered: `start` is how much that was.
    pub fn settle_start(&mut self, part: Part, start: i64) {
        let extent = self.extents.entry(part).or_default();
        extent.open -= 1;
        extent.ceiling = extent.ceiling.max(start);
    }

    /// A client is told where a log starts, by the answer to a request that was sent when `known` was known.
    pub fn told_start(
        &mut self,
        part: Part,
        known: Known,
        start: i64,
        wall_ms: i64,
    ) -> Result<(), Failure> {
        let start_max = self.start_max(part);
        if start < known.floor || start > start_max {
            let what = format!(
                "{part:?} starts at {start}; expected {} at least, which somebody was told, and \
                 {start_max} at most, which somebody asked for",
                known.floor
            );
            return Err(Failure::new("retention", what));
        }
        let extent = self.extents.entry(part).or_default();
        if start > extent.floor {
            extent.floor = start;
            extent.starts.push((wall_ms, start));
        }
        extent.end = extent.end.max(start);
        Ok(())
    }

    /// A client is told where a log ends: its high watermark.
    pub fn told_end(&mut self, part: Part, known: Known, end: i64) -> Result<(), Failure> {
        if end < known.end {
            let what = format!("{part:?} ends at {end}, and ended at {} before", known.end);
            return Err(Failure::new("consumer_view", what));
        }
        let extent = self.extents.entry(part).or_default();
        extent.end = extent.end.max(end);
        Ok(())
    }
}
