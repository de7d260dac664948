//! The broker as a pure function of state, time and event.
//!
//! [`seam`] lists everything that goes in and comes out. A [`shard::Shard`] is the whole brain: its sessions
//! ([`session`]) make requests of bytes, its [`node`] serves them through the APIs ([`api`]) on partitions
//! ([`partition`]) whose records lie in the log room, and on the metadata ([`metadata`]).

pub mod api;
pub mod census;
pub mod config;
pub mod digest;
pub mod fetch;
pub mod gather;
pub mod limits;
pub mod metadata;
pub mod node;
pub mod offsets;
pub mod partition;
pub mod seam;
pub mod session;
pub mod shard;
pub mod trace;

pub use shard::Shard;
