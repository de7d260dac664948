//! What a batch is, what is refused, and that foreign bytes are survived.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::look::{RecordRules, Refusal, Refused, check_lengths, validate_records};
use super::stamp::seal;
use super::validate::{TimestampRule, TopicRules, against_topic, check_from_client, from_client};
use super::*;
use crate::codec::{Codec, CodecError};

const NOW: i64 = 1_700_000_000_000;
const RULES: TopicRules = TopicRules {
    batch_bytes_max: 1 << 20,
    timestamps: TimestampRule::Create { earliest: NOW - 5000, latest: NOW + 5000 },
};

/// Three records a second apart, ending now.
fn three(codec: Codec) -> BatchBuilder {
    let mut builder = BatchBuilder::new(codec);
    builder.push(NOW - 2000, Some(b"k1"), Some(b"v1"), &[]);
    builder.push(NOW - 1000, None, Some(b"v2"), &[(b"h", Some(b"x")), (b"h", None)]);
    builder.push(NOW, Some(b"k3"), None, &[]);
    builder
}

/// The batch with some bytes written over and the CRC made right again.
fn patched(batch: &Bytes, patches: &[(usize, &[u8])]) -> Batch {
    let mut bytes = batch.to_vec();
    for (at, patch) in patches {
        bytes[*at..at + patch.len()].copy_from_slice(patch);
    }
    seal(&mut bytes);
    Batch::parse(bytes.into()).unwrap()
}

/// What the topic says to the batch with some bytes written over.
fn refused(patches: &[(usize, &[u8])]) -> BatchError {
    let batch = patched(&three(Codec::None).build(), patches);
    check_from_client(&batch.view(), 13).unwrap();
    against_topic(&batch.view(), &RULES).unwrap_err()
}

#[test]
fn a_good_batch_passes_every_check() {
    for codec in Codec::ALL {
        let batch = from_client(three(codec).build(), 7).unwrap();
        against_topic(&batch.view(), &RULES).unwrap();
        let rules =
            RecordRules { keys_required: false, timestamps: RULES.timestamps, bytes_max: 1000 };
        let looked = validate_records(&batch, &rules).unwrap();
        assert_eq!((looked.refused, looked.max_timestamp), (vec![], NOW));
    }
}

#[test]
fn bytes_that_are_not_one_batch_are_refused() {
    let one = three(Codec::None).build();
    let ask = |bytes: &[u8]| from_client(Bytes::copy_from_slice(bytes), 13).unwrap_err();
    assert_eq!(ask(&[]), BatchError::Empty);
    assert_eq!(ask(&[0; 11]), BatchError::Partial { at: 0, needed: 61, available: 11 });
    let (size, available) = (one.len(), one.len() - 1);
    assert_eq!(
        ask(&one[..available]),
        BatchError::Partial { at: 0, needed: size, available },
        "a cut-off batch"
    );
    assert_eq!(
        ask(&[&one[..], &one[..]].concat()),
        BatchError::MoreThanOne { size, extra: size },
        "two batches"
    );
    assert_eq!(ask(&[&one[..], &[0]].concat()), BatchError::MoreThanOne { size, extra: 1 });
}

#[test]
fn lengths_magics_and_checksums_are_refused_by_name() {
    let ask = |at: usize, patch: &[u8]| {
        let mut bytes = three(Codec::None).build().to_vec();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        from_client(bytes.into(), 13).unwrap_err()
    };
    assert_eq!(ask(8, &4i32.to_be_bytes()), BatchError::Length(4));
    assert_eq!(ask(8, &(-1i32).to_be_bytes()), BatchError::Length(-1));
    assert_eq!(ask(8, &48i32.to_be_bytes()), BatchError::Length(48));
    assert_eq!(ask(16, &[0]), BatchError::MagicLegacy(0));
    assert_eq!(ask(16, &[1]), BatchError::MagicLegacy(1));
    assert_eq!(ask(16, &[3]), BatchError::MagicUnknown(3));
    assert_eq!(ask(16, &[0xff]), BatchError::MagicUnknown(-1));
    assert!(matches!(ask(65, &[0xff]), BatchError::Crc { .. }));
    assert!(matches!(ask(17, &[0xff]), BatchError::Crc { .. }));
    let huge = ask(8, &i32::MAX.to_be_bytes());
    assert!(matches!(huge, BatchError::Partial { needed: 0x8000_000b, .. }), "{huge:?}");
}

#[test]
fn what_a_client_may_not_say_is_refused_by_name() {
    let count = |count, last_delta| BatchError::Count { count, last_delta };
    assert_eq!(refused(&[(7, &[5])]), BatchError::BaseOffset(5));
    assert_eq!(refused(&[(60, &[4])]), count(4, 2));
    assert_eq!(refused(&[(26, &[3])]), count(3, 3));
    assert_eq!(refused(&[(60, &[0]), (23, &[0xff; 4])]), count(0, -1));
    assert_eq!(refused(&[(57, &[0xff; 4]), (23, &(-2i32).to_be_bytes())]), count(-1, -2));
    assert_eq!(
        refused(&[(57, &i32::MIN.to_be_bytes()), (23, &[0x7f, 255, 255, 255])]).to_string(),
        { "expected records_count = last_offset_delta + 1 > 0, came -2147483648 and 2147483647" }
    );
    let crowd = [(57, &20i32.to_be_bytes()[..]), (23, &19i32.to_be_bytes())];
    let bytes = three(Codec::None).build().len() - HEADER_SIZE;
    assert_eq!(refused(&crowd), BatchError::Crowded { count: 20, bytes, fitting: bytes / 7 });
    assert_eq!(refused(&[(22, &[5])]), BatchError::Codec(5));
    assert_eq!(refused(&[(22, &[7])]), BatchError::Codec(7));
    assert_eq!(refused(&[(22, &[0x20])]), BatchError::Control);
    assert_eq!(refused(&[(22, &[0x10])]), BatchError::TransactionalWithoutProducer);
    let producer = 4001i64.to_be_bytes();
    assert_eq!(
        refused(&[(43, &producer)]),
        BatchError::Sequence { producer_id: 4001, base_sequence: -1 }
    );
    let late = (NOW + 5001).to_be_bytes();
    let (earliest, latest) = (NOW - 5000, NOW + 5000);
    assert_eq!(
        refused(&[(35, &late)]),
        BatchError::Timestamp { came: NOW + 5001, earliest, latest }
    );
    let early = (NOW - 5001).to_be_bytes();
    assert_eq!(
        refused(&[(27, &early)]),
        BatchError::Timestamp { came: NOW - 5001, earliest, latest }
    );
}

#[test]
fn what_kafka_lets_pass_passes() {
    let batch = three(Codec::None).build();
    let producer = [&4001i64.to_be_bytes()[..], &[0xff, 0xff], &[0; 4]].concat();
    for patches in [
        &[(21usize, &[0x40u8][..])][..],       // a reserved attribute bit
        &[(22, &[0x08])],                      // LogAppendTime where the topic has CreateTime
        &[(12, &[0, 0, 0, 127])],              // a leader epoch
        &[(43, &producer)],                    // a producer id without an epoch
        &[(27, &[0xff; 8]), (35, &[0xff; 8])], // no timestamps
    ] {
        let batch = patched(&batch, patches);
        against_topic(&batch.view(), &RULES).unwrap();
    }
}

#[test]
fn the_topics_own_rules_are_held() {
    let batch = three(Codec::None).build_batch();
    let tight = TopicRules { batch_bytes_max: batch.size() - 1, ..RULES };
    let (size, max) = (batch.size(), batch.size() - 1);
    assert_eq!(against_topic(&batch.view(), &tight), Err(BatchError::TooLarge { size, max }));
    let append = TopicRules { timestamps: TimestampRule::Append, ..RULES };
    against_topic(&batch.view(), &append).unwrap();
    let claims = patched(batch.bytes(), &[(22, &[0x08])]);
    assert_eq!(against_topic(&claims.view(), &append), Err(BatchError::AppendTimeFromClient));
    let zstd = three(Codec::Zstd).build();
    assert_eq!(from_client(zstd.clone(), 6), Err(BatchError::ZstdTooEarly(6)));
    from_client(zstd, 7).unwrap();
    assert_eq!(
        TimestampRule::create(NOW, i64::MAX, 3_600_000),
        TimestampRule::Create { earliest: NOW - i64::MAX, latest: NOW + 3_600_000 }
    );
}

#[test]
fn a_look_inside_tells_which_records_break_a_rule() {
    let rules = RecordRules {
        keys_required: true,
        timestamps: TimestampRule::Create { earliest: NOW - 1500, latest: NOW - 500 },
        bytes_max: 1000,
    };
    for codec in Codec::ALL {
        let looked = validate_records(&three(codec).build_batch(), &rules).unwrap();
        assert_eq!(
            looked.refused,
            [
                Refused { index: 0, why: Refusal::Timestamp(NOW - 2000) },
                Refused { index: 1, why: Refusal::NullKey },
                Refused { index: 2, why: Refusal::Timestamp(NOW) },
            ]
        );
    }
}

#[test]
fn a_look_inside_finds_what_the_header_hides() {
    let rules = RecordRules { keys_required: false, timestamps: RULES.timestamps, bytes_max: 1000 };
    let good = three(Codec::None).build();
    let problem = |patches: &[(usize, &[u8])]| {
        let batch = patched(&good, patches);
        match validate_records(&batch, &rules).unwrap_err() {
            RecordsError::Record { index, at, problem } => {
                assert!(at > 0 || index == 0);
                (index, problem)
            }
            other => panic!("{other}"),
        }
    };
    // The count says two, three are there; and four.
    let surplus = problem(&[(60, &[2]), (26, &[1])]);
    assert!(matches!(surplus, (2, RecordProblem::Surplus { said: 2, .. })), "{surplus:?}");
    assert_eq!(problem(&[(60, &[4])]), (3, RecordProblem::Missing { said: 4 }));
    // The first record's length, its offset delta, its key's length.
    let length = problem(&[(61, &[0x7e])]);
    assert!(matches!(length, (0, RecordProblem::Length { said: 63, .. })), "{length:?}");
    assert_eq!(problem(&[(61, &[1])]).0, 0);
    let delta = RecordProblem::OffsetDelta { expected: 0, came: 3 };
    assert_eq!(problem(&[(64, &[6])]), (0, delta));
    assert_eq!(problem(&[(65, &[0x60])]), (0, RecordProblem::Field("key")));
    assert_eq!(problem(&[(61, &[0x16])]), (0, RecordProblem::Unread { bytes: 1 }));
}

#[test]
fn lengths_alone_show_a_wrong_count() {
    for codec in Codec::ALL {
        check_lengths(&three(codec).build_batch().view()).unwrap();
    }
    let good = three(Codec::None).build();
    let problem = |patches: &[(usize, &[u8])]| match check_lengths(&patched(&good, patches).view())
        .unwrap_err()
    {
        RecordsError::Record { index, problem, .. } => (index, problem),
        other => panic!("{other}"),
    };
    let surplus = problem(&[(60, &[2]), (26, &[1])]);
    assert!(matches!(surplus, (2, RecordProblem::Surplus { said: 2, .. })), "{surplus:?}");
    assert_eq!(problem(&[(60, &[4])]), (3, RecordProblem::Missing { said: 4 }));
    let length = problem(&[(61, &[0x7e])]);
    assert!(matches!(length, (0, RecordProblem::Length { said: 63, .. })), "{length:?}");
    assert!(matches!(problem(&[(61, &[1])]), (0, RecordProblem::Length { said: -1, .. })));
}

#[test]
fn records_beyond_the_cap_are_refused() {
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = BatchBuilder::new(codec);
        builder.push(NOW, None, Some(&[0; 100_000]), &[]);
        let batch = builder.build_batch();
        let refused = batch.records(99_999).unwrap_err();
        let bytes_max = 99_999;
        assert_eq!(refused, RecordsError::Codec(CodecError::TooLarge { codec, bytes_max }));
    }
}

#[test]
fn a_stamp_keeps_the_crc_and_the_memory_if_it_is_ours() {
    let own = three(Codec::Lz4).build();
    let (address, size) = (own.as_ptr(), own.len());
    let stamped = Batch::parse(stamp(own, 1 << 40, 7)).unwrap();
    assert_eq!((stamped.bytes().as_ptr(), stamped.size()), (address, size));
    assert_eq!((stamped.base_offset(), stamped.partition_leader_epoch()), (1 << 40, 7));
    assert_eq!((stamped.last_offset(), stamped.next_offset()), ((1 << 40) + 2, (1 << 40) + 3));
    stamped.check_crc().unwrap();
}

#[test]
fn a_stamp_leaves_memory_that_others_hold_alone() {
    let shared = three(Codec::None).build();
    let before = shared.to_vec();
    let stamped = Batch::parse(stamp(shared.clone(), 9, 1)).unwrap();
    assert_eq!(shared, before);
    assert_eq!(stamped.base_offset(), 9);
    // A slice of a frame that nobody else holds any more is ours again.
    let mut frame = BytesMut::from(&b"header"[..]);
    frame.extend_from_slice(&before);
    let slice = frame.freeze().slice(6..);
    let address = slice.as_ptr();
    assert_eq!(stamp(slice, 9, 1).as_ptr(), address);
}

#[test]
fn append_time_is_written_and_taken_back() {
    let batch = three(Codec::Gzip).build();
    let appended = Batch::parse(stamp_append_time(batch, 10, 1, NOW + 77)).unwrap();
    appended.check_crc().unwrap();
    assert!(appended.attributes().append_time());
    assert_eq!(appended.max_timestamp(), NOW + 77);
    let times: Vec<i64> =
        appended.records(1000).unwrap().map(|record| record.unwrap().timestamp).collect();
    assert_eq!(times, [NOW + 77; 3]);
    let found = offset_for_time(&appended, NOW + 77, 0, 0).unwrap();
    assert_eq!(found, Some(TimedOffset { offset: 10, timestamp: NOW + 77 }));
    let stamp = Stamp { base_offset: 10, leader_epoch: 1, append_time: None };
    let back = stamp.stamp(appended);
    back.check_crc().unwrap();
    assert!(!back.attributes().append_time());
    assert_eq!(back.records(1000).unwrap().next().unwrap().unwrap().timestamp, NOW - 2000);
}

#[test]
fn a_walk_finds_every_batch_and_says_what_is_left() {
    let (one, two) = (three(Codec::None).build(), three(Codec::Zstd).base_offset(3).build());
    let run = [&one[..], &two[..], &one[..40]].concat();
    let mut steps = walk(&run);
    let places: Vec<(usize, i64)> = steps
        .by_ref()
        .map(|step| step.unwrap())
        .map(|p| (p.position, p.batch.base_offset()))
        .collect();
    assert_eq!(places, [(0, 0), (one.len(), 3)]);
    assert_eq!((steps.position(), steps.rest()), (one.len() + two.len(), &one[..40]));
    let partial = BatchError::Partial { at: steps.position(), needed: one.len(), available: 40 };
    assert_eq!(steps.partial(), Some(partial.clone()));

    let (batches, rest) = split_prefix(Bytes::from(run.clone())).unwrap();
    assert_eq!((batches[0].bytes(), batches[1].bytes(), &rest[..]), (&one, &two, &one[..40]));
    assert_eq!(split(run.into()), Err(partial));
    let whole = split(Bytes::from([&one[..], &two[..]].concat())).unwrap();
    assert_eq!(whole.len(), 2);
    assert_eq!(split(Bytes::new()), Err(BatchError::Empty));
}

#[test]
fn a_walk_ends_at_a_bad_batch_and_says_where() {
    let one = three(Codec::None).build();
    let mut bad = one.to_vec();
    bad[16] = 9;
    let run = [&one[..], &bad[..], &one[..]].concat();
    let mut steps = walk(&run);
    assert!(steps.next().unwrap().is_ok());
    assert_eq!(steps.next(), Some(Err(BatchError::MagicUnknown(9))));
    assert_eq!((steps.next(), steps.position()), (None, one.len()));
    assert_eq!(split(run.into()), Err(BatchError::MagicUnknown(9)));
}

#[test]
fn the_last_sequence_wraps_to_zero() {
    let at = |base| three(Codec::None).producer(1, 0, base).build_batch().last_sequence();
    assert_eq!((at(0), at(i32::MAX - 2), at(i32::MAX - 1), at(i32::MAX)), (2, i32::MAX, 0, 1));
    assert_eq!(three(Codec::None).build_batch().last_sequence(), NO_SEQUENCE);
}

#[test]
fn the_latest_record_may_have_no_timestamp() {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(NO_TIMESTAMP, Some(b"k"), Some(b"v"), &[]);
    let found = latest_record(&builder.build_batch(), 0, 1000).unwrap();
    assert_eq!(found, Some(TimedOffset { offset: 0, timestamp: NO_TIMESTAMP }));
}

type TestRecord = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn any_record() -> impl Strategy<Value = TestRecord> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..80);
    let header = (bytes(), proptest::option::of(bytes()));
    let headers = proptest::collection::vec(header, 0..4);
    (any::<i64>(), proptest::option::of(bytes()), proptest::option::of(bytes()), headers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_built_is_read_again(
        written in proptest::collection::vec(any_record(), 1..40),
        codec in proptest::sample::select(Codec::ALL.to_vec()),
        base_offset in 0i64..1 << 60,
        producer in any::<(i64, i16, i32)>(),
    ) {
        let mut builder = BatchBuilder::new(codec)
            .base_offset(base_offset)
            .producer(producer.0, producer.1, producer.2);
        for (timestamp, key, value, headers) in &written {
            let headers: Vec<NewHeader> =
                headers.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
            builder.push(*timestamp, key.as_deref(), value.as_deref(), &headers);
        }
        let batch = Batch::parse(builder.build()).unwrap();
        batch.check_crc().unwrap();
        prop_assert_eq!(batch.base_timestamp(), written[0].0);
        prop_assert_eq!(batch.max_timestamp(), written.iter().map(|r| r.0).max().unwrap());
        prop_assert_eq!((batch.producer_id(), batch.producer_epoch()), (producer.0, producer.1));
        prop_assert_eq!(batch.base_sequence(), producer.2);
        let read: Vec<TestRecord> = batch.records(1 << 20).unwrap().zip(base_offset..).map(|(r, at)| {
            let record = r.unwrap();
            assert_eq!(record.offset, at);
            let headers = record.headers().map(|h| (h.key.to_vec(), h.value.map(|v| v.to_vec())));
            let headers = headers.collect();
            (record.timestamp, record.key.map(|k| k.to_vec()), record.value.map(|v| v.to_vec()), headers)
        }).collect();
        prop_assert_eq!(read, written);
    }

    #[test]
    fn foreign_bytes_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        length in proptest::option::of(0i32..300),
    ) {
        let mut bytes = bytes;
        // Half the time the length and the magic are plausible, so that the inside is reached.
        if let (Some(length), true) = (length, bytes.len() >= 61) {
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = 2;
        }
        exercise(&bytes);
    }
}

#[test]
fn every_prefix_and_every_changed_byte_is_survived() {
    for codec in Codec::ALL {
        let good = three(codec).build();
        for end in 0..good.len() {
            exercise(&good[..end]);
        }
        for at in 0..good.len() {
            for xor in [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0xff] {
                let mut bad = good.to_vec();
                bad[at] ^= xor;
                exercise(&bad);
            }
        }
    }
}

/// Puts the bytes through everything that takes foreign ones.
fn exercise(bytes: &[u8]) {
    let bytes_max = 10_000;
    for step in walk(bytes) {
        let Ok(placed) = step else { break };
        let _ = check_from_client(&placed.batch, 13);
        let _ = against_topic(&placed.batch, &RULES);
        let _ = format!("{:?}", placed.batch);
        let _ = (placed.batch.last_sequence(), placed.batch.next_offset());
        let batch = Batch::parse(Bytes::copy_from_slice(placed.batch.bytes())).unwrap();
        if let Ok(records) = batch.records(bytes_max) {
            assert!(records.payload().len() <= bytes_max);
            for record in records.clone().flatten() {
                let _ = record.headers().count();
            }
            let errors = records.views().filter(Result::is_err).count();
            assert!(errors <= 1, "an iterator ends at its first error");
        }
        let rules = RecordRules { keys_required: true, timestamps: RULES.timestamps, bytes_max };
        let looked = validate_records(&batch, &rules);
        if looked.is_ok() {
            check_lengths(&batch.view()).expect("the shallow look finds no more than the deep one");
        }
        let _ = offset_for_time(&batch, NOW, 0, bytes_max);
        let _ = latest_record(&batch, i64::MIN, bytes_max);
        let _ = stamp_append_time(batch.into_bytes(), 5, 5, NOW);
    }
    let _ = split(Bytes::copy_from_slice(bytes));
}
