//! Kafka's messages: one table per API, in a file of its own.
//!
//! The notation is explained in [`crate::table`]; names are those of Kafka's own schemas. A new API
//! is a file with its two tables, a line in the list of modules and a line in [`MESSAGES`].

pub mod alter_configs;
pub mod api_versions;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_log_dirs;
pub mod describe_topic_partitions;
pub mod fetch;
pub mod header;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod list_offsets;
pub mod metadata;
pub mod offset_for_leader_epoch;
pub mod produce;

mod descriptor;

pub use descriptor::{Descriptor, MESSAGES};

use crate::primitive::{DecodeError, Problem, Reader, Writer};
use crate::table::visit::Visitor;
use crate::table::{At, Wire};
use bytes::Bytes;
use std::ops::RangeInclusive;

/// A request, a response or a header: a struct that has versions of its own.
pub trait Message: Wire {
    /// Kafka's name for it.
    const NAME: &'static str;
    /// Key of its API; -1 for headers.
    const API_KEY: i16;
    /// Versions that the table has.
    const VERSIONS: RangeInclusive<i16>;
    /// The first flexible version (KIP-482); [`i16::MAX`] if none is.
    const FLEXIBLE: i16;

    /// Takes a message from the reader and leaves there what follows it.
    fn decode(r: &mut Reader, version: i16) -> Result<Self, DecodeError> {
        if !Self::VERSIONS.contains(&version) {
            let (min, max) = Self::VERSIONS.into_inner();
            return Err(r.error(Problem::Version { min, max }).of(Self::NAME, version));
        }
        Self::read(r, At::new(version, Self::FLEXIBLE)).map_err(|e| e.of(Self::NAME, version))
    }

    /// Appends the message to the writer. The version must be one of [`Message::VERSIONS`].
    fn encode(&self, w: &mut Writer, version: i16) {
        assert!(Self::VERSIONS.contains(&version), "{} has no version {version}", Self::NAME);
        self.write(w, At::new(version, Self::FLEXIBLE));
    }

    /// The message alone, in one piece; it must hold no external records.
    fn to_bytes(&self, version: i16) -> Bytes {
        let mut w = Writer::new();
        self.encode(&mut w, version);
        w.finish_joined()
    }

    /// Shows the fields that the version has.
    fn walk(&self, version: i16, visitor: &mut dyn Visitor) {
        self.visit(At::new(version, Self::FLEXIBLE), visitor);
    }
}
