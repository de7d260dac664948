//! DescribeTopicPartitions (key 75, versions 0-0): list topics and partitions in pages, eligible
//! leader replicas included (KIP-966).
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | the first, flexible |

crate::messages! {
    /// List topics and partitions in pages, eligible leader replicas included (KIP-966).
    struct DescribeTopicPartitionsRequest: key 75, versions [0-0], flexible [0+] {
        /// The topics.
        topics: Vec<TopicRequest> [0+];
        /// So many partitions at most.
        response_partition_limit: i32 [0+] = 2000;
        /// Where to begin, or null for the beginning.
        cursor: Option<Cursor> [0+];
    }

    /// A topic that is asked about.
    struct TopicRequest {
        /// Its name.
        name: Str [0+];
    }

    /// Where the listing goes on.
    struct Cursor {
        /// Name of the topic.
        topic_name: Str [0+];
        /// Number of the partition.
        partition_index: i32 [0+];
    }

    /// The answer to [`DescribeTopicPartitionsRequest`].
    struct DescribeTopicPartitionsResponse: key 75, versions [0-0], flexible [0+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [0+];
        /// The topics.
        topics: Vec<DescribeTopicPartitionsResponseTopic> [0+];
        /// Where the next request begins, or null at the end.
        next_cursor: Option<Cursor> [0+];
    }

    /// A topic, or why there is none.
    struct DescribeTopicPartitionsResponseTopic {
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// Its name.
        name: Option<Str> [0+] = Some(Str::EMPTY);
        /// Id of the topic.
        topic_id: Uuid [0+];
        /// Whether it is one of the broker's own.
        is_internal: bool [0+];
        /// The partitions.
        partitions: Vec<DescribeTopicPartitionsResponsePartition> [0+];
        /// Bits of the operations allowed, or the smallest integer.
        topic_authorized_operations: i32 [0+] = i32::MIN;
    }

    /// A partition: its leader and its replicas.
    struct DescribeTopicPartitionsResponsePartition {
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// Number of the partition.
        partition_index: i32 [0+];
        /// Node id of the leader, or -1.
        leader_id: i32 [0+];
        /// Epoch of the leader, or -1.
        leader_epoch: i32 [0+] = -1;
        /// Nodes with a replica.
        replica_nodes: Vec<i32> [0+];
        /// Nodes whose replica is in sync.
        isr_nodes: Vec<i32> [0+];
        /// Replicas that may still be elected (KIP-966).
        eligible_leader_replicas: Option<Vec<i32>> [0+];
        /// Those that last could be.
        last_known_elr: Option<Vec<i32>> [0+];
        /// Nodes whose replica is offline.
        offline_replicas: Vec<i32> [0+];
    }
}
