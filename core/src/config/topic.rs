//! A topic's configuration as its partitions use it: every key resolved, typed and within its range.

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
