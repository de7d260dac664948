//! Kafka's own bytes: what its encoder writes, our tables read to the same values and write to the
//! same bytes.
//!
//! `tests/data/golden.jsonl.gz` holds four vectors for each message and version of Kafka 4.3.1,
//! made by its own encoder: `hex`, `json` (as Kafka's JsonConverter shows the same object) and
//! sometimes `also`, another encoding of the same values. The environment variable `SORDINI_GOLDEN`
//! names one more file of the same form, gzipped or not. Every vector of a message that has a table
//! is checked:
//!
//! - `hex` decodes, to the last byte, to what `json` says;
//! - it encodes back to the same bytes;
//! - `also` decodes to the same.
//!
//! Kafka's converter shows record batches as an empty string; then only null or not is compared,
//! and the bytes by encoding back.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // a test reads its data from files

mod json;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use json::{JsonBuilder, RECORDS};
use serde_json::Value;
use sordini_wire::message::{Descriptor, MESSAGES};
use sordini_wire::primitive::{Reader, Writer};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

#[test]
fn golden_vectors_decode_to_kafkas_values_and_encode_to_its_bytes() {
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden.jsonl.gz")];
    files.extend(std::env::var_os("SORDINI_GOLDEN").map(PathBuf::from));
    let mut wrong = Vec::new();
    let mut checked: BTreeMap<&str, usize> = MESSAGES.iter().map(|m| (m.name, 0)).collect();
    for file in &files {
        for (number, line) in text(file).lines().enumerate() {
            let vector: Value = serde_json::from_str(line).expect("a JSON object in each line");
            let Some(message) = table(&vector) else { continue };
            if let Err(why) = check(message, &vector) {
                wrong.push(format!("{}:{}: {why}", file.display(), number + 1));
            }
            *checked.get_mut(message.name).expect("every message is counted") += 1;
        }
        println!("read {}", file.display());
    }
    report(&checked);
    let unchecked: Vec<_> = checked.iter().filter(|(_, n)| **n == 0).map(|(m, _)| m).collect();
    assert!(unchecked.is_empty(), "no vector for {unchecked:?}");
    assert!(
        wrong.is_empty(),
        "{} vectors fail:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(20)].join("\n")
    );
}

/// The tables have the versions of the vectors, none more and none less.
#[test]
fn golden_vectors_cover_every_version() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden.jsonl.gz");
    let mut versions: BTreeMap<&str, Vec<i16>> = BTreeMap::new();
    for line in text(&file).lines() {
        let vector: Value = serde_json::from_str(line).expect("a JSON object in each line");
        let Some(message) = table(&vector) else { continue };
        versions.entry(message.name).or_default().push(version(&vector));
    }
    for message in MESSAGES {
        let mut got = versions.remove(message.name).unwrap_or_default();
        got.dedup();
        assert_eq!(got, message.versions.clone().collect::<Vec<_>>(), "{}", message.name);
    }
}

fn check(message: &Descriptor, vector: &Value) -> Result<(), String> {
    let (version, hex) = (version(vector), vector["hex"].as_str().expect("hex"));
    let what = format!("{} v{version} {hex}", message.name);
    let bytes = unhex(hex);
    same_values(message, version, &bytes, &vector["json"]).map_err(|e| format!("{what}: {e}"))?;
    if let Some(also) = vector["also"].as_str() {
        same_values(message, version, &unhex(also), &vector["json"])
            .map_err(|e| format!("{what}: the other encoding {also}: {e}"))?;
    }
    let mut writer = Writer::new();
    (message.copy)(&mut Reader::new(bytes.clone()), version, &mut writer, version)
        .map_err(|e| format!("{what}: {e}"))?;
    let back = writer.finish_joined();
    if back != bytes {
        return Err(format!("{what}: encodes back to {}", tohex(&back)));
    }
    Ok(())
}

fn same_values(
    message: &Descriptor,
    version: i16,
    bytes: &Bytes,
    expected: &Value,
) -> Result<(), String> {
    let mut reader = Reader::new(bytes.clone());
    let mut builder = JsonBuilder::default();
    (message.show)(&mut reader, version, &mut builder).map_err(|e| e.to_string())?;
    if reader.remaining() != 0 {
        return Err(format!("{} bytes are left over", reader.remaining()));
    }
    let got = builder.finish();
    match same(&got, expected) {
        true => Ok(()),
        false => Err(format!("decodes to {got}, not to {expected}")),
    }
}

/// Whether a built value is what Kafka's converter shows. Of record batches it may show nothing but
/// that they are not null.
fn same(built: &Value, kafkas: &Value) -> bool {
    match (built, kafkas) {
        (Value::Object(built), Value::String(shown)) => {
            built.get(RECORDS).is_some_and(|records| shown.is_empty() || records == shown)
        }
        (Value::Object(built), Value::Object(kafkas)) => {
            built.len() == kafkas.len()
                && built.iter().all(|(name, b)| kafkas.get(name).is_some_and(|k| same(b, k)))
        }
        (Value::Array(built), Value::Array(kafkas)) => {
            built.len() == kafkas.len() && built.iter().zip(kafkas).all(|(b, k)| same(b, k))
        }
        _ => built == kafkas,
    }
}

fn table(vector: &Value) -> Option<&'static Descriptor> {
    let name = vector["message"].as_str().expect("a message name");
    MESSAGES.iter().find(|m| m.name == name)
}

fn version(vector: &Value) -> i16 {
    vector["version"].as_i64().expect("a version") as i16
}

fn report(checked: &BTreeMap<&str, usize>) {
    for (message, count) in checked {
        println!("{count:5} {message}");
    }
    println!("{:5} vectors of {} messages", checked.values().sum::<usize>(), checked.len());
}

fn text(file: &Path) -> String {
    let raw = std::fs::read(file).unwrap_or_else(|e| panic!("cannot read {}: {e}", file.display()));
    let mut text = String::new();
    match raw.starts_with(&[0x1f, 0x8b]) {
        true => MultiGzDecoder::new(&raw[..]).read_to_string(&mut text).map(drop),
        false => String::from_utf8(raw).map(|t| text = t).map_err(std::io::Error::other),
    }
    .unwrap_or_else(|e| panic!("{} is neither text nor gzip: {e}", file.display()));
    text
}

fn unhex(hex: &str) -> Bytes {
    let digit = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn tohex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
