//! Who leads, and what is committed: epochs and offsets, never bytes.
//!
//! One protocol serves the metadata log and every partition. What is here is what a replica needs
//! whatever the number of voters: its epoch history, and the commit rule. A single replica is a
//! quorum of one voter that votes for itself at every boot, not a special case: its high watermark
//! moves in the same function, for the same reason, as that of a leader with followers.

pub mod history;
pub mod replica;

pub use history::EpochHistory;
pub use replica::{HardState, NodeId, Replica};
