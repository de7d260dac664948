//! What the wire costs: a small Produce request read, its answer written, a large Fetch answer
//! written; each beside a copy of the same bytes.
//!
//! `cargo bench -p sordini-wire --bench decode`; in a hurry, add `-- --quick`.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sordini_wire::frame::FrameSplitter;
use sordini_wire::message::Message;
use sordini_wire::message::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use sordini_wire::message::header::{RequestHeader, ResponseHeader};
use sordini_wire::message::produce::*;
use sordini_wire::primitive::{Part, Reader, Records, Str, Uuid, Writer};
use std::hint::black_box;

/// The newest version that every client in use speaks.
const PRODUCE: i16 = 9;

/// One topic, one partition, one batch of 100 bytes: the smallest request that a producer sends.
fn produce_request() -> Bytes {
    let header = RequestHeader {
        request_api_version: PRODUCE,
        correlation_id: 77,
        client_id: Some(Str::of("rdkafka")),
        ..Default::default()
    };
    let partition = PartitionProduceData {
        index: 3,
        records: Some(Records::from(Bytes::from(vec![5; 100]))),
        ..Default::default()
    };
    let topic = TopicProduceData {
        name: Str::of("orders"),
        partition_data: vec![partition],
        ..Default::default()
    };
    let body = ProduceRequest {
        acks: -1,
        timeout_ms: 30_000,
        topic_data: vec![topic],
        ..Default::default()
    };
    let mut w = Writer::frame();
    header.encode(&mut w, 2);
    body.encode(&mut w, PRODUCE);
    w.finish_joined()
}

fn produce_response() -> ProduceResponse {
    let partition = PartitionProduceResponse { index: 3, base_offset: 4711, ..Default::default() };
    let topic = TopicProduceResponse {
        name: Str::of("orders"),
        partition_responses: vec![partition],
        ..Default::default()
    };
    ProduceResponse { responses: vec![topic], ..Default::default() }
}

fn fetch_response(records: Bytes) -> FetchResponse {
    let partition = PartitionData {
        high_watermark: 1 << 40,
        aborted_transactions: None,
        records: Some(Records::from(records)),
        ..Default::default()
    };
    let topic = FetchableTopicResponse {
        topic_id: Uuid([7; 16]),
        partitions: vec![partition],
        ..Default::default()
    };
    FetchResponse { responses: vec![topic], ..Default::default() }
}

fn produce(c: &mut Criterion) {
    let frame = produce_request();
    let mut group = c.benchmark_group("produce");
    group.throughput(Throughput::Bytes(frame.len() as u64));
    group.bench_function("copy the request", |b| b.iter(|| black_box(&frame[..]).to_vec()));
    group.bench_function("cut the frame", |b| {
        b.iter_batched(
            || bytes::BytesMut::from(&frame[..]),
            |piece| {
                let mut splitter = FrameSplitter::default();
                splitter.push(piece);
                splitter.next_frame()
            },
            criterion::BatchSize::SmallInput,
        )
    });
    group.bench_function("decode header and request", |b| {
        b.iter(|| {
            let mut r = Reader::new(black_box(&frame).slice(4..));
            let header = RequestHeader::decode(&mut r, 2).unwrap();
            (header, ProduceRequest::decode(&mut r, PRODUCE).unwrap())
        })
    });
    let answer = produce_response();
    group.bench_function("encode the answer", |b| {
        b.iter(|| {
            let mut w = Writer::frame();
            ResponseHeader { correlation_id: 77, ..Default::default() }.encode(&mut w, 1);
            black_box(&answer).encode(&mut w, PRODUCE);
            w.finish()
        })
    });
    group.finish();
}

fn fetch(c: &mut Criterion) {
    let records = Bytes::from(vec![1; 1 << 20]);
    let answer = fetch_response(records.clone());
    let encode = |answer: &FetchResponse| {
        let mut w = Writer::frame();
        answer.encode(&mut w, 13);
        w.finish()
    };
    let shared = |part: &Part| matches!(part, Part::Bytes(b) if b.as_ptr() == records.as_ptr());
    assert!(encode(&answer).iter().any(shared), "record bytes are not copied");
    let mut group = c.benchmark_group("fetch 1 MiB");
    group.throughput(Throughput::Bytes(1 << 20));
    group.bench_function("copy the records", |b| b.iter(|| black_box(&records[..]).to_vec()));
    group.bench_function("encode the answer", |b| b.iter(|| encode(black_box(&answer))));
    group.finish();
}

criterion_group!(benches, produce, fetch);
criterion_main!(benches);
