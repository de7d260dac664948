//! ListOffsets (key 2, versions 1-11): offsets by time, and the ends of a log.
//!
//! 2: isolation level (KIP-98). 4: leader epoch (KIP-320). 6: flexible. 7: largest timestamp, -3 (KIP-734). 8: earliest
//! local offset, -4 (KIP-405). 9: last tiered offset, -5 (KIP-1005). 10: timeout (KIP-1075). 11: earliest offset to be uploaded, -6 (KIP-1023).
//!
//! By time: the first record whose timestamp is at least the one asked for, exact inside the batch. A special
//! timestamp that the request's version does not know yet is UNSUPPORTED_VERSION, a partition that is named twice INVALID_REQUEST.

use super::Stop;
use super::fetch::error_code;
use crate::fetch::ReadError;
use crate::fetch::evaluate::check_epoch;
use crate::gather::Call;
use crate::node::parts::TopicRef;
use crate::node::{Node, Step};
use crate::offsets::{PendingLookup, Search, Timed};
use sordini_log::{GroupSeq, Latest, TimeQuery};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopicResponse,
};
use sordini_wire::primitive::Str;
use std::collections::BTreeMap;

/// The end of what may be read.
const LATEST: i64 = -1;
/// The start of the log.
const EARLIEST: i64 = -2;
/// The record with the largest timestamp.
const MAX_TIMESTAMP: i64 = -3;
/// The start of what is on local disks: all of it.
const EARLIEST_LOCAL: i64 = -4;
/// The end of what was tiered: nothing was.
const LATEST_TIERED: i64 = -5;
/// The start of what is to be tiered: nothing is.
const EARLIEST_PENDING_UPLOAD: i64 = -6;

/// Names and numbers of the partitions that were asked for, and answers that were known at once.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    topics: Vec<(Str, Vec<Asked>)>,
    /// What an answer that shows where logs start waits for.
    group: Option<GroupSeq>,
}

/// A partition's place: an answer, or the search that gives it.
#[derive(Clone, Debug)]
struct Asked {
    partition: i32,
    ready: Option<ListOffsetsPartitionResponse>,
}

/// Serves a request.
pub fn handle(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    request: ListOffsetsRequest,
) -> Result<(), Stop> {
    let mut times: BTreeMap<(Str, i32), u32> = BTreeMap::new();
    for topic in &request.topics {
        for p in &topic.partitions {
            *times.entry((topic.name.clone(), p.partition_index)).or_default() += 1;
        }
    }
    let mut shape = Shape::default();
    let mut slots = Vec::new();
    for topic in request.topics {
        let mut partitions: Vec<Asked> = Vec::new();
        for asked in topic.partitions {
            let partition = asked.partition_index;
            let twice = times[&(topic.name.clone(), partition)] > 1;
            if twice && partitions.iter().any(|p| p.partition == partition) {
                continue;
            }
            let log = node.log_of(&TopicRef::Name(&topic.name), partition);
            shape.group = shape.group.max(node.start_group(log));
            let ready = match (twice, request.isolation_level) {
                (true, _) => Err(failed(ErrorCode::INVALID_REQUEST)),
                (_, 0 | 1) => {
                    ask(node, call.version, &topic.name, &asked, &request.isolation_level)
                }
                _ => Err(failed(ErrorCode::UNKNOWN_SERVER_ERROR)),
            };
            let ready = match ready {
                Ok(search) => {
                    slots.push(search);
                    None
                }
                Err(answer) => {
                    Some(ListOffsetsPartitionResponse { partition_index: partition, ..answer })
                }
            };
            partitions.push(Asked { partition, ready });
        }
        shape.topics.push((topic.name, partitions));
    }
    node.look_up(step, call, shape, slots);
    Ok(())
}

fn failed(code: ErrorCode) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse { error_code: code.0, ..Default::default() }
}

/// The first version that knows a special timestamp.
fn known_since(timestamp: i64) -> Option<i16> {
    match timestamp {
        LATEST | EARLIEST | 0.. => Some(1),
        MAX_TIMESTAMP => Some(7),
        EARLIEST_LOCAL => Some(8),
        LATEST_TIERED => Some(9),
        EARLIEST_PENDING_UPLOAD => Some(11),
        _ => None,
    }
}

/// What one partition needs: a search, or its answer.
fn ask(
    node: &Node,
    version: i16,
    topic: &str,
    asked: &ListOffsetsPartition,
    isolation_level: &i8,
) -> Result<Search, ListOffsetsPartitionResponse> {
    if known_since(asked.timestamp).is_none_or(|since| version < since) {
        return Err(failed(ErrorCode::UNSUPPORTED_VERSION));
    }
    let log = node
        .log_of(&TopicRef::Name(topic), asked.partition_index)
        .ok_or(failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
    let partition = node.partition(log);
    check_epoch(partition, asked.current_leader_epoch).map_err(|e| failed(error_code(e)))?;
    let until = match isolation_level {
        1 => partition.last_stable_offset(),
        _ => partition.high_watermark(),
    };
    let at = |offset: i64, epoch: i32| {
        Err(ListOffsetsPartitionResponse { offset, leader_epoch: epoch, ..Default::default() })
    };
    let start = partition.start();
    let history = partition.replica.history();
    let query = match asked.timestamp {
        LATEST => return at(until.wire(), partition.epoch().wire()),
        EARLIEST | EARLIEST_LOCAL => {
            let epoch = history.epoch_of(start.0).map_or(-1, |e| e as i32);
            return at(start.wire(), epoch);
        }
        LATEST_TIERED | EARLIEST_PENDING_UPLOAD => return at(-1, -1),
        MAX_TIMESTAMP => TimeQuery::Max(Latest::default()),
        timestamp => TimeQuery::At(timestamp),
    };
    let generation = node.storage.generation(log);
    Ok(Search { log, generation, query, from: start, until })
}

/// Shapes the answer of a lookup that is complete.
pub fn answer(node: &mut Node, lookup: PendingLookup) {
    let call = lookup.gather.call;
    let logs = lookup.logs();
    let (found, group) = lookup.gather.finish();
    let searched = logs.iter().map(|log| node.start_group(Some(*log)));
    let group = searched.fold(group.max(lookup.shape.group), Option::max);
    let mut found = found.into_iter().zip(logs);
    let mut answer = ListOffsetsResponse::default();
    for (name, partitions) in lookup.shape.topics {
        let mut topic = ListOffsetsTopicResponse { name, ..Default::default() };
        for asked in partitions {
            topic.partitions.push(asked.ready.unwrap_or_else(|| {
                let (found, log) = found.next().expect("a slot per search");
                let epoch_of = |t: Timed| {
                    let partition = node.partitions.get(&log)?;
                    partition.replica.history().epoch_of(t.offset.0)
                };
                let partition_index = asked.partition;
                match found {
                    Ok(Some(t)) => ListOffsetsPartitionResponse {
                        partition_index,
                        offset: t.offset.wire(),
                        timestamp: t.timestamp,
                        leader_epoch: epoch_of(t).map_or(-1, |e| e as i32),
                        ..Default::default()
                    },
                    Ok(None) => {
                        ListOffsetsPartitionResponse { partition_index, ..Default::default() }
                    }
                    Err(why) => nothing(partition_index, why),
                }
            }));
        }
        answer.topics.push(topic);
    }
    node.reply_after(group, call, &answer);
}

fn nothing(partition_index: i32, why: ReadError) -> ListOffsetsPartitionResponse {
    ListOffsetsPartitionResponse { partition_index, ..failed(error_code(why)) }
}
