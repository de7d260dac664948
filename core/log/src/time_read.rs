//! Looking for a record by time, in one log: which segments may hold it, and whether memory knows.
//!
//! A segment says the largest timestamp that it has; those that are too old are passed by. What is in
//! the cache is searched at once, what is not becomes a query over one file. The largest timestamp of a
//! segment is an upper bound (a cut may have taken the record that had it), so a miss goes on.

use crate::cache::Cached;
use crate::disk::{Found, Query};
use crate::id::Offset;
use crate::log::Log;
use crate::segment::{Segment, latest_of, record_at};
use crate::storage::TimeQuery;
use sordini_wire::batch::Batch;

/// Where an answer is found.
#[derive(Clone, Debug)]
pub(crate) enum TimeRead {
    Hot(Found),
    /// Ask this of a segment's file; if it finds nothing, go on from `next`.
    Cold {
        segment: Segment,
        query: Query,
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
            TimeQuery::Max => self.find_latest(from, until),
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
        TimeRead::Cold { segment: *segment, query, next }
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

    fn find_latest(&self, from: Offset, until: Offset) -> TimeRead {
        let asked = self.segments.iter().filter(|s| s.next > from && s.base < until);
        // The first of several with the same timestamp.
        let latest = asked.reduce(|a, b| if b.max_timestamp > a.max_timestamp { b } else { a });
        // A record without a timestamp is found too, as -1, if there is no other: so does Kafka.
        let Some(segment) = latest else {
            return TimeRead::Hot(Found::Nothing);
        };
        let named = segment.max_timestamp_last;
        if self.is_cached(named) && named < until {
            let entry = self.cache.from(named).next().and_then(opened);
            if let Some(batch) = entry.filter(|b| b.max_timestamp() == segment.max_timestamp) {
                return TimeRead::Hot(latest_of(&batch));
            }
        }
        let until = until.min(segment.next);
        if self.faulty.touches(segment.base, until) {
            return TimeRead::Faulty;
        }
        if self.is_cached(segment.base) {
            let batches = self.cache.from(segment.base).take_while(|e| e.next <= until);
            let batches = batches.filter_map(opened);
            let latest =
                batches.reduce(|a, b| if b.max_timestamp() > a.max_timestamp() { b } else { a });
            return TimeRead::Hot(latest.map_or(Found::Nothing, |b| latest_of(&b)));
        }
        let query = Query::TimeMax { until: until.min(self.written) };
        TimeRead::Cold { segment: *segment, query, next: self.end }
    }

    fn is_cached(&self, offset: Offset) -> bool {
        self.cache.front().is_some_and(|first| first.base <= offset)
    }
}

/// A cached batch, unless its bytes are lost.
fn opened(entry: &Cached) -> Option<Batch> {
    Batch::parse(entry.bytes.clone()).ok()
}
