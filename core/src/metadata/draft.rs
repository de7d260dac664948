//! How the node's metadata is changed: a [`Draft`] collects, the node makes durable and carries out.
//!
//! The node lends the state to a draft for one request. A handler puts records, each of which is applied
//! at once, so that the next line of the handler sees its effect; what it put comes out of
//! [`Draft::finish`]. The node appends all of it as *one* batch to the metadata log, carries out the
//! effects in the same step, and parks the reply until that batch's journal group is durable. Effects may go
//! to later groups; if a crash comes before those are durable, the next start carries out what is left of
//! them. A handler decides first and puts then: a draft cannot be taken back. To decide is also to ask whether
//! there is room ([`Draft::has_room`]), since the batch has to lie in one file of the journal.

use super::{Fold, Metadata, MetadataRecord, NodeId, TopicId};
use crate::config::broker::BrokerConfig;
use crate::config::topic::TopicConfig;
use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use sordini_log::{Epoch, LogDir, LogId, Now, Offset};
use sordini_wire::batch::HEADER_SIZE;

/// What the node does on its storage because of a change, in this order, within the same step.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Effect {
    /// A partition was created: make its log, empty.
    CreateLog { dir: LogDir, topic: TopicId, partition: i32, config: TopicConfig },
    /// A partition was deleted: answer what waits on it, then delete its log.
    DeleteLog { dir: LogDir, topic: TopicId, partition: i32 },
    /// Another config holds for this log from now on.
    Reconfigure { log: LogId, config: TopicConfig },
}

/// What a request changed, in the order in which it was put.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drafted {
    /// Offset of the first record in the metadata log.
    pub base: Offset,
    /// Records, already applied.
    pub records: Vec<MetadataRecord>,
    /// What to do on storage.
    pub effects: Vec<Effect>,
}

impl Drafted {
    /// Whether nothing was changed, so that nothing is appended.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The values of the batch to append: record `i` has offset `base + i` and no key.
    pub fn values(&self) -> impl Iterator<Item = Bytes> {
        self.records.iter().map(MetadataRecord::encode)
    }
}

/// The node's metadata, lent for one change. One that is dropped with records in it leaves the state ahead
/// of its log; the node compares the two ends.
#[derive(Debug)]
#[must_use = "what was put must reach the metadata log"]
pub struct Draft<'a> {
    metadata: &'a mut Metadata,
    chance: &'a mut ChaCha8Rng,
    drafted: Drafted,
    /// Effects that create a log.
    logs_created: usize,
    /// How many bytes of records the batch can take yet.
    bytes_left: usize,
}

/// What a record is counted for beyond its strings: ids, lengths, and the frame that a batch puts around it.
pub const RECORD_BYTES: usize = 96;

/// The most that a batch puts around a record without a key and headers.
const BATCHED_BYTES: usize = 32;

impl<'a> Draft<'a> {
    /// Borrows the state; `chance` gives topic ids and nothing else. The batch has `batch_bytes_max` bytes at most.
    pub fn new(
        metadata: &'a mut Metadata,
        chance: &'a mut ChaCha8Rng,
        batch_bytes_max: usize,
    ) -> Draft<'a> {
        let drafted = Drafted { base: metadata.end(), ..Drafted::default() };
        let bytes_left = batch_bytes_max.saturating_sub(HEADER_SIZE);
        Draft { metadata, chance, drafted, logs_created: 0, bytes_left }
    }

    /// Whether so many records with strings of so many bytes fit the batch beside what was put.
    pub fn has_room(&self, records: usize, strings: usize) -> bool {
        records.saturating_mul(RECORD_BYTES).saturating_add(strings) <= self.bytes_left
    }

    /// The state with everything put so far.
    pub fn metadata(&self) -> &Metadata {
        self.metadata
    }

    /// Applies a record and remembers it for the log. It must fit the state: that is the caller's check.
    pub fn put(&mut self, record: MetadataRecord) {
        let at = self.metadata.end();
        self.metadata.apply(at, &record).expect("a handler puts only what fits the state it sees");
        self.bytes_left = self.bytes_left.saturating_sub(record.encode().len() + BATCHED_BYTES);
        self.drafted.records.push(record);
    }

    /// Remembers what to do on storage.
    pub fn effect(&mut self, effect: Effect) {
        self.logs_created += usize::from(matches!(effect, Effect::CreateLog { .. }));
        self.drafted.effects.push(effect);
    }

    /// How many logs will be created.
    pub fn logs_created(&self) -> usize {
        self.logs_created
    }

    /// A topic id that no topic has.
    pub fn topic_id(&mut self) -> TopicId {
        loop {
            let mut bytes = [0; 16];
            self.chance.fill_bytes(&mut bytes);
            match TopicId::from_random(bytes) {
                Some(id) if self.metadata.topic_by_id(id).is_none() => return id,
                _ => {}
            }
        }
    }

    /// What was changed. Every draft ends here, else the log would lack what the state has.
    pub fn finish(self) -> Drafted {
        self.drafted
    }
}

/// What the answers say of partitions beyond their metadata. The node knows; all logs asked for are alive.
pub trait PartitionFacts {
    /// First offset that can be read.
    fn start(&self, log: LogId) -> Offset;
    /// Offset of the next record.
    fn end(&self, log: LogId) -> Offset;
    /// Bytes of its record batches.
    fn bytes(&self, log: LogId) -> u64;
    /// Leader epoch.
    fn epoch(&self, log: LogId) -> Epoch;
}

/// What the handlers of the admin APIs are lent.
#[derive(Debug)]
pub struct Admin<'a> {
    /// The state, to be read and changed.
    pub draft: Draft<'a>,
    /// How this node is configured; what is set dynamically is in the metadata.
    pub config: &'a BrokerConfig,
    /// Both clocks and free disk space.
    pub now: Now,
    /// What storage knows of partitions.
    pub partitions: &'a dyn PartitionFacts,
    /// Partitions that the node may hold beside those it holds.
    pub partitions_left: usize,
    /// The disk is full: creation is refused, deletion is not.
    pub read_only: bool,
}

impl Admin<'_> {
    /// The state with everything put so far.
    pub fn metadata(&self) -> &Metadata {
        self.draft.metadata()
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.config.node_id
    }
}

impl std::fmt::Debug for dyn PartitionFacts + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PartitionFacts")
    }
}
