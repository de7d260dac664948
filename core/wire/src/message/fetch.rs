//! Fetch (key 1, versions 4-18): read record batches, as a consumer or as a follower.
//!
//! | version | what it changed |
//! |---|---|
//! | 4 | isolation level, last stable offset, aborted transactions (KIP-98) |
//! | 5 | log start offsets (KIP-107) |
//! | 6 | KAFKA_STORAGE_ERROR may be answered (KIP-112) |
//! | 7 | fetch sessions (KIP-227) |
//! | 8 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 9 | the asker's leader epoch (KIP-320) |
//! | 10 | zstd is allowed (KIP-110) |
//! | 11 | racks, and a replica that is nearer (KIP-392) |
//! | 12 | flexible; last fetched and diverging epoch, snapshots (KIP-595) |
//! | 13 | topics by id (KIP-516) |
//! | 14 | OFFSET_MOVED_TO_TIERED_STORAGE may be answered (KIP-405) |
//! | 15 | the follower tells its broker epoch (KIP-903) |
//! | 16 | endpoints of current leaders (KIP-951) |
//! | 17 | the follower tells its directory (KIP-853) |
//! | 18 | the follower tells its high watermark (KIP-1166) |

crate::messages! {
    /// Read record batches, as a consumer or as a follower.
    struct FetchRequest: key 1, versions [4-18], flexible [12+] {
        /// Node id of the follower that asks, or -1 for a consumer.
        replica_id: i32 [4-14] = -1;
        /// How long to wait for `min_bytes`, in milliseconds.
        max_wait_ms: i32 [4+];
        /// Answer as soon as there is so much.
        min_bytes: i32 [4+];
        /// Answer with so much at most; the first batch may exceed it.
        max_bytes: i32 [4+] = i32::MAX;
        /// 0 reads everything, 1 only what is committed.
        isolation_level: i8 [4+];
        /// Fetch session, 0 for none (KIP-227).
        session_id: i32 [7+];
        /// Which request of the session this is; -1 is sessionless, 0 asks for a session.
        session_epoch: i32 [7+] = -1;
        /// The topics.
        topics: Vec<FetchTopic> [4+];
        /// What leaves the session.
        forgotten_topics_data: Vec<ForgottenTopic> [7+];
        /// Rack of the consumer.
        rack_id: Str [11+];
        /// The cluster's id.
        cluster_id: Option<Str> [12+] tag 0;
        /// The follower that asks.
        replica_state: ReplicaState [15+] tag 1;
    }

    /// What to fetch of one topic.
    struct FetchTopic {
        /// Id of the topic.
        topic_id: Uuid [13+];
        /// Its name.
        topic: Str [4-12];
        /// The partitions.
        partitions: Vec<FetchPartition> [4+];
    }

    /// What to fetch of one partition.
    struct FetchPartition {
        /// Number of the partition.
        partition: i32 [4+];
        /// Leader epoch as the asker knows it, or -1 (KIP-320).
        current_leader_epoch: i32 [9+] = -1;
        /// First offset wanted.
        fetch_offset: i64 [4+];
        /// Epoch of the last record that the follower has, or -1.
        last_fetched_epoch: i32 [12+] = -1;
        /// First offset that the follower has, or -1 for a consumer.
        log_start_offset: i64 [5+] = -1;
        /// So much of this partition at most.
        partition_max_bytes: i32 [4+];
        /// Log directory of the follower.
        replica_directory_id: Uuid [17+] tag 0;
        /// High watermark that the follower knows (KIP-1166).
        high_watermark: i64 [18+] tag 1 = i64::MAX;
    }

    /// Partitions that leave the fetch session (KIP-227).
    struct ForgottenTopic {
        /// Id of the topic.
        topic_id: Uuid [13+];
        /// Its name.
        topic: Str [7-12];
        /// The partitions.
        partitions: Vec<i32> [7+];
    }

    /// Who fetches, if it is a broker (KIP-903).
    struct ReplicaState {
        /// Node id of the follower that asks, or -1 for a consumer.
        replica_id: i32 [15+] = -1;
        /// Broker epoch of the follower, or -1.
        replica_epoch: i64 [15+] = -1;
    }

    /// The answer to [`FetchRequest`].
    struct FetchResponse: key 1, versions [4-18], flexible [12+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [4+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [7+];
        /// Fetch session, 0 for none (KIP-227).
        session_id: i32 [7+];
        /// One per topic.
        responses: Vec<FetchableTopicResponse> [4+];
        /// Where the leaders named above are reached.
        node_endpoints: Vec<NodeEndpoint> [16+] tag 0;
    }

    /// What was fetched of one topic.
    struct FetchableTopicResponse {
        /// Id of the topic.
        topic_id: Uuid [13+];
        /// Its name.
        topic: Str [4-12];
        /// The partitions.
        partitions: Vec<PartitionData> [4+];
    }

    /// What was fetched of one partition.
    struct PartitionData {
        /// Number of the partition.
        partition_index: i32 [4+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [4+];
        /// First offset that is not committed yet.
        high_watermark: i64 [4+];
        /// First offset of an open transaction.
        last_stable_offset: i64 [4+] = -1;
        /// First offset that is still there, or -1.
        log_start_offset: i64 [5+] = -1;
        /// Transactions to skip; null unless the consumer reads committed records.
        aborted_transactions: Option<Vec<AbortedTransaction>> [4+] = Some(Vec::new());
        /// Whom the consumer should ask instead, or -1 (KIP-392).
        preferred_read_replica: i32 [11+] = -1;
        /// Record batches, as they are stored.
        records: Option<Records> [4+];
        /// Where the follower's log leaves the leader's.
        diverging_epoch: EpochEndOffset [12+] tag 0;
        /// The leader, when the client asked the wrong broker.
        current_leader: LeaderIdAndEpoch [12+] tag 1;
        /// The snapshot to fetch first.
        snapshot_id: SnapshotId [12+] tag 2;
    }

    /// A transaction whose records a read-committed consumer skips.
    struct AbortedTransaction {
        /// Producer id.
        producer_id: i64 [4+];
        /// First offset of the transaction.
        first_offset: i64 [4+];
    }

    /// Where an epoch ends.
    struct EpochEndOffset {
        /// The epoch.
        epoch: i32 [12+] = -1;
        /// First offset after it.
        end_offset: i64 [12+] = -1;
    }

    /// Who leads a partition now (KIP-951).
    struct LeaderIdAndEpoch {
        /// Node id of the leader, or -1.
        leader_id: i32 [12+] = -1;
        /// Epoch of the leader, or -1.
        leader_epoch: i32 [12+] = -1;
    }

    /// A snapshot that the follower must fetch instead.
    struct SnapshotId {
        /// First offset after the snapshot, or -1.
        end_offset: i64 [12+] = -1;
        /// Epoch of the snapshot.
        epoch: i32 [12+] = -1;
    }

    /// Where a leader named in this response can be reached (KIP-951).
    struct NodeEndpoint {
        /// Node id.
        node_id: i32 [16+];
        /// Host name or address.
        host: Str [16+];
        /// TCP port.
        port: i32 [16+];
        /// Rack, or null.
        rack: Option<Str> [16+];
    }
}
