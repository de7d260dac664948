//! ListOffsets (key 2, versions 1-11): find an offset by time.
//!
//! | version | what it changed |
//! |---|---|
//! | 1 | one offset for each partition (KIP-79) |
//! | 2 | isolation level (KIP-98) |
//! | 3 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 4 | leader epochs (KIP-320) |
//! | 5 | OFFSET_NOT_AVAILABLE may be answered (KIP-207) |
//! | 6 | flexible (KIP-482) |
//! | 7 | timestamp -3: the record with the greatest time (KIP-734) |
//! | 8 | -4: the earliest local offset (KIP-405) |
//! | 9 | -5: the latest tiered offset (KIP-1005) |
//! | 10 | a timeout for reads from remote storage (KIP-1075) |
//! | 11 | -6: the earliest offset not yet uploaded (KIP-1023) |
//!
//! Timestamp -1 asks for the end of what the isolation level may see, -2 for the log start.

crate::messages! {
    /// Find an offset by time.
    struct ListOffsetsRequest: key 2, versions [1-11], flexible [6+] {
        /// Node id of the follower that asks, or -1 for a consumer.
        replica_id: i32 [1+];
        /// 0 reads everything, 1 only what is committed.
        isolation_level: i8 [2+];
        /// The topics.
        topics: Vec<ListOffsetsTopic> [1+];
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32 [10+];
    }

    /// Whose offsets are asked for.
    struct ListOffsetsTopic {
        /// Its name.
        name: Str [1+];
        /// The partitions.
        partitions: Vec<ListOffsetsPartition> [1+];
    }

    /// The question for one partition.
    struct ListOffsetsPartition {
        /// Number of the partition.
        partition_index: i32 [1+];
        /// Leader epoch as the asker knows it, or -1 (KIP-320).
        current_leader_epoch: i32 [4+] = -1;
        /// Time in milliseconds since 1970; a negative number asks for a special offset.
        timestamp: i64 [1+];
    }

    /// The answer to [`ListOffsetsRequest`].
    struct ListOffsetsResponse: key 2, versions [1-11], flexible [6+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [2+];
        /// The topics.
        topics: Vec<ListOffsetsTopicResponse> [1+];
    }

    /// Offsets of one topic.
    struct ListOffsetsTopicResponse {
        /// Its name.
        name: Str [1+];
        /// The partitions.
        partitions: Vec<ListOffsetsPartitionResponse> [1+];
    }

    /// The offset of one partition.
    struct ListOffsetsPartitionResponse {
        /// Number of the partition.
        partition_index: i32 [1+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [1+];
        /// Time of the record found, or -1.
        timestamp: i64 [1+] = -1;
        /// The offset found, or -1.
        offset: i64 [1+] = -1;
        /// Epoch of the leader, or -1.
        leader_epoch: i32 [4+] = -1;
    }
}
