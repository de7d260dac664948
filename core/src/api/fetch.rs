//! Fetch (key 1, versions 4-18): record batches from offsets on.
//!
//! 5: log start offset (KIP-107). 7: incremental sessions (KIP-227). 9: leader epoch of the client (KIP-320).
//! 11: rack of the client (KIP-392; there is no other replica to prefer). 12: flexible; epoch of the last record fetched, diverging epoch
//! (KIP-595). 13: topic ids (KIP-516). 15: replica state (KIP-903). 16: endpoints of a new leader. 17: directory id
//! (KIP-853). 18: high watermark known to a follower (KIP-1166).
//!
//! Waits until `min_bytes` are there, `max_wait_ms` have passed or a partition has an error. The first batch of the
//! answer comes however large it is, so that a client always gets on.

use super::Stop;
use crate::fetch::session::{SessionError, SessionRequest, SessionUse};
use crate::fetch::{Outcome, PartRead, Pending, ReadError, Target, Terms, TopicKey};
use crate::gather::Call;
use crate::metadata::TopicId;
use crate::node::{Node, Step};
use crate::seam::Part;
use rand_core::Rng;
use sordini_wire::error::ErrorCode;
use sordini_wire::message::fetch::{
    EpochEndOffset, FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData,
};
use sordini_wire::primitive::{Records, Uuid};

/// Versions from this one on name topics by id.
const BY_ID: i16 = 13;

/// Serves a request.
pub fn handle(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    request: FetchRequest,
) -> Result<(), Stop> {
    let wait_ms = (request.max_wait_ms.max(0) as u64).min(node.limits.fetch_wait_ms_max);
    let terms = Terms {
        bytes_min: request.min_bytes.max(0) as u64,
        bytes_max: u64::from(node.limits.fetch_bytes_max).min(request.max_bytes.max(0) as u64),
        read_committed: request.isolation_level == 1,
        deadline: step.now.mono.after_ms(wait_ms),
    };
    let by_id = call.version >= BY_ID;
    let session = SessionRequest {
        id: request.session_id,
        epoch: request.session_epoch,
        by_id,
        targets: targets(&request, by_id),
        forgotten: forgotten(&request, by_id),
    };
    let rng = &mut node.rng;
    let opened =
        node.fetches.sessions.open(step.now.mono, session, node.limits.fetch_sessions_max, || {
            (rng.next_u32() >> 1) as i32
        });
    let (session, targets) = match opened {
        Ok(opened) => opened,
        Err(why) => {
            let error_code = match why {
                SessionError::NotFound => ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
                SessionError::Epoch => ErrorCode::INVALID_FETCH_SESSION_EPOCH,
                SessionError::TopicId => ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR,
            };
            let answer = FetchResponse { error_code: error_code.0, ..FetchResponse::default() };
            node.reply(call, &answer);
            return Ok(());
        }
    };
    let reads = Vec::new();
    node.fetch(step, Pending { call, terms, targets, session, reads, outstanding: 0 });
    Ok(())
}

fn key(by_id: bool, name: &sordini_wire::primitive::Str, id: Uuid) -> TopicKey {
    if by_id { TopicKey::Id(TopicId(id.0)) } else { TopicKey::Name(name.detached()) }
}

fn targets(request: &FetchRequest, by_id: bool) -> Vec<Target> {
    let mut targets = Vec::new();
    for topic in &request.topics {
        let key = key(by_id, &topic.topic, topic.topic_id);
        for p in &topic.partitions {
            targets.push(Target {
                topic: key.clone(),
                partition: p.partition,
                offset: p.fetch_offset,
                leader_epoch: p.current_leader_epoch,
                last_fetched_epoch: p.last_fetched_epoch,
                bytes_max: p.partition_max_bytes,
            });
        }
    }
    targets
}

fn forgotten(request: &FetchRequest, by_id: bool) -> Vec<(TopicKey, i32)> {
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let key = key(by_id, &topic.topic, topic.topic_id);
        forgotten.extend(topic.partitions.iter().map(|p| (key.clone(), *p)));
    }
    forgotten
}

/// Shapes the answer of a fetch that has read enough, and sends it.
pub fn answer(node: &mut Node, pending: Pending) {
    let Pending { call, terms, targets, session, reads, .. } = pending;
    let session_id = match session {
        SessionUse::None => 0,
        SessionUse::Full { id } | SessionUse::Incremental { id } => id,
    };
    let mut answer = FetchResponse { session_id, ..FetchResponse::default() };
    let mut files = Vec::new();
    let mut bytes = 0;
    let mut group = None;
    for (target, read) in targets.iter().zip(reads) {
        group = group.max(node.start_group(read.log.map(|(log, _)| log)));
        let data = partition_data(target, read, terms, &mut files, &mut bytes);
        let has_data = data.records.as_ref().is_some_and(|r| !r.is_empty());
        let is_error = data.error_code != 0 || data.diverging_epoch != EpochEndOffset::default();
        let (high_watermark, log_start) = (data.high_watermark, data.log_start_offset);
        let sessions = &mut node.fetches.sessions;
        if sessions.tell(session, target, high_watermark, log_start, has_data, is_error) {
            push(&mut answer, &target.topic, data);
        }
    }
    node.reply_files(group, call, &answer, &files);
}

/// Adds a partition to the answer; those of one topic stay together while they follow each other.
fn push(answer: &mut FetchResponse, topic: &TopicKey, data: PartitionData) {
    let (name, id) = match topic {
        TopicKey::Name(name) => (name.clone(), Uuid::default()),
        TopicKey::Id(id) => (Default::default(), Uuid(id.0)),
    };
    match answer.responses.last_mut() {
        Some(last) if last.topic == name && last.topic_id == id => last.partitions.push(data),
        _ => answer.responses.push(FetchableTopicResponse {
            topic: name,
            topic_id: id,
            partitions: vec![data],
            ..FetchableTopicResponse::default()
        }),
    }
}

fn partition_data(
    target: &Target,
    read: PartRead,
    terms: Terms,
    files: &mut Vec<Part>,
    bytes: &mut u64,
) -> PartitionData {
    let mut data = PartitionData {
        partition_index: target.partition,
        high_watermark: read.high_watermark.wire(),
        last_stable_offset: read.last_stable_offset.wire(),
        log_start_offset: read.log_start.wire(),
        // Reading committed records only, the client wants to know of aborted transactions; there are none.
        aborted_transactions: terms.read_committed.then(Vec::new),
        ..PartitionData::default()
    };
    let mut records = Records::empty();
    match read.outcome {
        Outcome::Empty | Outcome::Locating { .. } => {}
        Outcome::Hot(batches) => {
            for batch in batches {
                *bytes += batch.len() as u64;
                records.push_bytes(batch);
            }
        }
        Outcome::Cold { slice, allowed } => {
            let len = u64::from(slice.len);
            if len <= allowed || *bytes == 0 {
                let (log, generation) = read.log.expect("a file belongs to a log");
                *bytes += len;
                records.push_external(files.len() as u32, slice.len);
                files.push(Part::File { log, generation, slice });
            }
        }
        Outcome::Diverging { epoch, end } => {
            data.diverging_epoch =
                EpochEndOffset { epoch, end_offset: end.wire(), ..EpochEndOffset::default() };
        }
        Outcome::Error(why) => {
            data.error_code = error_code(why).0;
            data.high_watermark = -1;
            data.last_stable_offset = -1;
            data.log_start_offset = -1;
            let unknown = matches!(why, ReadError::UnknownPartition | ReadError::UnknownTopicId);
            data.aborted_transactions = unknown.then(Vec::new);
        }
    }
    data.records = Some(records);
    data
}

/// Kafka's name for it.
pub fn error_code(why: ReadError) -> ErrorCode {
    match why {
        ReadError::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ReadError::UnknownTopicId => ErrorCode::UNKNOWN_TOPIC_ID,
        ReadError::FencedEpoch => ErrorCode::FENCED_LEADER_EPOCH,
        ReadError::UnknownEpoch => ErrorCode::UNKNOWN_LEADER_EPOCH,
        ReadError::OutOfRange => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadError::Storage => ErrorCode::KAFKA_STORAGE_ERROR,
        ReadError::NotLeader => ErrorCode::NOT_LEADER_OR_FOLLOWER,
    }
}
