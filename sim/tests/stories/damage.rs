//! What cannot be read is marked batch by batch, after a second look, and nothing else is.

use crate::broker::{Broker, Fetched, PRODUCE, error, produce, produce_at};
use crate::cold;
use sordini_core::seam::{DiskErrorKind, Event, Fact, FileSlice, Offset};
use sordini_log::disk::{FileName, LogFile};
use sordini_wire::message::produce::ProduceResponse;

const KAFKA_STORAGE_ERROR: i16 = 56;
const SEGMENT: &str = "t-0/00000000000000000000.log";
const RECORDS: i64 = 20;

/// A broker whose topic has twenty batches in its segment file; and their length.
fn broker() -> (Broker, u64) {
    let mut broker = Broker::new(cold());
    broker.create("t", &[]);
    for n in 0..RECORDS {
        let request = produce("t", &[n as u8; 100], -1, 1000);
        let answer: ProduceResponse = broker.ask(&request, PRODUCE).expect("memory");
        assert_eq!(answer.responses[0].partition_responses[0].base_offset, n);
    }
    broker.rest();
    let bytes = broker.platter.content(SEGMENT).expect("written").len() as u64;
    broker.facts.clear();
    (broker, bytes / RECORDS as u64)
}

fn marks(broker: &Broker) -> Vec<(u64, u64)> {
    let mark = |fact: &Fact| match fact {
        Fact::Faulty { from, to, .. } => Some((from.0, to.0)),
        _ => None,
    };
    broker.facts.iter().filter_map(mark).collect()
}

fn offsets(fetched: &Fetched) -> Vec<i64> {
    fetched.records.iter().map(|r| r.0).collect()
}

#[test]
fn only_the_batches_that_are_bad_are_lost() {
    // A record, a header's length, its magic, its base offset.
    for within in [90, 10, 16, 7] {
        let (mut broker, len) = broker();
        for bad in [5, 6, 11] {
            assert!(broker.platter.rot(SEGMENT, bad * len + within, 0x10));
        }
        let _ = broker.fetch("t", 0);
        let _ = broker.fetch("t", 5);
        broker.rest();
        let _ = broker.fetch("t", 7);
        let _ = broker.fetch("t", 11);
        broker.rest();
        let mut marked = marks(&broker);
        marked.sort_unstable();
        marked.dedup();
        // Good batches between two headers that cannot be believed might be those of another log.
        let (lost, good) = match within {
            90 => (vec![(5, 7), (11, 12)], vec![(0, 0..5), (7, 7..11), (12, 12..RECORDS)]),
            _ => (vec![(5, 12)], vec![(0, 0..5), (12, 12..RECORDS)]),
        };
        assert_eq!(marked, lost, "byte {within}");
        for (from, served) in good {
            let fetched = broker.fetch("t", from).expect("good batches");
            assert_eq!(offsets(&fetched), served.collect::<Vec<_>>(), "byte {within} from {from}");
        }
        for at in lost.into_iter().flat_map(|(from, to)| from..to) {
            let fetched = broker.fetch("t", at as i64).expect("memory");
            assert_eq!((fetched.error, offsets(&fetched)), (KAFKA_STORAGE_ERROR, vec![]));
        }
        broker.rest();
        broker.boot();
        assert_eq!(broker.fetch("t", 6).expect("memory").error, KAFKA_STORAGE_ERROR, "for good");
        assert_eq!(broker.fetch("t", 12).expect("good").records.len(), 8);
    }
}

/// The pages of a later segment were written over those of one before it, and the last batch in them ended where that one does. Marked as
/// lost was all up to the offset that the first of these batches has, and with it a good one of the later segment.
#[test]
fn a_page_of_a_later_segment_marks_nothing_there() {
    let mut broker = Broker::new(cold());
    broker.create("t", &[("segment.ms", "1000")]);
    for n in 0..2 * RECORDS {
        let at_ms = 1_700_000_000_000 + n / RECORDS * 5000;
        let request = produce_at(at_ms, "t", &[n as u8; 100], -1, 1000);
        let _: ProduceResponse = broker.ask(&request, PRODUCE).expect("memory");
    }
    broker.rest();
    let later = format!("t-0/{RECORDS:020}.log");
    let [mine, other] = [SEGMENT, &later].map(|path| broker.platter.content(path).expect("two"));
    assert_eq!(mine.len(), other.len());
    for (at, (mine, other)) in mine.iter().zip(other).enumerate() {
        assert!(broker.platter.rot(SEGMENT, at as u64, mine ^ other));
    }
    broker.facts.clear();
    let _ = broker.fetch("t", 0);
    broker.rest();
    assert_eq!(marks(&broker), [(0, RECORDS as u64)]);
    let fetched = broker.fetch("t", RECORDS).expect("good batches");
    assert_eq!(offsets(&fetched), (RECORDS..2 * RECORDS).collect::<Vec<_>>());
}

#[test]
fn an_error_that_passes_marks_nothing() {
    use DiskErrorKind::{Corrupt, Full, Io, NotFound, Stale};
    let (mut broker, len) = broker();
    let log = broker.log_of("t");
    for kind in [NotFound, Full, Stale, Io, Corrupt] {
        let slice = FileSlice {
            file: FileName::Log(log.clone(), LogFile::Segment(Offset(0))),
            at: 0,
            len: (RECORDS as u64 * len) as u32,
            base: Offset(0),
            next: Offset(RECORDS as u64),
        };
        let (id, generation) = (log.log, broker.generation(log.log));
        let error = error(kind);
        broker.turn(vec![Event::FileFailed { log: id, generation, slice, error }]);
        broker.rest();
        assert_eq!(marks(&broker), [], "{kind:?}");
        assert_eq!(broker.fetch("t", 0).expect("good").records.len() as i64, RECORDS);
    }
}

#[test]
fn a_broker_whose_journal_has_lost_metadata_refuses_to_start() {
    const JOURNAL: &str = "journal/00000001.journal";
    let (mut broker, _) = broker();
    broker.create("unheard", &[]);
    let request = produce("t", &[1; 100], -1, 1000);
    let _: ProduceResponse = broker.ask(&request, PRODUCE).expect("memory");
    // The record of the topic, not the name of its directory.
    let bytes = broker.platter.content(JOURNAL).expect("written");
    let named = |w: &[u8]| w.starts_with(b"unheard") && !w.ends_with(b"-");
    let at = bytes.windows(8).position(named).expect("in the metadata");
    assert!(broker.platter.rot(JOURNAL, at as u64, 0x10));
    let why = broker.try_boot().expect_err("a topic is gone");
    assert!(why.contains("metadata") && why.contains("restore"), "{why}");
}
