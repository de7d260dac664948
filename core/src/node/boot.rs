//! From what recovery found to an open node.
//!
//! The storage hands over the checkpoint's sections and everything that the journal holds beyond it. The
//! metadata log is folded first, since it says which partitions there are; each partition then replays its
//! epochs and producers. Every log gets a new leader epoch, and nobody is listened to before the group that
//! says so is durable: an answer of the new epoch must not come from a past that could still vanish.
//!
//! A change of the metadata goes to the journal as one batch of the metadata log, and then, with nothing in between, a frame for
//! each log that it makes or ends. They may not all fit into one group, so that a crash keeps the first of them only. Then the batch
//! is the last thing that the journal says of any log's records, and what it wants done is done now ([`Node::carry_on`]). That it is
//! the last is the proof: a log that an earlier change made and that is not there was lost, and the start is refused.

use super::{Node, Stage, Step};
use crate::config::topic::TopicConfig;
use crate::metadata::{Metadata, TopicId};
use crate::partition::{Partition, Saved, log_config};
use crate::seam::Fact;
use bytes::Bytes;
use sordini_log::{LogDir, LogId, Offset, Recovered, Replay, Replayed, Section};
use sordini_raft::NodeId;
use sordini_reach::Reach;
use sordini_wire::batch::Batch;
use std::collections::{BTreeMap, BTreeSet};

/// Names of the checkpoint's sections.
pub mod section {
    /// The metadata fold; version as in its own head.
    pub const METADATA: u16 = 1;
    /// Epochs and producers of one partition.
    pub const PARTITION: u16 = 2;
}

/// Name of the metadata log's directory, and its topic id, as in Kafka.
const METADATA_DIR: &str = "__cluster_metadata-0";
const METADATA_NAME: &str = "__cluster_metadata";
const METADATA_TOPIC: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

/// Most bytes that a batch of the metadata log opens to; they are ours and not compressed.
const FOLD_BYTES_MAX: usize = 64 * 1024 * 1024;

impl Node {
    /// This node's id.
    pub fn me(&self) -> NodeId {
        NodeId(self.config.node_id.0)
    }

    /// Recovery is over.
    pub(super) fn recovered(&mut self, step: &mut Step<'_>, found: Recovered) {
        for finding in &found.findings {
            step.facts.push(Fact::Warning(finding.clone()));
        }
        if let Err(why) = self.restore(step, &found) {
            step.facts.push(Fact::Fatal(why));
            return;
        }
        let group = self.storage.open_seq();
        self.stage = Stage::Starting(group);
        step.facts.push(Fact::Recovered {
            boot: found.boot,
            logs: self.partitions.len() as u64,
            groups: found.groups,
            replayed_bytes: found.bytes,
        });
    }

    fn restore(&mut self, step: &mut Step<'_>, found: &Recovered) -> Result<(), String> {
        let mut saved = load(&found.sections)?;
        let metadata_section = found.sections.iter().find(|s| s.name == section::METADATA);
        if let Some(section) = metadata_section {
            self.metadata = Metadata::load(&section.bytes).map_err(|e| refused(&e))?;
        }
        let producers_max = self.limits.producers_per_partition_max;
        let last_change = last_change(&found.replay);
        let mut named_before = None;
        for (at, replay) in found.replay.iter().enumerate() {
            if last_change == Some(at) {
                named_before = Some(self.named());
            }
            let state = saved.entry(replay.log).or_default();
            match &replay.what {
                Replayed::Batch { batch, .. } => {
                    if replay.log == LogId::METADATA {
                        self.fold(batch)?;
                    }
                    state.replay(batch, replay.wall, producers_max);
                }
                Replayed::HardState(bytes) => state
                    .replay_hard(bytes)
                    .ok_or_else(|| refused(&format!("hard state of {}", replay.log)))?,
                // What was created and deleted is not known any more, and what comes next would contradict it.
                Replayed::Lost { from, to } if replay.log == LogId::METADATA => {
                    let what = format!("the journal has lost metadata records {from} to {to}");
                    return Err(refused(&what));
                }
                Replayed::Lost { to, .. } | Replayed::Truncate(to) => state.end = *to,
                Replayed::Start(_) | Replayed::Create => {}
                Replayed::Delete => drop(saved.remove(&replay.log)),
            }
        }
        self.owned()?;
        if !self.storage.contains(LogId::METADATA) {
            let dir = LogDir { name: METADATA_DIR.into(), log: LogId::METADATA };
            let config = log_config(&self.metadata_config());
            self.storage.create(dir, METADATA_TOPIC.0, 0, config);
        }
        if let Some(before) = named_before {
            self.carry_on(step, found, &before);
        }
        self.lead_all(saved)?;
        self.name_cluster(step);
        Ok(())
    }

    /// Whether the data is that of the cluster and the node that were asked for.
    fn owned(&self) -> Result<(), String> {
        if let (Some(wanted), Some(found)) = (&self.config.cluster_id, self.metadata.cluster_id())
            && wanted != found
        {
            return Err(format!(
                "the data directory belongs to cluster {found}, and cluster.id={wanted} was given: choose another \
                 directory, or leave cluster.id out"
            ));
        }
        let me = self.config.node_id;
        let mut partitions = self.metadata.topics().flat_map(|topic| &topic.partitions);
        match partitions.find(|partition| !partition.replicas.contains(&me)) {
            None => Ok(()),
            Some(partition) => Err(format!(
                "the data directory belongs to node {}, and node.id={} was given: choose another directory, or give \
                 the node's own id",
                partition.replicas[0].0, me.0
            )),
        }
    }

    /// Settings of the metadata log: the broker's, as for a topic on which nothing is set.
    fn metadata_config(&self) -> TopicConfig {
        TopicConfig::resolve(&Metadata::new(), &self.config, METADATA_NAME)
    }

    /// Applies a batch of the metadata log.
    fn fold(&mut self, batch: &Batch) -> Result<(), String> {
        let base = Offset(batch.header().base_offset() as u64);
        let records = batch.records(FOLD_BYTES_MAX).map_err(|e| refused(&e))?;
        for (i, record) in records.enumerate() {
            let record = record.map_err(|e| refused(&e))?;
            let value = record.value.ok_or_else(|| refused(&"a record without a value"))?;
            let at = Offset(base.0 + i as u64);
            self.metadata.replay(at, &value).map_err(|e| refused(&e))?;
        }
        Ok(())
    }

    /// The logs that the metadata names.
    fn named(&self) -> BTreeSet<LogId> {
        self.metadata.topics().flat_map(|topic| &topic.partitions).map(|p| p.log).collect()
    }

    /// Makes and ends what the change that the journal ends with did not come to; `before` is what the metadata named without it.
    fn carry_on(&mut self, step: &mut Step<'_>, found: &Recovered, before: &BTreeSet<LogId>) {
        let mut resumed = false;
        for topic in self.metadata.topics() {
            for (index, partition) in topic.partitions.iter().enumerate() {
                let log = partition.log;
                if before.contains(&log) || self.storage.contains(log) {
                    continue;
                }
                let config = TopicConfig::resolve(&self.metadata, &self.config, &topic.name);
                let dir = topic.dir(index);
                self.storage.create(dir, topic.id.0, index as u32, log_config(&config));
                let (topic, partition) = (topic.name.to_string(), index as i32);
                step.facts.push(Fact::PartitionCreated { topic, partition, log });
                resumed = true;
            }
        }
        let named = self.named();
        for log in found.logs.iter().map(|log| log.dir.log) {
            if before.contains(&log) && !named.contains(&log) {
                self.storage.delete(log);
                resumed = true;
            }
        }
        self.storage.reached.mark_if(Reach::ChangeResumed, resumed);
    }

    /// Makes the partitions, each in a new epoch whose hard state joins the open group.
    fn lead_all(&mut self, mut saved: BTreeMap<LogId, Saved>) -> Result<(), String> {
        let metadata_config = self.metadata_config();
        let mut all =
            vec![(LogId::METADATA, METADATA_TOPIC, METADATA_NAME.into(), 0, metadata_config)];
        for topic in self.metadata.topics() {
            let config = TopicConfig::resolve(&self.metadata, &self.config, &topic.name);
            for (index, partition) in topic.partitions.iter().enumerate() {
                let index = index as i32;
                all.push((partition.log, topic.id, topic.name.clone(), index, config.clone()));
            }
        }
        for (log, topic, name, index, config) in all {
            if !self.storage.contains(log) {
                let what = format!("the metadata names {name}-{index}, {log}, which is not there");
                return Err(refused(&what));
            }
            self.storage.configure(log, log_config(&config));
            let saved = saved.remove(&log).unwrap_or_default();
            let (start, end) = (self.storage.start(log), self.storage.end(log));
            let partition =
                Partition::recover(self.me(), log, topic, name, index, config, saved, start, end);
            let hard = Bytes::copy_from_slice(&partition.replica.hard().encode());
            self.storage.hard_state(log, hard);
            self.partitions.insert(log, partition);
        }
        Ok(())
    }

    /// A cluster gets its id at its first boot.
    fn name_cluster(&mut self, step: &mut Step<'_>) {
        if self.metadata.cluster_id().is_some() {
            return;
        }
        self.admin(step, |admin| admin.found_cluster());
    }

    /// This boot's first group is durable: the node opens.
    pub(super) fn open(&mut self, step: &mut Step<'_>) {
        self.stage = Stage::Serving;
        self.upkeep_at = step.now.mono;
    }
}

/// Where in what is replayed the change of the metadata is that a crash may have cut short: nothing comes after it but what makes and
/// ends logs.
fn last_change(replay: &[Replay]) -> Option<usize> {
    let carries_out =
        |what: &_| matches!(what, Replayed::Create | Replayed::HardState(_) | Replayed::Delete);
    let at = replay.iter().rposition(|replay| !carries_out(&replay.what))?;
    let is_batch = matches!(replay[at].what, Replayed::Batch { .. });
    (is_batch && replay[at].log == LogId::METADATA).then_some(at)
}

/// Reads the sections of all partitions.
fn load(sections: &[Section]) -> Result<BTreeMap<LogId, Saved>, String> {
    let of_partitions = sections.iter().filter(|s| s.name == section::PARTITION);
    let mut saved = BTreeMap::new();
    for s in of_partitions {
        let log = s.log.ok_or_else(|| refused(&"a partition's section names no log"))?;
        if s.version != Saved::VERSION {
            let what = format!("{log} was saved in version {}, newer than this program", s.version);
            return Err(refused(&what));
        }
        let state = Saved::load(&s.bytes).ok_or_else(|| refused(&format!("state of {log}")))?;
        saved.insert(log, state);
    }
    Ok(saved)
}

/// Why the node will not start, and what to do.
fn refused(what: &dyn std::fmt::Display) -> String {
    format!(
        "the data directory cannot be trusted: {what}. No topic was changed. Keep a copy, run \
         `sordini check` on it, and restore it or start with an empty one"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use sordini_log::{Epoch, Wall};
    use sordini_wire::batch::BatchBuilder;
    use sordini_wire::codec::Codec;

    fn batch(log: LogId) -> Replay {
        let mut builder = BatchBuilder::new(Codec::None);
        builder.push(0, None, Some(b"value"), &[]);
        let what = Replayed::Batch { epoch: Epoch(0), batch: builder.build_batch() };
        Replay { log, wall: Wall(0), what }
    }

    #[test]
    fn only_the_change_that_the_journal_ends_with_may_have_been_cut_short() {
        let replay = |log, what| Replay { log: LogId(log), wall: Wall(0), what };
        let change = || batch(LogId::METADATA);
        let created = || [change(), replay(5, Replayed::Create), replay(6, Replayed::Create)];
        assert_eq!(last_change(&[]), None);
        assert_eq!(last_change(&[replay(5, Replayed::Create)]), None, "of an older checkpoint");
        assert_eq!(last_change(&created()), Some(0));
        assert_eq!(last_change(&[batch(LogId(3)), change()]), Some(1));
        let hard = replay(5, Replayed::HardState(Bytes::new()));
        assert_eq!(last_change(&[change(), hard, replay(6, Replayed::Delete)]), Some(0));

        let later = [
            batch(LogId(3)),
            replay(3, Replayed::Start(Offset(1))),
            replay(3, Replayed::Truncate(Offset(1))),
            replay(3, Replayed::Lost { from: Offset(1), to: Offset(2) }),
        ];
        for later in later {
            let all: Vec<Replay> = created().into_iter().chain([later]).collect();
            assert_eq!(last_change(&all), None, "its logs were made before {:?}", all[3].what);
        }
    }
}
