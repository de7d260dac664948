//! `partition.metadata`: what a log's directory says about itself, in Kafka's own text format plus a
//! line for the log that lives there, and one that tells a text that rotted.

use crate::id::{LogDir, LogId};

const VERSION: &str = "version: 0";
const TOPIC_ID: &str = "topic_id: ";
const LOG_ID: &str = "log_id: ";
const CRC: &str = "crc: ";

/// No text is longer.
pub(crate) const BYTES_MAX: u64 = 4096;

/// The file's text: Kafka's two lines (its version 0 and the topic id in URL-safe base64 without
/// padding), then `log_id: N`, then `crc: X`, the CRC-32 of all before it as eight hexadecimal digits.
pub fn encode(dir: &LogDir, topic_id: &[u8; 16]) -> String {
    let text = format!("{VERSION}\n{TOPIC_ID}{}\n{LOG_ID}{}\n", base64(topic_id), dir.log.0);
    format!("{text}{CRC}{:08x}\n", crc32fast::hash(text.as_bytes()))
}

/// Which log the text names; `None` if it is no such text, because it was cut off or rotted, say. Directories that were made
/// before texts had a CRC have none.
pub fn log_id(text: &[u8]) -> Option<LogId> {
    let text = std::str::from_utf8(text).ok()?;
    let (before, rest) = text.split_at(text.find(LOG_ID)?);
    let (line, crc) = rest[LOG_ID.len()..].split_once('\n')?;
    if !crc.is_empty() {
        let crc = crc.strip_prefix(CRC)?.strip_suffix('\n')?;
        let covered = &text.as_bytes()[..before.len() + LOG_ID.len() + line.len() + 1];
        if u32::from_str_radix(crc, 16) != Ok(crc32fast::hash(covered)) {
            return None;
        }
    }
    line.parse().ok().map(LogId)
}

/// URL-safe base64 without padding, as Kafka prints its ids.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(word >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn is_kafkas_text_and_names_the_log() {
        let dir = LogDir { name: Arc::from("orders-0"), log: LogId(17) };
        let id = std::array::from_fn(|i| i as u8 * 17);
        let text = encode(&dir, &id);
        let old = "version: 0\ntopic_id: ABEiM0RVZneImaq7zN3u_w\nlog_id: 17\n";
        assert_eq!(text, format!("{old}crc: 077b7c9d\n"));
        assert_eq!(log_id(text.as_bytes()), Some(LogId(17)));
        assert_eq!(log_id(old.as_bytes()), Some(LogId(17)), "as it was before there were CRCs");
        // A text cut off must not name log 1, and one that rotted no other log.
        let named = |len: usize| log_id(&text.as_bytes()[..len]);
        assert!((0..text.len()).filter(|len| *len != old.len()).all(|len| named(len).is_none()));
        for bit in 0..text.len() * 8 {
            let mut rotten = text.clone().into_bytes();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert!(log_id(&rotten).is_none_or(|log| log == LogId(17)), "bit {bit}");
        }
    }
}
