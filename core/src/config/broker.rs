//! The broker's own configuration: what it was started with, typed.

use crate::metadata::NodeId;
use std::collections::BTreeMap;

/// What the node was started with. What is set while it runs lives in the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// What was given, as it was given, by key.
    pub given: BTreeMap<String, String>,
    /// `node.id`.
    pub node_id: NodeId,
    /// `cluster.id`: the id that a new data directory gets; none draws one.
    pub cluster_id: Option<String>,
    /// Host of `advertised.listeners`: where clients are told to connect.
    pub advertised_host: String,
    /// Port of `advertised.listeners`.
    pub advertised_port: u16,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `log.dirs`: the data directory, as it is shown to people.
    pub log_dir: String,
    /// Size of the data directory's file system in bytes, if the program could find out; shown to people.
    pub disk_bytes: Option<u64>,
    /// `auto.create.topics.enable`: a client's mere mention creates a topic.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`.
    pub delete_topic: bool,
    /// `num.partitions`: of a topic whose creator left it open.
    pub num_partitions: i32,
    /// `default.replication.factor`, likewise.
    pub replication_factor: i16,
    /// `socket.request.max.bytes`: largest request frame.
    pub request_bytes_max: u32,
    /// `fetch.max.bytes`: largest answer to a fetch that has more to give.
    pub fetch_bytes_max: u32,
    /// `max.incremental.fetch.session.cache.slots`: fetch sessions kept.
    pub fetch_sessions_max: u32,
    /// `max.connections`.
    pub connections_max: u32,
    /// `connections.max.idle.ms`: a silent connection is closed after; none never.
    pub connection_idle_ms_max: Option<u64>,
    /// `log.retention.check.interval.ms`: how often old segments are looked for.
    pub retention_check_ms: u64,
    /// `producer.id.expiration.ms`: how long a silent producer's state is kept.
    pub producer_id_expiration_ms: u64,
    /// `max.request.partition.size.limit`: partitions in one answer of DescribeTopicPartitions.
    pub describe_partitions_max: u32,
}
