//! A topic's configuration as its partitions use it: every key resolved, typed and within its range.

use super::broker::BrokerConfig;
use super::lookup::Lookup;
use super::table::{self, Value, ValueError};
use crate::metadata::{Metadata, Resource};
use std::collections::BTreeMap;

/// What holds for one topic's partitions now. See [`super::table`] for each key's range and default.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `cleanup.policy` has `delete`: whole segments go when they are old, or there is too much.
    pub cleanup_delete: bool,
    /// `cleanup.policy` has `compact`: only the last record of each key must stay. Every record needs a key.
    pub cleanup_compact: bool,
    /// `compression.type`.
    pub compression: Compression,
    /// `retention.ms`; none keeps for ever.
    pub retention_ms: Option<u64>,
    /// `retention.bytes` of one partition; none keeps all.
    pub retention_bytes: Option<u64>,
    /// `segment.bytes`: a segment is closed before it grows beyond.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment is closed when its first record is so old.
    pub segment_ms: u64,
    /// `segment.jitter.ms`: at most so much is taken off `segment_ms`, by chance.
    pub segment_jitter_ms: u64,
    /// `segment.index.bytes`: largest size of a segment's index.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: an index entry at most every so many bytes.
    pub index_interval_bytes: u32,
    /// `max.message.bytes`: largest record batch, its header counted.
    pub message_bytes_max: u32,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how much older than the broker's clock a timestamp may be.
    pub timestamp_before_ms_max: u64,
    /// `message.timestamp.after.max.ms`: how much newer.
    pub timestamp_after_ms_max: u64,
    /// `min.insync.replicas`: acks=all needs so many.
    pub insync_replicas_min: u32,
    /// `flush`: whether a reply waits for the disk.
    pub flush: Flush,
    /// `flush.ms`: with [`Flush::Relaxed`], a sync follows within this time.
    pub flush_ms: u64,
    /// `file.delete.delay.ms`: how long a deleted segment's file stays.
    pub file_delete_delay_ms: u64,
    /// `delete.retention.ms`: how long a tombstone stays after compaction.
    pub delete_retention_ms: u64,
    /// `min.compaction.lag.ms`: a record is not compacted away before.
    pub compaction_lag_ms_min: u64,
    /// `max.compaction.lag.ms`: a record is looked at by compaction no later.
    pub compaction_lag_ms_max: u64,
    /// `min.cleanable.dirty.ratio`, in millionths: compact when so much of the log is dirty.
    pub cleanable_dirty_millionths_min: u32,
}

/// `compression.type`: what the broker stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As the producer sent it.
    Producer,
    /// Not compressed.
    Uncompressed,
    /// gzip, with this level; -1 is the codec's own default.
    Gzip(i32),
    /// snappy; it has no levels.
    Snappy,
    /// lz4, with this level.
    Lz4(i32),
    /// zstd, with this level.
    Zstd(i32),
}

/// `message.timestamp.type`: whose clock a record's timestamp is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, when it appends.
    LogAppendTime,
}

/// `flush`: what an acknowledgement promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// The record is on disk.
    Durable,
    /// The record is in the journal's memory; a power loss may take what came last.
    Relaxed,
}

impl TopicConfig {
    /// What holds for a topic with these settings. Every layer was checked when it was set; a word that does
    /// not fit any more, because the program is another one now, counts as not said.
    pub fn from_settings(lookup: Lookup<'_>, set: &BTreeMap<String, String>) -> TopicConfig {
        let value = |key: &str| {
            let row =
                table::topic(key).expect("keys here are in the table; a test resolves them all");
            let (text, _) = lookup.topic(row, set);
            let default = row.default.expect("a topic's key has a default");
            row.parse(&text).or_else(|_| row.parse(default)).expect("defaults fit their rows")
        };
        let number = |key: &str| match value(key) {
            Value::Number(n) => n,
            other => panic!("{key} is a number in the table, not {other:?}"),
        };
        let text = |key: &str| value(key).to_string();
        let positive = |key: &str| u64::try_from(number(key)).unwrap_or(0);
        let limit = |key: &str| u64::try_from(number(key)).ok();
        let small = |key: &str| u32::try_from(number(key)).unwrap_or(0);
        let level = |key: &str| number(key) as i32;
        let policy = match value("cleanup.policy") {
            Value::List(policy) => policy,
            other => panic!("cleanup.policy is a list in the table, not {other:?}"),
        };
        let dirty = match value("min.cleanable.dirty.ratio") {
            Value::Double(d) => (d * 1e6) as u32,
            other => panic!("min.cleanable.dirty.ratio is a double in the table, not {other:?}"),
        };
        TopicConfig {
            cleanup_delete: policy.iter().any(|p| p == "delete"),
            cleanup_compact: policy.iter().any(|p| p == "compact"),
            compression: match text("compression.type").as_str() {
                "uncompressed" => Compression::Uncompressed,
                "gzip" => Compression::Gzip(level("compression.gzip.level")),
                "snappy" => Compression::Snappy,
                "lz4" => Compression::Lz4(level("compression.lz4.level")),
                "zstd" => Compression::Zstd(level("compression.zstd.level")),
                _ => Compression::Producer,
            },
            retention_ms: limit("retention.ms"),
            retention_bytes: limit("retention.bytes"),
            segment_bytes: small("segment.bytes"),
            segment_ms: positive("segment.ms"),
            segment_jitter_ms: positive("segment.jitter.ms"),
            segment_index_bytes: small("segment.index.bytes"),
            index_interval_bytes: small("index.interval.bytes"),
            message_bytes_max: small("max.message.bytes"),
            timestamp_type: match text("message.timestamp.type").as_str() {
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_ms_max: positive("message.timestamp.before.max.ms"),
            timestamp_after_ms_max: positive("message.timestamp.after.max.ms"),
            insync_replicas_min: small("min.insync.replicas"),
            flush: match text("flush").as_str() {
                "relaxed" => Flush::Relaxed,
                _ => Flush::Durable,
            },
            flush_ms: positive("flush.ms"),
            file_delete_delay_ms: positive("file.delete.delay.ms"),
            delete_retention_ms: positive("delete.retention.ms"),
            compaction_lag_ms_min: positive("min.compaction.lag.ms"),
            compaction_lag_ms_max: positive("max.compaction.lag.ms"),
            cleanable_dirty_millionths_min: dirty,
        }
    }

    /// What holds for the topic of this name, alive or not.
    pub fn resolve(metadata: &Metadata, config: &BrokerConfig, topic: &str) -> TopicConfig {
        let lookup = Lookup { metadata, config };
        TopicConfig::from_settings(lookup, metadata.configs(&Resource::topic(topic)))
    }
}

/// What holds where nobody says anything.
impl Default for TopicConfig {
    fn default() -> TopicConfig {
        TopicConfig::resolve(&Metadata::new(), &BrokerConfig::default(), "")
    }
}

/// Why settings of a topic cannot hold. The words are for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A key that topics do not have.
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    /// A value that its key does not take.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// Two values that cannot both hold.
    #[error(
        "conflict topic config setting min.compaction.lag.ms ({min}) > max.compaction.lag.ms ({max})"
    )]
    CompactionLag {
        /// `min.compaction.lag.ms`.
        min: u64,
        /// `max.compaction.lag.ms`.
        max: u64,
    },
}

/// Checks everything that is to be set on a topic: each key by its row, then together with what the broker
/// says of the others.
pub fn check(lookup: Lookup<'_>, set: &BTreeMap<String, String>) -> Result<(), SettingsError> {
    if let Some(unknown) = set.keys().find(|key| table::topic(key).is_none()) {
        return Err(SettingsError::Unknown(unknown.clone()));
    }
    for (key, value) in set {
        table::topic(key).expect("looked up above").parse(value)?;
    }
    let resolved = TopicConfig::from_settings(lookup, set);
    let (min, max) = (resolved.compaction_lag_ms_min, resolved.compaction_lag_ms_max);
    if min > max {
        return Err(SettingsError::CompactionLag { min, max });
    }
    Ok(())
}
