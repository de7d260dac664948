//! What clients sent, what they were told, and what they saw: all that the checks may look at.
//!
//! A record is known by its number; its value is that number and bytes that follow from it, so that any
//! other content shows. The ledger never looks into the broker. Everything in it is found by index, so that
//! a long run costs no more per operation than a short one.

pub mod admin;
pub mod configs;
mod extent;
pub mod incarnations;
pub mod relaxed;

pub use extent::{Extent, Known, Retention};
use relaxed::{Lives, Relaxed};

use crate::failure::Failure;
use crate::heap::Nanos;
use sordini_core::census::Census;
use sordini_log::StorageConfig;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// Bytes of one entry of the diary, about: a fetch may bring hundreds of records.
const DIARY_BYTES_MAX: usize = 200;

/// Number of a record, unique in a run: its client in the upper half, a count from 1 in the lower.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId(pub u64);

/// Number of a topic in the ledger. A topic that is deleted and made again has another number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TopicNo(pub u16);

/// A partition of a topic.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The topic.
    pub topic: TopicNo,
    /// Number of the partition in it.
    pub partition: i32,
}

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which log.
    pub part: Part,
    /// Offset in it.
    pub offset: i64,
}

/// What is known of a record that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Where to.
    pub part: Part,
    /// Whether its producer is idempotent: then it is in the log once at most, behind those sent before.
    pub idempotent: bool,
    /// Where it was acknowledged, if it was.
    pub acked: Option<i64>,
    /// With `Some`, that may have been before it was durable.
    pub relaxed: Option<Relaxed>,
    /// The producer was told that it was refused for good.
    pub refused: bool,
    /// Its timestamp, ms.
    pub at_ms: i64,
    /// When it was first sent, by a clock that is right, ms.
    pub sent_ms: i64,
    /// Bytes of its batch, if it is the first one there.
    pub bytes: u32,
}

/// A topic that the scenario has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: i32,
    /// The node that has it.
    pub node: u32,
    /// Whether a client was told that it is there.
    pub known: bool,
}

/// What clients did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations that loads began.
    pub begun: u64,
    /// Operations that were answered with success.
    pub acked: u64,
    /// Operations that were refused for good.
    pub refused: u64,
    /// Times that an answer, or its absence, left open what became of an operation.
    pub unknown: u64,
    /// Records sent, acknowledged, and read.
    pub records: [u64; 3],
}

impl Tally {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Tally) {
        self.begun += other.begun;
        self.acked += other.acked;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.records.iter_mut().zip(other.records).for_each(|(a, b)| *a += b);
    }
}

/// What a client asked of ListOffsets, and was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Which log.
    pub part: Part,
    /// The timestamp, ms, or one of Kafka's special ones.
    pub timestamp: i64,
    /// What was known when it was asked.
    pub known: Known,
    /// The largest start that the log could have when it was answered.
    pub start_max: i64,
    /// Offset and timestamp that it was told; none if there is no such record.
    pub found: Option<(i64, i64)>,
}

/// What is left of a broker once everybody has gone and everything has come to rest.
#[derive(Clone, Debug, Default)]
pub struct Remains {
    /// Which one.
    pub node: u32,
    /// What it says of itself.
    pub census: Census,
    /// What it may hold.
    pub sizes: StorageConfig,
    /// The files on its disk, with their lengths.
    pub files: Vec<(String, u64)>,
    /// Bytes of the journal that the run began with.
    pub journal_before: u64,
    /// Processes so far.
    pub lives: u32,
}

/// Processes of a broker that followed each other once everything had come to rest.
#[derive(Clone, Debug, Default)]
pub struct Births {
    /// Which broker.
    pub node: u32,
    /// Whether anybody ever read damage to its disk.
    pub harmed: bool,
    /// Whether one of these processes did: what one of them could not read, the next may.
    pub misread: bool,
    /// What each knew when it began to listen, after the one that was at rest.
    pub lives: Vec<(&'static str, Census)>,
}

impl Births {
    /// What the process is called that was at rest.
    pub const AT_REST: &str = "the process at rest";
}

/// The books of a world.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The topics by their numbers.
    pub topics: Vec<Topic>,
    /// What clients did, in numbers.
    pub tally: Tally,
    /// With `Some`, what was written down since it was read last, for people.
    pub diary: Option<String>,
    /// By client and number of the record.
    sent: Vec<Vec<Sent>>,
    /// By partition: what readers were given first, by offset.
    seen: BTreeMap<Part, Vec<Option<RecordId>>>,
    /// What clients know of where logs start and end.
    extents: BTreeMap<Part, Extent>,
    /// When records may go by themselves.
    pub retention: Retention,
    /// How far a broker's wall clock was ever ahead of the right one, ms.
    pub ahead_ms: i64,
    /// And behind it.
    pub behind_ms: i64,
    /// Whether topics that say nothing have `flush=relaxed`.
    pub relaxed: bool,
    /// By node: its processes.
    pub(crate) lives: BTreeMap<u32, Lives>,
    /// Syncs of a journal after which a batch is durable that was acknowledged before them.
    pub syncs_max: u64,
    /// The largest batch that the broker takes of topics that say nothing, bytes.
    pub message_bytes_max: i64,
    /// The largest batch that it takes whatever topics say: it must lie in one file of the journal.
    pub batch_bytes_max: i64,
    /// What topics' settings may have been.
    pub configs: configs::Configs,
    /// What administrators asked for and were told.
    pub admin: admin::Admin,
    /// What is left of each broker once everybody has gone.
    pub remains: Vec<Remains>,
    /// The processes that followed then.
    pub births: Vec<Births>,
    /// What an auditor found when it read the last records of everything once more.
    pub reread: Views,
    /// What the data directory held on which the run began.
    pub image: Views,
    /// The same as it was read in the end.
    pub image_now: Views,
    /// Topics that were deleted and made again.
    pub incarnations: incarnations::Incarnations,
    /// Offsets that were looked up, with what was said.
    pub lookups: Vec<Lookup>,
    /// By partition: offsets whose bytes lie under damage to the disk that was read, as first offset and the one
    /// behind the last; apart from each other.
    damaged: BTreeMap<Part, BTreeMap<i64, i64>>,
    /// By partition: offsets that were answered with a storage error.
    refused: BTreeMap<Part, BTreeSet<i64>>,
    /// By node and producer id: whose it is.
    producers: BTreeMap<(u32, i64), u32>,
}

/// One partition as a reader found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// First offset that is there.
    pub start: i64,
    /// High watermark.
    pub end: i64,
    /// Every record, in the order of reading.
    pub records: Vec<(i64, RecordId)>,
    /// Offsets that were answered with a storage error.
    pub refused: Vec<i64>,
}

/// So many of the last records of a partition are read once more.
pub const REREAD: i64 = 1000;

/// All topics as a reader found them.
pub type Views = BTreeMap<Part, View>;

impl View {
    /// The record at `offset`, if it was read.
    pub fn at(&self, offset: i64) -> Option<RecordId> {
        // Nearly always dense, so that its index is known; else it is looked for.
        let guess = usize::try_from(offset - self.records.first()?.0).ok()?;
        match self.records.get(guess) {
            Some((at, id)) if *at == offset => Some(*id),
            _ => {
                let found = self.records.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
                Some(self.records[found].1)
            }
        }
    }
}

impl Sent {
    /// Where it is for certain: where it was acknowledged, once it was durable.
    pub fn sure(&self) -> Option<i64> {
        self.acked.filter(|_| self.relaxed.is_none())
    }
}

impl Ledger {
    /// Another topic; its number.
    pub fn topic(&mut self, name: &str, partitions: i32, node: u32) -> TopicNo {
        self.topics.push(Topic { name: name.to_owned(), partitions, node, known: false });
        TopicNo(u16::try_from(self.topics.len() - 1).expect("fewer than 65536 topics"))
    }

    /// The topics that are or were under a name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = TopicNo> {
        let topics = self.topics.iter().enumerate();
        topics.filter(move |(_, t)| t.name == name).map(|(n, _)| TopicNo(n as u16))
    }

    /// `client` sends its next record for the first time; the record's number.
    pub fn send(&mut self, client: u32, part: Part, idempotent: bool) -> RecordId {
        let index = client as usize;
        if self.sent.len() <= index {
            self.sent.resize_with(index + 1, Vec::new);
        }
        let records = &mut self.sent[index];
        records.push(Sent {
            part,
            idempotent,
            acked: None,
            relaxed: None,
            refused: false,
            at_ms: -1,
            sent_ms: 0,
            bytes: 0,
        });
        self.tally.records[0] += 1;
        RecordId(u64::from(client) << 32 | records.len() as u64)
    }

    /// The producer was told that its record is at `offset`, by a process that had accepted its connection at `accepted`: between
    /// these two moments of the wall clock, ms, it was asked and it answered.
    pub fn ack(&mut self, id: RecordId, offset: i64, accepted: Nanos, within: (i64, i64)) {
        self.tally.records[1] += 1;
        let sent = self.of_mut(id);
        sent.acked = Some(offset);
        let part = sent.part;
        self.note(|| format!("{id:?} is at {offset} of {part:?}"));
        if self.may_be_relaxed(part.topic, within) {
            return self.ack_relaxed(id, accepted);
        }
        let extent = self.extents.entry(part).or_default();
        extent.end = extent.end.max(offset + 1);
    }

    /// The broker gave a batch, whose first record this is, `count` records long, a time of its own, or -1: then it kept that of its
    /// producer. Only a topic that may have dated records itself says anything new; a duplicate is answered with its
    /// largest timestamp.
    pub fn stamped(
        &mut self,
        first: RecordId,
        count: u64,
        append_ms: i64,
        now: i64,
    ) -> Result<(), Failure> {
        let Some(sent) = self.of(first).copied() else { return Ok(()) };
        let setting = (sent.part.topic, "message.timestamp.type");
        let since = sent.sent_ms;
        if append_ms < 0 || append_ms == sent.at_ms {
            return Ok(());
        }
        if !self.configs.may_be(setting, "LogAppendTime", since, now) {
            let what = format!("{first:?} of {} ms was dated {append_ms} ms", sent.at_ms);
            return Err(Failure::new("legal_answers", what));
        }
        (0..count).for_each(|n| self.of_mut(RecordId(first.0 + n)).at_ms = append_ms);
        Ok(())
    }

    /// Whether it is known which timestamp a record has at this offset. A topic that may have dated records itself gave each copy
    /// of one a timestamp of its own, and told that of the acknowledged one alone.
    pub fn is_dated(&self, sent: &Sent, offset: i64) -> bool {
        let setting = (sent.part.topic, "message.timestamp.type");
        sent.acked == Some(offset) || !self.configs.is_touched(setting)
    }

    /// The producer cannot say any more that a record is there once at most, behind those sent before.
    pub fn may_repeat(&mut self, id: RecordId) {
        self.of_mut(id).idempotent = false;
    }

    /// A record's timestamp, and the right time when it was first sent, ms.
    pub fn date(&mut self, id: RecordId, at_ms: i64, sent_ms: i64) {
        let sent = self.of_mut(id);
        (sent.at_ms, sent.sent_ms) = (at_ms, sent_ms);
    }

    /// It is known now which topic a record that was sent to a name went to.
    pub fn settle(&mut self, id: RecordId, topic: TopicNo) {
        self.of_mut(id).part.topic = topic;
    }

    /// How long the batch is that a record is the first of, bytes.
    pub fn weigh(&mut self, id: RecordId, bytes: usize) {
        self.of_mut(id).bytes = bytes as u32;
    }

    /// What was written down for people since this was asked last.
    pub fn read_diary(&mut self) -> String {
        self.diary.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(diary) = self.diary.as_mut().filter(|diary| diary.len() < DIARY_BYTES_MAX) {
            diary.push_str("; ");
            diary.push_str(&what());
        }
    }

    /// The producer was told that its record was refused for good.
    pub fn refuse(&mut self, id: RecordId) {
        self.of_mut(id).refused = true;
    }

    /// A reader was given this record at this place; it must be the one that was first read there.
    pub fn see(&mut self, place: Place, id: RecordId) -> Result<(), Failure> {
        let at = usize::try_from(place.offset)
            .map_err(|_| Failure::new("dense_offsets", format!("{id:?} was read at {place:?}")))?;
        let seen = self.seen.entry(place.part).or_default();
        if seen.len() <= at {
            seen.resize(at + 1, None);
        }
        match *seen[at].get_or_insert(id) {
            first if first == id => {
                self.tally.records[2] += 1;
                self.note(|| format!("{id:?} was read at {} of {:?}", place.offset, place.part));
                Ok(())
            }
            first => {
                let what = format!("{place:?} held {first:?} and holds {id:?} now");
                Err(Failure::new("agreement", what))
            }
        }
    }

    /// A client was given a producer id by the node that has `topic`; nobody else may ever get it there.
    pub fn producer(&mut self, topic: TopicNo, producer: i64, client: u32) -> Result<(), Failure> {
        let node = self.topics[usize::from(topic.0)].node;
        match self.producers.insert((node, producer), client) {
            None => Ok(()),
            Some(other) => {
                let what =
                    format!("producer id {producer} was given to client {other} and to {client}");
                Err(Failure::new("idempotence", what))
            }
        }
    }

    /// The simulator damaged these offsets of a partition, and somebody read there.
    pub fn damage(&mut self, topic: &str, partition: i32, node: u32, offsets: Range<u64>) {
        for (number, known) in self.topics.iter().enumerate() {
            if known.name == topic && known.node == node {
                let part = Part { topic: TopicNo(number as u16), partition };
                let (mut from, mut to) = (offsets.start as i64, offsets.end as i64);
                let spans = self.damaged.entry(part).or_default();
                while let Some((&start, &end)) = spans.range(..=to).next_back()
                    && end >= from
                {
                    (from, to) = (from.min(start), to.max(end));
                    spans.remove(&start);
                }
                spans.insert(from, to);
            }
        }
    }

    /// Whether the simulator damaged anything of this partition.
    pub fn has_damage(&self, part: Part) -> bool {
        self.damaged.contains_key(&part)
    }

    /// Whether the simulator damaged what is there.
    pub fn is_damaged(&self, place: Place) -> bool {
        let spans = self.damaged.get(&place.part);
        let span = spans.and_then(|spans| spans.range(..=place.offset).next_back());
        span.is_some_and(|(_, end)| place.offset < *end)
    }

    /// A reader was told that what is there cannot be read.
    pub fn refuse_read(&mut self, place: Place) {
        self.refused.entry(place.part).or_default().insert(place.offset);
    }

    /// Whether a reader was told so.
    pub fn is_refused(&self, place: Place) -> bool {
        self.refused.get(&place.part).is_some_and(|offsets| offsets.contains(&place.offset))
    }

    /// Every place of which a reader was told so.
    pub fn refused_reads(&self) -> impl Iterator<Item = Place> {
        self.refused.iter().flat_map(|(part, offsets)| {
            offsets.iter().map(|offset| Place { part: *part, offset: *offset })
        })
    }

    /// What is known of a record; none if nobody sent it.
    pub fn of(&self, id: RecordId) -> Option<&Sent> {
        let records = self.sent.get(id.client() as usize)?;
        records.get((id.0 as u32 as usize).checked_sub(1)?)
    }

    /// Every record sent.
    pub fn sent(&self) -> impl Iterator<Item = (RecordId, &Sent)> {
        self.sent.iter().enumerate().flat_map(|(client, records)| {
            let id = move |n: usize| RecordId((client as u64) << 32 | (n as u64 + 1));
            records.iter().enumerate().map(move |(n, sent)| (id(n), sent))
        })
    }

    /// What readers were given first, by place.
    pub fn seen(&self) -> impl Iterator<Item = (Place, RecordId)> {
        self.seen.iter().flat_map(|(part, seen)| {
            let place = |at: usize| Place { part: *part, offset: at as i64 };
            let known = seen.iter().enumerate();
            known.filter_map(move |(at, id)| id.map(|id| (place(at), id)))
        })
    }

    /// What readers were given first at `place`, if anybody read there.
    pub fn first_seen(&self, place: Place) -> Option<RecordId> {
        let at = usize::try_from(place.offset).ok()?;
        *self.seen.get(&place.part)?.get(at)?
    }

    fn of_mut(&mut self, id: RecordId) -> &mut Sent {
        let records =
            self.sent.get_mut(id.client() as usize).expect("only sent records have fates");
        &mut records[id.0 as u32 as usize - 1]
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {}/{}", self.client(), self.0 as u32)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {} partition {}", self.topic.0, self.partition)
    }
}

impl RecordId {
    /// Who sent it.
    pub fn client(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The value that goes with this number, `len` bytes and eight more, appended to `out`.
    pub fn value(self, len: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
        let first = (self.0 as u8).wrapping_mul(31);
        out.extend((0..len).map(|at| first.wrapping_add(at as u8)));
    }

    /// The number of a value, if it is one of ours, whole.
    pub fn of(value: &[u8]) -> Option<RecordId> {
        let (number, filler) = value.split_first_chunk()?;
        let id = RecordId(u64::from_le_bytes(*number));
        let first = (id.0 as u8).wrapping_mul(31);
        let ours = filler.iter().enumerate().all(|(at, b)| *b == first.wrapping_add(at as u8));
        ours.then_some(id)
    }
}
