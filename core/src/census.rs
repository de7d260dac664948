//! What a shard holds for others at a moment, in numbers: connections, requests that wait, bytes in memory, names on the disk; and what
//! it knows of its logs.
//!
//! For whoever watches a process from outside: once everybody has left and everything has come to rest, all that counts who
//! waits is zero, and what lies on the disk is what is named here; and whoever is started again must know the same.

use crate::node::Node;
use crate::partition::Partition;
use sordini_log::span::Span;
use sordini_log::{Holdings, LogId, Offset};
use std::collections::BTreeMap;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Connections.
    pub connections: usize,
    /// Connections whose next request waits for room.
    pub stalled: usize,
    /// Bytes of answers that are not in a kernel yet.
    pub unsent_bytes: u64,
    /// Answers that wait for durability.
    pub parked: usize,
    /// Fetches that wait for data or for reads.
    pub fetches: usize,
    /// Lookups of offsets that wait for reads.
    pub lookups: usize,
    /// Reads of the disk that somebody waits for.
    pub reads: usize,
    /// What the storage holds.
    pub storage: Holdings,
    /// A digest of what the metadata log says.
    pub metadata: u64,
    /// What is known of each partition's log.
    pub logs: BTreeMap<LogId, Knowledge>,
}

/// What is known of a log, but for its leader epoch, which every start raises: all that a recovery has to find again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// Its topic and the number of its partition.
    pub partition: (String, i32),
    /// Offset of its first record.
    pub start: Offset,
    /// The same, as far as it is durable: all that the next process has to know.
    pub durable_start: Offset,
    /// Offset of its next record.
    pub end: Offset,
    /// What of it cannot be read.
    pub faulty: Vec<Span>,
    /// Idempotent producers, each with a digest of what its next batch is compared with.
    pub producers: BTreeMap<i64, u32>,
}

impl Knowledge {
    fn of(node: &Node, partition: &Partition) -> Knowledge {
        Knowledge {
            partition: (partition.name.to_string(), partition.index),
            start: partition.start(),
            durable_start: node.storage.durable_start(partition.log),
            end: partition.end(),
            faulty: node.storage.faulty(partition.log).iter().copied().collect(),
            producers: partition.producers.windows().collect(),
        }
    }
}

impl Census {
    /// A node's part of it.
    pub fn of(node: &Node) -> Census {
        let (parked, reads) = node.waiting();
        Census {
            parked,
            reads,
            fetches: node.fetches.len(),
            lookups: node.offsets.len(),
            storage: node.storage.holdings(),
            metadata: node.metadata.digest(),
            logs: node.partitions.values().map(|p| (p.log, Knowledge::of(node, p))).collect(),
            ..Census::default()
        }
    }
}
