//! How a record looks on standard output.

use super::start::rfc3339;
use anyhow::{Result, bail};
use serde_json::{Map, Value, json};
use sordini_wire::batch::RecordView;
use std::str::FromStr;

/// A template: text with places for the parts of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Key,
    Value,
    Offset,
    Time,
    TimeMs,
    Headers,
    Partition,
    Topic,
    KeyLen,
    ValueLen,
}

/// A record and where it was found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: i32,
    /// The record.
    pub record: &'a RecordView<'a>,
}

impl FromStr for Format {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Format> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let piece = match c {
                '%' => match chars.next() {
                    Some('%') => {
                        plain.push(b'%');
                        continue;
                    }
                    other => place(other)?,
                },
                '\\' => {
                    plain.push(escape(chars.next())?);
                    continue;
                }
                c => {
                    plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(piece);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Format { pieces })
    }
}

fn place(letter: Option<char>) -> Result<Piece> {
    Ok(match letter {
        Some('k') => Piece::Key,
        Some('v') => Piece::Value,
        Some('o') => Piece::Offset,
        Some('t') => Piece::Time,
        Some('T') => Piece::TimeMs,
        Some('h') => Piece::Headers,
        Some('p') => Piece::Partition,
        Some('n') => Piece::Topic,
        Some('K') => Piece::KeyLen,
        Some('V') => Piece::ValueLen,
        Some(other) => bail!("expected one of %k %v %o %t %T %h %p %n %K %V %%, got %{other}"),
        None => bail!("expected a letter behind %, or %% for a plain one"),
    })
}

fn escape(letter: Option<char>) -> Result<u8> {
    Ok(match letter {
        Some('n') => b'\n',
        Some('t') => b'\t',
        Some('r') => b'\r',
        Some('0') => 0,
        Some('\\') => b'\\',
        _ => bail!(r"expected \n, \t, \r, \0 or \\ in the format"),
    })
}

impl Format {
    /// Appends the record to `out`. Null keys and values are empty.
    pub fn write(&self, found: &Found<'_>, out: &mut Vec<u8>) {
        let record = found.record;
        let number =
            |value: i64, out: &mut Vec<u8>| out.extend_from_slice(value.to_string().as_bytes());
        let len = |bytes: Option<&[u8]>| bytes.map_or(-1, |bytes| bytes.len() as i64);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Key => out.extend_from_slice(record.key.unwrap_or_default()),
                Piece::Value => out.extend_from_slice(record.value.unwrap_or_default()),
                Piece::Offset => number(record.offset, out),
                Piece::Time => out.extend_from_slice(time(record.timestamp).as_bytes()),
                Piece::TimeMs => number(record.timestamp, out),
                Piece::Headers => headers(record, out),
                Piece::Partition => number(found.partition.into(), out),
                Piece::Topic => out.extend_from_slice(found.topic.as_bytes()),
                Piece::KeyLen => number(len(record.key), out),
                Piece::ValueLen => number(len(record.value), out),
            }
        }
    }
}

fn time(timestamp: i64) -> String {
    if timestamp < 0 { "-".to_owned() } else { rfc3339(timestamp) }
}

/// a=1,b=2 as kcat writes them.
fn headers(record: &RecordView<'_>, out: &mut Vec<u8>) {
    for (i, (key, value)) in record.headers().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        out.push(b'=');
        out.extend_from_slice(value.unwrap_or(b"NULL"));
    }
}

/// Appends the record to `out` as one line of JSON. Keys, values and headers that are no UTF-8 come as
/// `{"hex": "00ff"}`.
pub fn write_json(found: &Found<'_>, out: &mut Vec<u8>) {
    let record = found.record;
    let mut line = Map::new();
    line.insert("topic".into(), json!(found.topic));
    line.insert("partition".into(), json!(found.partition));
    line.insert("offset".into(), json!(record.offset));
    line.insert("timestamp".into(), json!(record.timestamp));
    line.insert("key".into(), bytes(record.key));
    line.insert("value".into(), bytes(record.value));
    if record.headers_count > 0 {
        let pair = |(key, value)| json!([bytes(Some(key)), bytes(value)]);
        line.insert("headers".into(), record.headers().map(pair).collect());
    }
    serde_json::to_writer(&mut *out, &Value::Object(line)).expect("it goes into memory");
    out.push(b'\n');
}

fn bytes(bytes: Option<&[u8]>) -> Value {
    match bytes.map(|b| (b, std::str::from_utf8(b))) {
        None => Value::Null,
        Some((_, Ok(text))) => json!(text),
        Some((b, Err(_))) => {
            json!({ "hex": b.iter().map(|b| format!("{b:02x}")).collect::<String>() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sordini_wire::batch::BatchBuilder;
    use sordini_wire::codec::Codec;

    fn shown(format: Option<&str>, key: Option<&[u8]>, value: Option<&[u8]>) -> String {
        let mut builder = BatchBuilder::new(Codec::None).base_offset(7);
        builder.push(1_000_000_000_000, key, value, &[(b"a", Some(b"1")), (b"b", None)]);
        let batch = builder.build_batch();
        let record = batch.view().records_plain().unwrap().next().unwrap().unwrap();
        let found = Found { topic: "t", partition: 3, record: &record };
        let mut out = Vec::new();
        match format {
            Some(format) => format.parse::<Format>().unwrap().write(&found, &mut out),
            None => write_json(&found, &mut out),
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_letter_stands_for_a_part_of_the_record() {
        let all = shown(Some(r"%n/%p@%o %T %t [%h] %k(%K)=%v(%V) 100%%\n"), Some(b"k"), None);
        let expected = "t/3@7 1000000000000 2001-09-09T01:46:40.000Z [a=1,b=NULL] k(1)=(-1) 100%\n";
        assert_eq!(all, expected);
    }

    #[test]
    fn json_keeps_null_and_bytes_that_are_no_text() {
        let line = shown(None, None, Some(&[0, 255]));
        let expected = r#"{"headers":[["a","1"],["b",null]],"key":null,"offset":7,"partition":3,"timestamp":1000000000000,"topic":"t","value":{"hex":"00ff"}}"#;
        assert_eq!(line.trim_end(), expected);
    }

    #[test]
    fn an_unknown_letter_is_refused_with_those_there_are() {
        let error = "%x".parse::<Format>().unwrap_err().to_string();
        assert!(error.contains("%k %v"), "{error}");
        assert!("%".parse::<Format>().is_err());
        assert!(r"\q".parse::<Format>().is_err());
    }
}
