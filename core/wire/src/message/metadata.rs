//! Metadata (key 3, versions 0-13): what topics there are, and who leads them.
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | an empty list of topics asks for all |
//! | 1 | null asks for all, an empty list for none; racks, controller, internal topics |
//! | 2 | cluster id (KIP-78) |
//! | 3 | throttle time (KIP-124) |
//! | 4 | auto-creation can be declined |
//! | 5 | offline replicas (KIP-112) |
//! | 6 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 7 | leader epochs (KIP-320) |
//! | 8 | authorized operations (KIP-430) |
//! | 9 | flexible (KIP-482) |
//! | 10 | topic ids (KIP-516) |
//! | 11 | authorized operations of the cluster move to DescribeCluster (KIP-700) |
//! | 12 | topics may be asked for by id alone (KIP-516) |
//! | 13 | an error for the whole answer: REBOOTSTRAP_REQUIRED (KIP-1102) |

crate::messages! {
    /// What topics there are, and who leads them.
    struct MetadataRequest: key 3, versions [0-13], flexible [9+] {
        /// The topics; null asks for all, and so does an empty list in version 0.
        topics: Option<Vec<MetadataRequestTopic>> [0+] null [1+] = Some(Vec::new());
        /// Whether a missing topic may be created.
        allow_auto_topic_creation: bool [4+] = true;
        /// Whether to list what the asker may do with the cluster.
        include_cluster_authorized_operations: bool [8-10];
        /// Whether to list what the asker may do with the topics.
        include_topic_authorized_operations: bool [8+];
    }

    /// A topic that is asked about, by name or by id.
    struct MetadataRequestTopic {
        /// Id of the topic.
        topic_id: Uuid [10+];
        /// Its name.
        name: Option<Str> [0+] null [10+] = Some(Str::EMPTY);
    }

    /// The answer to [`MetadataRequest`].
    struct MetadataResponse: key 3, versions [0-13], flexible [9+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [3+];
        /// The brokers.
        brokers: Vec<MetadataResponseBroker> [0+];
        /// The cluster's id.
        cluster_id: Option<Str> [2+];
        /// Node id of the controller, or -1.
        controller_id: i32 [1+] = -1;
        /// The topics.
        topics: Vec<MetadataResponseTopic> [0+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [13+];
        /// Bits of the operations allowed, or the smallest integer.
        cluster_authorized_operations: i32 [8-10] = i32::MIN;
    }

    /// A broker and where clients reach it.
    struct MetadataResponseBroker {
        /// Node id.
        node_id: i32 [0+];
        /// Host name or address.
        host: Str [0+];
        /// TCP port.
        port: i32 [0+];
        /// Rack, or null.
        rack: Option<Str> [1+];
    }

    /// A topic, or why there is none.
    struct MetadataResponseTopic {
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// Its name.
        name: Option<Str> [0+] null [12+] = Some(Str::EMPTY);
        /// Id of the topic.
        topic_id: Uuid [10+];
        /// Whether it is one of the broker's own.
        is_internal: bool [1+];
        /// The partitions.
        partitions: Vec<MetadataResponsePartition> [0+];
        /// Bits of the operations allowed, or the smallest integer.
        topic_authorized_operations: i32 [8+] = i32::MIN;
    }

    /// A partition: its leader and its replicas.
    struct MetadataResponsePartition {
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// Number of the partition.
        partition_index: i32 [0+];
        /// Node id of the leader, or -1.
        leader_id: i32 [0+];
        /// Epoch of the leader, or -1.
        leader_epoch: i32 [7+] = -1;
        /// Nodes with a replica.
        replica_nodes: Vec<i32> [0+];
        /// Nodes whose replica is in sync.
        isr_nodes: Vec<i32> [0+];
        /// Nodes whose replica is offline.
        offline_replicas: Vec<i32> [5+];
    }
}
