//! What a broker pays per batch, beside what the machine itself costs: run with
//! `cargo bench -p sordini-wire --bench batch`.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sordini_wire::batch::look::check_lengths;
use sordini_wire::batch::validate::{TimestampRule, TopicRules, against_topic};
use sordini_wire::batch::{Batch, BatchBuilder, BatchView, stamp, walk};
use sordini_wire::codec::Codec;

const NOW: i64 = 1_700_000_000_000;
const RECORDS: usize = 1000;
/// A plausible record: short key, 100 bytes of value that compress by half or so.
const VALUE_BYTES: usize = 100;

fn value(n: usize) -> Vec<u8> {
    (0..VALUE_BYTES).map(|i| b"abcdefgh"[(i * 7 + n * i * i) % 8]).collect()
}

fn thousand(codec: Codec) -> Bytes {
    let values: Vec<Vec<u8>> = (0..RECORDS).map(value).collect();
    build(codec, &values)
}

fn build(codec: Codec, values: &[Vec<u8>]) -> Bytes {
    let mut builder = BatchBuilder::with_capacity(codec, values.len() * (VALUE_BYTES + 20));
    for (n, value) in values.iter().enumerate() {
        builder.push(NOW + n as i64, Some(&(n as u64).to_be_bytes()), Some(value), &[]);
    }
    builder.build()
}

fn one(size: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(NOW, None, Some(&vec![7; size - 61 - 12]), &[]);
    builder.build()
}

/// The 61 bytes: parse, every check of a topic, stamp.
fn header(c: &mut Criterion) {
    let batch = one(4096);
    let rules = TopicRules {
        batch_bytes_max: 1 << 20,
        timestamps: TimestampRule::Create { earliest: 0, latest: NOW },
    };
    let mut group = c.benchmark_group("header");
    group.bench_function("parse", |b| b.iter(|| BatchView::parse(black_box(&batch)).unwrap()));
    let view = BatchView::parse(&batch).unwrap();
    group.bench_function("against topic", |b| {
        b.iter(|| against_topic(black_box(&view), black_box(&rules)))
    });
    let mut own = Some(Bytes::from(batch.to_vec()));
    group.bench_function("stamp in place", |b| {
        b.iter(|| own = Some(stamp(own.take().unwrap(), black_box(9), 1)))
    });
    let run = batch.repeat(256);
    group.throughput(Throughput::Elements(256));
    group.bench_function("walk over 256 batches of 4 KiB", |b| {
        b.iter(|| walk(black_box(&run)).map(|step| step.unwrap().batch.base_offset()).sum::<i64>())
    });
}

/// The checksum, beside a copy of the same bytes.
fn crc(c: &mut Criterion) {
    for (name, size) in [("crc 4 KiB", 4 << 10), ("crc 1 MiB", 1 << 20)] {
        let batch = one(size);
        let view = BatchView::parse(&batch).unwrap();
        let mut copy = vec![0; batch.len()];
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(batch.len() as u64));
        group.bench_function("check", |b| b.iter(|| black_box(&view).check_crc()));
        group.bench_function("memcpy", |b| {
            b.iter(|| black_box(&mut copy).copy_from_slice(black_box(&batch)))
        });
    }
}

/// Opening and making a batch of 1000 records.
fn records(c: &mut Criterion) {
    let values: Vec<Vec<u8>> = (0..RECORDS).map(value).collect();
    let mut group = c.benchmark_group("1000 records");
    group.throughput(Throughput::Elements(RECORDS as u64));
    for codec in Codec::ALL {
        let batch = Batch::parse(thousand(codec)).unwrap();
        group.bench_function(format!("read {codec}"), |b| {
            b.iter(|| {
                let records = batch.records(1 << 20).unwrap();
                records.views().map(|record| record.unwrap().timestamp).max()
            })
        });
        group.bench_function(format!("build {codec}"), |b| {
            b.iter(|| build(codec, black_box(&values)))
        });
    }
    let batch = Batch::parse(thousand(Codec::None)).unwrap();
    group.bench_function("check lengths", |b| b.iter(|| check_lengths(black_box(&batch.view()))));
    group.bench_function("read owned", |b| {
        b.iter_batched(
            || batch.records(1 << 20).unwrap(),
            |records| {
                records.map(|record| record.unwrap().value.map_or(0, |v| v.len())).sum::<usize>()
            },
            BatchSize::SmallInput,
        )
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(400));
    targets = header, crc, records
}
criterion_main!(benches);
