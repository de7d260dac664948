//! Looking for a record by time, in one log: which segments may hold it, and whether memory knows.
//!
//! A segment says the largest timestamp that it has; those that are too old are passed by. What is in
//! the cache is searched at once, what is not becomes a query over one file. The largest timestamp of a
//! segment is an upper bound (a cut may have taken the record that had it), so a miss goes on.

use crate::cache::Cached;
use crate::disk::{Found, Query};
use crate::id::Offset;
use crate::log::Log;
use crate::segment::{Segment, later, latest_of, record_at};
use crate::storage::{Latest, TimeQuery};
use sordini_wire::batch::Batch;
use std::cmp::Reverse;

/// Where an answer is found.
#[derive(Clone, Debug)]
pub(crate) enum TimeRead {
    Hot(Found),
    /// Ask this of a segment's file; if that was not all, go on with `rest` from `next`.
    Cold {
        segment: Segment,
        query: Query,
        rest: TimeQuery,
        next: Offset,
    },
    Faulty,
}

impl Log {
    /// Looks in `from .. until`.
    pub fn find_time(&self, query: TimeQuery, from: Offset, until: Offset) -> TimeRead {
        let (from, until) = (from.max(self.start), until.min(self.end));
        match query {
            TimeQuery::At(timestamp) => self.find_first(timestamp, from, until),
            TimeQuery::Max(latest) => self.find_latest(latest, from, until),
        }
    }

    fn find_first(&self, timestamp: i64, from: Offset, until: Offset) -> TimeRead {
        let first = self.segment_of(from).unwrap_or(0);
        let may = |s: &&Segment| s.next > from && s.base < until && s.max_timestamp >= timestamp;
        let Some(segment) = self.segments[first..].iter().find(may) else {
            return TimeRead::Hot(Found::Nothing);
        };
        let from = from.max(segment.base);
        if self.is_cached(from) {
            return self.first_cached(timestamp, from, until);
        }
        let next = segment.next.min(self.written);
        if self.faulty.touches(from, next.min(until)) {
            return TimeRead::Faulty;
        }
        let query = Query::Time { timestamp, from, until: until.min(next) };
        TimeRead::Cold { segment: *segment, query, rest: TimeQuery::At(timestamp), next }
    }

    fn first_cached(&self, timestamp: i64, from: Offset, until: Offset) -> TimeRead {
        for entry in self.cache.from(from).take_while(|e| e.base < until) {
            let Some(batch) = opened(entry) else { return TimeRead::Faulty };
            if batch.max_timestamp() < timestamp {
                continue;
            }
            if let Some(found) = record_at(&batch, timestamp, from, until) {
                return TimeRead::Hot(found);
            }
        }
        TimeRead::Hot(Found::Nothing)
    }

    /// Segments from the one that promises most on. How large the largest timestamp below `until` is in the segment that
    /// holds `until` only a look can tell, so that one comes first.
    fn find_latest(&self, mut latest: Latest, from: Offset, until: Offset) -> TimeRead {
        while let Some((promised, segment)) = self.promising(&latest, from, until) {
            latest.passed = Some((promised, segment.base));
            let (first, until) = (from.max(segment.base), until.min(segment.next));
            if let Some(found) = self.named(segment, first, until) {
                latest.best = later(latest.best, found);
                continue;
            }
            if self.faulty.touches(first, until) {
                return TimeRead::Faulty;
            }
            let hot = match self.is_cached(first) {
                true => first,
                false => first.max(self.written),
            };
            if hot < until {
                latest.best = later(latest.best, self.latest_cached(hot, until));
            }
            if first < hot {
                let query = Query::TimeMax { from: first, until: until.min(hot) };
                let (segment, rest) = (*segment, TimeQuery::Max(latest));
                return TimeRead::Cold { segment, query, rest, next: from };
            }
        }
        TimeRead::Hot(latest.best)
    }

    /// The segment to search next, and the timestamp that it promises at most; none if no other can do better. Of those that
    /// promise the same, the first one comes first.
    fn promising(&self, latest: &Latest, from: Offset, until: Offset) -> Option<(i64, &Segment)> {
        let promise = |s: &Segment| if s.next >= until { i64::MAX } else { s.max_timestamp };
        let order = |promised: i64, base: Offset| (Reverse(promised), base);
        let passed = latest.passed.map(|(promised, base)| order(promised, base));
        let asked = self.segments.iter().filter(|s| s.next > from && s.base < until);
        let left = asked.map(|s| (promise(s), s));
        let left = left.filter(|(p, s)| passed.is_none_or(|passed| order(*p, s.base) > passed));
        let next = left.min_by_key(|(p, s)| order(*p, s.base))?;
        match latest.best {
            Found::Record { offset, timestamp, .. } => {
                (order(next.0, next.1.base) < order(timestamp, offset)).then_some(next)
            }
            _ => Some(next),
        }
    }

    /// The record that a segment's largest timestamp belongs to, if it is in memory and in `from .. until`.
    fn named(&self, segment: &Segment, from: Offset, until: Offset) -> Option<Found> {
        let named = segment.max_timestamp_last;
        if !self.is_cached(named) || named < from || named >= until {
            return None;
        }
        let entry = self.cache.from(named).next().filter(|e| e.base >= from)?;
        let batch = opened(entry).filter(|b| b.max_timestamp() == segment.max_timestamp)?;
        Some(latest_of(&batch, from))
    }

    fn latest_cached(&self, from: Offset, until: Offset) -> Found {
        let batches = self.cache.from(from).take_while(|e| e.next <= until).filter_map(opened);
        let (mut first, mut best) = (Found::Nothing, None::<Batch>);
        for batch in batches {
            if batch.base_offset() < from.wire() {
                first = latest_of(&batch, from); // its header speaks of records in front of `from` too
            } else if best.as_ref().is_none_or(|b| batch.max_timestamp() > b.max_timestamp()) {
                best = Some(batch);
            }
        }
        later(first, best.map_or(Found::Nothing, |b| latest_of(&b, from)))
    }

    fn is_cached(&self, offset: Offset) -> bool {
        self.cache.front().is_some_and(|first| first.base <= offset)
    }
}

/// A cached batch, unless its bytes are lost.
fn opened(entry: &Cached) -> Option<Batch> {
    Batch::parse(entry.bytes.clone()).ok()
}
