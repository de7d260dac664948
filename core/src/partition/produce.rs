//! Appending: a batch that the session found sound meets the topic's rules and the producer's window,
//! gets its place in the log, and goes to the journal.

use super::producers::Verdict;
use super::{Partition, sequenced};
use crate::config::topic::{Compression, Flush, TimestampType};
use sordini_log::{GroupSeq, Now, Offset, Storage};
use sordini_mutant::mutant;
use sordini_reach::Reach;
use sordini_wire::batch::look::{RecordRules, Refusal as Inner, check_lengths, validate_records};
use sordini_wire::batch::validate::{TimestampRule, TopicRules, against_topic};
use sordini_wire::batch::{Batch, BatchBuilder, BatchError, RecordsError, Stamp};
use sordini_wire::codec::Codec;

/// Compares the first bytes of compressed records with those that their codec always begins with: a cheap look that
/// finds batches which say one thing and hold another. Raw snappy begins with a length and is not told by it.
fn check_payload(batch: &Batch) -> Result<(), Refusal> {
    let begins: &[u8] = match batch.attributes().codec()? {
        Codec::None | Codec::Snappy => &[],
        Codec::Gzip => &[0x1f, 0x8b],
        Codec::Lz4 => &[0x04, 0x22, 0x4d, 0x18],
        Codec::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
    };
    if batch.view().payload().starts_with(begins) {
        return Ok(());
    }
    Err(Refusal::Payload)
}

fn fits(batch: &Batch, max: usize) -> Result<(), Refusal> {
    match batch.bytes().len() {
        size if size > max => Err(BatchError::TooLarge { size, max }.into()),
        _ => Ok(()),
    }
}

/// Most bytes that the records of one batch may decompress to, where the topic's rules need a look.
const DECOMPRESSED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A batch that was appended, or that was appended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base: Offset,
    /// The time that the broker gave its records, ms; -1 if they keep their own.
    pub append_time: i64,
    /// The group whose durability makes it true; `None` if it is durable already.
    pub group: Option<GroupSeq>,
    /// What the answer waits for: `group`, or nothing on a topic whose `flush` is `relaxed`, where a crash of whatever kind may
    /// take what was acknowledged a moment ago, since the group is in memory until it is written.
    pub wait: Option<GroupSeq>,
}

/// Why a batch was not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Refusal {
    /// The header breaks a rule.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Single records break a rule of the topic: their index in the batch, and what is wrong. `timestamp`: at least
    /// one of them because of its time.
    #[error("{} records were refused, the first because: {}", bad.len(), bad[0].1)]
    Records { bad: Vec<(i32, String)>, timestamp: bool },
    /// The records are not in the codec that the header names.
    #[error(
        "expected the records in the codec that the batch's attributes name, came something else"
    )]
    Payload,
    /// The records cannot be read.
    #[error(transparent)]
    Unreadable(#[from] RecordsError),
    /// Sequence numbers of an idempotent producer are not consecutive.
    #[error("expected sequence number {expected} of producer {producer_id}, came {came}")]
    OutOfOrder { producer_id: i64, expected: i32, came: i32 },
    /// The producer's epoch is old.
    #[error("expected epoch {epoch} or later of producer {producer_id}, came {came}")]
    Fenced { producer_id: i64, epoch: i16, came: i16 },
}

impl Partition {
    /// The rules of the topic at this moment.
    pub fn rules(&self, now: Now) -> TopicRules {
        let config = &self.config;
        let ms = |limit: u64| i64::try_from(limit).unwrap_or(i64::MAX);
        let timestamps = match config.timestamp_type {
            TimestampType::LogAppendTime => TimestampRule::Append,
            TimestampType::CreateTime => TimestampRule::create(
                now.wall.0,
                ms(config.timestamp_before_ms_max),
                ms(config.timestamp_after_ms_max),
            ),
        };
        TopicRules { batch_bytes_max: config.message_bytes_max as usize, timestamps }
    }

    /// Appends one batch of a producer, whose CRC was checked. Nothing changes if it is refused.
    pub fn append(
        &mut self,
        now: Now,
        batch: Batch,
        producers_max: usize,
        storage: &mut Storage,
    ) -> Result<Appended, Refusal> {
        // A duplicate first: what was appended once must not be refused when it comes again, though the clock or
        // the topic's rules have changed in between. Its producer would take that for "never appended".
        let judged = self.judge(&batch);
        let reached = &mut storage.reached;
        match &judged {
            Ok(Some(known)) => {
                reached.mark(Reach::DuplicateKnown);
                return Ok(*known);
            }
            Err(Refusal::OutOfOrder { .. }) => reached.mark(Reach::GapRefused),
            Err(Refusal::Fenced { .. }) => reached.mark(Reach::ZombieFenced),
            _ => {}
        }
        // Whatever the topic allows, a batch must lie in one file of the journal.
        let longest = storage.batch_bytes_max();
        let looked = fits(&batch, longest).and_then(|()| self.look(now, &batch));
        let reached = &mut storage.reached;
        reached.mark_if(Reach::BatchRefused, looked.is_err());
        looked?;
        judged?;
        let came = batch.crc();
        let batch = self.recompressed(batch)?;
        reached.mark_if(Reach::Recompressed, batch.crc() != came);
        // In another codec it has another size, and what is stored must obey the topic too; so it is in Kafka.
        fits(&batch, longest.min(self.config.message_bytes_max as usize))?;
        let by_broker = self.config.timestamp_type == TimestampType::LogAppendTime;
        let append_time = by_broker.then_some(now.wall.0);
        Ok(self.append_trusted(now, batch, append_time, producers_max, storage))
    }

    /// The topic's rules against the header, and against the records where they speak of single records.
    fn look(&self, now: Now, batch: &Batch) -> Result<(), Refusal> {
        batch.attributes().codec()?;
        // A batch whose records do not add up would stop every consumer that comes to it.
        check_lengths(&batch.view())?;
        check_payload(batch)?;
        let rules = self.rules(now);
        let header = against_topic(&batch.view(), &rules);
        let by_record = self.config.cleanup_compact
            || self.config.timestamp_before_ms_max < i64::MAX as u64
            || matches!(header, Err(BatchError::Timestamp { .. }));
        if !by_record {
            return Ok(header?);
        }
        if !matches!(header, Err(BatchError::Timestamp { .. })) {
            header?;
        }
        let rules = RecordRules {
            keys_required: self.config.cleanup_compact,
            timestamps: rules.timestamps,
            bytes_max: DECOMPRESSED_BYTES_MAX,
        };
        let looked = validate_records(batch, &rules)?;
        if looked.refused.is_empty() {
            return Ok(());
        }
        let timestamp = looked.refused.iter().any(|r| matches!(r.why, Inner::Timestamp(_)));
        let bad =
            looked.refused.iter().map(|r| (r.index as i32, self.tell(r.why, rules))).collect();
        Err(Refusal::Records { bad, timestamp })
    }

    /// What is wrong with a record, for people.
    fn tell(&self, why: Inner, rules: RecordRules) -> String {
        match (why, rules.timestamps) {
            (Inner::NullKey, _) => {
                format!("a record of the compacted topic {}-{} needs a key", self.name, self.index)
            }
            (Inner::Timestamp(came), TimestampRule::Create { earliest, latest }) => {
                format!("expected a timestamp from {earliest} to {latest} ms, came {came}")
            }
            (Inner::Timestamp(came), TimestampRule::Append) => format!("timestamp {came}"),
        }
    }

    /// Asks the producer's window: `Some` for a duplicate.
    fn judge(&self, batch: &Batch) -> Result<Option<Appended>, Refusal> {
        let Some(came) = sequenced(batch) else { return Ok(None) };
        let producer_id = came.producer_id;
        match self.producers.judge(came) {
            Verdict::Append => Ok(None),
            // What is answered is what was observed: it must be durable first, like the original.
            Verdict::Duplicate { base, timestamp } => {
                let group = mutant!(B11, self.unsynced().max(self.start_group()), None);
                Ok(Some(Appended { base, append_time: timestamp, group, wait: self.wait(group) }))
            }
            Verdict::OutOfOrder { expected } => {
                Err(Refusal::OutOfOrder { producer_id, expected, came: came.first })
            }
            Verdict::Fenced { epoch } => {
                Err(Refusal::Fenced { producer_id, epoch, came: came.epoch })
            }
        }
    }

    /// The batch in the codec that the topic wants; itself if the producer's will do.
    fn recompressed(&self, batch: Batch) -> Result<Batch, Refusal> {
        let (codec, level) = match self.config.compression {
            Compression::Producer => return Ok(batch),
            Compression::Uncompressed => (Codec::None, None),
            Compression::Gzip(level) => (Codec::Gzip, Some(level)),
            Compression::Snappy => (Codec::Snappy, None),
            Compression::Lz4(level) => (Codec::Lz4, Some(level)),
            Compression::Zstd(level) => (Codec::Zstd, Some(level)),
        };
        if batch.attributes().codec()? == codec {
            return Ok(batch);
        }
        let header = batch.header();
        let mut builder = BatchBuilder::new(codec);
        if let Some(level) = level {
            builder = builder.level(level);
        }
        if header.producer_id() >= 0 {
            let (epoch, sequence) = (header.producer_epoch(), header.base_sequence());
            builder = builder.producer(header.producer_id(), epoch, sequence);
        }
        let records = batch.records(DECOMPRESSED_BYTES_MAX)?;
        let mut headers = Vec::new();
        for record in records.views() {
            let record = record?;
            headers.clear();
            headers.extend(record.headers());
            builder.push(record.timestamp, record.key, record.value, &headers);
        }
        Ok(builder.build_batch())
    }

    /// Gives a batch its place and hands it to the journal.
    pub fn append_trusted(
        &mut self,
        now: Now,
        batch: Batch,
        append_time: Option<i64>,
        producers_max: usize,
        storage: &mut Storage,
    ) -> Appended {
        let base = self.end();
        let stamp =
            Stamp { base_offset: base.wire(), leader_epoch: self.epoch().wire(), append_time };
        let batch = stamp.stamp(batch);
        if let Some(sequenced) = sequenced(&batch) {
            let timestamp = batch.header().max_timestamp();
            let at = storage.wall(now);
            self.producers.appended(sequenced, base, timestamp, at, producers_max);
        }
        let next = Offset(batch.next_offset() as u64);
        let group = storage.append(now, self.log, self.epoch(), batch);
        self.appended(group, next);
        let group = Some(group);
        let append_time = append_time.unwrap_or(-1);
        Appended { base, append_time, group, wait: self.wait(group) }
    }

    /// What an answer waits for that saw what `group` makes durable.
    fn wait(&self, group: Option<GroupSeq>) -> Option<GroupSeq> {
        match self.config.flush {
            Flush::Durable => group,
            Flush::Relaxed => None,
        }
    }
}
