//! Requests as they go over the wire, and answers as they come back.

use super::Asked;
use crate::codec;
use crate::failure::Failure;
use crate::ledger::{Part, RecordId, View};
use bytes::{Bytes, BytesMut};
use sordini_wire::api::{ApiKey, request_header_version, response_header_version};
use sordini_wire::batch::{Batch, RecordView, split};
use sordini_wire::message::Message;
use sordini_wire::message::create_topics::{CreatableTopic, CreateTopicsRequest};
use sordini_wire::message::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use sordini_wire::message::header::{RequestHeader, ResponseHeader};
use sordini_wire::message::init_producer_id::InitProducerIdRequest;
use sordini_wire::message::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use sordini_wire::message::metadata::{MetadataRequest, MetadataRequestTopic};
use sordini_wire::message::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceData,
};
use sordini_wire::primitive::{Part as Piece, Reader, Records, Str, Uuid, Writer};

const RECORD_BYTES_MAX: usize = 1 << 20;

/// A request as it goes over the wire, its length in front.
pub fn framed<M: Message>(request: &M, version: i16, correlation: i32) -> BytesMut {
    let header = RequestHeader {
        request_api_key: M::API_KEY,
        request_api_version: version,
        correlation_id: correlation,
        client_id: Some(Str::of("sim")),
        ..Default::default()
    };
    let header_version =
        request_header_version(ApiKey(M::API_KEY), version).expect("an API we know");
    let mut writer = Writer::frame();
    header.encode(&mut writer, header_version);
    request.encode(&mut writer, version);
    let mut frame = BytesMut::with_capacity(writer.len());
    for part in writer.finish() {
        match part {
            Piece::Bytes(bytes) => frame.extend_from_slice(&bytes),
            Piece::External { token, .. } => panic!("a request holds no external part {token}"),
        }
    }
    frame
}

/// The body of a response frame, once the independent codec has read all of it.
pub fn opened(frame: Bytes, asked: &Asked) -> Result<Reader, Failure> {
    let Asked { key, version, correlation, .. } = *asked;
    codec::check(&frame, key, version, correlation)
        .map_err(|e| Failure::new("wire", format!("{asked:?}: {e}")))?;
    let mut reader = Reader::new(frame);
    let header_version = response_header_version(ApiKey(key), version).expect("an API we know");
    decoded::<ResponseHeader>(&mut reader, header_version)?;
    Ok(reader)
}

/// A message out of an answer's body.
pub fn decoded<M: Message>(body: &mut Reader, version: i16) -> Result<M, Failure> {
    M::decode(body, version).map_err(|e| Failure::new("wire", e.to_string()))
}

/// A fetch of one partition.
pub fn fetch(
    topic: &str,
    partition: i32,
    offset: i64,
    bytes_max: i32,
    wait_ms: i32,
) -> FetchRequest {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: bytes_max,
        ..Default::default()
    };
    let topic =
        FetchTopic { topic: Str::from(topic), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_wait_ms: wait_ms, min_bytes: 1, topics: vec![topic], ..Default::default() }
}

/// A wish for a topic.
pub fn create_topic(name: &str, partitions: i32, timeout_ms: i32) -> CreateTopicsRequest {
    let topic = CreatableTopic {
        name: Str::from(name),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    CreateTopicsRequest { topics: vec![topic], timeout_ms, ..Default::default() }
}

/// A question for one topic.
pub fn describe_topic(name: &str, creates: bool) -> MetadataRequest {
    let topic = MetadataRequestTopic { name: Some(Str::from(name)), ..Default::default() };
    MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: creates,
        ..Default::default()
    }
}

/// How long a broker may take over a batch, ms, if nobody says otherwise.
pub const PRODUCE_MS: i32 = 30_000;

/// A batch for one partition of a topic, which is named, or known by its id.
pub fn produce(name: Str, id: Uuid, partition: i32, batch: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData {
        index: partition,
        records: Some(Records::from(batch)),
        ..Default::default()
    };
    let topic = TopicProduceData {
        name,
        topic_id: id,
        partition_data: vec![partition],
        ..Default::default()
    };
    let topic_data = vec![topic];
    ProduceRequest { acks: -1, timeout_ms: PRODUCE_MS, topic_data, ..Default::default() }
}

/// What a produce of one batch was answered.
pub fn produced(body: &mut Reader, version: i16) -> Result<PartitionProduceResponse, Failure> {
    let answer: ProduceResponse = decoded(body, version)?;
    let answer = answer.responses.into_iter().next();
    let answer = answer.and_then(|topic| topic.partition_responses.into_iter().next());
    answer.ok_or_else(|| Failure::new("wire", "a produce answer without partition"))
}

/// A question for a producer id.
pub fn producer_id() -> InitProducerIdRequest {
    InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 60_000,
        ..Default::default()
    }
}

/// A question for one partition's offset at a time, or at one of Kafka's special ones.
pub fn list_offsets(topic: &str, partition: i32, timestamp: i64) -> ListOffsetsRequest {
    let partition =
        ListOffsetsPartition { partition_index: partition, timestamp, ..Default::default() };
    let topic = ListOffsetsTopic {
        name: Str::from(topic),
        partitions: vec![partition],
        ..Default::default()
    };
    ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }
}

/// Tells what the records of a batch are known by.
pub type Names = fn(&Batch, &mut Vec<(i64, RecordId)>) -> Result<(), String>;

/// What a fetch of one partition brought, or Kafka's code if the broker refused.
pub fn fetched(body: &mut Reader, version: i16, part: Part) -> Result<Result<View, i16>, Failure> {
    fetched_by(body, version, part, by_value)
}

/// The same with other names for records.
pub fn fetched_by(
    body: &mut Reader,
    version: i16,
    part: Part,
    names: Names,
) -> Result<Result<View, i16>, Failure> {
    let answer: FetchResponse = decoded(body, version)?;
    if answer.error_code != 0 {
        return Ok(Err(answer.error_code));
    }
    let partition = answer.responses.first().and_then(|t| t.partitions.first());
    let partition = partition.ok_or_else(|| Failure::new("wire", "a fetch without partition"))?;
    if partition.error_code != 0 {
        return Ok(Err(partition.error_code));
    }
    let mut view = View {
        start: partition.log_start_offset.max(0),
        end: partition.high_watermark,
        ..View::default()
    };
    let wrong = |what: String| Failure::new("served_bytes", format!("{part:?}: {what}"));
    let bytes = partition.records.as_ref().and_then(Records::contiguous).unwrap_or_default();
    if bytes.is_empty() {
        return Ok(Ok(view));
    }
    for batch in split(bytes.clone()).map_err(|e| wrong(e.to_string()))? {
        batch.check_crc().map_err(|e| wrong(e.to_string()))?;
        names(&batch, &mut view.records).map_err(wrong)?;
    }
    Ok(Ok(view))
}

/// Records that clients of a run sent say in their values which they are.
pub fn by_value(batch: &Batch, into: &mut Vec<(i64, RecordId)>) -> Result<(), String> {
    let mut add = |offset: i64, value: Option<&[u8]>| {
        let id = value.and_then(RecordId::of);
        into.push((offset, id.ok_or_else(|| format!("offset {offset} holds a value of nobody"))?));
        Ok(())
    };
    match batch.view().records_plain() {
        Some(records) => records.into_iter().try_for_each(|record| {
            let RecordView { offset, value, .. } = record.map_err(|e| e.to_string())?;
            add(offset, value)
        }),
        None => {
            let records = batch.records(RECORD_BYTES_MAX).map_err(|e| e.to_string())?;
            records.into_iter().try_for_each(|record| {
                let record = record.map_err(|e| e.to_string())?;
                add(record.offset, record.value.as_deref())
            })
        }
    }
}

/// Of anybody else's records it is enough that they are the same: each is known by the checksum of its batch.
pub fn by_checksum(batch: &Batch, into: &mut Vec<(i64, RecordId)>) -> Result<(), String> {
    let header = batch.header();
    let name = RecordId(u64::from(header.crc()));
    into.extend((header.base_offset()..batch.next_offset()).map(|offset| (offset, name)));
    Ok(())
}
