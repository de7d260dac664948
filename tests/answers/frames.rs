//! Requests as Kafka's own codec wrote them, with holes for what is known only when they are sent.
//!
//! `RecordFrames.java` beside this file made them and says what a hole looks like.

use crc_fast::crc32_iscsi;
use serde_json::Value;
use sordini_wire::batch::Header;
use sordini_wire::primitive::Uuid;
use std::collections::BTreeMap;

/// What stands for the variables: numbers, and topic ids as text.
pub type Variables = BTreeMap<String, Value>;

/// A request as bytes, its length in front; an error names the hole that cannot be filled.
pub fn filled(template: &str, variables: &Variables) -> Result<Vec<u8>, String> {
    let mut frame = Vec::new();
    let mut checksums = Vec::new();
    for (i, piece) in template.split(['{', '}']).enumerate() {
        match (i % 2, piece) {
            (0, hex) => frame.extend(unhex(hex)),
            (_, "crc") => {
                checksums.push(frame.len());
                frame.extend([0; 4]);
            }
            (_, hole) => {
                let bytes = hole_bytes(hole, variables).ok_or(format!("no value for {hole}"))?;
                frame.extend(bytes);
            }
        }
    }
    for at in checksums {
        let base = at - 17;
        let header = Header::peek(&frame[base..]).expect("a header").expect("the whole of it");
        let crc = crc32_iscsi(&frame[at + 4..base + header.size()]);
        frame[at..at + 4].copy_from_slice(&crc.to_be_bytes());
    }
    Ok(frame)
}

fn hole_bytes(hole: &str, variables: &Variables) -> Option<Vec<u8>> {
    let (what, form) = hole.split_once(':')?;
    let sign = what.find(['+', '-']).unwrap_or(what.len());
    let (name, plus) = what.split_at(sign);
    let value = variables.get(name)?;
    if form == "id" {
        let id: Uuid = value.as_str()?.parse().ok()?;
        return Some(id.0.to_vec());
    }
    let number = value.as_i64()? + plus.parse::<i64>().unwrap_or(0);
    if form == "text" {
        // The length in front of it was recorded for one digit.
        return (0..10).contains(&number).then(|| number.to_string().into_bytes());
    }
    let bytes = number.to_be_bytes();
    Some(bytes[8 - form.parse::<usize>().ok()?..].to_vec())
}

fn unhex(hex: &str) -> impl Iterator<Item = u8> {
    let digit = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digit)
}
