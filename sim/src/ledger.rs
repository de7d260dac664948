//! What clients sent, what they were told, and what they saw: all that the checks may look at.
//!
//! A record is known by its number; its value is that number and bytes that follow from it, so that any
//! other content shows. The ledger never looks into the broker.

use crate::failure::Failure;
use std::collections::BTreeMap;

/// Number of a record, unique in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordId(pub u64);

/// A place in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Partition of the one topic that a world has.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

/// What is known of a record that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who sent it.
    pub client: u32,
    /// Where to.
    pub partition: i32,
    /// Whether its producer is idempotent: then it is in the log once at most, behind those sent before.
    pub idempotent: bool,
    /// Where it was acknowledged, if it was.
    pub acked: Option<Place>,
    /// The producer was told that it was refused for good.
    pub refused: bool,
}

/// The books of a world.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    sent: BTreeMap<RecordId, Sent>,
    seen: BTreeMap<Place, RecordId>,
    producers: BTreeMap<i64, u32>,
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
}

/// A topic as a reader found it, by partition.
pub type Views = BTreeMap<i32, View>;

impl Ledger {
    /// A record is on its way for the first time.
    pub fn send(&mut self, id: RecordId, sent: Sent) {
        assert!(self.sent.insert(id, sent).is_none(), "{id:?} is sent for the first time");
    }

    /// The producer was told that its record is at `place`.
    pub fn ack(&mut self, id: RecordId, place: Place) {
        self.sent.get_mut(&id).expect("only sent records are acknowledged").acked = Some(place);
    }

    /// The producer was told that its record was refused for good.
    pub fn refuse(&mut self, id: RecordId) {
        self.sent.get_mut(&id).expect("only sent records are refused").refused = true;
    }

    /// A reader was given this record at this place; it must be the one that was first read there.
    pub fn see(&mut self, place: Place, id: RecordId) -> Result<(), Failure> {
        let first = *self.seen.entry(place).or_insert(id);
        match first == id {
            true => Ok(()),
            false => {
                let what = format!("{place:?} held {first:?} and holds {id:?} now");
                Err(Failure::new("agreement", what))
            }
        }
    }

    /// A client was given a producer id; nobody else may ever get it.
    pub fn producer(&mut self, producer: i64, client: u32) -> Result<(), Failure> {
        match self.producers.insert(producer, client) {
            None => Ok(()),
            Some(other) => {
                let what =
                    format!("producer id {producer} was given to client {other} and to {client}");
                Err(Failure::new("idempotence", what))
            }
        }
    }

    /// Every record sent.
    pub fn sent(&self) -> &BTreeMap<RecordId, Sent> {
        &self.sent
    }

    /// What readers were given first, by place.
    pub fn seen(&self) -> &BTreeMap<Place, RecordId> {
        &self.seen
    }

    /// How many records were acknowledged.
    pub fn acked(&self) -> usize {
        self.sent.values().filter(|sent| sent.acked.is_some()).count()
    }
}

impl RecordId {
    /// The value that goes with this number, `len` bytes and eight more.
    pub fn value(self, len: usize) -> Vec<u8> {
        let filler = (0..len).map(|at| (self.0 as u8).wrapping_mul(31).wrapping_add(at as u8));
        self.0.to_le_bytes().into_iter().chain(filler).collect()
    }

    /// The number of a value, if it is one of ours, whole.
    pub fn of(value: &[u8]) -> Option<RecordId> {
        let (number, filler) = value.split_first_chunk()?;
        let id = RecordId(u64::from_le_bytes(*number));
        (id.value(filler.len()) == value).then_some(id)
    }
}
