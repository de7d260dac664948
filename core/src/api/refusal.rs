//! Domain errors of the admin APIs as Kafka's error codes: one table for all of them.

use crate::metadata::settings::AlterError;
use crate::metadata::topics::{NameError, TopicError};
use sordini_wire::error::ErrorCode;
use sordini_wire::primitive::Str;

/// What a request is told when it does not get what it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Kafka's error code.
    pub code: ErrorCode,
    /// Why, for people; none where the code says it all.
    pub message: Option<String>,
}

impl Refusal {
    /// With words.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal { code, message: Some(message.into()) }
    }

    /// A request that contradicts itself, or makes no sense.
    pub fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(ErrorCode::INVALID_REQUEST, message)
    }

    /// The message as it goes into an answer.
    pub fn text(&self) -> Option<Str> {
        self.message.as_deref().map(Str::from)
    }
}

impl From<NameError> for Refusal {
    fn from(e: NameError) -> Refusal {
        Refusal::new(ErrorCode::INVALID_TOPIC_EXCEPTION, e.to_string())
    }
}

impl From<TopicError> for Refusal {
    fn from(e: TopicError) -> Refusal {
        use ErrorCode as Code;
        let code = match e {
            TopicError::Name(_) | TopicError::Collision { .. } => Code::INVALID_TOPIC_EXCEPTION,
            TopicError::Reserved(_) => Code::INVALID_REQUEST,
            TopicError::Exists(_) => Code::TOPIC_ALREADY_EXISTS,
            TopicError::Settings(_) => Code::INVALID_CONFIG,
            TopicError::Partitions
            | TopicError::SamePartitions(_)
            | TopicError::FewerPartitions { .. } => Code::INVALID_PARTITIONS,
            TopicError::TooManyPartitions | TopicError::TooMuch | TopicError::NodeFull => {
                Code::POLICY_VIOLATION
            }
            TopicError::Replicas | TopicError::TooFewNodes { .. } => {
                Code::INVALID_REPLICATION_FACTOR
            }
            TopicError::Assignment(_) => Code::INVALID_REPLICA_ASSIGNMENT,
            TopicError::DiskFull => Code::KAFKA_STORAGE_ERROR,
        };
        Refusal::new(code, e.to_string())
    }
}

impl From<AlterError> for Refusal {
    fn from(e: AlterError) -> Refusal {
        use ErrorCode as Code;
        let code = match e {
            AlterError::Name(_) => Code::INVALID_TOPIC_EXCEPTION,
            AlterError::TooMuch => Code::POLICY_VIOLATION,
            AlterError::UnknownTopic(_) => Code::UNKNOWN_TOPIC_OR_PARTITION,
            AlterError::Topic(_)
            | AlterError::Group(_)
            | AlterError::NotAList { .. }
            | AlterError::Long
            | AlterError::InsyncReplicas(_) => Code::INVALID_CONFIG,
            AlterError::Broker(_)
            | AlterError::NotANode(_)
            | AlterError::OtherNode { .. }
            | AlterError::ReadOnly(_)
            | AlterError::PerBroker(_)
            | AlterError::UnknownBrokerKey(_)
            | AlterError::DefaultGroup
            | AlterError::Nothing(_) => Code::INVALID_REQUEST,
        };
        Refusal::new(code, e.to_string())
    }
}
