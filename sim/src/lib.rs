//! The world in a box: platters, links, clocks, faults, checks.
//!
//! [`platter`] is a disk as a pure value: it can be forked, stepped one operation at a time in any
//! order that the lanes allow, and cut off from power at any moment. [`contract`] holds every
//! promise of `sordini_log::disk` as a test, for the platter and for real files alike. [`chance`]
//! gives every purpose its own stream of random numbers.
//!
//! Two worlds stand on it: [`storage`] is the storage of a shard alone, [`world`] the whole shard with
//! clients that speak Kafka's bytes. Both are values, so that [`explore`] can fork them and let the power fail
//! at every disk operation.

pub mod chance;
pub mod check;
pub mod client;
pub mod contract;
pub mod digest;
pub mod explore;
pub mod failure;
pub mod ledger;
pub mod link;
pub mod platter;
pub mod storage;
mod story;
pub mod world;
