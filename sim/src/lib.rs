//! The world in a box: platters, links, clocks, faults, checks.
//!
//! [`platter`] is a disk as a pure value: it can be forked, stepped one operation at a time in any
//! order that the lanes allow, and cut off from power at any moment. [`contract`] holds every
//! promise of `sordini_log::disk` as a test, for the platter and for real files alike. [`chance`]
//! gives every purpose its own stream of random numbers.

pub mod chance;
pub mod contract;
pub mod digest;
pub mod platter;
pub mod storage;
