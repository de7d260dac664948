//! DescribeLogDirs (key 35, versions 1-5): what lies in the data directory (KIP-113).
//!
//! 2: flexible. 3: an error for the whole. 4: size and free space of the volume (KIP-827). 5: whether the directory
//! takes no new partitions (KIP-1066); it always does.
//!
//! Null asks for all topics. What is asked for and not there is left out; nothing is refused.

use crate::metadata::Topic;
use crate::metadata::draft::Admin;
use sordini_wire::message::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse,
    DescribeLogDirsResult, DescribeLogDirsTopic,
};
use std::collections::{BTreeMap, BTreeSet};

/// The answer to a request.
pub fn answer(admin: &Admin<'_>, request: &DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let topics = match &request.topics {
        None => admin.metadata().topics().map(|topic| whole(admin, topic)).collect(),
        Some(asked) => {
            let mut partitions: BTreeMap<&str, BTreeSet<i32>> = BTreeMap::new();
            for topic in asked {
                partitions.entry(&topic.topic).or_default().extend(&topic.partitions);
            }
            partitions.into_iter().filter_map(|(name, some)| part(admin, name, some)).collect()
        }
    };
    let bytes = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let result = DescribeLogDirsResult {
        log_dir: admin.config.log_dir.as_str().into(),
        topics,
        total_bytes: admin.config.disk_bytes.map_or(-1, bytes),
        usable_bytes: bytes(admin.now.disk_free),
        ..DescribeLogDirsResult::default()
    };
    DescribeLogDirsResponse { results: vec![result], ..DescribeLogDirsResponse::default() }
}

fn whole(admin: &Admin<'_>, topic: &Topic) -> DescribeLogDirsTopic {
    shown(admin, topic, 0..topic.partitions.len() as i32)
}

/// The partitions of a topic that are there; none if none is.
fn part(admin: &Admin<'_>, name: &str, some: BTreeSet<i32>) -> Option<DescribeLogDirsTopic> {
    let shown = shown(admin, admin.metadata().topic(name)?, some);
    (!shown.partitions.is_empty()).then_some(shown)
}

fn shown(
    admin: &Admin<'_>,
    topic: &Topic,
    indexes: impl IntoIterator<Item = i32>,
) -> DescribeLogDirsTopic {
    let partition = |index: i32| {
        let log = topic.partition(index)?.log;
        Some(DescribeLogDirsPartition {
            partition_index: index,
            partition_size: i64::try_from(admin.partitions.bytes(log)).unwrap_or(i64::MAX),
            ..DescribeLogDirsPartition::default()
        })
    };
    DescribeLogDirsTopic {
        name: (&*topic.name).into(),
        partitions: indexes.into_iter().filter_map(partition).collect(),
        ..DescribeLogDirsTopic::default()
    }
}
