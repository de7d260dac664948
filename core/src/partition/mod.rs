//! One partition on the node that leads it: the only place where its log is appended to.
//!
//! A partition judges batches (producer windows, topic rules), gives them their offsets, and knows what is committed. It holds no
//! record bytes: those go to the storage, which keeps what is recent in memory.

pub mod produce;
pub mod producers;
pub mod retention;

use crate::config::topic::TopicConfig;
use crate::metadata::TopicId;
use producers::{Producers, Sequenced};
use sordini_log::segment::LogConfig;
use sordini_log::{Epoch, GroupSeq, LogId, Offset, Wall};
use sordini_mutant::mutant;
use sordini_raft::{EpochHistory, HardState, NodeId, Replica};
use sordini_wire::batch::Batch;
use std::collections::VecDeque;
use std::sync::Arc;

/// A partition's state.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Its log.
    pub log: LogId,
    /// Its topic.
    pub topic: TopicId,
    /// The topic's name.
    pub name: Arc<str>,
    /// Index within the topic.
    pub index: i32,
    /// The topic's settings, as they are now.
    pub config: TopicConfig,
    /// Epoch, end and high watermark.
    pub replica: Replica,
    /// Idempotent producers.
    pub producers: Producers,
    /// Log ends that become durable with a journal group, oldest first; strictly increasing in both.
    unsynced: VecDeque<(GroupSeq, Offset)>,
    /// Where the log starts, as appended (it may not be durable yet).
    start: Offset,
    /// The group that makes `start` durable; `None` if it was when this boot began.
    start_group: Option<GroupSeq>,
}

/// What a partition was before this boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Last durable hard state.
    pub hard: HardState,
    /// Epochs and where they started.
    pub history: EpochHistory,
    /// Idempotent producers.
    pub producers: Producers,
    /// End of the log that the rest of this was true for.
    pub end: Offset,
}

impl Partition {
    /// A partition that was just created.
    pub fn create(
        me: NodeId,
        log: LogId,
        topic: TopicId,
        name: Arc<str>,
        index: i32,
        config: TopicConfig,
    ) -> Partition {
        let replica = Replica::lead_new(me);
        Partition::with(log, topic, name, index, config, replica, Producers::default(), Offset(0))
    }

    /// A partition whose log was recovered from `start` to `end`; it leads in a new epoch.
    #[allow(clippy::too_many_arguments)] // one call, in recovery
    pub fn recover(
        me: NodeId,
        log: LogId,
        topic: TopicId,
        name: Arc<str>,
        index: i32,
        config: TopicConfig,
        saved: Saved,
        start: Offset,
        end: Offset,
    ) -> Partition {
        let mut replica = Replica::lead_alone(me, saved.hard, saved.history, end.0);
        replica.trimmed(start.0);
        let producers = mutant!(K01, saved.producers, Producers::default());
        Partition::with(log, topic, name, index, config, replica, producers, start)
    }

    #[allow(clippy::too_many_arguments)] // the two constructors above
    fn with(
        log: LogId,
        topic: TopicId,
        name: Arc<str>,
        index: i32,
        config: TopicConfig,
        replica: Replica,
        producers: Producers,
        start: Offset,
    ) -> Partition {
        Partition {
            log,
            topic,
            name,
            index,
            config,
            replica,
            producers,
            unsynced: VecDeque::new(),
            start,
            start_group: None,
        }
    }

    /// The leader epoch.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.replica.epoch())
    }

    /// Offset of the next record.
    pub fn end(&self) -> Offset {
        Offset(self.replica.end())
    }

    /// Everything below is committed.
    pub fn high_watermark(&self) -> Offset {
        Offset(self.replica.high_watermark())
    }

    /// Everything below belongs to no open transaction. There are none yet: the high watermark.
    pub fn last_stable_offset(&self) -> Offset {
        self.high_watermark()
    }

    /// Offset of the first record.
    pub fn start(&self) -> Offset {
        self.start
    }

    /// The group after which everything that this partition has appended is durable; `None` if it is already.
    pub fn unsynced(&self) -> Option<GroupSeq> {
        self.unsynced.back().map(|u| u.0)
    }

    /// A batch was appended in `group`.
    fn appended(&mut self, group: GroupSeq, end: Offset) {
        self.replica.appended(end.0);
        match self.unsynced.back_mut() {
            Some(last) if last.0 == group => last.1 = end,
            _ => self.unsynced.push_back((group, end)),
        }
    }

    /// All groups through this one are durable. Returns the new high watermark if it moved.
    pub fn synced(&mut self, through: GroupSeq) -> Option<Offset> {
        let mut durable = None;
        while let Some(&(group, end)) = self.unsynced.front() {
            if group > through {
                break;
            }
            durable = Some(end);
            self.unsynced.pop_front();
        }
        self.replica.synced(durable?.0).map(Offset)
    }

    /// The group after which the log's start is durable; `None` if it is already.
    pub fn start_group(&self) -> Option<GroupSeq> {
        self.start_group
    }

    /// The log starts at `start` from now on, durably once `group` is.
    pub fn trimmed(&mut self, start: Offset, group: GroupSeq) {
        assert!(self.start <= start && start <= self.high_watermark());
        self.start = start;
        self.start_group = Some(group);
        self.replica.trimmed(start.0);
    }

    /// What must hold between any two events.
    pub fn invariants(&self) {
        assert!(self.start <= self.high_watermark() && self.high_watermark() <= self.end());
        assert!(self.unsynced.back().is_none_or(|u| u.1 == self.end()));
    }

    /// Appends what a boot needs to know to `out`; see [`Saved::load`].
    pub fn save(&self, out: &mut Vec<u8>) {
        out.extend(self.replica.end().to_be_bytes());
        out.extend(self.replica.hard().encode());
        let entries = self.replica.history().entries();
        out.extend((entries.len() as u32).to_be_bytes());
        for (epoch, start) in entries {
            out.extend(epoch.to_be_bytes());
            out.extend(start.to_be_bytes());
        }
        mutant!(B07, self.producers.save(out), Producers::default().save(out));
    }
}

impl Saved {
    /// Version of the encoding.
    pub const VERSION: u16 = 0;

    /// Reads what [`Partition::save`] wrote: end u64, hard state (14 bytes), count u32, per epoch (epoch u32, start u64), producers. `None` if it
    /// is something else.
    pub fn load(mut bytes: &[u8]) -> Option<Saved> {
        let (end, rest) = bytes.split_first_chunk::<8>()?;
        let end = Offset(u64::from_be_bytes(*end));
        let (hard, rest) = rest.split_at_checked(HardState::BYTES)?;
        let hard = HardState::decode(hard)?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        bytes = rest;
        let mut entries = Vec::new();
        for _ in 0..u32::from_be_bytes(*count) {
            let (epoch, rest) = bytes.split_first_chunk::<4>()?;
            let (start, rest) = rest.split_first_chunk::<8>()?;
            entries.push((u32::from_be_bytes(*epoch), u64::from_be_bytes(*start)));
            bytes = rest;
        }
        let history = EpochHistory::from_entries(entries)?;
        let producers = Producers::load(&mut bytes)?;
        bytes.is_empty().then_some(Saved { hard, history, producers, end })
    }

    /// Replays a batch of the journal that the checkpoint did not hold yet.
    pub fn replay(&mut self, batch: &Batch, at: Wall, producers_max: usize) {
        let header = batch.header();
        let base = Offset(header.base_offset().max(0) as u64);
        self.end = Offset(batch.next_offset().max(0) as u64);
        let epoch = header.partition_leader_epoch().max(0) as u32;
        if self.history.last().is_none_or(|last| last < epoch) {
            self.history.begin(epoch, base.0);
        }
        if let Some(sequenced) = sequenced(batch) {
            let timestamp = header.max_timestamp();
            self.producers.appended(sequenced, base, timestamp, at, producers_max);
        }
    }

    /// Replays a hard state of the journal; `None` if it is none.
    pub fn replay_hard(&mut self, bytes: &[u8]) -> Option<()> {
        self.hard = HardState::decode(bytes)?;
        if self.history.last().is_none_or(|last| last < self.hard.log_epoch) {
            self.history.begin(self.hard.log_epoch, self.end.0);
        }
        Some(())
    }
}

/// What the log room needs to know of a topic's settings.
pub fn log_config(config: &TopicConfig) -> LogConfig {
    LogConfig {
        segment_bytes: config.segment_bytes,
        segment_ms: config.segment_ms,
        index_bytes_max: config.segment_index_bytes,
        index_interval_bytes: config.index_interval_bytes,
    }
}

/// Producer fields of a batch; `None` if its producer is not idempotent.
pub fn sequenced(batch: &Batch) -> Option<Sequenced> {
    let header = batch.header();
    (header.producer_id() >= 0).then(|| Sequenced {
        producer_id: header.producer_id(),
        epoch: header.producer_epoch(),
        first: header.base_sequence(),
        last: header.last_sequence(),
    })
}
