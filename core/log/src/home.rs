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
