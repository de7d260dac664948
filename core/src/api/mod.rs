//! The APIs, one file each: a request in, an answer out.
//!
//! A file here is thin: it checks, asks, and shapes the answer. Only this folder turns domain errors into Kafka's
//! error codes.

pub mod alter_configs;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_log_dirs;
pub mod describe_topic_partitions;
pub mod incremental_alter_configs;
pub mod metadata;
pub mod refusal;
