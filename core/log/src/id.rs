//! Newtypes for what would otherwise be bare integers in a signature.

use std::fmt;
use std::sync::Arc;

/// Position of a record in its log; dense, starts at 0. Kafka's `int64` offset, never negative here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset as it goes over the wire.
    pub fn wire(self) -> i64 {
        i64::try_from(self.0).expect("offsets stay below 2^63")
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Leader epoch: one leader, one epoch, for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch as it goes over the wire.
    pub fn wire(self) -> i32 {
        i32::try_from(self.0).expect("epochs stay below 2^31")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Number of a log within this node's data directory. Never reused: a recreated topic gets new ones.
/// 0 is the metadata log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u64);

impl LogId {
    /// The log whose fold is the cluster's metadata.
    pub const METADATA: LogId = LogId(0);
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {}", self.0)
    }
}

/// Position in the endless journal, in bytes; never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// Sequence number of a journal group; consecutive, starts at 1. What waits for durability waits for one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupSeq(pub u64);

/// Which life of a log a decision belongs to: a completion of another life is dropped (the ABA of
/// etcd raft's asynchronous storage writes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation {
    /// Boots of this data directory; durable once per boot.
    pub boot: u64,
    /// How often the log was truncated in this boot.
    pub cut: u32,
}

/// A log's directory: its name as an operator expects it (`orders-0`) and the log that lives there.
/// A deleted and recreated topic has the same name and another log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogDir {
    /// Directory name below the data directory.
    pub name: Arc<str>,
    /// The log that owns it.
    pub log: LogId,
}
