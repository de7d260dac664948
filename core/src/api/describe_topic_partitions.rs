//! DescribeTopicPartitions (key 75, version 0): topics and partitions in pages (KIP-966).
//!
//! Topics come sorted by name. An answer holds at most as many partitions as the asker wants and
//! `max.request.partition.size.limit` allows, and names where to go on. No topics asked for means all.
//! Refused: a cursor that names another topic than those asked for, or a negative partition (all topics,
//! INVALID_REQUEST); per topic an illegal or unknown name.

use super::metadata::TOPIC_OPERATIONS;
use crate::metadata::draft::Admin;
use crate::metadata::topics::check_name;
use crate::metadata::{Partition, Topic, is_internal};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use sordini_wire::primitive::Str;
use std::collections::BTreeSet;

/// The answer to a request.
pub fn answer(
    admin: &Admin<'_>,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let asked: BTreeSet<&str> = request.topics.iter().map(|topic| &*topic.name).collect();
    let (from, index) = match &request.cursor {
        Some(cursor) => (&*cursor.topic_name, cursor.partition_index),
        None => ("", 0),
    };
    let stray = request.cursor.is_some() && !asked.is_empty() && !asked.contains(from);
    if stray || index < 0 {
        return refused(request);
    }
    let limit = request.response_partition_limit.min(admin.config.describe_partitions_max as i32);
    let mut page = Page { left: limit.max(1) as usize, ..Page::default() };
    let start = |name: &str| if name == from { index as usize } else { 0 };
    if asked.is_empty() {
        for topic in admin.metadata().topics_from(from) {
            if !page.add(admin, topic, start(&topic.name)) {
                break;
            }
        }
    } else {
        for name in asked.range::<&str, _>(from..) {
            let more = match admin.metadata().topic(name) {
                Some(topic) => page.add(admin, topic, start(name)),
                None => page.add_unknown(name),
            };
            if !more {
                break;
            }
        }
    }
    DescribeTopicPartitionsResponse {
        topics: page.topics,
        next_cursor: page.next,
        ..DescribeTopicPartitionsResponse::default()
    }
}

/// An answer in the making.
#[derive(Default)]
struct Page {
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// Partitions for which there is room.
    left: usize,
    /// Where the next page starts.
    next: Option<Cursor>,
}

impl Page {
    /// Whether there is room; else the next page starts with this topic.
    fn room(&mut self, name: &str) -> bool {
        if self.left == 0 {
            self.next = Some(cursor(name, 0));
        }
        self.left > 0
    }

    /// Adds the partitions of a topic from `start`; false if the page is full.
    fn add(&mut self, admin: &Admin<'_>, topic: &Topic, start: usize) -> bool {
        if !self.room(&topic.name) {
            return false;
        }
        let rest = topic.partitions.iter().enumerate().skip(start);
        let shown: Vec<_> =
            rest.take(self.left).map(|(index, p)| partition(admin, index, p)).collect();
        let end = start.saturating_add(shown.len());
        self.left -= shown.len();
        self.topics.push(DescribeTopicPartitionsResponseTopic {
            name: Some(Str::from(&*topic.name)),
            topic_id: topic.id.into(),
            is_internal: topic.internal(),
            partitions: shown,
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..DescribeTopicPartitionsResponseTopic::default()
        });
        if end < topic.partitions.len() {
            self.next = Some(cursor(&topic.name, end));
        }
        self.next.is_none()
    }

    fn add_unknown(&mut self, name: &str) -> bool {
        if !self.room(name) {
            return false;
        }
        let code = match check_name(name) {
            Ok(()) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            Err(_) => ErrorCode::INVALID_TOPIC_EXCEPTION,
        };
        self.topics.push(DescribeTopicPartitionsResponseTopic {
            error_code: code.0,
            name: Some(name.into()),
            is_internal: is_internal(name),
            topic_authorized_operations: TOPIC_OPERATIONS,
            ..DescribeTopicPartitionsResponseTopic::default()
        });
        true
    }
}

fn cursor(name: &str, partition: usize) -> Cursor {
    Cursor { topic_name: name.into(), partition_index: partition as i32, ..Cursor::default() }
}

fn partition(
    admin: &Admin<'_>,
    index: usize,
    partition: &Partition,
) -> DescribeTopicPartitionsResponsePartition {
    let replicas: Vec<i32> = partition.replicas.iter().map(|node| node.0).collect();
    DescribeTopicPartitionsResponsePartition {
        partition_index: index as i32,
        leader_id: admin.node().0,
        leader_epoch: admin.partitions.epoch(partition.log).wire(),
        isr_nodes: replicas.clone(),
        replica_nodes: replicas,
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..DescribeTopicPartitionsResponsePartition::default()
    }
}

fn refused(request: &DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST.0,
        name: Some(topic.name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    });
    DescribeTopicPartitionsResponse {
        topics: topics.collect(),
        ..DescribeTopicPartitionsResponse::default()
    }
}
