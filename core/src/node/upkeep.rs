//! What is done now and then: retention, expiry of producers, checkpoints.

use super::boot::section;
use super::{Node, Step};
use crate::config::lookup::Lookup;
use crate::partition::Saved;
use crate::partition::retention::{SegmentFacts, expired};
use bytes::Bytes;
use sordini_log::segment::Segment;
use sordini_log::{LogId, Section, Wall};
use sordini_reach::Reach;
use sordini_wire::batch::NO_TIMESTAMP;

/// A journal says in whole seconds when something was appended, and so does who recovers from it.
const WALL_GRAIN_MS: i64 = 1000;

impl Node {
    /// One round of retention and expiry over all partitions.
    pub(super) fn upkeep(&mut self, step: &mut Step<'_>) {
        self.upkeep_at = step.now.mono.after_ms(self.config.retention_check_ms);
        let lookup = Lookup { metadata: &self.metadata, config: &self.config };
        let expiry_ms = lookup.number("producer.id.expiration.ms");
        let logs: Vec<LogId> = self.partitions.keys().copied().collect();
        let now = self.storage.wall(step.now);
        for log in logs {
            let partition = self.partitions.get_mut(&log).expect("listed above");
            partition.producers.expire(now, expiry_ms);
            if log != LogId::METADATA {
                self.retain(log, now);
            }
        }
    }

    /// Drops the segments of one log that are too old or too many.
    fn retain(&mut self, log: LogId, now: Wall) {
        let partition = self.partitions.get_mut(&log).expect("listed by the caller");
        if !partition.config.cleanup_delete {
            return;
        }
        let config = &partition.config;
        let segments = self.storage.segments(log);
        // A segment takes no batch any more once the one after it was begun.
        let begun = |s: &Segment| Wall(s.created.0.saturating_add(WALL_GRAIN_MS));
        let closed = segments.iter().skip(1).map(begun).chain([now]);
        let faulty = self.storage.faulty(log);
        let facts = |(s, appended): (&Segment, Wall)| SegmentFacts {
            next: s.next,
            bytes: s.bytes,
            max_timestamp: match faulty.touches(s.base, s.next) {
                true => NO_TIMESTAMP,
                false => s.max_timestamp,
            },
            appended,
        };
        let segments: Vec<SegmentFacts> = segments.iter().zip(closed).map(facts).collect();
        let high_watermark = partition.high_watermark();
        let start =
            expired(&segments, now, config.retention_ms, config.retention_bytes, high_watermark);
        if let Some(start) = start.filter(|s| *s > partition.start()) {
            self.storage.reached.mark(Reach::SegmentsExpired);
            let group = self.storage.set_start(log, start);
            partition.trimmed(start, group);
        }
    }

    /// Answers the storage's wish for a checkpoint with everything that a boot needs and the journal would have to tell.
    pub(super) fn checkpoint(&mut self, step: &mut Step<'_>) {
        let mut sections = vec![Section {
            name: section::METADATA,
            log: None,
            version: 0,
            bytes: self.metadata.save(),
        }];
        for (log, partition) in &self.partitions {
            let mut bytes = Vec::new();
            partition.save(&mut bytes);
            sections.push(Section {
                name: section::PARTITION,
                log: Some(*log),
                version: Saved::VERSION,
                bytes: Bytes::from(bytes),
            });
        }
        self.metadata_saved = self.metadata.end();
        self.storage.checkpoint(step.now, sections, step.disk);
    }

    /// The checkpoint holds the fold of the metadata log up to where it was taken: what lies before is not needed.
    pub(super) fn trim_metadata(&mut self) {
        let partition = self.partitions.get_mut(&LogId::METADATA).expect("there since boot");
        let start = self.metadata_saved.min(partition.high_watermark());
        if start > partition.start() {
            let group = self.storage.set_start(LogId::METADATA, start);
            partition.trimmed(start, group);
        }
    }
}
