//! OffsetForLeaderEpoch (key 23, versions 2-4): where an epoch ends, so that a log can be compared
//! (KIP-101).
//!
//! | version | what it changed |
//! |---|---|
//! | 2 | the asker's leader epoch, throttle time (KIP-320) |
//! | 3 | consumers may ask: replica id -1 |
//! | 4 | flexible (KIP-482) |

crate::messages! {
    /// Where an epoch ends, so that a log can be compared (KIP-101).
    struct OffsetForLeaderEpochRequest: key 23, versions [2-4], flexible [4+] {
        /// Node id of the follower that asks, or -1 for a consumer.
        replica_id: i32 [3+] = -2;
        /// The topics.
        topics: Vec<OffsetForLeaderTopic> [2+];
    }

    /// A topic that is asked about.
    struct OffsetForLeaderTopic {
        /// Its name.
        topic: Str [2+];
        /// The partitions.
        partitions: Vec<OffsetForLeaderPartition> [2+];
    }

    /// The question for one partition.
    struct OffsetForLeaderPartition {
        /// Number of the partition.
        partition: i32 [2+];
        /// Leader epoch as the asker knows it, or -1 (KIP-320).
        current_leader_epoch: i32 [2+] = -1;
        /// The epoch whose end is asked for.
        leader_epoch: i32 [2+];
    }

    /// The answer to [`OffsetForLeaderEpochRequest`].
    struct OffsetForLeaderEpochResponse: key 23, versions [2-4], flexible [4+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [2+];
        /// The topics.
        topics: Vec<OffsetForLeaderTopicResult> [2+];
    }

    /// The answers for one topic.
    struct OffsetForLeaderTopicResult {
        /// Its name.
        topic: Str [2+];
        /// The partitions.
        partitions: Vec<EpochEndOffset> [2+];
    }

    /// Where an epoch ends.
    struct EpochEndOffset {
        /// Kafka's error code; 0 is success.
        error_code: i16 [2+];
        /// Number of the partition.
        partition: i32 [2+];
        /// Epoch of the leader, or -1.
        leader_epoch: i32 [2+] = -1;
        /// First offset after it.
        end_offset: i64 [2+] = -1;
    }
}
