//! Configuration: one table of all keys, and what is resolved from it.
//!
//! A value is looked up where Kafka looks it up, nearest first: set on the topic, set on this broker while
//! it runs, set for all brokers while they run, given at the start, default.

pub mod broker;
pub mod group;
pub mod lookup;
pub mod table;
pub mod topic;
