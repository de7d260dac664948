//! Kafka's own batches: 32 written by Kafka 4.3.1 with every codec, with headers and nulls,
//! idempotent, transactional, with append time, and transaction markers. We must read exactly what
//! Kafka says is in them, and write the uncompressed ones byte for byte as Kafka did.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // a test reads its data from files

use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flate2::read::GzDecoder;
use serde_json::Value;
use sordini_wire::batch::{
    Batch, BatchBuilder, Marker, NewHeader, Record, RecordView, latest_record, offset_for_time,
};
use sordini_wire::codec::Codec;

/// More than any of them holds decompressed.
const BYTES_MAX: usize = 1 << 20;

struct Golden {
    json: Value,
    bytes: Bytes,
}

impl Golden {
    fn name(&self) -> &str {
        self.json["name"].as_str().unwrap()
    }

    fn number(&self, field: &str) -> i64 {
        self.json[field].as_i64().unwrap_or_else(|| panic!("{}: no {field}", self.name()))
    }

    fn flag(&self, field: &str) -> bool {
        self.json[field].as_bool().unwrap_or_else(|| panic!("{}: no {field}", self.name()))
    }

    fn records(&self) -> &[Value] {
        self.json["records"].as_array().unwrap()
    }

    fn batch(&self) -> Batch {
        Batch::parse(self.bytes.clone()).unwrap_or_else(|e| panic!("{}: {e}", self.name()))
    }
}

fn golden() -> Vec<Golden> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/batches.jsonl.gz");
    let mut text = String::new();
    GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let batches: Vec<Golden> = text
        .lines()
        .map(|line| {
            let json: Value = serde_json::from_str(line).unwrap();
            let bytes = unhex(json["hex"].as_str().unwrap());
            Golden { json, bytes }
        })
        .collect();
    assert_eq!(batches.len(), 32);
    batches
}

fn unhex(hex: &str) -> Bytes {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

/// Bytes in base64, or null.
fn field(json: &Value) -> Option<Vec<u8>> {
    json.as_str().map(|text| BASE64_STANDARD.decode(text).unwrap())
}

fn headers(record: &Value) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let pairs = record["headers"].as_array().unwrap().iter();
    pairs.map(|pair| (pair[0].as_str().unwrap().into(), field(&pair[1]))).collect()
}

#[test]
fn golden_headers_are_read_as_kafka_reads_them() {
    for golden in golden() {
        let (batch, name) = (golden.batch(), golden.name());
        batch.check_crc().unwrap();
        assert_eq!(i64::from(batch.crc()), golden.number("crc"), "{name}");
        assert_eq!(batch.size(), golden.bytes.len(), "{name}");
        assert_eq!(batch.base_offset(), golden.number("base_offset"), "{name}");
        assert_eq!(batch.last_offset(), golden.number("last_offset"), "{name}");
        assert_eq!(batch.partition_leader_epoch() as i64, golden.number("leader_epoch"), "{name}");
        assert_eq!(batch.max_timestamp(), golden.number("max_timestamp"), "{name}");
        assert_eq!(batch.producer_id(), golden.number("producer_id"), "{name}");
        assert_eq!(i64::from(batch.producer_epoch()), golden.number("producer_epoch"), "{name}");
        assert_eq!(i64::from(batch.base_sequence()), golden.number("base_sequence"), "{name}");
        assert_eq!(batch.records_count() as usize, golden.records().len(), "{name}");
        let attributes = batch.attributes();
        assert_eq!(attributes.codec().unwrap().name(), golden.json["codec"], "{name}");
        assert_eq!(attributes.append_time(), golden.flag("log_append_time"), "{name}");
        assert_eq!(attributes.transactional(), golden.flag("transactional"), "{name}");
        assert_eq!(attributes.control(), golden.flag("control"), "{name}");
    }
}

#[test]
fn golden_records_are_read_as_kafka_reads_them() {
    for golden in golden() {
        let batch = golden.batch();
        let records = batch.records(BYTES_MAX).unwrap();
        let views: Vec<RecordView> = records.views().map(Result::unwrap).collect();
        let owned: Vec<Record> = records.clone().map(Result::unwrap).collect();
        assert_eq!((views.len(), owned.len()), (golden.records().len(), golden.records().len()));
        for ((expected, view), owned) in golden.records().iter().zip(views).zip(owned) {
            let name = format!("{} at {}", golden.name(), view.offset);
            assert_eq!(view.offset, expected["offset"].as_i64().unwrap(), "{name}");
            assert_eq!(view.timestamp, expected["timestamp"].as_i64().unwrap(), "{name}");
            assert_eq!(view.key.map(Vec::from), field(&expected["key"]), "{name}");
            assert_eq!(view.value.map(Vec::from), field(&expected["value"]), "{name}");
            let came: Vec<_> =
                view.headers().map(|(key, value)| (key.to_vec(), value.map(Vec::from))).collect();
            assert_eq!(came, headers(expected), "{name}");
            assert_eq!((owned.offset, owned.timestamp), (view.offset, view.timestamp), "{name}");
            assert_eq!((owned.key.as_deref(), owned.value.as_deref()), (view.key, view.value));
            let owned_headers: Vec<_> = owned
                .headers()
                .map(|header| (header.key.to_vec(), header.value.map(|value| value.to_vec())))
                .collect();
            assert_eq!(owned_headers, came, "{name}");
        }
    }
}

/// Writes again what is in a golden batch.
fn rebuild(golden: &Golden, codec: Codec) -> BatchBuilder {
    let batch = golden.batch();
    let mut builder = BatchBuilder::new(codec)
        .base_offset(batch.base_offset())
        .leader_epoch(batch.partition_leader_epoch())
        .producer(batch.producer_id(), batch.producer_epoch(), batch.base_sequence());
    if batch.attributes().transactional() {
        builder = builder.transactional();
    }
    if batch.attributes().append_time() {
        builder = builder.append_time(batch.max_timestamp());
    }
    // With append time Kafka's JSON shows the broker's time; the producers' are in the deltas.
    let times = create_times(&batch);
    for (record, time) in golden.records().iter().zip(times) {
        let (key, value, headers) =
            (field(&record["key"]), field(&record["value"]), headers(record));
        let headers: Vec<NewHeader> =
            headers.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
        builder.push(time, key.as_deref(), value.as_deref(), &headers);
    }
    builder
}

/// The producers' times of a batch's records, also if the broker's time counts.
fn create_times(batch: &Batch) -> Vec<i64> {
    let mut bytes = batch.bytes().to_vec();
    bytes[22] &= !8;
    let batch = Batch::parse(bytes.into()).unwrap();
    let records = batch.records(BYTES_MAX).unwrap();
    records.views().map(|record| record.unwrap().timestamp).collect()
}

#[test]
fn golden_uncompressed_batches_are_written_byte_for_byte() {
    let mut seen = 0;
    for golden in golden().iter().filter(|golden| golden.json["codec"] == "none") {
        let built = match golden.json["control"] {
            Value::Bool(true) => {
                let batch = golden.batch();
                let records = batch.records(BYTES_MAX).unwrap();
                let marker = Marker::of(&records.views().next().unwrap().unwrap()).unwrap();
                assert_eq!(marker == Marker::Commit, golden.name() == "marker-COMMIT");
                marker
                    .batch(batch.max_timestamp(), batch.producer_id(), batch.producer_epoch(), 8)
                    .base_offset(batch.base_offset())
                    .leader_epoch(batch.partition_leader_epoch())
                    .build()
            }
            _ => rebuild(golden, Codec::None).build(),
        };
        assert_eq!(built, golden.bytes, "{}", golden.name());
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn golden_compressed_batches_survive_our_own_codecs() {
    for golden in golden().iter().filter(|golden| golden.json["codec"] != "none") {
        let original = golden.batch();
        let codec = original.attributes().codec().unwrap();
        let ours = rebuild(golden, codec).build_batch();
        ours.check_crc().unwrap();
        let (ours, theirs) =
            (ours.records(BYTES_MAX).unwrap(), original.records(BYTES_MAX).unwrap());
        assert_eq!(ours.payload(), theirs.payload(), "{}", golden.name());
    }
}

#[test]
fn golden_times_are_found_to_the_record() {
    for golden in golden() {
        let (batch, name) = (golden.batch(), golden.name());
        let times: Vec<(i64, i64)> = golden
            .records()
            .iter()
            .map(|r| (r["offset"].as_i64().unwrap(), r["timestamp"].as_i64().unwrap()))
            .collect();
        let latest = times.iter().rev().max_by_key(|(_, timestamp)| timestamp).unwrap();
        let found = latest_record(&batch, i64::MIN, BYTES_MAX).unwrap().unwrap();
        assert_eq!((found.offset, found.timestamp), *latest, "{name}");
        for asked in [0, times[0].1, times[0].1 + 1, latest.1, latest.1 + 1] {
            for from in [0, times[0].0 + 1] {
                let first = times.iter().find(|(offset, at)| *at >= asked && *offset >= from);
                let found = offset_for_time(&batch, asked, from, BYTES_MAX).unwrap();
                let found = found.map(|found| (found.offset, found.timestamp));
                assert_eq!(found, first.copied(), "{name} {asked} {from}");
            }
        }
    }
}
