//! Metadata (key 3, versions 0-13): what topics there are, and who leads them.
//!
//! 0: an empty list asks for all. 1: null does. 4: auto-creation can be declined. 7: leader epochs. 8-10: authorized
//! operations of the cluster. 10: topic ids in the answer. 12: topics by id (KIP-516). 13: an error for the whole.
//!
//! A name that is asked for and missing is created where the client allows it and `auto.create.topics.enable` does;
//! as in Kafka, this answer still says UNKNOWN_TOPIC_OR_PARTITION, the next one knows it. Refused: an id before
//! version 12, a topic with neither name nor id (the whole request, INVALID_REQUEST); per topic an illegal
//! name, an unknown name, an unknown id (UNKNOWN_TOPIC_ID). Names beside ids are ignored, as Kafka does.

use super::refusal::Refusal;
use crate::metadata::draft::Admin;
use crate::metadata::topics::{Size, TopicError, check_name};
use crate::metadata::{Partition, Topic, TopicId, is_internal};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use sordini_wire::primitive::Str;
use std::collections::{BTreeMap, BTreeSet};

/// What an asker may do with a topic, as bits (KIP-430): all that topics know.
pub const TOPIC_OPERATIONS: i32 = 3576;
/// What an asker may do with the cluster.
pub const CLUSTER_OPERATIONS: i32 = 8096;
/// Nobody asked what may be done.
pub const NOT_ASKED: i32 = i32::MIN;

/// The answer to a request.
pub fn answer(admin: &mut Admin<'_>, request: &MetadataRequest, version: i16) -> MetadataResponse {
    if malformed(request, version) {
        return refused(request);
    }
    let operations = |asked: bool, bits: i32| if asked { bits } else { NOT_ASKED };
    let of_topics = operations(request.include_topic_authorized_operations, TOPIC_OPERATIONS);
    let of_cluster = operations(request.include_cluster_authorized_operations, CLUSTER_OPERATIONS);
    let mut topics = match &request.topics {
        Some(asked) if !asked.is_empty() || version > 0 => some(admin, request),
        _ => admin.metadata().topics().map(|topic| known(admin, topic)).collect(),
    };
    topics.iter_mut().for_each(|topic| topic.topic_authorized_operations = of_topics);
    MetadataResponse {
        brokers: vec![broker(admin)],
        cluster_id: admin.metadata().cluster_id().map(Str::from),
        controller_id: admin.node().0,
        topics,
        cluster_authorized_operations: of_cluster,
        ..MetadataResponse::default()
    }
}

/// Whether a topic is asked for in a way that its version does not have.
fn malformed(request: &MetadataRequest, version: i16) -> bool {
    request.topics.iter().flatten().any(|topic| {
        let early = version < 12 && (!topic.topic_id.is_zero() || topic.name.is_none());
        early || topic.topic_id.is_zero() && topic.name.is_none()
    })
}

/// The answer that refuses the whole request: it names no brokers.
fn refused(request: &MetadataRequest) -> MetadataResponse {
    let code = ErrorCode::INVALID_REQUEST.0;
    let topic = |asked: &MetadataRequestTopic| MetadataResponseTopic {
        error_code: code,
        name: Some(asked.name.clone().unwrap_or(Str::EMPTY)),
        topic_id: asked.topic_id,
        ..MetadataResponseTopic::default()
    };
    MetadataResponse {
        topics: request.topics.iter().flatten().map(topic).collect(),
        error_code: code,
        ..MetadataResponse::default()
    }
}

/// The topics that a request asks for, each once.
fn some(admin: &mut Admin<'_>, request: &MetadataRequest) -> Vec<MetadataResponseTopic> {
    let asked = request.topics.iter().flatten();
    let with_id = asked.clone().filter(|topic| !topic.topic_id.is_zero());
    let ids: BTreeSet<TopicId> = with_id.map(|topic| topic.topic_id.into()).collect();
    if !ids.is_empty() {
        return ids.into_iter().map(|id| by_id(admin, id)).collect();
    }
    let names: BTreeSet<&str> = asked.filter_map(|topic| topic.name.as_deref()).collect();
    names.into_iter().map(|name| by_name(admin, name, request.allow_auto_topic_creation)).collect()
}

fn by_id(admin: &Admin<'_>, id: TopicId) -> MetadataResponseTopic {
    match admin.metadata().topic_by_id(id) {
        Some(topic) => known(admin, topic),
        None => MetadataResponseTopic {
            error_code: ErrorCode::UNKNOWN_TOPIC_ID.0,
            name: None,
            topic_id: id.into(),
            ..MetadataResponseTopic::default()
        },
    }
}

fn by_name(admin: &mut Admin<'_>, name: &str, create: bool) -> MetadataResponseTopic {
    if let Some(topic) = admin.metadata().topic(name) {
        return known(admin, topic);
    }
    let create = create && admin.config.auto_create_topics && !is_internal(name);
    let code = match check_name(name) {
        Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        Ok(()) if create => auto_create(admin, name),
        Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    };
    MetadataResponseTopic {
        error_code: code.0,
        name: Some(name.into()),
        is_internal: is_internal(name),
        ..MetadataResponseTopic::default()
    }
}

/// Creates a topic because it was mentioned; what the asker is told of it now.
fn auto_create(admin: &mut Admin<'_>, name: &str) -> ErrorCode {
    let size = Size { partitions: None, replicas: None };
    let set = BTreeMap::new();
    let placed = admin.check_new_name(name).and_then(|()| admin.place(size));
    let checked = placed.and_then(|placement| {
        admin.check_new_topic(name, &set, &placement)?;
        Ok(placement)
    });
    match checked {
        Ok(placement) => {
            admin.create_topic(name, set, placement);
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        }
        // So many names were mentioned at once that the rest comes with the next request.
        Err(TopicError::TooManyPartitions | TopicError::TooMuch) => {
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
        }
        Err(why) => Refusal::from(why).code,
    }
}

fn known(admin: &Admin<'_>, topic: &Topic) -> MetadataResponseTopic {
    let partition = |(index, partition): (usize, &Partition)| {
        let replicas: Vec<i32> = partition.replicas.iter().map(|node| node.0).collect();
        MetadataResponsePartition {
            partition_index: index as i32,
            leader_id: admin.node().0,
            leader_epoch: admin.partitions.epoch(partition.log).wire(),
            isr_nodes: replicas.clone(),
            replica_nodes: replicas,
            ..MetadataResponsePartition::default()
        }
    };
    MetadataResponseTopic {
        name: Some(Str::from(&*topic.name)),
        topic_id: topic.id.into(),
        is_internal: topic.internal(),
        partitions: topic.partitions.iter().enumerate().map(partition).collect(),
        ..MetadataResponseTopic::default()
    }
}

fn broker(admin: &Admin<'_>) -> MetadataResponseBroker {
    MetadataResponseBroker {
        node_id: admin.node().0,
        host: admin.config.advertised_host.as_str().into(),
        port: i32::from(admin.config.advertised_port),
        rack: admin.config.rack.as_deref().map(Str::from),
        ..MetadataResponseBroker::default()
    }
}
