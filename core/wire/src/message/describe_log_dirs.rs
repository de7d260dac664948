//! DescribeLogDirs (key 35, versions 1-5): what lies in the log directories (KIP-113).
//!
//! | version | what it changed |
//! |---|---|
//! | 1 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 2 | flexible (KIP-482) |
//! | 3 | an error for the whole answer |
//! | 4 | size and free space of the volume (KIP-827) |
//! | 5 | cordoned directories (KIP-1066) |

crate::messages! {
    /// What lies in the log directories (KIP-113).
    struct DescribeLogDirsRequest: key 35, versions [1-5], flexible [2+] {
        /// The topics; null asks for all.
        topics: Option<Vec<DescribableLogDirTopic>> [1+] = Some(Vec::new());
    }

    /// A topic that is asked about.
    struct DescribableLogDirTopic {
        /// Its name.
        topic: Str [1+];
        /// The partitions.
        partitions: Vec<i32> [1+];
    }

    /// The answer to [`DescribeLogDirsRequest`].
    struct DescribeLogDirsResponse: key 35, versions [1-5], flexible [2+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [1+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [3+];
        /// The results.
        results: Vec<DescribeLogDirsResult> [1+];
    }

    /// One log directory.
    struct DescribeLogDirsResult {
        /// Kafka's error code; 0 is success.
        error_code: i16 [1+];
        /// Path of the directory.
        log_dir: Str [1+];
        /// The topics.
        topics: Vec<DescribeLogDirsTopic> [1+];
        /// Size of the volume, or -1.
        total_bytes: i64 [4+] = -1;
        /// Free bytes of the volume, or -1.
        usable_bytes: i64 [4+] = -1;
        /// Whether it takes no new partitions (KIP-1066).
        is_cordoned: bool [5+];
    }

    /// A topic in a log directory.
    struct DescribeLogDirsTopic {
        /// Its name.
        name: Str [1+];
        /// The partitions.
        partitions: Vec<DescribeLogDirsPartition> [1+];
    }

    /// A replica in a log directory.
    struct DescribeLogDirsPartition {
        /// Number of the partition.
        partition_index: i32 [1+];
        /// Size of the log, in bytes.
        partition_size: i64 [1+];
        /// How far it is behind the current replica, in offsets.
        offset_lag: i64 [1+];
        /// Whether it is a replica on its way into this directory.
        is_future_key: bool [1+];
    }
}
