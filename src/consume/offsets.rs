//! Offsets of partitions: by time, first and last.

use crate::client::{Cluster, Topic, accepted};
use anyhow::{Context, Result};
use sordini_wire::message::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsTopic,
};
use std::collections::BTreeMap;

/// Asks for the first offset that is still there.
pub const EARLIEST: i64 = -2;
/// Asks for the offset that the next record gets.
pub const LATEST: i64 = -1;

/// What the leaders say of a timestamp (ms since 1970, [`EARLIEST`] or [`LATEST`]), by partition.
pub fn list(
    cluster: &mut Cluster,
    topic: &Topic,
    indexes: &[i32],
    timestamp: i64,
) -> Result<BTreeMap<i32, ListOffsetsPartitionResponse>> {
    let mut by_leader: BTreeMap<i32, Vec<ListOffsetsPartition>> = BTreeMap::new();
    for partition in topic.partitions.iter().filter(|p| indexes.contains(&p.index)) {
        by_leader.entry(partition.leader).or_default().push(ListOffsetsPartition {
            partition_index: partition.index,
            timestamp,
            ..Default::default()
        });
    }
    let mut found = BTreeMap::new();
    for (leader, partitions) in by_leader {
        let name = topic.name.clone();
        let request = ListOffsetsRequest {
            replica_id: -1,
            topics: vec![ListOffsetsTopic { name, partitions, ..Default::default() }],
            timeout_ms: 30_000,
            ..Default::default()
        };
        let answer = cluster.broker(leader)?.call(&request)?;
        for p in answer.topics.into_iter().flat_map(|t| t.partitions) {
            accepted(p.error_code, None, || {
                format!("find an offset of partition {} of {}", p.partition_index, topic.name)
            })?;
            found.insert(p.partition_index, p);
        }
    }
    for index in indexes {
        found.get(index).with_context(|| {
            format!("expected an offset of partition {index} of {}, none came", topic.name)
        })?;
    }
    Ok(found)
}
