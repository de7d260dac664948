//! CreateTopics (key 19, versions 2-7): create topics.
//!
//! 4: -1 for the default number of partitions and replicas (KIP-464). 5: the answer describes the topic (KIP-525).
//! 7: with its id.
//!
//! Each topic is judged by itself. Refused, in this order: a name that comes twice, the metadata log's name
//! (INVALID_REQUEST), an illegal name (INVALID_TOPIC_EXCEPTION), one that exists, one that differs from another
//! in dots and underscores only, no room on disk, null or wrong configs (INVALID_CONFIG), sizes beside an
//! assignment (INVALID_REQUEST), a wrong assignment, wrong sizes. More than 10,000 partitions in one request
//! are refused as a whole (POLICY_VIOLATION).

use super::refusal::Refusal;
use crate::config::lookup::Layer;
use crate::config::table;
use crate::metadata::draft::Admin;
use crate::metadata::topics::{NEW_PARTITIONS_MAX, Placement, Size, TopicError};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreatableTopicConfigs, CreatableTopicResult,
    CreateTopicsRequest, CreateTopicsResponse,
};
use std::collections::BTreeMap;

/// The answer to a request.
pub fn answer(admin: &mut Admin<'_>, request: &CreateTopicsRequest) -> CreateTopicsResponse {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    request.topics.iter().for_each(|topic| *times.entry(&topic.name).or_default() += 1);
    let too_many = partitions(admin, request) > NEW_PARTITIONS_MAX;
    let mut topics = Vec::new();
    for topic in &request.topics {
        let made = match times.insert(&topic.name, 0) {
            Some(0) | None => continue, // a name that comes twice is answered once
            Some(1) if too_many => Err(TopicError::TooManyPartitions.into()),
            Some(1) => create(admin, topic, request.validate_only),
            Some(_) => Err(Refusal::invalid("Duplicate topic name.")),
        };
        topics.push(made.unwrap_or_else(|why| refused(topic, &why)));
    }
    CreateTopicsResponse { topics, ..CreateTopicsResponse::default() }
}

/// How many partitions a request would create in all.
fn partitions(admin: &Admin<'_>, request: &CreateTopicsRequest) -> usize {
    let of = |topic: &CreatableTopic| match topic.num_partitions {
        _ if !topic.assignments.is_empty() => topic.assignments.len(),
        -1 => admin.config.num_partitions as usize,
        n => usize::try_from(n).unwrap_or(0),
    };
    request.topics.iter().map(of).fold(0, usize::saturating_add)
}

fn create(
    admin: &mut Admin<'_>,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<CreatableTopicResult, Refusal> {
    admin.check_new_name(&topic.name)?;
    let set = settings(topic)?;
    admin.check_new_settings(&set)?;
    let placement = place(admin, topic)?;
    admin.check_new_topic(&topic.name, &set, &placement)?;
    let configs = describe(admin, &set);
    let (partitions, replicas) = (placement.len(), placement[0].len());
    let id = match validate_only {
        true => admin.draft.topic_id(),
        false => admin.create_topic(&topic.name, set, placement),
    };
    Ok(CreatableTopicResult {
        name: topic.name.clone(),
        topic_id: id.into(),
        error_message: None,
        num_partitions: partitions as i32,
        replication_factor: replicas as i16,
        configs: Some(configs),
        ..CreatableTopicResult::default()
    })
}

/// What the topic shall have set; of a key that comes twice the last one.
fn settings(topic: &CreatableTopic) -> Result<BTreeMap<String, String>, Refusal> {
    let null = topic.configs.iter().filter(|c| c.value.is_none());
    let null: Vec<&str> = null.map(|c| c.name.as_str()).collect();
    if !null.is_empty() {
        let words = format!("Null value not supported for topic configs: {}", null.join(","));
        return Err(Refusal::new(ErrorCode::INVALID_CONFIG, words));
    }
    let pair = |c: &CreatableTopicConfig| {
        (c.name.to_string(), c.value.as_deref().unwrap_or_default().to_owned())
    };
    Ok(topic.configs.iter().map(pair).collect())
}

fn place(admin: &Admin<'_>, topic: &CreatableTopic) -> Result<Placement, Refusal> {
    let (partitions, replicas) = (topic.num_partitions, topic.replication_factor);
    if topic.assignments.is_empty() {
        let size = Size {
            partitions: (partitions != -1).then_some(partitions),
            replicas: (replicas != -1).then_some(replicas),
        };
        return Ok(admin.place(size)?);
    }
    let beside = |what: &str| {
        let words =
            format!("A manual partition assignment was specified, but {what} was not set to -1.");
        Err(Refusal::invalid(words))
    };
    if replicas != -1 {
        return beside("replication factor");
    }
    if partitions != -1 {
        return beside("numPartitions");
    }
    let assigned = topic.assignments.iter().map(|a| (a.partition_index, a.broker_ids.as_slice()));
    Ok(admin.place_assigned(assigned)?)
}

/// The configs of the new topic, each as it was said (KIP-525).
fn describe(admin: &Admin<'_>, set: &BTreeMap<String, String>) -> Vec<CreatableTopicConfigs> {
    let shown = table::TOPIC.iter().filter(|row| !row.ours() || set.contains_key(row.name));
    let config = |row: &table::Row| {
        let (value, layer): (String, Layer) = admin.lookup().topic(row, set);
        CreatableTopicConfigs {
            name: row.name.into(),
            value: Some(value.into()),
            config_source: layer as i8,
            ..CreatableTopicConfigs::default()
        }
    };
    shown.map(config).collect()
}

fn refused(topic: &CreatableTopic, why: &Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: topic.name.clone(),
        error_code: why.code.0,
        error_message: why.text(),
        ..CreatableTopicResult::default()
    }
}
