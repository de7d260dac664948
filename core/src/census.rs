//! What a shard holds for others at a moment, in numbers: connections, requests that wait, bytes in memory, names on the disk.
//!
//! For whoever watches a process from outside: once everybody has left and everything has come to rest, all that counts who
//! waits is zero, and what lies on the disk is what is named here.

use crate::node::Node;
use sordini_log::Holdings;

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
            ..Census::default()
        }
    }
}
