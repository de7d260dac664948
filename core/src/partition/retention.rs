//! Which segments are too old or too many.

use sordini_log::{Offset, Wall};

/// What retention needs to know of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    /// Offset after its last record.
    pub next: Offset,
    /// Its length, bytes.
    pub bytes: u64,
    /// The latest timestamp in it, ms; negative if its records carry none, or if nobody knows because some of them are lost.
    pub max_timestamp: i64,
    /// No record of it was appended later than this.
    pub appended: Wall,
}

/// Where the log may start, given its segments (oldest first; the last one is being written and stays unless it is wholly expired
/// by time and `high_watermark` covers it). `None` if everything stays. A limit of `None` is none.
pub fn expired(
    segments: &[SegmentFacts],
    now: Wall,
    retention_ms: Option<u64>,
    retention_bytes: Option<u64>,
    high_watermark: Offset,
) -> Option<Offset> {
    let mut total: u64 = segments.iter().map(|s| s.bytes).sum();
    let mut start = None;
    for (i, segment) in segments.iter().enumerate() {
        let active = i + 1 == segments.len();
        // One that is closed and has no bytes has lost them.
        if segment.next > high_watermark || segment.bytes == 0 && active {
            break;
        }
        // A timestamp in the future would keep a segment for ever: it counts as of its last append.
        let latest = match segment.max_timestamp {
            t if t < 0 => segment.appended.0,
            t => t.min(segment.appended.0.max(0)),
        };
        let age_ms = u64::try_from(now.0.saturating_sub(latest)).unwrap_or(0);
        let old = retention_ms.is_some_and(|limit| age_ms > limit);
        let rest = total.saturating_sub(segment.bytes);
        let many = !active && retention_bytes.is_some_and(|limit| rest >= limit);
        if !old && !many {
            break;
        }
        total -= segment.bytes;
        start = Some(segment.next);
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(next: u64, bytes: u64, max_timestamp: i64) -> SegmentFacts {
        SegmentFacts { next: Offset(next), bytes, max_timestamp, appended: Wall(max_timestamp) }
    }

    #[test]
    fn segments_go_by_age_from_the_oldest_on() {
        let s = [segment(10, 100, 1_000), segment(20, 100, 2_000), segment(30, 100, 9_000)];
        assert_eq!(expired(&s, Wall(10_000), Some(5_000), None, Offset(30)), Some(Offset(20)));
        assert_eq!(expired(&s, Wall(5_000), Some(5_000), None, Offset(30)), None);
        assert_eq!(expired(&s, Wall(99_000), Some(5_000), None, Offset(30)), Some(Offset(30)));
        assert_eq!(expired(&s, Wall(99_000), None, None, Offset(30)), None);
    }

    #[test]
    fn nothing_beyond_the_high_watermark_goes() {
        let s = [segment(10, 100, 1_000), segment(20, 100, 2_000)];
        assert_eq!(expired(&s, Wall(99_000), Some(5_000), None, Offset(15)), Some(Offset(10)));
        assert_eq!(expired(&s, Wall(99_000), Some(5_000), None, Offset(9)), None);
    }

    #[test]
    fn segments_go_by_size_while_the_rest_still_holds_the_limit() {
        let s = [segment(10, 100, 1), segment(20, 100, 1), segment(30, 100, 1)];
        assert_eq!(expired(&s, Wall(1), None, Some(150), Offset(30)), Some(Offset(10)));
        assert_eq!(expired(&s, Wall(1), None, Some(250), Offset(30)), None);
        assert_eq!(
            expired(&s, Wall(1), None, Some(0), Offset(30)),
            Some(Offset(20)),
            "the active one stays"
        );
    }

    #[test]
    fn a_segment_that_has_lost_everything_goes_by_the_age_of_what_follows_it() {
        let lost =
            SegmentFacts { next: Offset(10), bytes: 0, max_timestamp: -1, appended: Wall(3_000) };
        let s = [lost, segment(20, 100, 4_000)];
        assert_eq!(expired(&s, Wall(8_000), Some(5_000), None, Offset(20)), None);
        assert_eq!(expired(&s, Wall(8_001), Some(5_000), None, Offset(20)), Some(Offset(10)));
        assert_eq!(expired(&[lost], Wall(99_000), Some(5_000), None, Offset(10)), None);
    }

    #[test]
    fn a_timestamp_in_the_future_does_not_keep_a_segment() {
        let s = [SegmentFacts {
            next: Offset(10),
            bytes: 1,
            max_timestamp: i64::MAX,
            appended: Wall(1_000),
        }];
        assert_eq!(expired(&s, Wall(7_000), Some(5_000), None, Offset(10)), Some(Offset(10)));
    }
}
