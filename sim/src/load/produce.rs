//! A producer: batches to drawn partitions, up to five in flight.
//!
//! An idempotent one sends again what was not answered, in the order of its sequences. A plain one does so only with
//! `retries`, and may then be the author of duplicates itself; without, what was not answered stays unknown.
//!
//! Parameters: `idempotent` (true), `retries` (true), `in_flight` (5), `records` ("1..4" in a batch), `bytes` ("0..100" in a
//! value), `backlog` (64 batches that wait; beyond it operations are not begun).

use super::{Ask, Asked, Desk, Load, Outcome, Row, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::ledger::{Part, RecordId};
use crate::scenario::{BadInput, Params};
use bytes::Bytes;
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::Message;
use sordini_wire::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use sordini_wire::message::produce::{
    PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData,
};
use sordini_wire::primitive::{Reader, Records, Str};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "produce",
    about: "a producer, idempotent or plain, with pipelining and retries; acks=all",
    make,
    draw,
};

/// How many partitions of a topic a producer writes to.
const PARTITIONS_MAX: usize = 16;

#[derive(Clone, Debug)]
struct Produce {
    idempotent: bool,
    retries: bool,
    in_flight_max: usize,
    backlog_max: usize,
    records: Range<u64>,
    value_bytes: Range<u64>,
    producer: Option<(i64, i16)>,
    /// Whether a producer id was asked for.
    asking: bool,
    /// Batches without an answer, in order; the first `in_flight` are sent over this connection.
    batches: VecDeque<Batch>,
    in_flight: usize,
    sequences: [i32; PARTITIONS_MAX],
    topic_name: Str,
    /// Memory for values.
    value: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Batch {
    part: Part,
    first: RecordId,
    sequence: i32,
    codec: Codec,
    wall_ms: i64,
    /// Lengths of the values beyond their numbers.
    lens: Vec<u16>,
    /// As it was sent first.
    bytes: Option<Bytes>,
}

fn make(params: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    let idempotent = params.flag("idempotent")?.unwrap_or(true);
    Ok(Arc::new(Produce {
        idempotent,
        retries: params.flag("retries")?.unwrap_or(true),
        in_flight_max: params.number("in_flight", 1..6)?.unwrap_or(5) as usize,
        backlog_max: params.number("backlog", 1..10_000)?.unwrap_or(64) as usize,
        records: params.count_range("records")?.unwrap_or(1..4),
        value_bytes: params.count_range("bytes")?.unwrap_or(0..100),
        producer: None,
        asking: false,
        batches: VecDeque::new(),
        in_flight: 0,
        sequences: [0; PARTITIONS_MAX],
        topic_name: Str::EMPTY,
        value: Vec::new(),
    }))
}

fn draw(chance: &mut Chance) -> String {
    let idempotent = chance.odds(3, 4);
    let retries = idempotent || chance.odds(1, 2);
    let in_flight = *chance.pick(&[1, 2, 5, 5]);
    let records = *chance.pick(&["1..2", "1..4", "1..4", "1..20"]);
    let bytes = *chance.pick(&["0..50", "0..100", "0..2000", "900..1100"]);
    format!(
        "idempotent = {idempotent}\nretries = {retries}\nin_flight = {in_flight}\nrecords = \"{records}\"\n\
         bytes = \"{bytes}\"\n"
    )
}

impl Load for Produce {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if self.batches.len() >= self.backlog_max {
            return;
        }
        let topic = &desk.ledger.topics[usize::from(desk.topic.0)];
        let partitions = (topic.partitions as usize).min(PARTITIONS_MAX);
        if *self.topic_name != *topic.name {
            self.topic_name = Str::from(topic.name.as_str());
        }
        let partition = desk.chance.index(partitions);
        let part = Part { topic: desk.topic, partition: partition as i32 };
        let codec = *desk.chance.pick(&CODECS);
        let count = desk.chance.within(self.records.clone()).max(1);
        let lens = (0..count).map(|_| desk.chance.within(self.value_bytes.clone()) as u16);
        let lens: Vec<u16> = lens.collect();
        let ids: Vec<RecordId> =
            lens.iter().map(|_| desk.ledger.send(desk.client, part, self.idempotent)).collect();
        desk.ledger.tally.begun += 1;
        let sequence = self.sequences[partition];
        self.sequences[partition] += count as i32;
        let wall_ms = desk.wall_ms;
        let batch = Batch { part, first: ids[0], sequence, codec, wall_ms, lens, bytes: None };
        self.batches.push_back(batch);
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        if self.idempotent && self.producer.is_none() {
            return (!std::mem::replace(&mut self.asking, true)).then(|| ask_producer_id(desk));
        }
        if self.in_flight >= self.in_flight_max {
            return None;
        }
        let (producer, idempotent) = (self.producer, self.idempotent);
        let batch = self.batches.get_mut(self.in_flight)?;
        let value = &mut self.value;
        let bytes = batch.bytes.get_or_insert_with(|| {
            let ids = (0..).map(|n| RecordId(batch.first.0 + n));
            let mut builder = BatchBuilder::new(batch.codec);
            if let Some((id, epoch)) = producer.filter(|_| idempotent) {
                builder = builder.producer(id, epoch, batch.sequence);
            }
            for (id, len) in ids.zip(&batch.lens) {
                value.clear();
                id.value(usize::from(*len), value);
                builder.push(batch.wall_ms, None, Some(value), &[]);
            }
            builder.build()
        });
        let partition_data = PartitionProduceData {
            index: batch.part.partition,
            records: Some(Records::from(bytes.clone())),
            ..Default::default()
        };
        let topic = TopicProduceData {
            name: self.topic_name.clone(),
            partition_data: vec![partition_data],
            ..Default::default()
        };
        let request = ProduceRequest {
            transactional_id: None,
            acks: -1,
            timeout_ms: 30_000,
            topic_data: vec![topic],
            ..Default::default()
        };
        self.in_flight += 1;
        let version = *desk.chance.pick(&[3, 7, 9, 12]);
        Some(desk.ask(&request, version, 0))
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        match asked.key {
            InitProducerIdRequest::API_KEY => self.classify_producer_id(desk, asked, answer),
            _ => self.classify_produced(desk, asked, answer),
        }
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        self.asking = false;
        desk.ledger.tally.unknown += self.in_flight as u64;
        if !self.retries {
            self.batches.drain(..self.in_flight);
        }
        self.in_flight = 0;
    }

    fn is_finished(&self) -> bool {
        self.batches.is_empty()
    }
}

impl Produce {
    fn classify_producer_id(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        self.asking = false;
        let answer: InitProducerIdResponse = wire::decoded(answer, asked.version)?;
        if answer.error_code != 0 {
            return Ok(Outcome::Unknown(answer.error_code));
        }
        desk.ledger.producer(desk.topic, answer.producer_id, desk.client)?;
        self.producer = Some((answer.producer_id, answer.producer_epoch));
        Ok(Outcome::Step)
    }

    fn classify_produced(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let answer: ProduceResponse = wire::decoded(answer, asked.version)?;
        let answer = answer.responses.first().and_then(|t| t.partition_responses.first());
        let answer =
            answer.ok_or_else(|| Failure::new("wire", "a produce answer without partition"))?;
        let batch = self.batches.front().expect("answers come in order");
        let ids = (0..batch.lens.len() as u64).map(|n| RecordId(batch.first.0 + n));
        let outcome = match answer.error_code {
            0 if answer.index == batch.part.partition && answer.base_offset >= 0 => {
                ids.zip(answer.base_offset..).for_each(|(id, at)| desk.ledger.ack(id, at));
                Outcome::Success
            }
            // Not leader, timed out, storage error: trying again is harmless to who may try again.
            code @ (6 | 7 | 56) => return Ok(Outcome::Unknown(code)),
            // Too large, bad timestamp, bad record, or the topic is not there: never appended.
            code @ (3 | 10 | 32 | 87) => {
                ids.for_each(|id| desk.ledger.refuse(id));
                Outcome::Refused(code)
            }
            code => {
                let (client, first) = (desk.client, batch.first);
                let what = format!(
                    "client {client} was answered {code} for {first:?} in {:?}: {answer:?}",
                    batch.part
                );
                return Err(Failure::new("legal_answers", what));
            }
        };
        self.batches.pop_front();
        self.in_flight -= 1;
        Ok(outcome)
    }
}

/// Codecs of batches: most are not compressed, as most clients are configured.
const CODECS: [Codec; 8] = [
    Codec::None,
    Codec::None,
    Codec::None,
    Codec::None,
    Codec::None,
    Codec::None,
    Codec::None,
    Codec::Lz4,
];

fn ask_producer_id(desk: &mut Desk<'_>) -> Ask {
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: 60_000,
        ..Default::default()
    };
    let version = *desk.chance.pick(&[0, 2, 4]);
    desk.ask(&request, version, 0)
}
