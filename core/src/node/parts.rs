//! Finding partitions, and carrying out [`PartOp`]s: the only way in which a request changes one.

use super::{Node, Step};
use crate::gather::{PartDone, PartOp};
use crate::metadata::TopicId;
use crate::partition::Partition;
use sordini_log::{LogId, Offset};

/// How a request names a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum TopicRef<'a> {
    /// By its name.
    Name(&'a str),
    /// By its id (from Produce 13 and Fetch 13 on).
    Id(TopicId),
}

impl Node {
    /// The log of a partition that a request names.
    pub fn log_of(&self, topic: &TopicRef<'_>, partition: i32) -> Option<LogId> {
        let topic = match topic {
            TopicRef::Name(name) => self.metadata.topic(name),
            TopicRef::Id(id) => self.metadata.topic_by_id(*id),
        }?;
        Some(topic.partition(partition)?.log)
    }

    /// A partition by its log, to be looked at.
    ///
    /// # Panics
    /// If there is none: logs come from the metadata, and both change in the same step.
    pub fn partition(&self, log: LogId) -> &Partition {
        self.partitions.get(&log).expect("every log of the metadata has a partition")
    }

    /// Changes one partition.
    pub fn run(&mut self, step: &mut Step<'_>, op: PartOp) -> PartDone {
        match op {
            PartOp::Append { log, batch } => {
                let partition = self.partitions.get_mut(&log).expect("checked by the caller");
                let producers_max = self.limits.producers_per_partition_max;
                let log_start = partition.start();
                let done = partition.append(step.now, batch, producers_max, &mut self.storage);
                partition.invariants();
                match done {
                    Err(why) => PartDone::Refused { why, log_start },
                    Ok(done) => {
                        if let Some(group) = done.group {
                            self.touch(group, log);
                        }
                        PartDone::Appended { done, log_start }
                    }
                }
            }
            PartOp::DeleteRecords { log, to } => self.delete_records(log, to),
        }
    }

    fn delete_records(&mut self, log: LogId, to: Option<Offset>) -> PartDone {
        let partition = self.partitions.get_mut(&log).expect("checked by the caller");
        let high_watermark = partition.high_watermark();
        let to = to.unwrap_or(high_watermark);
        if to > high_watermark {
            return PartDone::OutOfRange;
        }
        if to <= partition.start() {
            // What is answered may have been asked for a moment ago and not be durable yet.
            let (low_watermark, group) = (partition.start(), partition.start_group());
            return PartDone::Trimmed { low_watermark, group };
        }
        let group = self.storage.set_start(log, to);
        partition.trimmed(to, group);
        PartDone::Trimmed { low_watermark: to, group: Some(group) }
    }
}
