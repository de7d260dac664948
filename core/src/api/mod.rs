//! The APIs, one file each: a request in, an answer out.
//!
//! A file here is thin: it checks, asks, and shapes the answer. Only this folder turns domain errors into Kafka's
//! error codes.

pub mod create_topics;
pub mod describe_cluster;
pub mod metadata;
pub mod refusal;
