//! The world in a box: nodes, platters, links, clocks, faults, loads, checks.
//!
//! A run is a scenario, a seed and a build, and repeats bit for bit. The broker in it is the one that ships, with its
//! journal, its segments and its wire bytes; only disk, network, clock and chance are simulated.
//!
//! | module | what |
//! |---|---|
//! | [`scenario`] | what a run is made of: TOML that people write and a swarm's seed draws |
//! | [`run`] | safety phase, liveness phase, audit, report |
//! | [`world`] | nodes, clients and links, driven by a [`heap`] of virtual time |
//! | [`fault`], [`load`], [`check`] | what goes wrong, what clients do, what must hold: a file and a row each |
//! | [`ledger`] | what clients were promised and saw: all that checks may look at |
//! | [`platter`], [`link`], [`clock`], [`chance`] | disk, connection, clock and randomness as values |
//! | [`image`] | a real data directory under a simulated disk |
//! | [`shrink`] | of a run that fails, what is needed for it to fail |
//! | [`explain`] | a run as one page with a lane for each node and client |
//! | [`explore`] | a crash at every disk operation of a run |
//! | [`storage`] | the storage of a shard alone, for the same |
//! | [`contract`] | every promise of `sordini_log::disk` as a test, for platter and real files alike |
//!
//! The world is a value: it can be forked at any event. Nothing here knows real time, files, sockets or threads.

pub mod chance;
pub mod check;
pub mod clock;
pub mod codec;
pub mod contract;
pub mod digest;
pub mod explain;
pub mod explore;
pub mod failure;
pub mod fault;
pub mod heap;
pub mod image;
pub mod ledger;
pub mod link;
pub mod load;
pub mod marks;
pub mod platter;
pub mod run;
pub mod scenario;
pub mod shrink;
pub mod storage;
mod story;
pub mod world;
