//! OffsetForLeaderEpoch (key 23, versions 2-4): where a leader epoch ended (KIP-101, KIP-320).
//!
//! 3: replica id. 4: flexible. A client compares the answer with its own position to find out whether the log
//! was cut under it. An epoch that the log does not know is answered with -1 and -1.

use super::Stop;
use super::fetch::error_code;
use crate::fetch::ReadError;
use crate::fetch::evaluate::check_epoch;
use crate::gather::Call;
use crate::node::parts::TopicRef;
use crate::node::{Node, Step};
use sordini_wire::message::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition, OffsetForLeaderTopicResult,
};

/// Serves a request.
pub fn handle(
    node: &mut Node,
    _step: &mut Step<'_>,
    call: Call,
    request: OffsetForLeaderEpochRequest,
) -> Result<(), Stop> {
    let mut answer = OffsetForLeaderEpochResponse::default();
    for topic in request.topics {
        let mut result = OffsetForLeaderTopicResult { topic: topic.topic, ..Default::default() };
        for asked in topic.partitions {
            let mut end = EpochEndOffset { partition: asked.partition, ..Default::default() };
            match end_of(node, &result.topic, &asked) {
                Ok(Some((epoch, offset))) => (end.leader_epoch, end.end_offset) = (epoch, offset),
                Ok(None) => {}
                Err(why) => end.error_code = error_code(why).0,
            }
            result.partitions.push(end);
        }
        answer.topics.push(result);
    }
    node.reply(call, &answer);
    Ok(())
}

fn end_of(
    node: &Node,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<Option<(i32, i64)>, ReadError> {
    let log = node.log_of(&TopicRef::Name(topic), asked.partition);
    let partition = node.partition(log.ok_or(ReadError::UnknownPartition)?);
    check_epoch(partition, asked.current_leader_epoch)?;
    let Ok(epoch) = u32::try_from(asked.leader_epoch) else { return Ok(None) };
    // A client may not learn of an end that could still vanish.
    let end = partition.high_watermark().0;
    let found = partition.replica.history().end_of(epoch, end);
    Ok(found.map(|(epoch, offset)| (epoch as i32, offset.min(end) as i64)))
}
