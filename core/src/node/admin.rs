//! Changing the metadata: a handler drafts, this makes it durable and carries it out.

use super::{Node, Step};
use crate::metadata::draft::{Admin, Draft, Drafted, Effect, PartitionFacts};
use crate::partition::{Partition, log_config};
use crate::seam::Fact;
use sordini_log::{Epoch, GroupSeq, LogId, Now, Offset, Room, Storage};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use std::collections::BTreeMap;

/// What the storage and the partitions know, for answers.
struct Facts<'a> {
    storage: &'a Storage,
    partitions: &'a BTreeMap<LogId, Partition>,
}

impl PartitionFacts for Facts<'_> {
    fn start(&self, log: LogId) -> Offset {
        self.partitions[&log].start()
    }
    fn end(&self, log: LogId) -> Offset {
        self.partitions[&log].end()
    }
    fn bytes(&self, log: LogId) -> u64 {
        self.storage.size(log)
    }
    fn epoch(&self, log: LogId) -> Epoch {
        // Partitions drafted by this very request have no state yet; their first epoch is 0.
        self.partitions.get(&log).map_or(Epoch(0), Partition::epoch)
    }
}

impl Node {
    /// Lends the metadata to `change`, appends what it drafted as one batch and carries out its effects. The answer may
    /// leave once the group that comes back is durable: until then what it saw could still be lost.
    pub fn admin<R>(
        &mut self,
        step: &mut Step<'_>,
        change: impl FnOnce(&mut Admin<'_>) -> R,
    ) -> (R, Option<GroupSeq>) {
        let facts = Facts { storage: &self.storage, partitions: &self.partitions };
        let mut admin = Admin {
            draft: Draft::new(&mut self.metadata, &mut self.rng, self.storage.batch_bytes_max()),
            config: &self.config,
            now: step.now,
            partitions: &facts,
            partitions_left: self.limits.partitions_max.saturating_sub(self.partitions.len()),
            read_only: self.storage.room() == Room::ReadOnly,
        };
        let answer = change(&mut admin);
        let drafted = admin.draft.finish();
        self.carry_out(step, drafted);
        (answer, self.partition(LogId::METADATA).unsynced())
    }

    /// Appends drafted records to the metadata log and does what they ask of the storage.
    pub(super) fn carry_out(&mut self, step: &mut Step<'_>, drafted: Drafted) {
        if drafted.is_empty() {
            return;
        }
        self.append_metadata(step.now, &drafted);
        for effect in drafted.effects {
            self.effect(step, effect);
        }
    }

    fn append_metadata(&mut self, now: Now, drafted: &Drafted) {
        let log = LogId::METADATA;
        let partition = self.partitions.get_mut(&log).expect("there from the first boot on");
        assert_eq!(partition.end(), drafted.base, "the metadata and its log have the same end");
        let mut builder = BatchBuilder::new(Codec::None);
        for value in drafted.values() {
            builder.push(now.wall.0, None, Some(&value), &[]);
        }
        let batch = builder.build_batch();
        let done = partition.append_trusted(now, batch, None, 0, &mut self.storage);
        assert_eq!(partition.end(), self.metadata.end());
        self.touch(done.group.expect("an append waits for its group"), log);
    }

    fn effect(&mut self, step: &mut Step<'_>, effect: Effect) {
        match effect {
            Effect::CreateLog { dir, topic, partition, config } => {
                let log = dir.log;
                let name = self.metadata.topic_by_id(topic).expect("just created").name.clone();
                self.storage.create(dir, topic.0, partition as u32, log_config(&config));
                let state =
                    Partition::create(self.me(), log, topic, name.clone(), partition, config);
                let hard = state.replica.hard().encode();
                self.storage.hard_state(log, bytes::Bytes::copy_from_slice(&hard));
                self.partitions.insert(log, state);
                step.facts.push(Fact::PartitionCreated { topic: name.to_string(), partition, log });
            }
            Effect::DeleteLog { dir, .. } => {
                self.partitions.remove(&dir.log);
                self.fetches.moved(dir.log);
                self.storage.delete(dir.log);
            }
            Effect::Reconfigure { log, config } => {
                self.storage.configure(log, log_config(&config));
                self.partitions.get_mut(&log).expect("alive").config = config;
            }
        }
    }
}
