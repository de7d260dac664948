//! A producer: batches to drawn partitions, up to five in flight.
//!
//! An idempotent one sends again what was not answered, in the order of its sequences. A plain one does so only with
//! `retries`, and may then be the author of duplicates itself; without, what was not answered stays unknown.
//!
//! With `stray`, one in so many batches carries a timestamp that the broker must refuse. An idempotent producer then has a gap in
//! its sequences: what it had in flight behind is refused too (45), must not be accepted, and is sent again with sequences that close
//! the gap once nothing is in flight.
//!
//! With `asides`, one in so many batches is followed, on the same connection, by a question that the broker can answer at once and must not
//! before what it was asked first.
//!
//! With `anew`, an application is started again after about so many batches: once everything that it sent is answered, a process with another
//! producer id goes on.
//!
//! Parameters: `within` ("30s", after which a broker whose disk hangs answers that time is up), `asides` (0), `anew` (0), `stray` (0), `jitter` ("0ms", how far back timestamps lie), `idempotent` (true), `retries` (true), `in_flight` (5), `records` ("1..4" in a batch), `bytes` ("0..100" in a
//! value), `backlog` (64 batches that wait; beyond it operations are not begun).

use super::{Ask, Asked, Desk, Load, Outcome, Row, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::heap::MS;
use crate::ledger::{Part, RecordId};
use crate::scenario::{BadInput, Params};
use bytes::Bytes;
use sordini_wire::batch::{BatchBuilder, HEADER_SIZE};
use sordini_wire::codec::Codec;
use sordini_wire::message::Message;
use sordini_wire::message::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use sordini_wire::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use sordini_wire::primitive::{Reader, Str, Uuid};
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
    stray: u64,
    jitter_ms: u64,
    asides: u64,
    within_ms: i32,
    /// Whether a question is to be asked next.
    aside: bool,
    anew: u64,
    /// Whether another process goes on once everything that was sent is answered.
    leaving: bool,
    producer: Option<(i64, i16)>,
    /// Whether a producer id was asked for.
    asking: bool,
    /// Batches without an answer, in order; the first `in_flight` are sent over this connection.
    batches: VecDeque<Batch>,
    in_flight: usize,
    /// Refused for the gap in front of them, to be sent again when nothing is in flight.
    held: Vec<Batch>,
    sequences: [i32; PARTITIONS_MAX],
    /// Where something was acknowledged under this producer id. Elsewhere a broker takes any first sequence, as Kafka does,
    /// and would not notice a gap.
    known: [bool; PARTITIONS_MAX],
    /// Where nothing was acknowledged yet, what was in flight behind a batch that did not arrive whole was taken as the first: only
    /// another producer id helps.
    overtaken: bool,
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
    /// Whether it was sent before and not answered: that copy may arrive yet, and meet other settings or another clock.
    doubtful: bool,
    /// In flight with a sequence behind a gap: must be refused.
    stale: bool,
}

/// What a record of this load has besides the rest of its value: its number, lengths and times. Far more than there is, so that the
/// few bytes are in it by which a codec makes longer what cannot be compressed.
const RECORD_BYTES_MORE: i64 = 64;

impl Batch {
    /// The longest that it can be in any codec.
    fn bytes_max(&self) -> i64 {
        let record = |len: &u16| i64::from(*len) + RECORD_BYTES_MORE;
        HEADER_SIZE as i64 + self.lens.iter().map(record).sum::<i64>()
    }
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
        stray: params.number("stray", 0..1 << 20)?.unwrap_or(0),
        jitter_ms: params.time("jitter")?.unwrap_or(0) / MS,
        asides: params.number("asides", 0..1 << 20)?.unwrap_or(0),
        within_ms: params.time("within")?.map_or(wire::PRODUCE_MS, |time| (time / MS) as i32),
        aside: false,
        anew: params.number("anew", 0..1 << 20)?.unwrap_or(0),
        leaving: false,
        producer: None,
        asking: false,
        batches: VecDeque::new(),
        in_flight: 0,
        held: Vec::new(),
        sequences: [0; PARTITIONS_MAX],
        known: [false; PARTITIONS_MAX],
        overtaken: false,
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
    let stray = if chance.odds(1, 4) { *chance.pick(&[5, 30]) } else { 0 };
    let jitter = chance.pick(&["0ms", "0ms", "100ms", "20s"]);
    let asides = chance.pick(&[0, 0, 3]);
    let within = chance.pick(&["30s", "30s", "100ms"]);
    let anew = chance.pick(&[0, 0, 0, 3, 30]);
    format!(
        "within = \"{within}\"\nasides = {asides}\nanew = {anew}\nstray = {stray}\njitter = \"{jitter}\"\nidempotent = {idempotent}\nretries = {retries}\nin_flight = {in_flight}\nrecords = \"{records}\"\n\
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
        self.leaving |= self.idempotent && self.anew > 0 && desk.chance.odds(1, self.anew);
        let sequence = self.sequences[partition];
        self.sequences[partition] += count as i32;
        let wall_ms = match self.stray {
            0 => desk.wall_ms - desk.chance.below(self.jitter_ms + 1) as i64,
            n if desk.chance.odds(1, n) && self.known[partition] => desk.wall_ms + STRAY_MS,
            _ => desk.wall_ms - desk.chance.below(self.jitter_ms + 1) as i64,
        };
        ids.iter().for_each(|id| desk.ledger.date(*id, wall_ms, desk.wall_ms));
        let first = ids[0];
        let batch = Batch {
            part,
            first,
            sequence,
            codec,
            wall_ms,
            lens,
            bytes: None,
            doubtful: false,
            stale: false,
        };
        self.batches.push_back(batch);
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        if self.leaving && self.is_answered() {
            self.leaving = false;
            self.begin_anew(desk, 0);
        }
        if self.idempotent && self.producer.is_none() {
            return (!std::mem::replace(&mut self.asking, true)).then(|| ask_producer_id(desk));
        }
        if std::mem::take(&mut self.aside) {
            let version = *desk.chance.pick(&[0, 3, 4]);
            let (name, library) = (Str::of("sim"), Str::of("1"));
            let request = ApiVersionsRequest {
                client_software_name: name,
                client_software_version: library,
                ..Default::default()
            };
            return Some(desk.ask(&request, version, 0));
        }
        if self.in_flight == 0 {
            self.held.drain(..).rev().for_each(|batch| self.batches.push_front(batch));
        }
        let mut waiting = self.batches.iter().skip(self.in_flight);
        let leaves = self.leaving && waiting.all(|batch| batch.bytes.is_none());
        if self.in_flight >= self.in_flight_max || self.is_draining() || leaves {
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
            let bytes = builder.build();
            desk.ledger.weigh(batch.first, bytes.len());
            bytes
        });
        let (name, partition) = (self.topic_name.clone(), batch.part.partition);
        let mut request = wire::produce(name, Uuid::ZERO, partition, bytes.clone());
        request.timeout_ms = self.within_ms;
        self.in_flight += 1;
        self.aside = self.asides > 0 && desk.chance.odds(1, self.asides);
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
            ApiVersionsRequest::API_KEY => {
                let answer: ApiVersionsResponse = wire::decoded(answer, asked.version)?;
                match answer.error_code {
                    0 => Ok(Outcome::Step),
                    code => Err(Failure::new("legal_answers", format!("ApiVersions: {code}"))),
                }
            }
            _ => self.classify_produced(desk, asked, answer),
        }
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        (self.asking, self.aside) = (false, false);
        desk.ledger.tally.unknown += self.in_flight as u64;
        for batch in self.batches.iter_mut().take(self.in_flight) {
            batch.doubtful = true;
        }
        if !self.retries {
            self.batches.drain(..self.in_flight);
        }
        let gap = self.batches.iter().any(|batch| batch.stale);
        let astray = std::mem::take(&mut self.overtaken) || gap;
        let sent = self.held.len() + self.in_flight;
        self.held.drain(..).rev().for_each(|batch| self.batches.push_front(batch));
        if astray {
            self.begin_anew(desk, sent);
        }
        self.in_flight = 0;
    }

    fn is_finished(&self) -> bool {
        self.batches.is_empty() && self.held.is_empty()
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
        let answer = wire::produced(answer, asked.version)?;
        let batch = self.batches.front().expect("answers come in order");
        // What was acknowledged before it was durable may be gone, and with it what is known of the producer.
        let forgotten = (batch.stale || answer.error_code == 45)
            && desk.ledger.may_have_lost(desk.client, batch.part);
        let known = self.known[batch.part.partition as usize] && !forgotten;
        if batch.stale && answer.error_code == 0 && !known {
            // The gap was at the very beginning (a broker's clock had gone back), where any first sequence will do.
            return Ok(Outcome::Unknown(0));
        }
        if batch.stale && answer.error_code == 0 {
            let (part, first, sequence) = (batch.part, batch.first, batch.sequence);
            let what = format!(
                "{first:?} was accepted in {part:?} behind the gap that begins at sequence {sequence}"
            );
            return Err(Failure::new("idempotence", what));
        }
        let sent = desk.ledger.of(batch.first).expect("its own record");
        let (topic, bytes) = (batch.part.topic, i64::from(sent.bytes));
        let within = (sent.sent_ms, desk.wall_ms);
        let may_take = desk.ledger.may_take(topic, bytes, within);
        let may_refuse = desk.ledger.may_refuse(topic, answer.error_code, bytes, within)
            || answer.error_code == 10 && desk.ledger.may_outgrow(topic, batch.bytes_max(), within);
        let ids = (0..batch.lens.len() as u64).map(|n| RecordId(batch.first.0 + n));
        let outcome = match answer.error_code {
            0 if answer.index == batch.part.partition && answer.base_offset >= 0 && may_take => {
                ids.zip(answer.base_offset..).for_each(|(id, at)| desk.ack(asked, id, at));
                let (count, append_ms) = (batch.lens.len() as u64, answer.log_append_time_ms);
                desk.ledger.stamped(batch.first, count, append_ms, desk.wall_ms)?;
                self.known[batch.part.partition as usize] = true;
                Outcome::Success
            }
            // Behind a gap, as it had to be.
            45 if batch.stale => {
                let mut batch = self.batches.pop_front().expect("looked at above");
                batch.stale = false;
                self.held.push(batch);
                self.in_flight -= 1;
                return Ok(Outcome::Step);
            }
            // What was in flight came first; or what a batch that is damaged or gone said of its producer's sequences is gone with it. A
            // new producer id is needed.
            45 if self.idempotent && (!known || desk.ledger.has_damage(batch.part)) => {
                self.overtaken = true;
                return Ok(Outcome::Unknown(45));
            }
            // Damaged on its way, not leader, timed out, storage error: trying again is harmless to who may try again.
            code @ (2 | 6 | 7 | 56) => return Ok(Outcome::Unknown(code)),
            // Too large, bad timestamp, bad record, or the topic is not there: never appended.
            code @ (3 | 10 | 32 | 87) if may_refuse => {
                // What refuses this copy says nothing of an earlier one: not even a stray timestamp matters to a topic that
                // dates records itself by the time that one arrives.
                if !batch.doubtful {
                    ids.for_each(|id| desk.ledger.refuse(id));
                } else if self.idempotent {
                    // The sequence may or may not have a gap there: only another producer id is sure.
                    ids.for_each(|id| desk.ledger.may_repeat(id));
                    self.batches.pop_front();
                    self.in_flight -= 1;
                    self.overtaken = true;
                    return Ok(Outcome::Unknown(code));
                }
                Outcome::Refused(code)
            }
            code => {
                let (client, first) = (desk.client, batch.first);
                let what = format!(
                    "client {client} was answered {code} for {first:?}, {bytes} bytes, in {:?}: {answer:?}",
                    batch.part
                );
                return Err(Failure::new("legal_answers", what));
            }
        };
        let batch = self.batches.pop_front().expect("looked at above");
        self.in_flight -= 1;
        let known = self.known[batch.part.partition as usize];
        if self.idempotent && known && matches!(outcome, Outcome::Refused(_)) {
            self.close_gap(&batch);
        }
        Ok(outcome)
    }

    /// A batch will never be there: those behind it move up.
    fn close_gap(&mut self, gone: &Batch) {
        let count = gone.lens.len() as i32;
        self.sequences[gone.part.partition as usize] -= count;
        for (n, batch) in self.batches.iter_mut().enumerate() {
            if batch.part == gone.part {
                batch.sequence -= count;
                batch.stale = n < self.in_flight;
                batch.bytes = None;
            }
        }
    }

    /// Whether nothing was sent that has no answer.
    fn is_answered(&self) -> bool {
        self.in_flight == 0
            && self.held.is_empty()
            && self.batches.iter().all(|batch| batch.bytes.is_none())
    }

    /// Whether nothing may be sent until everything in flight is answered.
    fn is_draining(&self) -> bool {
        !self.held.is_empty() || self.batches.iter().take(self.in_flight).any(|b| b.stale)
    }

    /// The connection broke while sequences with a gap were in flight: what of them arrives when, nobody knows. So a new producer id
    /// is asked for, and what was sent before and is sent again may be there twice.
    fn begin_anew(&mut self, desk: &mut Desk<'_>, sent: usize) {
        self.producer = None;
        (self.sequences, self.known) = ([0; PARTITIONS_MAX], [false; PARTITIONS_MAX]);
        for (n, batch) in self.batches.iter_mut().enumerate() {
            if n < sent || batch.bytes.is_some() {
                let ids = (0..batch.lens.len() as u64).map(|n| RecordId(batch.first.0 + n));
                ids.for_each(|id| desk.ledger.may_repeat(id));
            }
            if batch.wall_ms > desk.wall_ms {
                batch.wall_ms = desk.wall_ms;
                let ids = (0..batch.lens.len() as u64).map(|n| RecordId(batch.first.0 + n));
                ids.for_each(|id| desk.ledger.date(id, desk.wall_ms, desk.wall_ms));
            }
            let next = &mut self.sequences[batch.part.partition as usize];
            batch.sequence = *next;
            *next += batch.lens.len() as i32;
            (batch.stale, batch.bytes) = (false, None);
        }
    }
}

/// How far ahead a stray timestamp is: beyond `message.timestamp.after.max.ms`, whatever a broker's clock shows. A topic that dates
/// records itself takes it all the same.
const STRAY_MS: i64 = 1000 * 24 * 3_600_000;

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
    let version = *desk.chance.pick(&[0, 2, 4]);
    desk.ask(&wire::producer_id(), version, 0)
}
