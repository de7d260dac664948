//! Kafka's wire format: bytes to nouns and back, and nothing else.

pub mod batch;
pub mod codec;
