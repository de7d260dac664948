//! The answers of a segment compared with a walk over all its records, with good, missing, short and
//! damaged indexes.

use super::*;
use crate::disk::{DiskError, DiskErrorKind, Found, Query, ReadAt};
use proptest::prelude::*;
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;

struct File(Vec<u8>);

impl ReadAt for File {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let from = (at as usize).min(self.0.len());
        let len = buf.len().min(self.0.len() - from);
        buf[..len].copy_from_slice(&self.0[from..from + len]);
        Ok(len)
    }
}

/// A segment's three files and what is in them.
struct Built {
    log: File,
    index: File,
    time: File,
    /// First byte, end, base and next of each batch.
    batches: Vec<(u64, u64, u64, u64)>,
    /// Offset and timestamp of every record.
    records: Vec<(u64, i64)>,
    segment: Segment,
}

/// Batches of the given record counts and timestamps, from offset 100 on.
fn build(batches: &[(Vec<i64>, usize, bool)]) -> Built {
    let config = LogConfig { index_interval_bytes: 300, ..LogConfig::default() };
    let mut segment = Segment::new(Offset(100), Wall(0));
    let mut b = Built {
        log: File(vec![]),
        index: File(vec![]),
        time: File(vec![]),
        batches: vec![],
        records: vec![],
        segment,
    };
    for (times, len, squeezed) in batches {
        let codec = if *squeezed { Codec::Lz4 } else { Codec::None };
        let base = segment.next.0;
        let mut builder = BatchBuilder::new(codec).base_offset(base as i64).leader_epoch(3);
        for (i, time) in times.iter().enumerate() {
            builder.push(*time, None, Some(&vec![7; *len]), &[]);
            b.records.push((base + i as u64, *time));
        }
        let batch = builder.build_batch();
        let head = Head::of(&batch).expect("offsets");
        let at = segment.bytes;
        if let Some(mark) = segment.add(&head, &config) {
            b.index.0.extend(mark.entry.encode());
            if let Some((_, entry)) = mark.time {
                b.time.0.extend(entry.encode());
            }
        }
        b.log.0.extend_from_slice(batch.bytes());
        b.batches.push((at, segment.bytes, head.base.0, head.next.0));
    }
    b.segment = segment;
    b
}

impl Built {
    fn ask(&self, query: Query) -> Found {
        locate(&query, self.segment.base, &self.log, &self.index, &self.time, self.segment.bytes)
            .expect("a good file")
    }

    fn range(&self, offset: u64, until: u64, bytes_max: u32) -> Found {
        let fits = |b: &&(u64, u64, u64, u64)| b.3 > offset && b.3 <= until;
        let Some(first) = self.batches.iter().find(|b| b.3 > offset).filter(fits) else {
            return Found::Nothing;
        };
        let within = |b: &&(u64, u64, u64, u64)| b.1 - first.0 <= u64::from(bytes_max);
        let last = self.batches.iter().filter(fits).rfind(within).unwrap_or(first);
        Found::Range {
            at: first.0,
            len: (last.1 - first.0) as u32,
            base: Offset(first.2),
            next: Offset(last.3),
        }
    }

    fn first_at(&self, timestamp: i64, from: u64, until: u64) -> Found {
        let fits = |r: &&(u64, i64)| r.1 >= timestamp && r.0 >= from && r.0 < until;
        self.records.iter().find(fits).map_or(Found::Nothing, |r| found(*r))
    }

    /// Batches count whole at their ends, records at their beginnings: a log ends between batches and starts anywhere.
    fn latest(&self, from: u64, until: u64) -> Found {
        let whole = self.batches.iter().rfind(|b| b.3 <= until).map_or(0, |b| b.3);
        let asked = self.records.iter().filter(|r| (from..whole).contains(&r.0));
        let latest = asked.copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
        latest.map_or(Found::Nothing, found)
    }
}

fn found((offset, timestamp): (u64, i64)) -> Found {
    Found::Record { offset: Offset(offset), timestamp, leader_epoch: 3 }
}

fn batches() -> impl Strategy<Value = Vec<(Vec<i64>, usize, bool)>> {
    let batch = (prop::collection::vec(NO_TIMESTAMP..2000, 1..5), 0..400usize, any::<bool>());
    prop::collection::vec(batch, 1..60)
}

/// What happens to an index file: nothing, cut, zeroes, noise.
fn damage() -> impl Strategy<Value = (u8, prop::sample::Index, prop::sample::Index, u8)> {
    (0..5u8, any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>())
}

type Damage = (u8, prop::sample::Index, prop::sample::Index, u8);

fn spoil(file: &mut File, (kind, from, to, byte): &Damage) {
    if file.0.is_empty() {
        return;
    }
    let (a, b) = (from.index(file.0.len()), to.index(file.0.len()));
    let span = a.min(b)..a.max(b) + 1;
    match kind {
        0 => {}
        1 => file.0.truncate(a),
        2 => file.0[span].fill(0),
        3 => file.0[span].fill(*byte),
        _ => file.0.extend_from_within(span),
    }
}

proptest! {
    #[test]
    fn finds_what_a_walk_over_everything_finds(
        batches in batches(),
        index in damage(),
        time in damage(),
        asks in prop::collection::vec((90..400u64, 90..400u64, 0..4000u32, -5..2100i64), 1..20),
    ) {
        let mut b = build(&batches);
        spoil(&mut b.index, &index);
        // The time index has nothing but the header to be checked against, so it is cut or emptied here and
        // not forged: a forged entry that names a real batch with its real timestamp is beyond us.
        spoil(&mut b.time, &(time.0.min(2), time.1, time.2, time.3));
        for (a, c, bytes_max, timestamp) in asks {
            let (from, until) = (Offset(a), Offset(c));
            let range = b.ask(Query::Range { offset: from, until, bytes_max });
            prop_assert_eq!(range, b.range(a, c, bytes_max));
            let time = b.ask(Query::Time { timestamp, from, until });
            prop_assert_eq!(time, b.first_at(timestamp, a, c));
            prop_assert_eq!(b.ask(Query::TimeMax { from, until }), b.latest(a, c));
        }
        let (from, until) = (Offset(0), Offset(u64::MAX));
        prop_assert_eq!(b.ask(Query::TimeMax { from, until }), b.latest(0, u64::MAX));
    }

    #[test]
    fn damage_of_the_log_is_told_and_never_panics(
        batches in batches(),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
        ask in (90..400u64, 90..400u64, 0..4000u32, -5..2100i64),
    ) {
        let mut b = build(&batches);
        let at = at.index(b.log.0.len());
        b.log.0[at] ^= 1 << bit;
        let (from, until) = (Offset(ask.0), Offset(ask.1));
        for query in [
            Query::Range { offset: from, until, bytes_max: ask.2 },
            Query::Time { timestamp: ask.3, from, until },
            Query::TimeMax { from, until },
        ] {
            if let Err(e) = locate(&query, b.segment.base, &b.log, &b.index, &b.time, b.segment.bytes) {
                prop_assert_eq!(e.kind, DiskErrorKind::Corrupt);
            }
        }
        let whole = check_range(&b.log.0);
        let outside_crc = b.batches.iter().any(|(start, ..)| {
            let from = at as u64;
            // Base offset and leader epoch are outside the checksum.
            (*start..start + 8).contains(&from) || (start + 12..start + 16).contains(&from)
        });
        prop_assert_eq!(whole.is_ok(), outside_crc);
    }
}

#[test]
fn an_index_spares_the_walk() {
    struct Counted(Vec<u8>, std::cell::Cell<u64>);
    impl ReadAt for Counted {
        fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
            self.1.set(self.1.get() + buf.len() as u64);
            let from = (at as usize).min(self.0.len());
            let len = buf.len().min(self.0.len() - from);
            buf[..len].copy_from_slice(&self.0[from..from + len]);
            Ok(len)
        }
    }
    let many: Vec<_> = (0..20_000).map(|i| (vec![i], 200, false)).collect();
    let b = build(&many);
    let log = Counted(b.log.0.clone(), Default::default());
    let far = Query::Range { offset: Offset(19_000), until: Offset(u64::MAX), bytes_max: 1 };
    locate(&far, b.segment.base, &log, &b.index, &b.time, b.segment.bytes).expect("found");
    assert!(log.1.get() < 300 << 10, "{} bytes read with an index", log.1.get());
    let late = Query::Time { timestamp: 19_500, from: Offset(100), until: Offset(u64::MAX) };
    log.1.set(0);
    let answer =
        locate(&late, b.segment.base, &log, &b.index, &b.time, b.segment.bytes).expect("found");
    assert_eq!(answer, found((19_600, 19_500)));
    assert!(log.1.get() < 500 << 10, "{} bytes read with a time index", log.1.get());
}

#[test]
fn a_segment_rolls_by_bytes_time_index_and_offsets() {
    let config = LogConfig {
        segment_bytes: 1000,
        segment_ms: 50,
        index_bytes_max: 24,
        index_interval_bytes: 1,
    };
    let head = |base: u64, bytes, max_timestamp| Head {
        base: Offset(base),
        next: Offset(base + 1),
        bytes,
        max_timestamp,
    };
    let mut s = Segment::new(Offset(5), Wall(0));
    assert!(!s.is_full_for(&head(5, 5000, 10), &config, Wall(0)), "one batch may be larger");
    s.add(&head(5, 400, 10), &config);
    assert!(!s.is_full_for(&head(6, 600, 60), &config, Wall(1000)), "just fits");
    assert!(s.is_full_for(&head(6, 601, 60), &config, Wall(0)), "bytes");
    assert!(s.is_full_for(&head(6, 1, 61), &config, Wall(0)), "time of records");
    assert!(s.is_full_for(&head(5 + (1 << 31), 1, 10), &config, Wall(0)), "offsets");
    assert!(!s.is_full_for(&head(4 + (1 << 31), 1, 10), &config, Wall(0)), "the last that fits");
    let mut untimed = Segment::new(Offset(5), Wall(100));
    untimed.add(&head(5, 10, -1), &config);
    assert!(!untimed.is_full_for(&head(6, 1, -1), &config, Wall(150)));
    assert!(untimed.is_full_for(&head(6, 1, -1), &config, Wall(151)), "time of the broker");
    let mut marks = 0;
    let mut next = 6;
    while !s.is_full_for(&head(next, 2, 10), &config, Wall(0)) {
        marks += usize::from(s.add(&head(next, 2, 10), &config).is_some());
        next += 1;
    }
    assert_eq!(marks, 3, "a full index");
}

/// A file whose bytes from a place on cannot be read.
struct Broken<'a>(&'a File, std::ops::Range<u64>);

impl ReadAt for Broken<'_> {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        if at < self.1.end && at + buf.len() as u64 > self.1.start {
            return Err(DiskError { kind: DiskErrorKind::Io, detail: "EIO".into() });
        }
        self.0.read_at(at, buf)
    }
}

#[test]
fn damage_is_found_batch_by_batch_and_what_is_good_is_served() {
    let times: Vec<(Vec<i64>, usize, bool)> = (0..30).map(|n| (vec![n, n], 150, false)).collect();
    let none = File(vec![]);
    let good = build(&times);
    let end = good.segment.next;
    let base = good.segment.base;
    let damage = Query::Damage { from: base, until: end, bytes_max: u64::MAX };
    assert_eq!(good.ask(damage.clone()), Found::Nothing);
    // Base offset, length (too long for the file, and a little too long), magic, CRC, last offset, count, records.
    for within in [7, 9, 11, 16, 18, 26, 60, 100] {
        for bad in [0, 1, 14, 29] {
            let mut b = build(&times);
            let (at, _, from, to) = b.batches[bad];
            b.log.0[at as usize + within] ^= 0x40;
            for index in [&b.index, &none] {
                let ask =
                    |query: &Query| locate(query, base, &b.log, index, &b.time, b.segment.bytes);
                let found = Found::Damage { from: Offset(from), to: Offset(to) };
                assert_eq!(ask(&damage).expect("found"), found, "byte {within} of batch {bad}");
                // Asked from its middle, and from behind it.
                let middle =
                    Query::Damage { from: Offset(from + 1), until: end, bytes_max: 1 << 20 };
                assert_eq!(ask(&middle).expect("found"), found);
                let behind = Query::Damage { from: Offset(to), until: end, bytes_max: 1 << 20 };
                assert_eq!(ask(&behind).expect("none"), Found::Nothing);
                for (n, place) in b.batches.iter().enumerate().filter(|(n, _)| *n != bad) {
                    let query = Query::Range { offset: Offset(place.2), until: end, bytes_max: 1 };
                    let range = Found::Range {
                        at: place.0,
                        len: (place.1 - place.0) as u32,
                        base: Offset(place.2),
                        next: Offset(place.3),
                    };
                    assert_eq!(ask(&query).expect("good"), range, "batch {n}, {bad} is bad");
                }
            }
        }
    }
}

#[test]
fn bytes_that_cannot_be_read_are_damage_too() {
    let times: Vec<(Vec<i64>, usize, bool)> = (0..400).map(|n| (vec![n], 700, false)).collect();
    let b = build(&times);
    let (base, end) = (b.segment.base, b.segment.next);
    let (first, last) = (b.batches[100], b.batches[103]);
    let sectors = first.0 / 4096 * 4096..last.1.div_ceil(4096) * 4096;
    let touched = |p: &&(u64, u64, u64, u64)| p.0 < sectors.end && p.1 > sectors.start;
    let (from, to) = (
        b.batches.iter().find(touched).expect("some").2,
        b.batches.iter().rfind(touched).expect("some").3,
    );
    let query = Query::Damage { from: base, until: end, bytes_max: u64::MAX };
    let log = Broken(&b.log, sectors);
    let found = locate(&query, base, &log, &b.index, &b.time, b.segment.bytes).expect("found");
    assert_eq!(found, Found::Damage { from: Offset(from), to: Offset(to) });
}

/// An index with a bad sector had every lookup that went by it fail, and the second look at what could not be read with it: good
/// records were refused for ever.
#[test]
fn an_index_that_cannot_be_read_is_done_without() {
    let many: Vec<_> = (0..9000).map(|i| (vec![i, i], 900, false)).collect();
    let b = build(&many);
    let (base, len, end) = (b.segment.base, b.segment.bytes, b.segment.next);
    for bad in [0..u64::MAX, 0..512, 1024..1536, 3584..4096] {
        let (index, time) = (Broken(&b.index, bad.clone()), Broken(&b.time, bad.clone()));
        let ask = |query: Query| {
            locate(&query, base, &b.log, &index, &time, len).unwrap_or_else(|e| panic!("{e}"))
        };
        for at in (base.0..end.0).step_by(701) {
            let range = Query::Range { offset: Offset(at), until: end, bytes_max: 1 };
            assert_eq!(ask(range), b.range(at, end.0, 1), "{at}, with {bad:?} unreadable");
            let timestamp = at as i64 / 2;
            let time = Query::Time { timestamp, from: base, until: end };
            assert_eq!(ask(time), b.first_at(timestamp, 0, end.0), "{timestamp}");
        }
        let latest = Query::TimeMax { from: base, until: end };
        assert_eq!(ask(latest), b.latest(base.0, end.0));
        let damage = Query::Damage { from: base, until: end, bytes_max: u64::MAX };
        assert_eq!(ask(damage), Found::Nothing);
    }
}

/// What stands behind a batch in a record is no batch, so it is not where the log goes on.
#[test]
fn a_batch_within_a_record_is_not_taken_for_one_of_the_log() {
    let inner = |base: i64| {
        let mut builder = BatchBuilder::new(Codec::None).base_offset(base);
        builder.push(1, None, Some(b"inner"), &[]);
        builder.build_batch().into_bytes()
    };
    let (mut log, mut next, mut places) = (File(vec![]), 100, vec![]);
    for _ in 0..4 {
        let mut builder = BatchBuilder::new(Codec::None).base_offset(next);
        builder.push(1, None, Some(&inner(next + 1)), &[]);
        let batch = builder.build_batch();
        places.push((log.0.len(), next as u64));
        next = batch.next_offset();
        log.0.extend_from_slice(batch.bytes());
    }
    log.0[places[1].0 + 9] ^= 0x40;
    let query = Query::Damage { from: Offset(100), until: Offset(104), bytes_max: 1 << 20 };
    let (none, len) = (File(vec![]), log.0.len() as u64);
    let found = locate(&query, Offset(100), &log, &none, &none, len).expect("found");
    assert_eq!(found, Found::Damage { from: Offset(101), to: Offset(102) });
}

/// A base offset is covered by no CRC: rotten, it made the last batch of a file one of far behind, and all up to there was called bad, also
/// what is in no file yet.
#[test]
fn what_is_bad_ends_where_the_look_ends() {
    let mut b = build(&[(vec![1], 10, false), (vec![2], 10, false), (vec![3], 10, false)]);
    let until = b.segment.next;
    b.log.0[b.batches[1].0 as usize + 70] ^= 0x40; // in its record
    b.log.0[b.batches[2].0 as usize + 6] ^= 0x02;
    let found = b.ask(Query::Damage { from: Offset(100), until, bytes_max: 1 << 20 });
    assert_eq!(found, Found::Damage { from: Offset(101), to: until });
}

proptest! {
    #[test]
    fn whatever_rots_the_second_look_speaks_of_what_it_was_asked_about(
        batches in batches(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u32), 1..6),
        (from, until) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let mut b = build(&batches);
        for (at, bit) in &flips {
            let at = at.index(b.log.0.len());
            b.log.0[at] ^= 1 << bit;
        }
        let (a, z) = (from.index(batches.len()), until.index(batches.len()));
        let (from, until) = (Offset(b.batches[a.min(z)].2), Offset(b.batches[a.max(z)].3));
        match b.ask(Query::Damage { from, until, bytes_max: u64::MAX }) {
            Found::Nothing => {}
            Found::Damage { from: first, to } => {
                prop_assert!(first < to && from < to && to <= until, "{first}..{to} of {from}..{until}");
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}

/// Its batches are as good as any, and nothing in them says of which log they are: what stands around the page does.
#[test]
fn a_page_of_another_log_is_damage_and_none_of_it_is_served() {
    let of = |len| {
        build(&(0..200).map(|k| (vec![k; 1 + k as usize % 3], len, false)).collect::<Vec<_>>())
    };
    let (other, good) = (of(67), of(60));
    let (base, end) = (good.segment.base, good.segment.next);
    for page in 1..4 {
        let bytes = page * 4096..page * 4096 + 4096;
        let mut b = of(60);
        b.log.0[bytes.clone()].copy_from_slice(&other.log.0[bytes.clone()]);
        let touched =
            |p: &&(u64, u64, u64, u64)| p.0 < bytes.end as u64 && p.1 > bytes.start as u64;
        let (first, last) = (
            b.batches.iter().find(touched).expect("some"),
            b.batches.iter().rfind(touched).expect("some"),
        );
        let damage = Query::Damage { from: base, until: end, bytes_max: u64::MAX };
        let found = Found::Damage { from: Offset(first.2), to: Offset(last.3) };
        assert_eq!(b.ask(damage), found, "page {page}");
        for offset in first.2..last.3 {
            let query = Query::Range { offset: Offset(offset), until: end, bytes_max: 1 };
            let served = locate(&query, base, &b.log, &b.index, &b.time, b.segment.bytes);
            if let Ok(Found::Range { at, len, .. }) = served {
                let bytes = &b.log.0[at as usize..at as usize + len as usize];
                assert!(check_range(bytes).is_err(), "offset {offset} of page {page}");
            }
        }
    }
}

/// A file that brings other bytes at the first look.
struct Confused<'a>(&'a File, std::cell::Cell<bool>);

impl ReadAt for Confused<'_> {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let read = self.0.read_at(at, buf)?;
        if !self.1.replace(true) {
            buf.fill(0);
        }
        Ok(read)
    }
}

#[test]
fn an_index_of_wrong_bytes_does_not_lead_to_the_first_batch_of_another_log() {
    let mut b = build(&vec![(vec![5], 40, false); 60]);
    let other = build(&[(vec![6], 60, false)]);
    let page = 4096;
    b.log.0[page..page + other.log.0.len()].copy_from_slice(&other.log.0);
    // Little-endian numbers of a checkpoint, say: 0 and 1 MiB.
    let entry = IndexEntry { offset_delta: 0, position: page as u32 }.encode();
    b.index.0.chunks_exact_mut(entry.len()).for_each(|e| e.copy_from_slice(&entry));
    assert_eq!(
        b.ask(Query::Range { offset: Offset(100), until: Offset(160), bytes_max: 1 }),
        b.range(100, 160, 1)
    );
}

#[test]
fn one_read_that_brought_the_wrong_bytes_is_no_damage() {
    let good = build(&(0..30).map(|n| (vec![n], 150, false)).collect::<Vec<_>>());
    let (base, end) = (good.segment.base, good.segment.next);
    let log = Confused(&good.log, std::cell::Cell::new(false));
    let query = Query::Damage { from: base, until: end, bytes_max: u64::MAX };
    let found = locate(&query, base, &log, &good.index, &good.time, good.segment.bytes);
    assert_eq!(found.expect("readable"), Found::Nothing);
}

/// A bit of a header made a batch seem to reach beyond the end of the log. The search for the largest timestamp took that for its end,
/// and passed by all batches behind it.
#[test]
fn a_batch_that_seems_to_go_beyond_the_end_is_bad() {
    let mut b = build(&[(vec![1], 10, false), (vec![2], 10, false), (vec![3], 10, false)]);
    let (from, until) = (Offset(0), b.segment.next);
    assert_eq!(b.ask(Query::TimeMax { from, until }), found((102, 3)));
    // The last offset delta.
    b.log.0[b.batches[1].0 as usize + 23] ^= 0x40;
    let query = Query::TimeMax { from, until };
    let files = (&b.log, &File(vec![]), &File(vec![]));
    let answer = locate(&query, b.segment.base, files.0, files.1, files.2, b.segment.bytes);
    assert_eq!(answer.expect_err("it is bad").kind, DiskErrorKind::Corrupt);
}
