//! Topics come, grow and go: what is checked, and what is put.
//!
//! Checks come first and in Kafka's order, because a client that makes two mistakes is told of one.

use super::draft::{Admin, Effect};
use super::{MetadataRecord, NodeId, Resource, Topic, TopicId};
use crate::config::lookup::Lookup;
use crate::config::topic::{self, SettingsError, TopicConfig};
use std::collections::{BTreeMap, BTreeSet};

/// Partitions that one request may create: they become one batch of the metadata log.
pub const NEW_PARTITIONS_MAX: usize = 10_000;

/// Longest topic name, so that a partition's directory has a legal name.
pub const NAME_LEN_MAX: usize = 249;

/// Why a name is none for a topic. The words are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters.
    #[error("Topic name is invalid: the empty string is not allowed")]
    Empty,
    /// A name that means something to a file system.
    #[error("Topic name is invalid: '{0}' is not allowed")]
    Dots(String),
    /// Too many characters.
    #[error("Topic name is invalid: the length of '{0}' is longer than the max allowed length 249")]
    Long(String),
    /// A character that is not allowed.
    #[error(
        "Topic name is invalid: '{0}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
    )]
    Characters(String),
}

/// Whether a topic may have this name.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if name.is_empty() {
        Err(NameError::Empty)
    } else if name == "." || name == ".." {
        Err(NameError::Dots(name.to_owned()))
    } else if name.chars().count() > NAME_LEN_MAX {
        Err(NameError::Long(name.to_owned()))
    } else if !name.bytes().all(allowed) {
        Err(NameError::Characters(name.to_owned()))
    } else {
        Ok(())
    }
}

/// Why a topic cannot be created, or cannot grow. The words are for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// No topic can be called that.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Metric names replace dots by underscores, so two topics would be one there.
    #[error("Topic '{name}' collides with existing topic: {other}")]
    Collision {
        /// The new one.
        name: String,
        /// The old one.
        other: String,
    },
    /// The name belongs to the broker's own log.
    #[error("Creation of internal topic {0} is prohibited.")]
    Reserved(String),
    /// There is one already.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// Settings that cannot hold.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No partitions at all.
    #[error("Number of partitions was set to an invalid non-positive value.")]
    Partitions,
    /// As many partitions as before.
    #[error("Topic already has {0} partition(s).")]
    SamePartitions(usize),
    /// Fewer partitions than before.
    #[error(
        "The topic {name} currently has {now} partition(s); {wanted} would not be an increase."
    )]
    FewerPartitions {
        /// The topic.
        name: String,
        /// How many it has.
        now: usize,
        /// How many it shall have.
        wanted: i32,
    },
    /// More than [`NEW_PARTITIONS_MAX`].
    #[error("Excessively large number of partitions per request.")]
    TooManyPartitions,
    /// More than one batch of the metadata log holds.
    #[error(
        "the request changes more at once than one batch of the metadata can hold: ask in several requests"
    )]
    TooMuch,
    /// The node holds as many partitions as it can.
    #[error("this broker holds as many partitions as it can; deleting topics makes room")]
    NodeFull,
    /// No replicas at all.
    #[error("Replication factor must be larger than 0, or -1 to use the default value.")]
    Replicas,
    /// More replicas than nodes.
    #[error(
        "Unable to replicate the partition {wanted} time(s): The target replication factor of {wanted} cannot be reached because only {nodes} broker(s) are registered."
    )]
    TooFewNodes {
        /// How many replicas are wanted.
        wanted: i32,
        /// How many nodes there are.
        nodes: usize,
    },
    /// Replicas were assigned by hand, wrongly.
    #[error(transparent)]
    Assignment(#[from] AssignmentError),
    /// Nothing is created while the disk is full.
    #[error(
        "the disk is nearly full: nothing can be created before there is room; deleting topics makes some"
    )]
    DiskFull,
}

/// Why replicas cannot be where a request wants them. The words are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// Partitions are missing or negative.
    #[error("partitions should be a consecutive 0-based integer sequence")]
    Gap,
    /// A partition was assigned twice.
    #[error("Found multiple manual partition assignments for partition {0}")]
    PartitionTwice(i32),
    /// A partition without replicas.
    #[error("The manual partition assignment includes an empty replica list.")]
    Empty,
    /// A node that is not there.
    #[error(
        "The manual partition assignment includes broker {0}, but no such broker is registered."
    )]
    UnknownNode(i32),
    /// Two replicas on one node.
    #[error("The manual partition assignment includes the broker {0} more than once.")]
    NodeTwice(i32),
    /// Not as many lists of replicas as new partitions.
    #[error(
        "Attempted to add {wanted} additional partition(s), but only {assigned} assignment(s) were specified."
    )]
    Count {
        /// New partitions.
        wanted: usize,
        /// Lists of replicas.
        assigned: usize,
    },
}

/// How many partitions and replicas a new topic gets; none is the broker's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Partitions.
    pub partitions: Option<i32>,
    /// Replicas of each.
    pub replicas: Option<i16>,
}

/// Nodes of each partition, by its index.
pub type Placement = Vec<Vec<NodeId>>;

impl Admin<'_> {
    /// The layers of configuration.
    pub fn lookup(&self) -> Lookup<'_> {
        Lookup { metadata: self.draft.metadata(), config: self.config }
    }

    /// Whether a topic of this name may be created now.
    pub fn check_new_name(&self, name: &str) -> Result<(), TopicError> {
        if name == METADATA_TOPIC {
            return Err(TopicError::Reserved(name.to_owned()));
        }
        check_name(name)?;
        if self.metadata().topic(name).is_some() {
            return Err(TopicError::Exists(name.to_owned()));
        }
        match self.metadata().topic_alike(name) {
            Some(other) => {
                let (name, other) = (name.to_owned(), other.name.to_string());
                Err(TopicError::Collision { name, other })
            }
            None if self.read_only => Err(TopicError::DiskFull),
            None => Ok(()),
        }
    }

    /// Whether a new topic may have these settings.
    pub fn check_new_settings(&self, set: &BTreeMap<String, String>) -> Result<(), TopicError> {
        Ok(topic::check(self.lookup(), set)?)
    }

    /// Where the replicas of a new topic of this size go.
    pub fn place(&self, size: Size) -> Result<Placement, TopicError> {
        let replicas = i32::from(size.replicas.unwrap_or(self.config.replication_factor));
        if replicas <= 0 {
            return Err(TopicError::Replicas);
        }
        let partitions = size.partitions.unwrap_or(self.config.num_partitions);
        let partitions = usize::try_from(partitions).unwrap_or(0);
        if partitions == 0 {
            return Err(TopicError::Partitions);
        }
        self.place_more(partitions, replicas)
    }

    /// Where the replicas of more partitions go. This node is the cluster: it leads all of them.
    fn place_more(&self, partitions: usize, replicas: i32) -> Result<Placement, TopicError> {
        if replicas > 1 {
            return Err(TopicError::TooFewNodes { wanted: replicas, nodes: 1 });
        }
        self.check_number(partitions)?;
        Ok(vec![vec![self.node()]; partitions])
    }

    /// Whether so many partitions may be created beside those that this request did create already.
    fn check_number(&self, partitions: usize) -> Result<(), TopicError> {
        let made = self.draft.logs_created();
        let all = made.saturating_add(partitions);
        if all > NEW_PARTITIONS_MAX {
            Err(TopicError::TooManyPartitions)
        } else if all > self.partitions_left {
            Err(TopicError::NodeFull)
        } else {
            self.check_room(partitions, 0)
        }
    }

    /// Whether this request may put so many more records with strings of so many bytes.
    fn check_room(&self, records: usize, strings: usize) -> Result<(), TopicError> {
        if self.draft.has_room(records, strings) { Ok(()) } else { Err(TopicError::TooMuch) }
    }

    /// Whether a topic that was checked in all else may be created beside what this request did already.
    pub fn check_new_topic(
        &self,
        name: &str,
        set: &BTreeMap<String, String>,
        placement: &Placement,
    ) -> Result<(), TopicError> {
        let setting = |(key, value): (&String, &String)| name.len() + key.len() + value.len();
        let strings = name.len() + set.iter().map(setting).sum::<usize>();
        self.check_room(1 + set.len() + placement.len(), strings)
    }

    /// Whether a topic may be deleted beside what this request did already.
    pub fn check_deletion(&self) -> Result<(), TopicError> {
        self.check_room(1, 0)
    }

    /// A placement by hand: `(partition, nodes)` in any order.
    pub fn place_assigned<'b>(
        &self,
        assigned: impl Iterator<Item = (i32, &'b [i32])>,
    ) -> Result<Placement, TopicError> {
        let mut placement = BTreeMap::new();
        for (partition, nodes) in assigned {
            if placement.contains_key(&partition) {
                return Err(AssignmentError::PartitionTwice(partition).into());
            }
            placement.insert(partition, self.replicas(nodes)?);
        }
        if !placement.keys().copied().eq(0..placement.len() as i32) {
            return Err(AssignmentError::Gap.into());
        }
        self.check_number(placement.len())?;
        Ok(placement.into_values().collect())
    }

    /// One partition's nodes, checked.
    fn replicas(&self, nodes: &[i32]) -> Result<Vec<NodeId>, AssignmentError> {
        if nodes.is_empty() {
            return Err(AssignmentError::Empty);
        }
        let mut seen = BTreeSet::new();
        for node in nodes {
            if NodeId(*node) != self.node() {
                return Err(AssignmentError::UnknownNode(*node));
            }
            if !seen.insert(node) {
                return Err(AssignmentError::NodeTwice(*node));
            }
        }
        Ok(nodes.iter().map(|n| NodeId(*n)).collect())
    }

    /// Where the replicas of a topic's new partitions go, if it shall have `wanted` in all.
    pub fn place_growth<'b>(
        &self,
        topic: &Topic,
        wanted: i32,
        assigned: Option<impl ExactSizeIterator<Item = &'b [i32]>>,
    ) -> Result<Placement, TopicError> {
        let now = topic.partitions.len();
        let target = usize::try_from(wanted).unwrap_or(0);
        if target == now {
            return Err(TopicError::SamePartitions(now));
        }
        if target < now {
            let name = topic.name.to_string();
            return Err(TopicError::FewerPartitions { name, now, wanted });
        }
        if self.read_only {
            return Err(TopicError::DiskFull);
        }
        let more = target - now;
        let Some(assigned) = assigned else {
            return self.place_more(more, topic.partitions[0].replicas.len() as i32);
        };
        if assigned.len() != more {
            let assigned = assigned.len();
            return Err(AssignmentError::Count { wanted: more, assigned }.into());
        }
        self.check_number(more)?;
        assigned.map(|nodes| Ok(self.replicas(nodes)?)).collect()
    }

    /// Creates a topic that was checked.
    pub fn create_topic(
        &mut self,
        name: &str,
        set: BTreeMap<String, String>,
        placement: Placement,
    ) -> TopicId {
        let id = self.draft.topic_id();
        self.draft.put(MetadataRecord::TopicCreated { topic: id, name: name.to_owned() });
        for (key, value) in set {
            let resource = Resource::topic(name);
            self.draft.put(MetadataRecord::ConfigSet { resource, key, value });
        }
        self.grow_topic(id, placement);
        id
    }

    /// Gives a topic more partitions, which were checked.
    pub fn grow_topic(&mut self, id: TopicId, placement: Placement) {
        let topic = self.metadata().topic_by_id(id).expect("the caller found it");
        let (name, first) = (topic.name.clone(), topic.partitions.len());
        let config = TopicConfig::resolve(self.metadata(), self.config, &name);
        for (index, replicas) in (first..).zip(placement) {
            let (partition, log) = (index as i32, self.metadata().log_next());
            self.draft.put(MetadataRecord::PartitionCreated {
                topic: id,
                partition,
                log,
                replicas,
            });
            let dir = self.metadata().topic_by_id(id).expect("as above").dir(index);
            let config = config.clone();
            self.draft.effect(Effect::CreateLog { dir, topic: id, partition, config });
        }
    }

    /// Deletes a topic with everything in it.
    pub fn delete_topic(&mut self, id: TopicId) {
        let topic = self.metadata().topic_by_id(id).expect("the caller found it").clone();
        self.draft.put(MetadataRecord::TopicDeleted { topic: id });
        for index in 0..topic.partitions.len() {
            let (dir, partition) = (topic.dir(index), index as i32);
            self.draft.effect(Effect::DeleteLog { dir, topic: id, partition });
        }
    }
}

/// Kafka's name of the metadata log.
pub const METADATA_TOPIC: &str = "__cluster_metadata";
