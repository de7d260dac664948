//! The keys that can be set on a topic, sorted by name.

use super::Check::{Any, Each, GzipLevel, Min, Off, OneOf, Range, Replicas};
use super::Type::{Boolean, Double, Int, List, Long, String};
use super::{Check, Mode, Row, Source, Type};

const fn row(
    name: &'static str,
    kind: Type,
    default: &'static str,
    check: Check,
    sources: &'static [Source],
    nasty: &'static str,
    doc: &'static str,
) -> Row {
    Row { name, kind, default: Some(default), check, sources, mode: Mode::ClusterWide, nasty, doc }
}

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const MAX: &str = "9223372036854775807";

/// All of them.
#[rustfmt::skip]
pub const TOPIC: &[Row] = &[
    row("cleanup.policy", List, "delete", Each(&["compact", "delete"]), &[("log.cleanup.policy", 1)], "compact,delete",
        "How old records go: `delete` drops whole segments by age and size; with `compact`, every record needs a key and the last one of each stays. Compaction does not run yet, so a topic with `compact` alone keeps everything."),
    row("compression.gzip.level", Int, "-1", GzipLevel, &[("compression.gzip.level", 1)], "9",
        "Effort of gzip where the broker compresses: 1 to 9, or -1 for the codec's own choice."),
    row("compression.lz4.level", Int, "9", Range(1, 17), &[("compression.lz4.level", 1)], "17",
        "Effort of lz4 where the broker compresses."),
    row("compression.type", String, "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), &[("compression.type", 1)], "zstd",
        "How batches are stored: with this codec, `uncompressed`, or as the `producer` sent them."),
    row("compression.zstd.level", Int, "3", Range(-131_072, 22), &[("compression.zstd.level", 1)], "22",
        "Effort of zstd where the broker compresses."),
    row("delete.retention.ms", Long, "86400000", Min(0), &[("log.cleaner.delete.retention.ms", 1)], "0",
        "How long the mark of a deleted key stays after compaction, in ms. Compaction does not run yet."),
    row("file.delete.delay.ms", Long, "60000", Min(0), &[("log.segment.delete.delay.ms", 1)], "0",
        "How long the file of a dropped segment stays on disk, in ms. Here it goes at once, so this changes nothing."),
    row("flush", String, "durable", OneOf(&["durable", "relaxed"]), &[("log.flush", 1)], "relaxed",
        "What an acknowledgement promises: `durable`, the records are on disk; `relaxed`, they soon will be (see flush.ms), and a crash of the process or a power loss before that takes them."),
    row("flush.messages", Long, MAX, Min(1), &[("log.flush.interval.messages", 1)], "1",
        "Kafka's number of records between two syncs. Every acknowledged record is synced here unless flush=relaxed, so this changes nothing."),
    row("flush.ms", Long, MAX, Min(0), &[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)], "0",
        "With flush=relaxed, the longest time in ms until a record is on disk."),
    row("follower.replication.throttled.replicas", List, "", Replicas, &[], "*",
        "Replicas whose following is throttled, as partition:broker, or * for all."),
    row("index.interval.bytes", Int, "4096", Min(0), &[("log.index.interval.bytes", 1)], "0",
        "An entry of a segment's offset index comes after at least so many bytes of records."),
    row("leader.replication.throttled.replicas", List, "", Replicas, &[], "*",
        "Replicas to which leading is throttled, as partition:broker, or * for all."),
    row("local.retention.bytes", Long, "-2", Min(-2), &[("log.local.retention.bytes", 1)], "",
        "Bytes of a partition kept on local disk when older ones are in tiered storage; -2 is retention.bytes. There is no tiered storage here."),
    row("local.retention.ms", Long, "-2", Min(-2), &[("log.local.retention.ms", 1)], "",
        "Age in ms up to which records stay on local disk when older ones are in tiered storage; -2 is retention.ms. There is no tiered storage here."),
    row("max.compaction.lag.ms", Long, MAX, Min(1), &[("log.cleaner.max.compaction.lag.ms", 1)], "1",
        "A record is considered for compaction no later than so many ms after it was written. Compaction does not run yet."),
    row("max.message.bytes", Int, "1048588", Min(0), &[("message.max.bytes", 1)], "100",
        "The largest record batch that a producer may send, compressed as it is, in bytes."),
    row("message.timestamp.after.max.ms", Long, "3600000", Min(0), &[("log.message.timestamp.after.max.ms", 1)], "0",
        "How far a record's timestamp may lie after the broker's clock, in ms, with message.timestamp.type=CreateTime."),
    row("message.timestamp.before.max.ms", Long, MAX, Min(0), &[("log.message.timestamp.before.max.ms", 1)], "0",
        "How far a record's timestamp may lie before the broker's clock, in ms, with message.timestamp.type=CreateTime."),
    row("message.timestamp.type", String, "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), &[("log.message.timestamp.type", 1)], "LogAppendTime",
        "Whose clock a record's timestamp is: the producer's (CreateTime) or the broker's when it appends (LogAppendTime)."),
    row("min.cleanable.dirty.ratio", Double, "0.5", Range(0, 1), &[("log.cleaner.min.cleanable.ratio", 1)], "0",
        "A partition is compacted when this share of it was written since the last time. Compaction does not run yet."),
    row("min.compaction.lag.ms", Long, "0", Min(0), &[("log.cleaner.min.compaction.lag.ms", 1)], "1",
        "A record stays out of compaction for at least so many ms. Compaction does not run yet."),
    row("min.insync.replicas", Int, "1", Min(1), &[("min.insync.replicas", 1)], "2",
        "With acks=all, a record is acknowledged only while at least so many replicas are in sync."),
    row("preallocate", Boolean, "false", Any, &[("log.preallocate", 1)], "true",
        "Whether a segment's file gets its full size at once. Segments are written in large pieces here, so this changes nothing."),
    row("remote.log.copy.disable", Boolean, "false", Any, &[], "",
        "Whether tiered storage of this topic is read-only. There is no tiered storage here."),
    row("remote.log.delete.on.disable", Boolean, "false", Any, &[], "",
        "Whether switching tiered storage off deletes what is in it. There is no tiered storage here."),
    row("remote.storage.enable", Boolean, "false", Off, &[], "",
        "Whether old segments go to tiered storage. There is none here, so only false is taken."),
    row("retention.bytes", Long, "-1", Any, &[("log.retention.bytes", 1)], "1",
        "With cleanup.policy=delete, the size of a partition in bytes above which its oldest segments go; -1 is no limit."),
    row("retention.ms", Long, "604800000", Min(-1), &[("log.retention.ms", 1), ("log.retention.minutes", MINUTE_MS), ("log.retention.hours", HOUR_MS)], "1",
        "With cleanup.policy=delete, the age in ms from which a segment goes; -1 is for ever."),
    row("segment.bytes", Int, "1073741824", Min(1_048_576), &[("log.segment.bytes", 1)], "1048576",
        "Size in bytes that a segment's file does not exceed. Retention and compaction work on whole segments."),
    row("segment.index.bytes", Int, "10485760", Min(4), &[("log.index.size.max.bytes", 1)], "12",
        "Size in bytes that a segment's index does not exceed; a full index closes the segment."),
    row("segment.jitter.ms", Long, "0", Min(0), &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", HOUR_MS)], "1",
        "At most so many ms are taken off segment.ms by chance. Segments are written in small paced pieces here, so this changes nothing."),
    row("segment.ms", Long, "604800000", Min(1), &[("log.roll.ms", 1), ("log.roll.hours", HOUR_MS)], "1",
        "Age in ms at which a segment is closed though it is not full."),
    row("unclean.leader.election.enable", Boolean, "false", Any, &[("unclean.leader.election.enable", 1)], "",
        "Whether a replica that lacks acknowledged records may lead. It never does here: what is acknowledged is on a majority."),
];
