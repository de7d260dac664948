//! DeleteRecords (key 21, versions 0-2): lets logs start later (KIP-107).
//!
//! 2: flexible. Offset -1 means the high watermark. The answer carries the new log start once it is durable; segments wholly
//! below it are removed in the background. Refused with POLICY_VIOLATION on topics that are only compacted.

use super::{Stop, wait_for_room};
use crate::gather::{Call, Gather, PartDone, PartOp};
use crate::node::parts::TopicRef;
use crate::node::{Node, Step};
use sordini_log::{GroupSeq, Offset};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest,
    DeleteRecordsResponse, DeleteRecordsTopicResult,
};
use sordini_wire::primitive::Str;
use std::collections::BTreeMap;

/// Serves a request.
pub fn handle(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    request: DeleteRecordsRequest,
) -> Result<(), Stop> {
    wait_for_room(node, step)?;
    // A partition that is named twice is cut where it was named last.
    let mut asked: BTreeMap<Str, BTreeMap<i32, i64>> = BTreeMap::new();
    for topic in request.topics {
        let partitions = asked.entry(topic.name).or_default();
        for DeleteRecordsPartition { partition_index, offset, .. } in topic.partitions {
            partitions.insert(partition_index, offset);
        }
    }
    let mut gather = Gather::new(call, asked.values().map(BTreeMap::len).sum());
    let mut slot = 0;
    for (name, partitions) in &asked {
        for (&index, &offset) in partitions {
            let (result, group) = delete(node, step, name, index, offset);
            gather.fill(slot, result, group);
            slot += 1;
        }
    }
    let (results, group) = gather.finish();
    let mut results = results.into_iter();
    let topics = asked
        .into_iter()
        .map(|(name, partitions)| DeleteRecordsTopicResult {
            name,
            partitions: results.by_ref().take(partitions.len()).collect(),
            ..DeleteRecordsTopicResult::default()
        })
        .collect();
    let answer = DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() };
    node.reply_after(group, call, &answer);
    Ok(())
}

fn delete(
    node: &mut Node,
    step: &mut Step<'_>,
    topic: &str,
    partition_index: i32,
    offset: i64,
) -> (DeleteRecordsPartitionResult, Option<GroupSeq>) {
    let result = |low_watermark, code: ErrorCode| DeleteRecordsPartitionResult {
        partition_index,
        low_watermark,
        error_code: code.0,
        ..DeleteRecordsPartitionResult::default()
    };
    let Some(log) = node.log_of(&TopicRef::Name(topic), partition_index) else {
        return (result(-1, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), None);
    };
    if !node.partition(log).config.cleanup_delete {
        return (result(-1, ErrorCode::POLICY_VIOLATION), None);
    }
    let to = match offset {
        -1 => None,
        offset => match u64::try_from(offset) {
            Ok(offset) => Some(Offset(offset)),
            Err(_) => return (result(-1, ErrorCode::OFFSET_OUT_OF_RANGE), None),
        },
    };
    match node.run(step, PartOp::DeleteRecords { log, to }) {
        PartDone::Trimmed { low_watermark, group } => {
            (result(low_watermark.wire(), ErrorCode::NONE), group)
        }
        _ => (result(-1, ErrorCode::OFFSET_OUT_OF_RANGE), None),
    }
}
