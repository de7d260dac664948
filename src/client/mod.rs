//! A small Kafka client that blocks: what the commands `topic`, `produce`, `consume` and `bench` need.
//!
//! | module | what |
//! |---|---|
//! | [`address`] | HOST:PORT, and why it cannot be reached |
//! | [`connection`] | one socket: versions, requests and their answers |
//! | [`request`] | which answer belongs to which request |
//! | [`cluster`] | the brokers, topics and leaders, found through any one broker |
//! | [`refusal`] | an error code of the broker as an error for people |
//!
//! It speaks to any broker that speaks Kafka, ours or not, and takes the newest version of each API that
//! both sides have. It knows nothing of groups and transactions.

pub mod address;
pub mod cluster;
pub mod connection;
pub mod refusal;
pub mod request;

pub use address::Address;
pub use cluster::{Cluster, LEADER_WAIT, Topic};
pub use connection::Connection;
pub use refusal::{Refusal, accepted};
