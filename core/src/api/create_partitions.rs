//! CreatePartitions (key 37, versions 0-3): let topics grow (KIP-195).
//!
//! 2: flexible. 3: THROTTLING_QUOTA_EXCEEDED may be answered (KIP-599).
//!
//! Refused per topic: a name that comes twice (INVALID_REQUEST), an unknown topic, a number of partitions that
//! is none above today's (INVALID_PARTITIONS), no room on disk, a wrong assignment, too many (POLICY_VIOLATION).

use super::refusal::Refusal;
use crate::metadata::draft::Admin;
use sordini_wire::error::ErrorCode;
use sordini_wire::message::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
    CreatePartitionsTopicResult,
};
use std::collections::BTreeMap;

/// The answer to a request.
pub fn answer(
    admin: &mut Admin<'_>,
    request: &CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    request.topics.iter().for_each(|topic| *times.entry(&topic.name).or_default() += 1);
    let mut results = Vec::new();
    for topic in &request.topics {
        let grown = match times.insert(&topic.name, 0) {
            Some(0) | None => continue, // a name that comes twice is answered once
            Some(1) => grow(admin, topic, request.validate_only),
            Some(_) => Err(Refusal::invalid("Duplicate topic name.")),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name.clone(),
            error_code: grown.as_ref().map_or_else(|why| why.code.0, |()| 0),
            error_message: grown.err().and_then(|why| why.text()),
            ..CreatePartitionsTopicResult::default()
        });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

fn grow(
    admin: &mut Admin<'_>,
    asked: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refusal> {
    let unknown = Refusal { code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message: None };
    let topic = admin.metadata().topic(&asked.name).ok_or(unknown)?;
    let id = topic.id;
    let nodes = asked.assignments.as_ref().map(|all| all.iter().map(|a| a.broker_ids.as_slice()));
    let placement = admin.place_growth(topic, asked.count, nodes)?;
    if !validate_only {
        admin.grow_topic(id, placement);
    }
    Ok(())
}
