//! Configs that are set while the broker runs: what is checked, and what is put.
//!
//! Both of Kafka's alter APIs come down to this: the settings that a resource shall have from now on are
//! computed, checked as a whole, and what differs is put.

use super::draft::{Admin, Effect};
use super::{MetadataRecord, NodeId, Resource, ResourceKind};
use crate::config::group::{self, GroupError};
use crate::config::table::{self, Mode, Type, ValueError};
use crate::config::topic::{self, SettingsError, TopicConfig};
use crate::metadata::topics::{NameError, check_name};
use sordini_log::LogId;
use std::collections::BTreeMap;

/// What is set on a resource.
pub type Settings = BTreeMap<String, String>;

/// Why settings cannot be altered. The words are for people, most of them Kafka's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlterError {
    /// No topic can be called that.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no such topic.
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(String),
    /// Settings that a topic cannot have.
    #[error(transparent)]
    Topic(#[from] SettingsError),
    /// Settings that a group cannot have.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// A value that a broker's key does not take.
    #[error(transparent)]
    Broker(#[from] ValueError),
    /// A broker is a number.
    #[error("Node id must be an integer, but it is: {0}")]
    NotANode(String),
    /// Another broker is asked to change.
    #[error("Unexpected broker id, expected {here}, but received {asked}")]
    OtherNode {
        /// This one.
        here: i32,
        /// The one meant.
        asked: i32,
    },
    /// Keys that only a restart changes.
    #[error("Cannot update these configs dynamically: [{0}]")]
    ReadOnly(String),
    /// Keys that each broker has for itself.
    #[error(
        "Cannot update these configs at default cluster level, broker id must be specified: [{0}]"
    )]
    PerBroker(String),
    /// A key that brokers do not have.
    #[error("Unknown broker config name: {0}")]
    UnknownBrokerKey(String),
    /// The default of all groups.
    #[error("Default group resources are not allowed.")]
    DefaultGroup,
    /// A kind of resource whose settings cannot be altered here.
    #[error("{0} have no settings that can be altered here")]
    Nothing(&'static str),
    /// More than one batch of the metadata log holds.
    #[error(
        "the request changes more at once than one batch of the metadata can hold: ask in several requests"
    )]
    TooMuch,
    /// A list is appended to a key that holds none.
    #[error("Can't {operation} to key {key} because its type is not LIST.")]
    NotAList {
        /// APPEND or SUBTRACT.
        operation: &'static str,
        /// The key.
        key: String,
    },
    /// A value that grew beyond what a string of the wire can hold.
    #[error(
        "The configuration value cannot be added because it exceeds the maximum value size of {VALUE_BYTES_MAX} bytes."
    )]
    Long,
    /// Kafka keeps the number that says what acks=all means (KIP-966).
    #[error("{0}")]
    InsyncReplicas(&'static str),
}

impl Admin<'_> {
    /// Whether the resource is there and its settings may be altered.
    pub fn check_resource(&self, resource: &Resource) -> Result<(), AlterError> {
        let name = resource.name.as_str();
        match resource.kind {
            ResourceKind::Topic => {
                check_name(name)?;
                let there = self.metadata().topic(name).is_some();
                if there { Ok(()) } else { Err(AlterError::UnknownTopic(name.to_owned())) }
            }
            ResourceKind::Broker if name.is_empty() => Ok(()),
            ResourceKind::Broker => {
                let asked: i32 = name.parse().map_err(|_| AlterError::NotANode(name.to_owned()))?;
                let here = self.node().0;
                if asked == here { Ok(()) } else { Err(AlterError::OtherNode { here, asked }) }
            }
            ResourceKind::Group if name.is_empty() => Err(AlterError::DefaultGroup),
            ResourceKind::Group => Ok(()),
            ResourceKind::BrokerLogger => Err(AlterError::Nothing("loggers")),
            ResourceKind::ClientMetrics => Err(AlterError::Nothing("client metrics")),
        }
    }

    /// The elements of a list that a key holds on a resource now, or would by default.
    pub fn list(
        &self,
        resource: &Resource,
        key: &str,
        operation: &'static str,
    ) -> Result<Vec<String>, AlterError> {
        let set = self.metadata().configs(resource);
        let (row, value) = match resource.kind {
            ResourceKind::Topic => {
                let row = table::topic(key);
                (row, row.map(|row| self.lookup().topic(row, set).0))
            }
            ResourceKind::Broker => {
                let row = table::broker(key);
                let default = row.and_then(|row| row.default).map(str::to_owned);
                (row, set.get(key).cloned().or(default))
            }
            _ => (None, None),
        };
        if row.is_none_or(|row| row.kind != Type::List) {
            return Err(AlterError::NotAList { operation, key: key.to_owned() });
        }
        let value = value.unwrap_or_default();
        Ok(elements(&value).map(str::to_owned).collect())
    }

    /// Whether a resource may have these settings.
    pub fn check_settings(&self, resource: &Resource, new: &Settings) -> Result<(), AlterError> {
        if new.values().any(|value| value.len() > VALUE_BYTES_MAX) {
            return Err(AlterError::Long);
        }
        // At most all that was set goes, and all that is wanted is set.
        let old = self.metadata().configs(resource);
        let bytes = |set: &Settings| -> usize {
            set.iter().map(|(key, value)| resource.name.len() + key.len() + value.len()).sum()
        };
        if !self.draft.has_room(old.len() + new.len(), bytes(old) + bytes(new)) {
            return Err(AlterError::TooMuch);
        }
        match resource.kind {
            ResourceKind::Topic => Ok(topic::check(self.lookup(), new)?),
            ResourceKind::Group => Ok(group::check(self.lookup(), new)?),
            ResourceKind::Broker => self.check_broker(resource, new),
            ResourceKind::BrokerLogger | ResourceKind::ClientMetrics => {
                unreachable!("refused before")
            }
        }
    }

    fn check_broker(&self, resource: &Resource, new: &Settings) -> Result<(), AlterError> {
        let default = resource.name.is_empty();
        let keys = |mode: Mode| {
            let of_mode = |key: &&String| table::broker(key).is_some_and(|row| row.mode == mode);
            new.keys().filter(of_mode).cloned().collect::<Vec<_>>().join(",")
        };
        let read_only = keys(Mode::ReadOnly);
        if !read_only.is_empty() {
            return Err(AlterError::ReadOnly(read_only));
        }
        let per_broker = keys(Mode::PerBroker);
        if default && !per_broker.is_empty() {
            return Err(AlterError::PerBroker(per_broker));
        }
        for (key, value) in new {
            let row = table::broker(key);
            row.ok_or_else(|| AlterError::UnknownBrokerKey(key.clone()))?.parse(value)?;
        }
        let says = |set: &Settings| set.get(INSYNC).cloned();
        let old = says(self.metadata().configs(resource));
        match says(new) {
            new if !default && new.is_some() => Err(AlterError::InsyncReplicas(
                "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
            )),
            None if default && old.is_some() => Err(AlterError::InsyncReplicas(
                "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
            )),
            _ => Ok(()),
        }
    }

    /// Lets a resource have these settings, which were checked, and no others.
    pub fn replace_settings(&mut self, resource: &Resource, new: &Settings) {
        let old = self.metadata().configs(resource).clone();
        if old == *new {
            return;
        }
        let before = self.topic_configs(resource);
        for key in old.keys().filter(|key| !new.contains_key(*key)) {
            let (resource, key) = (resource.clone(), key.clone());
            self.draft.put(MetadataRecord::ConfigRemoved { resource, key });
        }
        for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(*value)) {
            let (resource, key, value) = (resource.clone(), key.clone(), value.clone());
            self.draft.put(MetadataRecord::ConfigSet { resource, key, value });
        }
        self.reconfigure(before);
    }

    /// What holds now for the topics that a change of this resource can touch.
    fn topic_configs(&self, resource: &Resource) -> Vec<(String, TopicConfig)> {
        let names: Vec<String> = match resource.kind {
            ResourceKind::Topic => vec![resource.name.clone()],
            ResourceKind::Broker => self.metadata().topics().map(|t| t.name.to_string()).collect(),
            _ => Vec::new(),
        };
        let config = |name: &String| TopicConfig::resolve(self.metadata(), self.config, name);
        names.into_iter().map(|name| (name.clone(), config(&name))).collect()
    }

    /// Tells storage of the topics for which something else holds than before.
    fn reconfigure(&mut self, before: Vec<(String, TopicConfig)>) {
        for (name, old) in before {
            let config = TopicConfig::resolve(self.metadata(), self.config, &name);
            if config == old {
                continue;
            }
            let topic = self.metadata().topic(&name).expect("settings do not delete topics");
            let logs: Vec<LogId> = topic.partitions.iter().map(|p| p.log).collect();
            for log in logs {
                let config = config.clone();
                self.draft.effect(Effect::Reconfigure { log, config });
            }
        }
    }

    /// Makes an empty metadata log a cluster's: it gets its id, and the number of in-sync replicas becomes
    /// a setting of the cluster, as Kafka's format step does (KIP-966).
    pub fn found_cluster(&mut self) {
        assert!(self.metadata().cluster_id().is_none(), "founded already");
        let drawn = |admin: &mut Self| admin.draft.topic_id().to_string();
        let id = self.config.cluster_id.clone().unwrap_or_else(|| drawn(self));
        self.draft.put(MetadataRecord::ClusterId { id });
        let (value, _) = self.lookup().broker(INSYNC).expect("has a default");
        let (key, value) = (INSYNC.to_owned(), value.to_owned());
        let resource = Resource::broker(None);
        self.draft.put(MetadataRecord::ConfigSet { resource, key, value });
    }
}

/// Longest value in bytes: it can be appended to, request by request.
const VALUE_BYTES_MAX: usize = i16::MAX as usize;

const INSYNC: &str = "min.insync.replicas";

/// The elements of a list as it is set: an empty value is the empty list.
pub fn elements(value: &str) -> impl Iterator<Item = &str> {
    let some = !value.trim().is_empty();
    value.split(',').map(str::trim).filter(move |_| some)
}

/// The node that a resource of kind broker or broker logger names.
pub fn node_of(name: &str) -> Option<NodeId> {
    name.parse().ok().map(NodeId)
}
