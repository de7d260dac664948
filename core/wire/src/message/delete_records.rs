//! DeleteRecords (key 21, versions 0-2): move the log start of partitions (KIP-107).
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | the first |
//! | 1 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 2 | flexible (KIP-482) |

crate::messages! {
    /// Move the log start of partitions (KIP-107).
    struct DeleteRecordsRequest: key 21, versions [0-2], flexible [2+] {
        /// The topics.
        topics: Vec<DeleteRecordsTopic> [0+];
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32 [0+];
    }

    /// A topic to delete records of.
    struct DeleteRecordsTopic {
        /// Its name.
        name: Str [0+];
        /// The partitions.
        partitions: Vec<DeleteRecordsPartition> [0+];
    }

    /// Up to where.
    struct DeleteRecordsPartition {
        /// Number of the partition.
        partition_index: i32 [0+];
        /// First offset to keep; -1 for the high watermark.
        offset: i64 [0+];
    }

    /// The answer to [`DeleteRecordsRequest`].
    struct DeleteRecordsResponse: key 21, versions [0-2], flexible [2+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [0+];
        /// The topics.
        topics: Vec<DeleteRecordsTopicResult> [0+];
    }

    /// What became of one topic.
    struct DeleteRecordsTopicResult {
        /// Its name.
        name: Str [0+];
        /// The partitions.
        partitions: Vec<DeleteRecordsPartitionResult> [0+];
    }

    /// What became of one partition.
    struct DeleteRecordsPartitionResult {
        /// Number of the partition.
        partition_index: i32 [0+];
        /// First offset that is still there.
        low_watermark: i64 [0+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
    }
}
