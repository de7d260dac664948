//! One durable log on an abstract disk, many times over: the storage of a shard.
//!
//! [`disk`] is the seam to the world; everything else in this room is a pure value. A record's way:
//! a batch is appended to the open journal group, the group is written and synced as a whole, the
//! batch then goes to its segment in the background, and a checkpoint lets the journal be recycled.

pub mod disk;
pub mod id;
pub mod journal;
pub mod time;

pub use id::{Epoch, Generation, GroupSeq, LogDir, LogId, Lsn, Offset};
pub use time::{Mono, Now, Wall};
