//! CreateTopics (key 19, versions 2-7): create topics.
//!
//! | version | what it changed |
//! |---|---|
//! | 2 | throttle time (KIP-124) |
//! | 3 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 4 | -1 for the default number of partitions and replicas (KIP-464) |
//! | 5 | flexible; the answer describes the topic (KIP-525) |
//! | 6 | THROTTLING_QUOTA_EXCEEDED may be answered (KIP-599) |
//! | 7 | topic ids in the answer (KIP-516) |

crate::messages! {
    /// Create topics.
    struct CreateTopicsRequest: key 19, versions [2-7], flexible [5+] {
        /// The topics.
        topics: Vec<CreatableTopic> [2+];
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32 [2+] = 60000;
        /// Whether to check everything and change nothing.
        validate_only: bool [2+];
    }

    /// A topic to be.
    struct CreatableTopic {
        /// Its name.
        name: Str [2+];
        /// Number of partitions; -1 for the default.
        num_partitions: i32 [2+];
        /// Number of replicas; -1 for the default.
        replication_factor: i16 [2+];
        /// Where the replicas go, if not where the broker wants.
        assignments: Vec<CreatableReplicaAssignment> [2+];
        /// The configs.
        configs: Vec<CreatableTopicConfig> [2+];
    }

    /// Where the replicas of one partition shall live.
    struct CreatableReplicaAssignment {
        /// Number of the partition.
        partition_index: i32 [2+];
        /// Node ids, the preferred leader first.
        broker_ids: Vec<i32> [2+];
    }

    /// A config that is not left at its default.
    struct CreatableTopicConfig {
        /// Its name.
        name: Str [2+];
        /// The value.
        value: Option<Str> [2+] = Some(Str::EMPTY);
    }

    /// The answer to [`CreateTopicsRequest`].
    struct CreateTopicsResponse: key 19, versions [2-7], flexible [5+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [2+];
        /// The topics.
        topics: Vec<CreatableTopicResult> [2+];
    }

    /// The new topic, or why there is none.
    struct CreatableTopicResult {
        /// Its name.
        name: Str [2+];
        /// Id of the topic.
        topic_id: Uuid [7+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [2+];
        /// Why, for people.
        error_message: Option<Str> [2+] = Some(Str::EMPTY);
        /// Number of partitions, or -1.
        num_partitions: i32 [5+] = -1;
        /// Number of replicas, or -1.
        replication_factor: i16 [5+] = -1;
        /// The configs.
        configs: Option<Vec<CreatableTopicConfigs>> [5+] = Some(Vec::new());
        /// Why the configs are not shown; 0 if they are.
        topic_config_error_code: i16 [5+] tag 0;
    }

    /// A config of the new topic (KIP-525).
    struct CreatableTopicConfigs {
        /// Its name.
        name: Str [5+];
        /// The value.
        value: Option<Str> [5+] = Some(Str::EMPTY);
        /// Whether it cannot be changed.
        read_only: bool [5+];
        /// Where the value comes from.
        config_source: i8 [5+] = -1;
        /// Whether the value is hidden.
        is_sensitive: bool [5+];
    }
}
