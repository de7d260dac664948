//! Kafka's error codes: number, name, whether a client may try again, and what it means.
//!
//! The texts are for logs and for the `error_message` of an answer that has nothing better to say.
//! What a code means for a request is decided by whoever answers it.

#[cfg(test)]
mod tests;

use std::fmt;

/// An error as it stands in a response: any number, known or not; 0 is success.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(pub i16);

/// A row of the table.
#[derive(Clone, Debug)]
pub struct ErrorInfo {
    /// The code.
    pub code: ErrorCode,
    /// Kafka's name for it.
    pub name: &'static str,
    /// Whether the same request may succeed later.
    pub retriable: bool,
    /// What it means, for people.
    pub message: &'static str,
}

impl ErrorCode {
    /// The row of this code, if Kafka 4.3 has it.
    pub fn info(self) -> Option<&'static ErrorInfo> {
        let found = ERRORS.binary_search_by_key(&self, |error| error.code).ok()?;
        Some(&ERRORS[found])
    }

    /// Kafka's name for it; `UNKNOWN_SERVER_ERROR` for a code that Kafka 4.3 does not have.
    pub fn name(self) -> &'static str {
        self.info().map_or("UNKNOWN_SERVER_ERROR", |error| error.name)
    }

    /// What it means, for people.
    pub fn message(self) -> &'static str {
        self.info().map_or("the error code is unknown", |error| error.message)
    }

    /// Whether the same request may succeed later.
    pub fn is_retriable(self) -> bool {
        self.info().is_some_and(|error| error.retriable)
    }

    /// Whether it is [`ErrorCode::NONE`].
    pub fn is_none(self) -> bool {
        self == ErrorCode::NONE
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> i16 {
        code.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info() {
            Some(error) => write!(f, "{} ({})", error.name, self.0),
            None => write!(f, "error code {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! errors {
    ($($code:literal $name:ident $retriable:ident $message:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!("Code ", $code, ": ", $message, ".")]
                pub const $name: ErrorCode = ErrorCode($code);
            )*
        }

        /// All error codes of Kafka 4.3, ascending.
        pub static ERRORS: &[ErrorInfo] = &[$(
            ErrorInfo {
                code: ErrorCode::$name,
                name: stringify!($name),
                retriable: errors!(@$retriable),
                message: $message,
            },
        )*];
    };
    (@retriable) => { true };
    (@terminal) => { false };
}

errors! {
    -1 UNKNOWN_SERVER_ERROR terminal "the server met an error it did not expect";
    0 NONE terminal "no error";
    1 OFFSET_OUT_OF_RANGE terminal "the offset is outside the range that the partition holds";
    2 CORRUPT_MESSAGE retriable "the record batch is damaged: its checksum, size or form is wrong";
    3 UNKNOWN_TOPIC_OR_PARTITION retriable "this broker has no such topic or partition";
    4 INVALID_FETCH_SIZE terminal "the fetch size is not valid";
    5 LEADER_NOT_AVAILABLE retriable "the partition has no leader at present";
    6 NOT_LEADER_OR_FOLLOWER retriable "this broker is not the leader of the partition, or not a replica of it";
    7 REQUEST_TIMED_OUT retriable "the request took longer than it was allowed to";
    8 BROKER_NOT_AVAILABLE terminal "the broker is not available";
    9 REPLICA_NOT_AVAILABLE retriable "the replica is not available on this broker";
    10 MESSAGE_TOO_LARGE terminal "the record batch is larger than the topic allows (max.message.bytes)";
    11 STALE_CONTROLLER_EPOCH terminal "the controller that sent this has been replaced";
    12 OFFSET_METADATA_TOO_LARGE terminal "the metadata beside the offset is too large";
    13 NETWORK_EXCEPTION retriable "the connection broke before an answer came";
    14 COORDINATOR_LOAD_IN_PROGRESS retriable "the coordinator is still loading its state";
    15 COORDINATOR_NOT_AVAILABLE retriable "there is no coordinator at present";
    16 NOT_COORDINATOR retriable "this broker is not the coordinator";
    17 INVALID_TOPIC_EXCEPTION terminal "the topic's name is not valid, or is reserved";
    18 RECORD_LIST_TOO_LARGE terminal "the request holds more record batches than a segment can take";
    19 NOT_ENOUGH_REPLICAS retriable "fewer replicas are in sync than min.insync.replicas asks for";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND retriable "the batch was appended, then fewer replicas were in sync than min.insync.replicas asks for";
    21 INVALID_REQUIRED_ACKS terminal "acks must be -1, 0 or 1";
    22 ILLEGAL_GENERATION terminal "the member speaks of another generation of the group";
    23 INCONSISTENT_GROUP_PROTOCOL terminal "the member's protocols have nothing in common with those of the group";
    24 INVALID_GROUP_ID terminal "the group id is not valid";
    25 UNKNOWN_MEMBER_ID terminal "the group does not know this member";
    26 INVALID_SESSION_TIMEOUT terminal "the session timeout is outside what the broker allows (group.min.session.timeout.ms, group.max.session.timeout.ms)";
    27 REBALANCE_IN_PROGRESS terminal "the group is rebalancing: join again";
    28 INVALID_COMMIT_OFFSET_SIZE terminal "the offset commit is too large for one record batch";
    29 TOPIC_AUTHORIZATION_FAILED terminal "not authorized for this topic";
    30 GROUP_AUTHORIZATION_FAILED terminal "not authorized for this group";
    31 CLUSTER_AUTHORIZATION_FAILED terminal "not authorized for the cluster";
    32 INVALID_TIMESTAMP terminal "the record's timestamp is too far from the broker's time";
    33 UNSUPPORTED_SASL_MECHANISM terminal "the broker does not have this SASL mechanism";
    34 ILLEGAL_SASL_STATE terminal "this SASL request does not fit the state of the connection";
    35 UNSUPPORTED_VERSION terminal "the broker does not have this version of the API";
    36 TOPIC_ALREADY_EXISTS terminal "the topic exists already";
    37 INVALID_PARTITIONS terminal "the number of partitions is not valid";
    38 INVALID_REPLICATION_FACTOR terminal "the replication factor is not valid, or larger than the number of brokers";
    39 INVALID_REPLICA_ASSIGNMENT terminal "the replica assignment is not valid";
    40 INVALID_CONFIG terminal "the config is not valid";
    41 NOT_CONTROLLER retriable "this node is not the controller";
    42 INVALID_REQUEST terminal "the request contradicts itself or misses something";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT terminal "the record format of the partition does not support this";
    44 POLICY_VIOLATION terminal "a policy of the cluster refuses this";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER terminal "the producer's sequence number does not follow on the last one";
    46 DUPLICATE_SEQUENCE_NUMBER terminal "the producer's sequence number was seen before";
    47 INVALID_PRODUCER_EPOCH terminal "the producer's epoch is older than the last one seen";
    48 INVALID_TXN_STATE terminal "the transaction is in a state in which this cannot be done";
    49 INVALID_PRODUCER_ID_MAPPING terminal "the producer id does not belong to this transactional id";
    50 INVALID_TRANSACTION_TIMEOUT terminal "the transaction timeout is larger than the broker allows (transaction.max.timeout.ms)";
    51 CONCURRENT_TRANSACTIONS retriable "another operation on the same transaction is under way";
    52 TRANSACTION_COORDINATOR_FENCED terminal "the transaction coordinator has been replaced";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED terminal "not authorized for this transactional id";
    54 SECURITY_DISABLED terminal "security features are switched off";
    55 OPERATION_NOT_ATTEMPTED terminal "not attempted, because another part of the request failed";
    56 KAFKA_STORAGE_ERROR retriable "the disk refused to read or write this log";
    57 LOG_DIR_NOT_FOUND terminal "the log directory does not exist";
    58 SASL_AUTHENTICATION_FAILED terminal "SASL authentication failed";
    59 UNKNOWN_PRODUCER_ID terminal "the broker holds nothing of this producer any more";
    60 REASSIGNMENT_IN_PROGRESS terminal "a reassignment of the partition is under way";
    61 DELEGATION_TOKEN_AUTH_DISABLED terminal "delegation tokens are switched off";
    62 DELEGATION_TOKEN_NOT_FOUND terminal "there is no such delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH terminal "the delegation token belongs to somebody else";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED terminal "delegation tokens cannot be asked for on this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED terminal "not authorized for this delegation token";
    66 DELEGATION_TOKEN_EXPIRED terminal "the delegation token has expired";
    67 INVALID_PRINCIPAL_TYPE terminal "the kind of principal is not supported";
    68 NON_EMPTY_GROUP terminal "the group still has members";
    69 GROUP_ID_NOT_FOUND terminal "there is no such group";
    70 FETCH_SESSION_ID_NOT_FOUND retriable "there is no such fetch session";
    71 INVALID_FETCH_SESSION_EPOCH retriable "the fetch session is at another epoch";
    72 LISTENER_NOT_FOUND retriable "the leader has no listener of the name that the client uses";
    73 TOPIC_DELETION_DISABLED terminal "deleting topics is switched off";
    74 FENCED_LEADER_EPOCH retriable "the leader epoch is older than the broker's";
    75 UNKNOWN_LEADER_EPOCH retriable "the leader epoch is newer than the broker's";
    76 UNSUPPORTED_COMPRESSION_TYPE terminal "the client cannot read this kind of compression";
    77 STALE_BROKER_EPOCH terminal "the broker epoch is old";
    78 OFFSET_NOT_AVAILABLE retriable "the leader does not know its high watermark yet: try again";
    79 MEMBER_ID_REQUIRED terminal "the member must join again with the id it was given";
    80 PREFERRED_LEADER_NOT_AVAILABLE retriable "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED terminal "the group has as many members as it may have";
    82 FENCED_INSTANCE_ID terminal "another member with the same group.instance.id has taken this one's place";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE retriable "no eligible leader is available";
    84 ELECTION_NOT_NEEDED retriable "the partition has the leader already that an election would give";
    85 NO_REASSIGNMENT_IN_PROGRESS terminal "no reassignment of the partition is under way";
    86 GROUP_SUBSCRIBED_TO_TOPIC terminal "the group is subscribed to this topic";
    87 INVALID_RECORD terminal "the batch holds a record that the broker refuses";
    88 UNSTABLE_OFFSET_COMMIT retriable "offsets of an open transaction are not final yet";
    89 THROTTLING_QUOTA_EXCEEDED retriable "a quota is used up: wait as long as the throttle time says";
    90 PRODUCER_FENCED terminal "a newer producer with the same transactional id has taken this one's place";
    91 RESOURCE_NOT_FOUND terminal "there is no such resource";
    92 DUPLICATE_RESOURCE terminal "the resource is named twice";
    93 UNACCEPTABLE_CREDENTIAL terminal "the credentials are not acceptable";
    94 INCONSISTENT_VOTER_SET terminal "the sets of voters differ";
    95 INVALID_UPDATE_VERSION terminal "the version of the update is not valid";
    96 FEATURE_UPDATE_FAILED terminal "the feature could not be updated";
    97 PRINCIPAL_DESERIALIZATION_FAILURE terminal "the forwarded principal cannot be read";
    98 SNAPSHOT_NOT_FOUND terminal "there is no such snapshot";
    99 POSITION_OUT_OF_RANGE terminal "the position is outside the snapshot";
    100 UNKNOWN_TOPIC_ID retriable "this broker does not know the topic id";
    101 DUPLICATE_BROKER_REGISTRATION terminal "a broker with this id is registered and alive";
    102 BROKER_ID_NOT_REGISTERED terminal "no broker with this id is registered";
    103 INCONSISTENT_TOPIC_ID retriable "the topic id differs from the one in the log";
    104 INCONSISTENT_CLUSTER_ID terminal "the cluster id is another one";
    105 TRANSACTIONAL_ID_NOT_FOUND terminal "there is no such transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR retriable "the fetch session mixes requests with and without topic ids";
    107 INELIGIBLE_REPLICA terminal "the replica may not join the in-sync replicas";
    108 NEW_LEADER_ELECTED terminal "an election has moved the leadership while the in-sync replicas were changed";
    109 OFFSET_MOVED_TO_TIERED_STORAGE terminal "the offset has moved to remote storage";
    110 FENCED_MEMBER_EPOCH terminal "the member's epoch is old: join again";
    111 UNRELEASED_INSTANCE_ID terminal "the group.instance.id is still held by another member";
    112 UNSUPPORTED_ASSIGNOR terminal "the group does not have this assignor";
    113 STALE_MEMBER_EPOCH terminal "the member's epoch is old: try again with the present one";
    114 MISMATCHED_ENDPOINT_TYPE terminal "the request came to the wrong kind of endpoint";
    115 UNSUPPORTED_ENDPOINT_TYPE terminal "the kind of endpoint is unknown";
    116 UNKNOWN_CONTROLLER_ID terminal "there is no controller with this id";
    117 UNKNOWN_SUBSCRIPTION_ID terminal "there is no such telemetry subscription";
    118 TELEMETRY_TOO_LARGE terminal "the telemetry is larger than the broker allows";
    119 INVALID_REGISTRATION terminal "the registration is not valid";
    120 TRANSACTION_ABORTABLE terminal "the transaction can only be aborted now";
    121 INVALID_RECORD_STATE terminal "the record is in a state in which this cannot be done";
    122 SHARE_SESSION_NOT_FOUND retriable "there is no such share session";
    123 INVALID_SHARE_SESSION_EPOCH retriable "the share session is at another epoch";
    124 FENCED_STATE_EPOCH terminal "the state epoch is older than the coordinator's";
    125 INVALID_VOTER_KEY terminal "the key of the voter is not the one that is known";
    126 DUPLICATE_VOTER terminal "the voter exists already";
    127 VOTER_NOT_FOUND terminal "there is no such voter";
    128 INVALID_REGULAR_EXPRESSION terminal "the regular expression is not valid";
    129 REBOOTSTRAP_REQUIRED terminal "the client should start again from its bootstrap servers";
    130 STREAMS_INVALID_TOPOLOGY terminal "the streams topology is not valid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH terminal "the epoch of the streams topology is not valid";
    132 STREAMS_TOPOLOGY_FENCED terminal "the streams topology is older than the group's";
    133 SHARE_SESSION_LIMIT_REACHED retriable "the broker has as many share sessions as it may have";
}
