//! Produce (key 0, versions 3-13): append record batches to partitions.
//!
//! | version | what it changed |
//! |---|---|
//! | 3 | record batch format 2, transactions (KIP-98); older requests are gone since Kafka 4.0 |
//! | 4 | KAFKA_STORAGE_ERROR may be answered (KIP-112) |
//! | 5 | log start offset in the answer (KIP-107) |
//! | 6 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 7 | zstd is allowed (KIP-110) |
//! | 8 | the answer names the records to blame (KIP-467) |
//! | 9 | flexible (KIP-482) |
//! | 10 | the answer names the current leader and its endpoint (KIP-951) |
//! | 11 | TRANSACTION_ABORTABLE may be answered (KIP-890) |
//! | 12 | the first batch of a transaction adds its partition (KIP-890) |
//! | 13 | topics by id (KIP-516) |
//!
//! Brokers list it from version 0 for the sake of old librdkafka, and refuse what is below 3
//! (KAFKA-18659).

crate::messages! {
    /// Append record batches to partitions.
    struct ProduceRequest: key 0, versions [3-13], flexible [9+] {
        /// Whose transaction this belongs to, or null.
        transactional_id: Option<Str> [3+];
        /// Whose durability the producer waits for: 0 nobody's, 1 the leader's, -1 that of all
        /// in-sync replicas.
        acks: i16 [3+];
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32 [3+];
        /// The topics.
        topic_data: Vec<TopicProduceData> [3+];
    }

    /// What goes to one topic.
    struct TopicProduceData {
        /// Id of the topic.
        topic_id: Uuid [13+];
        /// Its name.
        name: Str [3-12];
        /// The partitions.
        partition_data: Vec<PartitionProduceData> [3+];
    }

    /// What goes to one partition.
    struct PartitionProduceData {
        /// Number of the partition.
        index: i32 [3+];
        /// Record batches, as they are stored.
        records: Option<Records> [3+];
    }

    /// The answer to [`ProduceRequest`].
    struct ProduceResponse: key 0, versions [3-13], flexible [9+] {
        /// One per topic.
        responses: Vec<TopicProduceResponse> [3+];
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [3+];
        /// Where the leaders named above are reached.
        node_endpoints: Vec<NodeEndpoint> [10+] tag 0;
    }

    /// What became of one topic.
    struct TopicProduceResponse {
        /// Id of the topic.
        topic_id: Uuid [13+];
        /// Its name.
        name: Str [3-12];
        /// One per partition.
        partition_responses: Vec<PartitionProduceResponse> [3+];
    }

    /// What became of one partition.
    struct PartitionProduceResponse {
        /// Number of the partition.
        index: i32 [3+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [3+];
        /// Offset given to the first record, or -1.
        base_offset: i64 [3+];
        /// The broker's time if the topic stamps it, else -1; milliseconds since 1970.
        log_append_time_ms: i64 [3+] = -1;
        /// First offset that is still there, or -1.
        log_start_offset: i64 [5+] = -1;
        /// The records to blame.
        record_errors: Vec<BatchIndexAndErrorMessage> [8+];
        /// Why, for people.
        error_message: Option<Str> [8+];
        /// The leader, when the client asked the wrong broker.
        current_leader: LeaderIdAndEpoch [10+] tag 0;
    }

    /// A record that made its batch be refused.
    struct BatchIndexAndErrorMessage {
        /// Which record, counted from 0.
        batch_index: i32 [8+];
        /// What is wrong with it, for people.
        batch_index_error_message: Option<Str> [8+];
    }

    /// Who leads a partition now (KIP-951).
    struct LeaderIdAndEpoch {
        /// Node id of the leader, or -1.
        leader_id: i32 [10+] = -1;
        /// Epoch of the leader, or -1.
        leader_epoch: i32 [10+] = -1;
    }

    /// Where a leader named in this response can be reached (KIP-951).
    struct NodeEndpoint {
        /// Node id.
        node_id: i32 [10+];
        /// Host name or address.
        host: Str [10+];
        /// TCP port.
        port: i32 [10+];
        /// Rack, or null.
        rack: Option<Str> [10+];
    }
}
