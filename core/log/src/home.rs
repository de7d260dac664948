//! `partition.metadata`: what a log's directory says about itself, in Kafka's own text format plus a
//! line for the log that lives there.

use crate::id::{LogDir, LogId};

const VERSION: &str = "version: 0";
const TOPIC_ID: &str = "topic_id: ";
const LOG_ID: &str = "log_id: ";

/// The file's text: Kafka's two lines (its version 0 and the topic id in URL-safe base64 without
/// padding), then `log_id: N`.
pub fn encode(dir: &LogDir, topic_id: &[u8; 16]) -> String {
    format!("{VERSION}\n{TOPIC_ID}{}\n{LOG_ID}{}\n", base64(topic_id), dir.log.0)
}

/// Which log the text names; `None` if it is no such text, e.g. because it was cut off.
pub fn log_id(text: &[u8]) -> Option<LogId> {
    let text = std::str::from_utf8(text).ok()?;
    let line = text.strip_suffix('\n')?.lines().find_map(|line| line.strip_prefix(LOG_ID))?;
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
        assert_eq!(text, "version: 0\ntopic_id: ABEiM0RVZneImaq7zN3u_w\nlog_id: 17\n");
        assert_eq!(log_id(text.as_bytes()), Some(LogId(17)));
        // A text cut off must not name log 1.
        assert!((0..text.len()).all(|len| log_id(&text.as_bytes()[..len]).is_none()));
    }
}
