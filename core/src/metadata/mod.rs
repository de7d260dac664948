//! What the node knows of topics and configs: a fold over the metadata log.
//!
//! [`Metadata`] changes only by [`Fold::apply`], which knows neither clock nor chance. While the node runs,
//! handlers change it through a [`draft::Draft`], which applies a record and remembers it for the log in
//! one act; after a restart the same records are read from the log, or skipped because the checkpoint
//! ([`Metadata::save`]) holds what they did. The three ways lead to the same state: `tests.rs` says so.

pub mod draft;
pub mod records;
mod save;
pub mod settings;
pub mod topics;

#[cfg(test)]
mod tests;

pub use draft::{Admin, Draft, Drafted, Effect, PartitionFacts};
pub use records::{MetadataRecord, RecordError};

use sordini_log::{LogDir, LogId, Offset};
use sordini_mutant::mutant;
use sordini_wire::primitive::Uuid;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A node's number in its cluster (Kafka's broker id).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

/// A topic's identity: a deleted and recreated topic has the same name and another id (KIP-516).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// What a message says where there is no id.
    pub const ZERO: TopicId = TopicId([0; 16]);
    /// Kafka's id of the metadata log (KIP-500).
    pub const METADATA: TopicId = TopicId([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// The random id (UUID version 4) made of 16 random bytes; none where Kafka would not give it out: the
    /// first hundred are reserved, and one whose base64 starts with a dash looks like an option to
    /// the command line tools.
    pub fn from_random(mut bytes: [u8; 16]) -> Option<TopicId> {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let dash = bytes[0] >> 2 == 62;
        (!dash).then_some(TopicId(bytes))
    }
}

/// 22 characters of base64 in the URL's alphabet, as Kafka's tools show it.
impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from(*self).fmt(f)
    }
}

impl From<TopicId> for Uuid {
    fn from(id: TopicId) -> Uuid {
        Uuid(id.0)
    }
}

impl From<Uuid> for TopicId {
    fn from(id: Uuid) -> TopicId {
        TopicId(id.0)
    }
}

/// What configs can be set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// A topic, by name.
    Topic,
    /// A broker by its number; the empty name is the default of all brokers.
    Broker,
    /// The levels of a broker's loggers.
    BrokerLogger,
    /// Metrics that clients are asked to push (KIP-714), by subscription.
    ClientMetrics,
    /// A group, by id.
    Group,
}

impl ResourceKind {
    /// Kafka's number for it (`ConfigResource.Type`).
    pub const fn code(self) -> i8 {
        match self {
            ResourceKind::Topic => 2,
            ResourceKind::Broker => 4,
            ResourceKind::BrokerLogger => 8,
            ResourceKind::ClientMetrics => 16,
            ResourceKind::Group => 32,
        }
    }

    /// The kind with this number.
    pub const fn from_code(code: i8) -> Option<ResourceKind> {
        Some(match code {
            2 => ResourceKind::Topic,
            4 => ResourceKind::Broker,
            8 => ResourceKind::BrokerLogger,
            16 => ResourceKind::ClientMetrics,
            32 => ResourceKind::Group,
            _ => return None,
        })
    }
}

/// One thing that configs are set on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// What kind of thing.
    pub kind: ResourceKind,
    /// Its name among its kind.
    pub name: String,
}

impl Resource {
    /// The topic of this name.
    pub fn topic(name: &str) -> Resource {
        Resource { kind: ResourceKind::Topic, name: name.to_owned() }
    }

    /// The broker of this number, or the default of all.
    pub fn broker(node: Option<NodeId>) -> Resource {
        let name = node.map_or(String::new(), |n| n.0.to_string());
        Resource { kind: ResourceKind::Broker, name }
    }
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Identity.
    pub id: TopicId,
    /// Name; unique among the living.
    pub name: Arc<str>,
    /// Partitions by their index; never empty between requests, never fewer than before.
    pub partitions: Vec<Partition>,
}

/// Where a partition lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its log on this node.
    pub log: LogId,
    /// Nodes that hold it; the first is preferred as leader. Never empty.
    pub replicas: Vec<NodeId>,
}

impl Topic {
    /// Whether the topic belongs to the broker itself; clients are told so.
    pub fn internal(&self) -> bool {
        is_internal(&self.name)
    }

    /// The partition with this index.
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// Directory of a partition's log.
    pub fn dir(&self, index: usize) -> LogDir {
        LogDir { name: format!("{}-{index}", self.name).into(), log: self.partitions[index].log }
    }
}

/// Whether a topic of this name belongs to the broker itself.
pub fn is_internal(name: &str) -> bool {
    matches!(name, "__consumer_offsets" | "__transaction_state" | "__share_group_state")
}

/// A name with dots and underscores alike; none if it has neither.
fn alike(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

/// What folds over a log.
pub trait Fold {
    /// What the log holds.
    type Record;

    /// Takes the record at `at`, which is the next one; no clock, no chance, no way out.
    fn apply(&mut self, at: Offset, record: &Self::Record) -> Result<(), RecordError>;
}

/// The cluster's metadata after all records below [`Metadata::end`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Offset of the next record.
    end: Offset,
    /// The cluster's id, once it has one.
    cluster_id: Option<String>,
    /// Topics by id.
    topics: BTreeMap<TopicId, Topic>,
    /// Their ids by name: the same topics.
    names: BTreeMap<Arc<str>, TopicId>,
    /// Names that have a dot or an underscore, by the name with all of them alike: at most one each, but for
    /// clusters that are older than the rule.
    alike: BTreeMap<String, Arc<str>>,
    /// What was set, by resource and key; a resource without any is absent.
    configs: BTreeMap<Resource, BTreeMap<String, String>>,
    /// The next log to be given out. All living and all dead ones are below; never 0, the metadata log.
    log_next: LogId,
    /// All producer ids below may have been given out.
    producer_id_next: i64,
}

impl Metadata {
    /// The state before the first record.
    pub fn new() -> Metadata {
        Metadata { log_next: LogId(1), ..Metadata::default() }
    }

    /// Offset of the next record to be applied.
    pub fn end(&self) -> Offset {
        self.end
    }

    /// The cluster's id; none before its first boot is over.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<&Topic> {
        self.names.get(name).map(|id| &self.topics[id])
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id)
    }

    /// All topics, sorted by name.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.names.values().map(|id| &self.topics[id])
    }

    /// Topics whose names are not before `name`, sorted by name.
    pub fn topics_from<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Topic> {
        let range = (std::ops::Bound::Included(name), std::ops::Bound::Unbounded);
        self.names.range::<str, _>(range).map(|(_, id)| &self.topics[id])
    }

    /// The topic whose name differs from this one in dots and underscores only, or not at all.
    pub fn topic_alike(&self, name: &str) -> Option<&Topic> {
        self.alike.get(&alike(name)?).and_then(|name| self.topic(name))
    }

    /// What was set on a resource.
    pub fn configs(&self, resource: &Resource) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.configs.get(resource).unwrap_or(&NONE)
    }

    /// Resources of a kind on which something is set.
    pub fn configured(&self, kind: ResourceKind) -> impl Iterator<Item = &Resource> {
        self.configs.keys().filter(move |r| r.kind == kind)
    }

    /// The next log id that [`Draft`] would give out.
    pub fn log_next(&self) -> LogId {
        self.log_next
    }

    /// All producer ids below this one may have been given out.
    pub fn producer_id_next(&self) -> i64 {
        self.producer_id_next
    }

    /// Enters a topic wherever topics stand.
    fn add(&mut self, topic: Topic) {
        if let Some(alike) = alike(&topic.name) {
            self.alike.insert(alike, topic.name.clone());
        }
        self.names.insert(topic.name.clone(), topic.id);
        self.topics.insert(topic.id, topic);
    }

    /// Reads a record of the metadata log and applies it: one step of recovery.
    pub fn replay(&mut self, at: Offset, value: &[u8]) -> Result<(), RecordError> {
        if at < self.end {
            return Ok(()); // the checkpoint has it already
        }
        let record = MetadataRecord::decode(value)?;
        self.apply(at, &record)
    }

    /// A number that two states share only if they are equal, for traces and comparisons of runs.
    pub fn digest(&self) -> u64 {
        let bytes = self.save();
        let crc = u64::from(crc32fast::hash(&bytes));
        crc << 32 | bytes.len() as u64 & 0xffff_ffff
    }

    /// Checks what always holds. Called after every draft and every replay in tests, and by the node in debug runs.
    pub fn invariants(&self) {
        assert_eq!(self.topics.len(), self.names.len());
        let mut logs = std::collections::BTreeSet::new();
        for (name, id) in &self.names {
            let topic = &self.topics[id];
            assert!(topic.id == *id && topic.name == *name);
            for partition in &topic.partitions {
                assert!(!partition.replicas.is_empty());
                assert!(partition.log != LogId::METADATA && partition.log < self.log_next);
                assert!(logs.insert(partition.log), "{} has two partitions", partition.log);
            }
        }
        for (resource, set) in &self.configs {
            assert!(!set.is_empty());
            let topic = resource.kind == ResourceKind::Topic;
            assert!(!topic || self.names.contains_key(resource.name.as_str()));
        }
    }
}

impl Fold for Metadata {
    type Record = MetadataRecord;

    fn apply(&mut self, at: Offset, record: &MetadataRecord) -> Result<(), RecordError> {
        let contradiction = |what: String| Err(RecordError::Contradiction(what));
        if at != self.end {
            return contradiction(format!(
                "the record at offset {at} came where {} was next",
                self.end
            ));
        }
        match record {
            MetadataRecord::ClusterId { id } => {
                if let Some(old) = &self.cluster_id {
                    return contradiction(format!("the cluster is {old} already, now {id}"));
                }
                self.cluster_id = Some(id.clone());
            }
            MetadataRecord::TopicCreated { topic, name } => {
                if self.names.contains_key(name.as_str()) || self.topics.contains_key(topic) {
                    return contradiction(format!("topic {name} ({topic}) is there already"));
                }
                let name: Arc<str> = name.as_str().into();
                self.add(Topic { id: *topic, name, partitions: Vec::new() });
            }
            MetadataRecord::PartitionCreated { topic: id, partition, log, replicas } => {
                let Some(topic) = self.topics.get_mut(id) else {
                    return contradiction(format!(
                        "partition {partition} of {id}, which does not exist"
                    ));
                };
                if usize::try_from(*partition) != Ok(topic.partitions.len())
                    || *log < self.log_next
                    || replicas.is_empty()
                {
                    return contradiction(format!(
                        "partition {partition} of {} as {log}",
                        topic.name
                    ));
                }
                topic.partitions.push(Partition { log: *log, replicas: replicas.clone() });
                self.log_next = LogId(log.0 + 1);
            }
            MetadataRecord::TopicDeleted { topic: id } => {
                let Some(topic) = self.topics.remove(id) else {
                    return contradiction(format!("deletion of {id}, which does not exist"));
                };
                self.names.remove(&topic.name);
                if let Some(alike) = alike(&topic.name) {
                    self.alike.remove(&alike);
                }
                self.configs.remove(&Resource::topic(&topic.name));
                mutant!(B08, (), {
                    let living = self.topics.values().flat_map(|t| &t.partitions).map(|p| p.log.0);
                    self.log_next = LogId(1 + living.max().unwrap_or(0));
                });
            }
            MetadataRecord::ConfigSet { resource, key, value } => {
                let topic = resource.kind == ResourceKind::Topic;
                if topic && !self.names.contains_key(resource.name.as_str()) {
                    return contradiction(format!("config {key} of topic {}", resource.name));
                }
                self.configs
                    .entry(resource.clone())
                    .or_default()
                    .insert(key.clone(), value.clone());
            }
            MetadataRecord::ConfigRemoved { resource, key } => {
                let removed = self.configs.get_mut(resource).and_then(|set| set.remove(key));
                if removed.is_none() {
                    return contradiction(format!("removal of config {key}, which is not set"));
                }
                if self.configs[resource].is_empty() {
                    self.configs.remove(resource);
                }
            }
            MetadataRecord::ProducerIdBlock { next } => {
                if *next <= self.producer_id_next {
                    return contradiction(format!(
                        "producer ids up to {next} are given out already"
                    ));
                }
                self.producer_id_next = *next;
            }
        }
        self.end = Offset(self.end.0 + 1);
        Ok(())
    }
}
