//! The codec reads whatever Kafka's own encoder writes, to the last byte, and nothing that is a little different.

use super::*;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::io::Read;

/// Four answers of each version of every API, written by Kafka 4.3.1.
const GOLDEN: &[u8] = include_bytes!("../../../core/wire/tests/data/golden.jsonl.gz");

/// Key, version, bytes of each.
fn golden() -> Vec<(i16, i16, Vec<u8>)> {
    let mut text = String::new();
    MultiGzDecoder::new(GOLDEN).read_to_string(&mut text).expect("text");
    let mut bodies = Vec::new();
    for line in text.lines() {
        let vector: Value = serde_json::from_str(line).expect("JSON");
        let name = vector["message"].as_str().expect("a name");
        if !name.ends_with("Response") {
            continue;
        }
        let number = |key: &str| vector[key].as_i64().expect("a number") as i16;
        for hex in [&vector["hex"], &vector["also"]].into_iter().filter_map(Value::as_str) {
            let pair = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
            let bytes = (0..hex.len()).step_by(2).map(pair).collect();
            bodies.push((number("api_key"), number("version"), bytes));
        }
    }
    bodies
}

/// Reads a body; whatever its error codes and unknown tags are, since those of the vectors are drawn.
fn body(bytes: &[u8], key: i16, version: i16) -> Result<(), Illegible> {
    let program = &CODEC.programs[&(key, version)];
    let mut cursor = Cursor { frame: bytes, at: 0, flexible: program.flexible, key: None };
    cursor.message(program)
}

#[test]
fn every_answer_that_kafka_writes_is_read_to_the_end() {
    let golden = golden();
    assert!(golden.len() > 700, "{}", golden.len());
    for (key, version, bytes) in &golden {
        let read = body(bytes, *key, *version);
        assert_eq!(read, Ok(()), "API {key} version {version}: {bytes:02x?}");
    }
    let versions = CODEC.programs.keys().filter(|row| row.0 >= 0);
    for (key, version) in versions {
        let there = golden.iter().any(|(k, v, _)| (k, v) == (key, version));
        assert!(there, "no answer of API {key} version {version} was read");
    }
}

#[test]
fn an_answer_that_is_cut_or_goes_on_is_refused() {
    for (key, version, bytes) in golden() {
        let cut = (0..bytes.len()).filter(|len| body(&bytes[..*len], key, version).is_ok());
        assert_eq!(cut.count(), 0, "API {key} version {version}: {bytes:02x?}");
        let longer = [&bytes[..], &[0]].concat();
        assert!(body(&longer, key, version).is_err(), "API {key} version {version}");
    }
}

/// An answer to request 7: ListOffsets 6 for partition 3 of "t".
fn offsets(code: i16) -> Vec<u8> {
    let mut frame = vec![0, 0, 0, 7, 0]; // header
    frame.extend([0, 0, 0, 0, 2, 2, b't', 2, 0, 0, 0, 3]);
    frame.extend(code.to_be_bytes());
    frame.extend([0; 20]);
    frame.extend([0, 0, 0]);
    frame
}

#[test]
fn an_answer_is_held_against_its_request() {
    assert_eq!(check(&offsets(0), 2, 6, 7), Ok(()));
    assert_eq!(check(&offsets(3), 2, 6, 7), Ok(()));
    let wrong = |frame: &[u8], version, correlation| {
        check(frame, 2, version, correlation).expect_err("it is wrong").to_string()
    };
    assert!(wrong(&offsets(0), 6, 8).contains("correlation id 8, came 7"));
    assert!(wrong(&offsets(0), 5, 7).contains("byte"));
    assert!(wrong(&offsets(0), 12, 7).contains("no version 12"));
    assert!(wrong(&offsets(25), 6, 7).contains("error code 25"), "of a group, not of a log");
}

#[test]
fn tags_that_are_unknown_double_or_of_another_length_are_refused() {
    let with = |tags: &[u8]| {
        let mut frame = offsets(0);
        frame.truncate(frame.len() - 1);
        frame.extend(tags);
        check(&frame, 2, 6, 7)
    };
    assert_eq!(with(&[0]), Ok(()));
    assert!(with(&[1, 9, 0]).is_err());
    let api_versions = |tags: &[u8]| {
        let frame = [&[0, 0, 0, 7, 0, 0, 1, 0, 0, 0, 0][..], tags].concat();
        check(&frame, 18, 3, 7)
    };
    assert_eq!(api_versions(&[1, 3, 1, 1]), Ok(()));
    assert!(api_versions(&[1, 3, 1, 2]).is_err(), "a flag is 0 or 1");
    assert!(api_versions(&[1, 3, 2, 1, 0]).is_err(), "one byte too many");
    assert!(api_versions(&[2, 3, 1, 1, 3, 1, 1]).is_err(), "twice");
    assert!(api_versions(&[2, 3, 1, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "falling");
}
