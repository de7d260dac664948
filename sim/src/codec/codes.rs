//! Which error codes an API may answer with. By hand, from Kafka's documents; never UNKNOWN_SERVER_ERROR (-1), which
//! says that a broker did not know what to say, but where Kafka itself has nothing better.

/// Largest code of Kafka 4.3.
const LARGEST: i16 = 133;

/// Codes of the APIs that are served, by key. 0 is always legal.
const LEGAL: &[(i16, &[i16])] = &[
    // Produce: corrupt, unknown topic, leader, time, size, acks, timestamp, policy, sequence, storage, codec, record.
    (
        0,
        &[
            2, 3, 6, 7, 10, 18, 19, 20, 21, 32, 42, 43, 44, 45, 46, 47, 48, 56, 59, 74, 76, 87, 90,
            100,
        ],
    ),
    // Fetch: range, unknown topic, leader, storage, sessions, epochs, ids.
    (1, &[1, 2, 3, 6, 42, 43, 56, 70, 71, 74, 75, 78, 100, 103, 106]),
    // ListOffsets. An isolation level that does not exist is -1, as Kafka has it.
    (2, &[-1, 1, 3, 5, 6, 35, 42, 43, 56, 74, 75, 78]),
    // Metadata. A zero id without a name is -1, as Kafka has it.
    (3, &[-1, 3, 5, 17, 35, 36, 37, 38, 41, 42, 44, 56, 72, 100, 129]),
    // ApiVersions.
    (18, &[35, 42]),
    // CreateTopics.
    (19, &[7, 17, 29, 36, 37, 38, 39, 40, 41, 42, 44, 56]),
    // DeleteTopics.
    (20, &[3, 7, 17, 41, 42, 56, 73, 100]),
    // DeleteRecords.
    (21, &[1, 3, 6, 7, 17, 44, 56]),
    // InitProducerId.
    (22, &[7, 15, 16, 42, 50, 51, 53, 56]),
    // OffsetForLeaderEpoch.
    (23, &[3, 5, 6, 56, 74, 75]),
    // DescribeConfigs.
    (32, &[3, 7, 17, 35, 40, 41, 42, 44, 91]),
    // AlterConfigs.
    (33, &[-1, 3, 7, 17, 40, 41, 42, 44, 56, 91]),
    // DescribeLogDirs.
    (35, &[3, 42, 56, 57]),
    // CreatePartitions.
    (37, &[3, 7, 17, 37, 38, 39, 41, 42, 44, 56]),
    // IncrementalAlterConfigs. An operation that does not exist is -1, as Kafka has it.
    (44, &[-1, 3, 7, 17, 40, 41, 42, 44, 56, 91]),
    // DescribeCluster.
    (60, &[35, 42, 114, 115]),
    // DescribeTopicPartitions.
    (75, &[3, 17, 42, 100]),
];

/// Whether an API may answer with this code.
pub fn is_legal(key: i16, code: i16) -> bool {
    code == 0
        || match LEGAL.binary_search_by_key(&key, |row| row.0) {
            Ok(row) => LEGAL[row].1.contains(&code),
            Err(_) => (-1..=LARGEST).contains(&code),
        }
}
