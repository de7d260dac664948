//! The APIs, one row and one file each: bytes of a request in, an answer or a parked answer out.
//!
//! A file here is thin: it checks, calls the node and shapes the answer. Only this folder turns domain errors into
//! Kafka's error codes. What [`TABLE`] lists is what ApiVersions advertises, and all of it works.

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
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod list_offsets;
pub mod metadata;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod refusal;

use crate::gather::Call;
use crate::metadata::draft::Admin;
use crate::node::{Node, Step};
use crate::seam::{Body, Part};
use bytes::Bytes;
use smallvec::SmallVec;
use sordini_log::Room;
use sordini_wire::message::Message;
use sordini_wire::primitive::{DecodeError, Reader, Writer};
use std::ops::RangeInclusive;

/// Why a request gets no ordinary answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The connection ends; the text says what was wrong.
    Close(String),
    /// There is no room for it now: it must come again, unchanged, when there is.
    Stall,
}

impl From<DecodeError> for Stop {
    fn from(e: DecodeError) -> Stop {
        Stop::Close(e.to_string())
    }
}

/// An API that is served.
pub struct Row {
    /// Kafka's API key.
    pub key: i16,
    /// Its name.
    pub name: &'static str,
    /// Versions that are served.
    pub versions: RangeInclusive<i16>,
    /// Versions that are advertised: the same, but for one kindness to librdkafka.
    pub advertised: RangeInclusive<i16>,
    /// Decodes the body and serves it.
    pub serve: fn(&mut Node, &mut Step<'_>, Call, Reader) -> Result<(), Stop>,
}

/// Decodes a body, then hands it to its handler.
fn decoded<M: Message>(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    mut body: Reader,
    handle: fn(&mut Node, &mut Step<'_>, Call, M) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let request = M::decode(&mut body, call.version)?;
    handle(node, step, call, request)
}

/// Decodes a body, lends its handler the metadata, and answers once what the handler saw and changed is durable.
fn administered<M: Message, A: Message>(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    mut body: Reader,
    answer: fn(&mut Admin<'_>, &M, i16) -> A,
) -> Result<(), Stop> {
    let request = M::decode(&mut body, call.version)?;
    let (answer, group) = node.admin(step, |admin| answer(admin, &request, call.version));
    node.reply_after(group, call, &answer);
    Ok(())
}

/// The same for what changes the metadata, which waits for room like records.
fn changed<M: Message, A: Message>(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    body: Reader,
    answer: fn(&mut Admin<'_>, &M, i16) -> A,
) -> Result<(), Stop> {
    wait_for_room(node, step)?;
    administered(node, step, call, body, answer)
}

/// Has what is small and journalled wait while there is no room, but not for long: it finds a place in the end, and a journal that
/// grows by that little is better than no answer.
fn wait_for_room(node: &Node, step: &Step<'_>) -> Result<(), Stop> {
    match node.room() == Room::Full && step.stalled_ms < CHANGE_STALL_MS {
        true => Err(Stop::Stall),
        false => Ok(()),
    }
}

/// How long a change of the metadata waits for room.
const CHANGE_STALL_MS: u64 = 5000;

macro_rules! rows {
    ($($key:literal $name:literal $versions:expr, $advertised:expr => $how:ident $handler:expr;)*) => {
        &[$(Row {
            key: $key,
            name: $name,
            versions: $versions,
            advertised: $advertised,
            serve: |node, step, call, body| $how(node, step, call, body, $handler),
        }),*]
    };
}

/// Every API that is served, by its key. Versions are those of Kafka 4.3.
pub const TABLE: &[Row] = rows! {
    // Produce 0-2 are refused, yet listed: librdkafka looks for them (KAFKA-18659).
    0 "Produce" 3..=13, 0..=13 => decoded produce::handle;
    1 "Fetch" 4..=18, 4..=18 => decoded fetch::handle;
    2 "ListOffsets" 1..=11, 1..=11 => decoded list_offsets::handle;
    3 "Metadata" 0..=13, 0..=13 => administered metadata::answer;
    18 "ApiVersions" 0..=4, 0..=4 => decoded api_versions::handle;
    19 "CreateTopics" 2..=7, 2..=7 => changed |a, r, _| create_topics::answer(a, r);
    20 "DeleteTopics" 1..=6, 1..=6 => changed delete_topics::answer;
    21 "DeleteRecords" 0..=2, 0..=2 => decoded delete_records::handle;
    22 "InitProducerId" 0..=5, 0..=5 => decoded init_producer_id::handle;
    23 "OffsetForLeaderEpoch" 2..=4, 2..=4 => decoded offset_for_leader_epoch::handle;
    32 "DescribeConfigs" 1..=4, 1..=4 => administered |a, r, _| describe_configs::answer(a, r);
    33 "AlterConfigs" 0..=2, 0..=2 => changed |a, r, _| alter_configs::answer(a, r);
    35 "DescribeLogDirs" 1..=5, 1..=5 => administered |a, r, _| describe_log_dirs::answer(a, r);
    37 "CreatePartitions" 0..=3, 0..=3 => changed |a, r, _| create_partitions::answer(a, r);
    44 "IncrementalAlterConfigs" 0..=1, 0..=1 => changed |a, r, _| incremental_alter_configs::answer(a, r);
    60 "DescribeCluster" 0..=2, 0..=2 => administered |a, r, _| describe_cluster::answer(a, r);
    75 "DescribeTopicPartitions" 0..=0, 0..=0 => administered |a, r, _| describe_topic_partitions::answer(a, r);
};

/// The row of an API, if it is served.
pub fn row(key: i16) -> Option<&'static Row> {
    TABLE.binary_search_by_key(&key, |r| r.key).ok().map(|i| &TABLE[i])
}

/// Encodes an answer as a frame. `files` are the parts that the message names by their token.
pub fn encode<M: Message>(call: Call, message: &M, files: &[Part]) -> Body {
    let mut out = Writer::frame();
    out.i32(call.correlation);
    // The header of ApiVersions stays at version 0: the client does not know yet what the broker speaks.
    if M::FLEXIBLE <= call.version && call.key != api_versions::KEY {
        out.uvarint(0);
    }
    message.encode(&mut out, call.version);
    let mut parts: SmallVec<[Part; 2]> = SmallVec::new();
    for part in out.finish() {
        parts.push(match part {
            sordini_wire::primitive::Part::Bytes(bytes) => Part::Memory(bytes),
            sordini_wire::primitive::Part::External { token, .. } => files[token as usize].clone(),
        });
    }
    Body { parts }
}

/// The first fields of every request.
#[derive(Clone, Debug)]
pub struct Head {
    /// API key.
    pub key: i16,
    /// Version.
    pub version: i16,
    /// Correlation id.
    pub correlation: i32,
}

/// Reads key, version and correlation id, which are the same in every version of the header.
pub fn peek(frame: &Bytes) -> Result<Head, Stop> {
    let mut r = Reader::new(frame.clone());
    Ok(Head { key: r.i16()?, version: r.i16()?, correlation: r.i32()? })
}
