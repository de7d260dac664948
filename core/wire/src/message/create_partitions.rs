//! CreatePartitions (key 37, versions 0-3): add partitions to topics (KIP-195).
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | the first |
//! | 1 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 2 | flexible (KIP-482) |
//! | 3 | THROTTLING_QUOTA_EXCEEDED may be answered (KIP-599) |

crate::messages! {
    /// Add partitions to topics (KIP-195).
    struct CreatePartitionsRequest: key 37, versions [0-3], flexible [2+] {
        /// The topics.
        topics: Vec<CreatePartitionsTopic> [0+];
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32 [0+];
        /// Whether to check everything and change nothing.
        validate_only: bool [0+];
    }

    /// A topic that shall grow.
    struct CreatePartitionsTopic {
        /// Its name.
        name: Str [0+];
        /// Number of partitions that there shall be.
        count: i32 [0+];
        /// Where the replicas go, if not where the broker wants.
        assignments: Option<Vec<CreatePartitionsAssignment>> [0+] = Some(Vec::new());
    }

    /// Where the replicas of one new partition shall live.
    struct CreatePartitionsAssignment {
        /// Node ids, the preferred leader first.
        broker_ids: Vec<i32> [0+];
    }

    /// The answer to [`CreatePartitionsRequest`].
    struct CreatePartitionsResponse: key 37, versions [0-3], flexible [2+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [0+];
        /// The results.
        results: Vec<CreatePartitionsTopicResult> [0+];
    }

    /// What became of one topic.
    struct CreatePartitionsTopicResult {
        /// Its name.
        name: Str [0+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// Why, for people.
        error_message: Option<Str> [0+];
    }
}
