//! An answer's bytes as the JSON in which Kafka's answers were recorded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crc_fast::crc32_iscsi;
use serde_json::{Value, json};
use sordini_wire::api::{ApiKey, response_header_version};
use sordini_wire::batch::{Batch, split_prefix};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::header::ResponseHeader;
use sordini_wire::message::{Descriptor, MESSAGES, Message};
use sordini_wire::primitive::Reader;
use std::collections::BTreeMap;

#[path = "../../core/wire/tests/golden/json.rs"]
mod json;

/// The most that the records of a batch of the cases come to.
const OPENED_BYTES_MAX: usize = 1 << 26;
/// Bytes longer than this are shown as their length and checksum.
const SHOWN_BYTES_MAX: usize = 24;

/// The answer of an API as JSON; an error if it is not a right answer.
pub fn answer(api: &str, version: i16, frame: Bytes) -> Result<Value, String> {
    let of_api = |m: &&Descriptor| m.name.strip_suffix("Response") == Some(api);
    let Some(message) = MESSAGES.iter().find(of_api) else {
        return Err(format!("{api} has no table"));
    };
    // A refused ApiVersions comes in the layout of version 0, whatever was asked.
    let code = frame.get(4..6).map(|b| i16::from_be_bytes([b[0], b[1]]));
    let refused = api == "ApiVersions" && code == Some(ErrorCode::UNSUPPORTED_VERSION.0);
    let version = if refused { 0 } else { version };
    if !message.versions.contains(&version) {
        return Err(format!("{api} has no version {version}"));
    }
    let header = response_header_version(ApiKey(message.api_key), version).expect("an API");
    let mut reader = Reader::new(frame);
    ResponseHeader::decode(&mut reader, header).map_err(|e| e.to_string())?;
    let mut builder = json::JsonBuilder::default();
    (message.show)(&mut reader, version, &mut builder).map_err(|e| e.to_string())?;
    match reader.remaining() {
        0 => Ok(opened(builder.finish())),
        n => Err(format!("{n} bytes too many")),
    }
}

/// The same, record batches opened.
fn opened(value: Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get(json::RECORDS) {
            Some(bytes) => records(STANDARD.decode(bytes.as_str().expect("text")).expect("base64")),
            None => fields.into_iter().map(|(k, v)| (k, opened(v))).collect(),
        },
        Value::Array(list) => list.into_iter().map(opened).collect(),
        other => other,
    }
}

/// The whole batches; one that is cut off at the end is left out, as a client does.
fn records(bytes: Vec<u8>) -> Value {
    let (batches, _) = split_prefix(bytes.into()).expect("sound batches");
    batches.iter().map(batch).collect()
}

fn batch(b: &Batch) -> Value {
    let attributes = b.attributes();
    let mut shown = json!({
        "baseOffset": b.base_offset(),
        "lastOffset": b.last_offset(),
        "magic": b.magic(),
        "partitionLeaderEpoch": b.partition_leader_epoch(),
        "codec": attributes.codec().expect("a codec").name(),
        "control": attributes.control(),
        "transactional": attributes.transactional(),
        "logAppendTime": attributes.append_time(),
        "maxTimestamp": b.max_timestamp(),
        "producerId": b.producer_id(),
        "producerEpoch": b.producer_epoch(),
        "baseSequence": b.base_sequence(),
    });
    if b.check_crc().is_err() {
        shown["invalid"] = true.into();
        return shown;
    }
    let records = b.records(OPENED_BYTES_MAX).expect("records that can be opened");
    let record = |r: sordini_wire::batch::RecordView<'_>| {
        let headers = r.headers();
        let headers = headers.map(|(k, v)| json!([String::from_utf8_lossy(k), bytes(v)]));
        let headers: Value = headers.collect();
        json!([r.offset, r.timestamp, bytes(r.key), bytes(r.value), headers])
    };
    shown["records"] = records.views().map(|r| record(r.expect("a sound record"))).collect();
    shown
}

/// Short text as it is, else hexadecimal digits; long bytes as their length and checksum.
fn bytes(bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    if bytes.len() > SHOWN_BYTES_MAX {
        return format!("{} bytes, crc {:x}", bytes.len(), crc32_iscsi(bytes)).into();
    }
    if bytes.iter().all(|b| (32..127).contains(b)) {
        return String::from_utf8_lossy(bytes).into();
    }
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    format!("0x{hex}").into()
}

/// The same, with times that the requests held shown as they were written there.
pub fn named_times(value: Value, times: &BTreeMap<i64, String>) -> Value {
    match value {
        Value::Object(fields) => {
            fields.into_iter().map(|(k, v)| (k, named_times(v, times))).collect()
        }
        Value::Array(list) => list.into_iter().map(|v| named_times(v, times)).collect(),
        Value::Number(n) => match n.as_i64().and_then(|n| times.get(&n)) {
            Some(name) => name.clone().into(),
            None => n.into(),
        },
        other => other,
    }
}
