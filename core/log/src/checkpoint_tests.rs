//! A checkpoint comes back as it went, or not at all.

use crate::checkpoint::{Checkpoint, CheckpointError, SavedLog, VERSION};
use crate::id::{GroupSeq, LogDir, LogId, Offset};
use crate::segment::{LogConfig, Segment};
use crate::span::Spans;
use crate::storage::Section;
use crate::time::Wall;
use bytes::Bytes;
use std::sync::Arc;

fn dir(name: &str, log: u64) -> LogDir {
    LogDir { name: Arc::from(name), log: LogId(log) }
}

fn full() -> Checkpoint {
    let mut faulty = Spans::default();
    faulty.add(Offset(12), Offset(14));
    faulty.add(Offset(17), Offset(18));
    let first = Segment {
        next: Offset(15),
        bytes: 4711,
        max_timestamp: 99,
        max_timestamp_last: Offset(13),
        index_entries: 3,
        time_entries: 2,
        time_indexed: 98,
        unindexed_bytes: 77,
        first_timestamp: 5,
        ..Segment::new(Offset(10), Wall(1234))
    };
    let second = Segment { next: Offset(20), bytes: 1, ..Segment::new(Offset(15), Wall(1235)) };
    let log = |name, id, segments: Vec<Segment>| SavedLog {
        dir: dir(name, id),
        topic_id: [id as u8; 16],
        partition: 4,
        made: id == 1,
        closed: id == 2,
        start: Offset(11),
        end: Offset(20),
        config: LogConfig { segment_bytes: 5, ..LogConfig::default() },
        hard_state: Bytes::from_static(b"state"),
        faulty: faulty.clone(),
        segments,
    };
    let section = |name, log| Section { name, log, version: 3, bytes: Bytes::from_static(b"sec") };
    Checkpoint {
        number: 9,
        boot: 3,
        from: GroupSeq(77),
        skip: 5,
        logs: vec![log("a-0", 1, vec![first, second]), log("b-0", 2, vec![])],
        removals: vec![dir("c-0", 3)],
        sections: vec![section(1, None), section(2, Some(LogId(2)))],
    }
}

#[test]
fn comes_back_as_it_went() {
    for checkpoint in [full(), Checkpoint::default()] {
        assert_eq!(Checkpoint::decode(checkpoint.encode()), Ok(checkpoint));
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_refused() {
    let good = full().encode();
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        assert!(Checkpoint::decode(Bytes::from(bad)).is_err(), "byte {at}");
        assert!(Checkpoint::decode(good.slice(..at)).is_err(), "cut at {at}");
    }
    let longer = [&good[..], b"what an older, longer file left behind"].concat();
    assert_eq!(Checkpoint::decode(Bytes::from(longer)), Ok(full()));
}

#[test]
fn says_what_is_wrong() {
    let good = full().encode();
    let changed = |at: usize, byte| {
        let mut bad = good.to_vec();
        bad[at] = byte;
        Checkpoint::decode(Bytes::from(bad)).expect_err("it was changed")
    };
    assert!(matches!(changed(0, b'X'), CheckpointError::Magic(_)));
    assert_eq!(changed(8, 2), CheckpointError::Version(2));
    assert_ne!(VERSION, 2);
    assert!(matches!(changed(100, 0xee), CheckpointError::Crc { .. }));
    let short = Checkpoint::decode(good.slice(..good.len() - 1)).expect_err("cut");
    assert!(matches!(short, CheckpointError::Short { .. }));
}

/// A file with a right checksum over wrong contents: no panic, no allocation on its word.
#[test]
fn nonsense_with_a_right_checksum_is_refused() {
    let good = full().encode();
    let body = good.len() - 4;
    for at in 16..body {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut bad = good[..body].to_vec();
            bad[at] = byte;
            bad.extend(crc32fast::hash(&bad).to_le_bytes());
            let _ = Checkpoint::decode(Bytes::from(bad));
        }
    }
    let mut bad = good[..body].to_vec();
    bad[48..52].copy_from_slice(&u32::MAX.to_le_bytes());
    bad.extend(crc32fast::hash(&bad).to_le_bytes());
    let error = Checkpoint::decode(Bytes::from(bad)).expect_err("too many logs");
    assert!(matches!(error, CheckpointError::Nonsense { .. }), "{error}");
}
