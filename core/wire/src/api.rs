//! All APIs of Kafka 4.3: key, name, versions, and what follows from them.
//!
//! The table lists what the protocol has, not what this broker answers; which of them are
//! advertised is decided elsewhere. Keys 4 to 7 belonged to the ZooKeeper era and are gone.

#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::RangeInclusive;

/// Key of an API as it stands in a request header: any number, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKey(pub i16);

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Api {
    /// Its key.
    pub key: ApiKey,
    /// Its name, as Kafka writes it.
    pub name: &'static str,
    /// Versions that Kafka 4.3 can read and write.
    pub versions: RangeInclusive<i16>,
    /// The newest version that a broker advertises without `unstable.api.versions.enable`.
    pub stable: i16,
    /// The first flexible version (KIP-482), [`i16::MAX`] if none is.
    pub flexible: i16,
}

impl ApiKey {
    /// The row of this key, if Kafka 4.3 has it.
    pub fn api(self) -> Option<&'static Api> {
        let found = APIS.binary_search_by_key(&self, |api| api.key).ok()?;
        Some(&APIS[found])
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.api() {
            Some(api) => f.write_str(api.name),
            None => write!(f, "API {}", self.0),
        }
    }
}

impl Api {
    /// Whether a version is flexible.
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible
    }

    /// Version of the header in front of a request of this version.
    pub fn request_header_version(&self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// Version of the header in front of the response. ApiVersions keeps 0 for ever, since its
    /// client does not know yet what the broker can (KIP-511).
    pub fn response_header_version(&self, version: i16) -> i16 {
        i16::from(self.is_flexible(version) && self.key != ApiKey::API_VERSIONS)
    }
}

/// Version of the header in front of a request, if Kafka 4.3 has its API.
pub fn request_header_version(key: ApiKey, version: i16) -> Option<i16> {
    Some(key.api()?.request_header_version(version))
}

/// Version of the header in front of a response, if Kafka 4.3 has its API.
pub fn response_header_version(key: ApiKey, version: i16) -> Option<i16> {
    Some(key.api()?.response_header_version(version))
}

macro_rules! apis {
    ($(
        $key:literal $name:ident $constant:ident [$min:literal - $max:literal]
        stable $stable:literal flexible [$($flexible:tt)*];
    )*) => {
        impl ApiKey {
            $(
                #[doc = concat!("Key ", $key, ": ", stringify!($name), ".")]
                pub const $constant: ApiKey = ApiKey($key);
            )*
        }

        /// All APIs of Kafka 4.3, ascending by key.
        pub static APIS: &[Api] = &[$(
            Api {
                key: ApiKey::$constant,
                name: stringify!($name),
                versions: $min..=$max,
                stable: $stable,
                flexible: crate::__versions!($($flexible)*).min,
            },
        )*];
    };
}

apis! {
    0 Produce PRODUCE [3-13] stable 13 flexible [9+];
    1 Fetch FETCH [4-18] stable 18 flexible [12+];
    2 ListOffsets LIST_OFFSETS [1-11] stable 11 flexible [6+];
    3 Metadata METADATA [0-13] stable 13 flexible [9+];
    8 OffsetCommit OFFSET_COMMIT [2-10] stable 10 flexible [8+];
    9 OffsetFetch OFFSET_FETCH [1-10] stable 10 flexible [6+];
    10 FindCoordinator FIND_COORDINATOR [0-6] stable 6 flexible [3+];
    11 JoinGroup JOIN_GROUP [0-9] stable 9 flexible [6+];
    12 Heartbeat HEARTBEAT [0-4] stable 4 flexible [4+];
    13 LeaveGroup LEAVE_GROUP [0-5] stable 5 flexible [4+];
    14 SyncGroup SYNC_GROUP [0-5] stable 5 flexible [4+];
    15 DescribeGroups DESCRIBE_GROUPS [0-6] stable 6 flexible [5+];
    16 ListGroups LIST_GROUPS [0-5] stable 5 flexible [3+];
    17 SaslHandshake SASL_HANDSHAKE [0-1] stable 1 flexible [none];
    18 ApiVersions API_VERSIONS [0-4] stable 4 flexible [3+];
    19 CreateTopics CREATE_TOPICS [2-7] stable 7 flexible [5+];
    20 DeleteTopics DELETE_TOPICS [1-6] stable 6 flexible [4+];
    21 DeleteRecords DELETE_RECORDS [0-2] stable 2 flexible [2+];
    22 InitProducerId INIT_PRODUCER_ID [0-6] stable 5 flexible [2+];
    23 OffsetForLeaderEpoch OFFSET_FOR_LEADER_EPOCH [2-4] stable 4 flexible [4+];
    24 AddPartitionsToTxn ADD_PARTITIONS_TO_TXN [0-5] stable 5 flexible [3+];
    25 AddOffsetsToTxn ADD_OFFSETS_TO_TXN [0-4] stable 4 flexible [3+];
    26 EndTxn END_TXN [0-5] stable 5 flexible [3+];
    27 WriteTxnMarkers WRITE_TXN_MARKERS [1-2] stable 2 flexible [1+];
    28 TxnOffsetCommit TXN_OFFSET_COMMIT [0-5] stable 5 flexible [3+];
    29 DescribeAcls DESCRIBE_ACLS [1-3] stable 3 flexible [2+];
    30 CreateAcls CREATE_ACLS [1-3] stable 3 flexible [2+];
    31 DeleteAcls DELETE_ACLS [1-3] stable 3 flexible [2+];
    32 DescribeConfigs DESCRIBE_CONFIGS [1-4] stable 4 flexible [4+];
    33 AlterConfigs ALTER_CONFIGS [0-2] stable 2 flexible [2+];
    34 AlterReplicaLogDirs ALTER_REPLICA_LOG_DIRS [1-2] stable 2 flexible [2+];
    35 DescribeLogDirs DESCRIBE_LOG_DIRS [1-5] stable 5 flexible [2+];
    36 SaslAuthenticate SASL_AUTHENTICATE [0-2] stable 2 flexible [2+];
    37 CreatePartitions CREATE_PARTITIONS [0-3] stable 3 flexible [2+];
    38 CreateDelegationToken CREATE_DELEGATION_TOKEN [1-3] stable 3 flexible [2+];
    39 RenewDelegationToken RENEW_DELEGATION_TOKEN [1-2] stable 2 flexible [2+];
    40 ExpireDelegationToken EXPIRE_DELEGATION_TOKEN [1-2] stable 2 flexible [2+];
    41 DescribeDelegationToken DESCRIBE_DELEGATION_TOKEN [1-3] stable 3 flexible [2+];
    42 DeleteGroups DELETE_GROUPS [0-2] stable 2 flexible [2+];
    43 ElectLeaders ELECT_LEADERS [0-2] stable 2 flexible [2+];
    44 IncrementalAlterConfigs INCREMENTAL_ALTER_CONFIGS [0-1] stable 1 flexible [1+];
    45 AlterPartitionReassignments ALTER_PARTITION_REASSIGNMENTS [0-1] stable 1 flexible [0+];
    46 ListPartitionReassignments LIST_PARTITION_REASSIGNMENTS [0-0] stable 0 flexible [0+];
    47 OffsetDelete OFFSET_DELETE [0-0] stable 0 flexible [none];
    48 DescribeClientQuotas DESCRIBE_CLIENT_QUOTAS [0-1] stable 1 flexible [1+];
    49 AlterClientQuotas ALTER_CLIENT_QUOTAS [0-1] stable 1 flexible [1+];
    50 DescribeUserScramCredentials DESCRIBE_USER_SCRAM_CREDENTIALS [0-0] stable 0 flexible [0+];
    51 AlterUserScramCredentials ALTER_USER_SCRAM_CREDENTIALS [0-0] stable 0 flexible [0+];
    52 Vote VOTE [0-2] stable 2 flexible [0+];
    53 BeginQuorumEpoch BEGIN_QUORUM_EPOCH [0-1] stable 1 flexible [1+];
    54 EndQuorumEpoch END_QUORUM_EPOCH [0-1] stable 1 flexible [1+];
    55 DescribeQuorum DESCRIBE_QUORUM [0-2] stable 2 flexible [0+];
    56 AlterPartition ALTER_PARTITION [2-3] stable 3 flexible [0+];
    57 UpdateFeatures UPDATE_FEATURES [0-2] stable 2 flexible [0+];
    58 Envelope ENVELOPE [0-0] stable 0 flexible [0+];
    59 FetchSnapshot FETCH_SNAPSHOT [0-1] stable 1 flexible [0+];
    60 DescribeCluster DESCRIBE_CLUSTER [0-2] stable 2 flexible [0+];
    61 DescribeProducers DESCRIBE_PRODUCERS [0-0] stable 0 flexible [0+];
    62 BrokerRegistration BROKER_REGISTRATION [0-4] stable 4 flexible [0+];
    63 BrokerHeartbeat BROKER_HEARTBEAT [0-2] stable 2 flexible [0+];
    64 UnregisterBroker UNREGISTER_BROKER [0-0] stable 0 flexible [0+];
    65 DescribeTransactions DESCRIBE_TRANSACTIONS [0-0] stable 0 flexible [0+];
    66 ListTransactions LIST_TRANSACTIONS [0-2] stable 2 flexible [0+];
    67 AllocateProducerIds ALLOCATE_PRODUCER_IDS [0-0] stable 0 flexible [0+];
    68 ConsumerGroupHeartbeat CONSUMER_GROUP_HEARTBEAT [0-1] stable 1 flexible [0+];
    69 ConsumerGroupDescribe CONSUMER_GROUP_DESCRIBE [0-1] stable 1 flexible [0+];
    70 ControllerRegistration CONTROLLER_REGISTRATION [0-0] stable 0 flexible [0+];
    71 GetTelemetrySubscriptions GET_TELEMETRY_SUBSCRIPTIONS [0-0] stable 0 flexible [0+];
    72 PushTelemetry PUSH_TELEMETRY [0-0] stable 0 flexible [0+];
    73 AssignReplicasToDirs ASSIGN_REPLICAS_TO_DIRS [0-0] stable 0 flexible [0+];
    74 ListConfigResources LIST_CONFIG_RESOURCES [0-1] stable 1 flexible [0+];
    75 DescribeTopicPartitions DESCRIBE_TOPIC_PARTITIONS [0-0] stable 0 flexible [0+];
    76 ShareGroupHeartbeat SHARE_GROUP_HEARTBEAT [1-1] stable 1 flexible [0+];
    77 ShareGroupDescribe SHARE_GROUP_DESCRIBE [1-1] stable 1 flexible [0+];
    78 ShareFetch SHARE_FETCH [1-2] stable 2 flexible [0+];
    79 ShareAcknowledge SHARE_ACKNOWLEDGE [1-2] stable 2 flexible [0+];
    80 AddRaftVoter ADD_RAFT_VOTER [0-1] stable 1 flexible [0+];
    81 RemoveRaftVoter REMOVE_RAFT_VOTER [0-0] stable 0 flexible [0+];
    82 UpdateRaftVoter UPDATE_RAFT_VOTER [0-0] stable 0 flexible [0+];
    83 InitializeShareGroupState INITIALIZE_SHARE_GROUP_STATE [0-0] stable 0 flexible [0+];
    84 ReadShareGroupState READ_SHARE_GROUP_STATE [0-0] stable 0 flexible [0+];
    85 WriteShareGroupState WRITE_SHARE_GROUP_STATE [0-1] stable 1 flexible [0+];
    86 DeleteShareGroupState DELETE_SHARE_GROUP_STATE [0-0] stable 0 flexible [0+];
    87 ReadShareGroupStateSummary READ_SHARE_GROUP_STATE_SUMMARY [0-1] stable 1 flexible [0+];
    88 StreamsGroupHeartbeat STREAMS_GROUP_HEARTBEAT [0-0] stable 0 flexible [0+];
    89 StreamsGroupDescribe STREAMS_GROUP_DESCRIBE [0-0] stable 0 flexible [0+];
    90 DescribeShareGroupOffsets DESCRIBE_SHARE_GROUP_OFFSETS [0-1] stable 1 flexible [0+];
    91 AlterShareGroupOffsets ALTER_SHARE_GROUP_OFFSETS [0-0] stable 0 flexible [0+];
    92 DeleteShareGroupOffsets DELETE_SHARE_GROUP_OFFSETS [0-0] stable 0 flexible [0+];
}
