//! Looks inside a producer's batch on the broker's behalf.
//!
//! Kafka opens every batch that it appends. We do so only where the topic's rules speak of single
//! records: a compacted topic refuses null keys, bounds on timestamps are told per record. The
//! price is a pass over the records, some 15 to 20 ns for each, and for a compressed batch its
//! decompression into a buffer of its decompressed size, at most the cap: 0.3 to 3 GB/s by codec.
//! A batch that promises more than the cap is refused and costs the cap.

use crate::codec::Codec;

use super::validate::TimestampRule;
use super::varint;
use super::{Batch, BatchView, RecordProblem, RecordsError};

/// Counts the records of an uncompressed batch by their lengths, without reading them: as many as
/// the header says, and nothing behind them. Some 7 ns for each record; compressed batches pass
/// unseen. Who acknowledges a batch with a wrong count leaves a stone in the consumers' way: Java's
/// stops there. Kafka answers INVALID_RECORD (87).
pub fn check_lengths(batch: &BatchView<'_>) -> Result<(), RecordsError> {
    if batch.attributes().codec()? != Codec::None {
        return Ok(());
    }
    let (payload, said) = (batch.payload(), batch.records_count());
    let mut rest = payload;
    for index in 0..said.max(0) as u32 {
        let at = payload.len() - rest.len();
        let problem = match skip(&mut rest, said) {
            Ok(()) => continue,
            Err(problem) => problem,
        };
        return Err(RecordsError::Record { index, at, problem });
    }
    match rest.len() {
        0 => Ok(()),
        bytes => Err(RecordsError::Record {
            index: said.max(0) as u32,
            at: payload.len() - bytes,
            problem: RecordProblem::Surplus { said, bytes },
        }),
    }
}

/// Moves over one record.
#[inline]
fn skip(rest: &mut &[u8], said: i32) -> Result<(), RecordProblem> {
    if rest.is_empty() {
        return Err(RecordProblem::Missing { said });
    }
    let length = varint::read_i32(rest).ok_or(RecordProblem::Field("length"))?;
    let available = rest.len();
    match usize::try_from(length).ok().and_then(|length| rest.get(length..)) {
        Some(behind) => *rest = behind,
        None => return Err(RecordProblem::Length { said: length, available }),
    }
    Ok(())
}

/// What the topic wants of single records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRules {
    /// `cleanup.policy` has `compact`: every record needs a key.
    pub keys_required: bool,
    /// `message.timestamp.type` and its bounds.
    pub timestamps: TimestampRule,
    /// Cap on the decompressed records, bytes.
    pub bytes_max: usize,
}

/// What was found in a batch that can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The records that break a rule, in their order; none means that the batch may be appended.
    /// If any is [`Refusal::Timestamp`] Kafka answers INVALID_TIMESTAMP (32), else INVALID_RECORD
    /// (87), and lists them as `recordErrors`.
    pub refused: Vec<Refused>,
    /// The latest timestamp of a record, ms. Kafka writes it into the header if that says
    /// otherwise.
    pub max_timestamp: i64,
}

/// A record that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which record of the batch, from 0 (`batchIndex`).
    pub index: u32,
    /// The rule.
    pub why: Refusal,
}

/// A rule about single records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A compacted topic needs a key.
    NullKey,
    /// The record's time (ms) is out of bounds.
    Timestamp(i64),
}

/// Opens the batch and holds every record against the rules. Errors mean that it cannot be read,
/// or that its offsets do not count up from 0: INVALID_RECORD (87), but for bytes that the codec
/// refuses, where Kafka fails with UNKNOWN_SERVER_ERROR (-1) and CORRUPT_MESSAGE (2) is meant.
/// (Kafka lets wrong offsets of an uncompressed batch pass, and serves them.)
pub fn validate_records(batch: &Batch, rules: &RecordRules) -> Result<Looked, RecordsError> {
    let mut looked = Looked { refused: Vec::new(), max_timestamp: super::NO_TIMESTAMP };
    let records = batch.records(rules.bytes_max)?;
    let mut views = records.views();
    for expected in 0u32.. {
        let at = views.position();
        let Some(record) = views.next() else { break };
        let record = record?;
        if i64::from(record.offset_delta) != i64::from(expected) {
            let problem = RecordProblem::OffsetDelta { expected, came: record.offset_delta };
            return Err(RecordsError::Record { index: expected, at, problem });
        }
        looked.max_timestamp = looked.max_timestamp.max(record.timestamp);
        if rules.keys_required && record.key.is_none() {
            looked.refused.push(Refused { index: expected, why: Refusal::NullKey });
        } else if !rules.timestamps.allows(record.timestamp) {
            let why = Refusal::Timestamp(record.timestamp);
            looked.refused.push(Refused { index: expected, why });
        }
    }
    Ok(looked)
}
