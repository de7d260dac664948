//! One durable log on an abstract disk, many times over: the storage of a shard.
//!
//! [`disk`] is the seam to the world; everything else in this room is a pure value. A record's way:
//! a batch is appended to the open journal group, the group is written and synced as a whole, the
//! batch then goes to its segment in the background, and a checkpoint lets the journal be recycled.

mod cache;
pub mod checkpoint;
#[cfg(test)]
mod checkpoint_tests;
pub mod disk;
pub mod home;
pub mod id;
pub mod io_errors;
pub mod journal;
mod log;
pub mod segment;
pub mod span;
pub mod storage;
pub mod time;
mod time_read;
pub mod wall;
mod writer;

pub use id::{Epoch, Generation, GroupSeq, LogDir, LogId, Lsn, Offset};
pub use segment::{LogConfig, Segment};
pub use storage::{
    Holdings, Latest, Lookup, Note, Read, Recovered, RecoveredLog, Replay, Replayed, Room, Section,
    Storage, StorageConfig, TimeQuery,
};
pub use time::{Mono, Now, Wall};
