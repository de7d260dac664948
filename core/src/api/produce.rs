//! Produce (key 0, versions 3-13): record batches to be appended.
//!
//! 5: log start offset (KIP-107). 7: zstd (KIP-110). 8: which records are to blame (KIP-467). 9: flexible. 10: the
//! leader, when the wrong broker was asked (KIP-951). 12: the broker adds partitions to transactions itself (KIP-890). 13: topic ids (KIP-516).
//!
//! acks -1 and 1 are answered once the batches are durable on a quorum (at once on topics with `flush=relaxed`, and then a crash may take them);
//! 0 is not answered, and an error then closes the connection.
//! One batch per partition. A partition that is named twice gets the batch that was named last, and one answer.
//! A disk that hangs: REQUEST_TIMED_OUT after the request's own time; the batches may become durable later.
//! Refused: transactional batches (there is no transaction coordinator), and everything while the disk is full
//! (KAFKA_STORAGE_ERROR, with the cause and the remedy in words).

use super::Stop;
use crate::gather::{Call, Gather, PartDone, PartOp};
use crate::metadata::TopicId;
use crate::node::parts::TopicRef;
use crate::node::{Node, Step};
use crate::partition::produce::Refusal;
use crate::seam::{Body, Part};
use sordini_log::Room;
use sordini_reach::Reach;
use sordini_wire::batch::BatchError;
use sordini_wire::batch::validate::from_client;
use sordini_wire::error::ErrorCode;
use sordini_wire::message::Message;
use sordini_wire::message::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
    ProduceResponse, TopicProduceResponse,
};
use sordini_wire::primitive::{Reader, Str, Uuid};
use std::collections::BTreeMap;

/// Versions from this one on name topics by id.
const BY_ID: i16 = 13;

/// Bytes that a record of Kafka's first formats takes at least: a batch that claims less is told so.
const RECORD_OVERHEAD_MIN: i32 = 14;

/// Least time that a request has, ms: where Kafka answers out of the page cache at once, a sync takes its time.
const TIMEOUT_MS_MIN: u64 = 100;

/// What a producer is told while the disk is full.
const DISK_FULL: &str = "the broker's disk is nearly full: records are refused until space is freed; \
     delete topics, lower their retention, or enlarge the file system";

/// Length and correlation id in front of an answer.
const FRAME_HEAD_BYTES: usize = 8;

/// A partition's place in the answer.
#[derive(Clone, Debug)]
struct Place {
    name: Str,
    id: Uuid,
    index: i32,
    data: PartitionProduceData,
}

/// Serves a request.
pub fn handle(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    request: ProduceRequest,
) -> Result<(), Stop> {
    let timeout_ms = request.timeout_ms.max(0) as u64;
    let room = node.room();
    if room == Room::Full && step.stalled_ms < timeout_ms {
        return Err(Stop::Stall);
    }
    let refused = match (request.acks, room) {
        (-1..=1, Room::Free) => None,
        (-1..=1, Room::Full) => Some(ErrorCode::REQUEST_TIMED_OUT),
        (-1..=1, Room::ReadOnly) => Some(ErrorCode::KAFKA_STORAGE_ERROR),
        _ => Some(ErrorCode::INVALID_REQUIRED_ACKS),
    };
    node.storage.reached.mark_if(Reach::WriteRefused, room == Room::ReadOnly);
    let (acks, transactional_id) = (request.acks, request.transactional_id.clone());
    let places = places(request, call.version);
    let mut gather = Gather::new(call, places.len());
    let mut names = Vec::with_capacity(places.len());
    for (slot, place) in places.into_iter().enumerate() {
        let Place { name, id, index, data } = place;
        let topic = match call.version >= BY_ID {
            true => TopicRef::Id(TopicId(id.0)),
            false => TopicRef::Name(&name),
        };
        let mut answer = match refused {
            Some(ErrorCode::KAFKA_STORAGE_ERROR) => disk_full(),
            Some(code) => failed(code),
            None => produce(node, step, call, &topic, data, transactional_id.is_some()),
        };
        answer.0.index = index;
        gather.fill(slot, answer.0, answer.1);
        names.push((name, id));
    }
    let (answers, group) = gather.finish();
    if acks == 0 {
        return match answers.iter().find(|a| a.error_code != 0) {
            None => {
                node.park(None, call, None);
                Ok(())
            }
            Some(bad) => {
                let why = format!(
                    "partition {} was refused with error {} and acks=0 has no other way to tell",
                    bad.index, bad.error_code
                );
                Err(Stop::Close(why))
            }
        };
    }
    // What the request waited for room counts.
    let left_ms = timeout_ms.saturating_sub(step.stalled_ms).max(TIMEOUT_MS_MIN);
    node.reply_until(group, step.now.mono.after_ms(left_ms), call, &shape(names, answers));
    Ok(())
}

/// The answer of a request whose time is up before its batches were durable: that of all partitions which took
/// theirs. They may become durable yet (Kafka's DelayedProduce says the same).
pub fn timed_out(call: Call, body: Body) -> Body {
    let [Part::Memory(frame)] = &body.parts[..] else {
        unreachable!("the answer to a Produce is one piece of memory");
    };
    let flexible = ProduceResponse::FLEXIBLE <= call.version;
    let mut reader = Reader::new(frame.slice(FRAME_HEAD_BYTES + usize::from(flexible)..));
    let mut answer = ProduceResponse::decode(&mut reader, call.version).expect("our own answer");
    for partition in answer.responses.iter_mut().flat_map(|t| &mut t.partition_responses) {
        if partition.error_code == 0 {
            partition.error_code = ErrorCode::REQUEST_TIMED_OUT.0;
        }
    }
    super::encode(call, &answer, &[])
}

/// Flattens the request. A partition that is named again replaces what was said of it before, in its old place.
fn places(request: ProduceRequest, version: i16) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let several = request.topic_data.len() > 1
        || request.topic_data.first().is_some_and(|t| t.partition_data.len() > 1);
    let mut known: BTreeMap<(Uuid, Str, i32), usize> = BTreeMap::new();
    for topic in request.topic_data {
        for data in topic.partition_data {
            let index = data.index;
            let place = Place { name: topic.name.clone(), id: topic.topic_id, index, data };
            if several {
                let name = if version >= BY_ID { Str::default() } else { topic.name.clone() };
                let at = *known.entry((topic.topic_id, name, index)).or_insert(places.len());
                if at < places.len() {
                    places[at] = place;
                    continue;
                }
            }
            places.push(place);
        }
    }
    places
}

type Answer = (PartitionProduceResponse, Option<sordini_log::GroupSeq>);

/// An error that was found before the log was looked at.
fn failed(code: ErrorCode) -> Answer {
    let answer = PartitionProduceResponse {
        error_code: code.0,
        base_offset: -1,
        ..PartitionProduceResponse::default()
    };
    (answer, None)
}

/// The records are not to blame, and none is named.
fn disk_full() -> Answer {
    let mut answer = failed(ErrorCode::KAFKA_STORAGE_ERROR);
    answer.0.error_message = Some(Str::of(DISK_FULL));
    answer
}

/// Appends to one partition.
fn produce(
    node: &mut Node,
    step: &mut Step<'_>,
    call: Call,
    topic: &TopicRef<'_>,
    data: PartitionProduceData,
    has_transactional_id: bool,
) -> Answer {
    let records = data.records.and_then(|r| r.contiguous()).unwrap_or_default();
    let batch = match from_client(records, call.version) {
        Ok(batch) => batch,
        Err(why) => return with_message(failed(batch_error_code(&why)), &Refusal::Batch(why)),
    };
    if batch.attributes().transactional() {
        // Without a transactional id Kafka's authorizer refuses; with one, only a coordinator could have begun the transaction.
        return failed(match has_transactional_id {
            false => ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            true => ErrorCode::INVALID_TXN_STATE,
        });
    }
    let Some(log) = node.log_of(topic, data.index) else {
        let known_id =
            matches!(topic, TopicRef::Id(id) if node.metadata.topic_by_id(*id).is_none());
        return failed(match known_id {
            true => ErrorCode::UNKNOWN_TOPIC_ID,
            false => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        });
    };
    match node.run(step, PartOp::Append { log, batch }) {
        PartDone::Appended { done, log_start } => {
            let answer = PartitionProduceResponse {
                base_offset: done.base.wire(),
                log_append_time_ms: done.append_time,
                log_start_offset: log_start.wire(),
                ..PartitionProduceResponse::default()
            };
            (answer, done.wait)
        }
        PartDone::Refused { why, log_start } => {
            let mut answer = failed(refusal_code(&why));
            if !matches!(why, Refusal::Batch(BatchError::TooLarge { .. })) {
                answer.0.log_start_offset = log_start.wire();
            }
            answer.0.record_errors = record_errors(&why);
            with_message(answer, &why)
        }
        PartDone::Trimmed { .. } | PartDone::OutOfRange => unreachable!("not what was asked"),
    }
}

/// Says why where Kafka does: a client takes a message for the sign that single records are to blame.
fn with_message(mut answer: Answer, why: &Refusal) -> Answer {
    let told = match why {
        Refusal::Records { .. } | Refusal::Batch(BatchError::MagicUnknown(_)) => true,
        Refusal::Batch(BatchError::Length(length)) => *length < RECORD_OVERHEAD_MIN,
        _ => false,
    };
    answer.0.error_message = told.then(|| why.to_string().into());
    answer
}

/// The records to blame, if the header tells.
fn record_errors(why: &Refusal) -> Vec<BatchIndexAndErrorMessage> {
    match why {
        Refusal::Records { bad, .. } => bad
            .iter()
            .map(|(index, message)| BatchIndexAndErrorMessage {
                batch_index: *index,
                batch_index_error_message: Some(message.clone().into()),
                ..BatchIndexAndErrorMessage::default()
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn refusal_code(why: &Refusal) -> ErrorCode {
    match why {
        Refusal::Batch(why) => batch_error_code(why),
        Refusal::Records { timestamp: true, .. } => ErrorCode::INVALID_TIMESTAMP,
        Refusal::Records { timestamp: false, .. } => ErrorCode::INVALID_RECORD,
        Refusal::Payload => ErrorCode::UNKNOWN_SERVER_ERROR,
        Refusal::Unreadable(_) => ErrorCode::INVALID_RECORD,
        Refusal::OutOfOrder { .. } => ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
        Refusal::Fenced { .. } => ErrorCode::INVALID_PRODUCER_EPOCH,
    }
}

/// Kafka's name for what is wrong with a batch.
fn batch_error_code(why: &BatchError) -> ErrorCode {
    match why {
        BatchError::Empty
        | BatchError::Partial { .. }
        | BatchError::MoreThanOne { .. }
        | BatchError::MagicLegacy(_)
        | BatchError::BaseOffset(_)
        | BatchError::Count { .. }
        | BatchError::Crowded { .. }
        | BatchError::Control
        | BatchError::Sequence { .. }
        | BatchError::TransactionalWithoutProducer => ErrorCode::INVALID_RECORD,
        BatchError::Length(_) | BatchError::MagicUnknown(_) | BatchError::Crc { .. } => {
            ErrorCode::CORRUPT_MESSAGE
        }
        BatchError::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
        BatchError::Codec(_) | BatchError::ZstdTooEarly(_) => {
            ErrorCode::UNSUPPORTED_COMPRESSION_TYPE
        }
        BatchError::AppendTimeFromClient | BatchError::Timestamp { .. } => {
            ErrorCode::INVALID_TIMESTAMP
        }
    }
}

/// Puts the partitions of a topic together again.
fn shape(names: Vec<(Str, Uuid)>, answers: Vec<PartitionProduceResponse>) -> ProduceResponse {
    let mut responses: Vec<TopicProduceResponse> = Vec::new();
    for ((name, topic_id), answer) in names.into_iter().zip(answers) {
        let same = |t: &&mut TopicProduceResponse| t.name == name && t.topic_id == topic_id;
        match responses.last_mut().filter(same) {
            Some(topic) => topic.partition_responses.push(answer),
            None => responses.push(TopicProduceResponse {
                topic_id,
                name,
                partition_responses: vec![answer],
                ..TopicProduceResponse::default()
            }),
        }
    }
    ProduceResponse { responses, ..ProduceResponse::default() }
}
