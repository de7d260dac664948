//! A recording: one life of a machine, so that it can be lived again.
//!
//! It begins with what the machine was made of ([`Birth`]). Then each turn follows: its [`Now`], its events, and a hash of
//! all effects that it had. Every byte that a disk answered is in an event, so that the recording needs no image of the
//! data directory, and a machine that is made the same way and given the same turns must want the same of the world,
//! turn by turn. [`Recorder`] is a machine around a machine: the loop that drives it does not know.
//!
//! ```text
//! "SORDTRC" version:u8                                   magic
//! { len:u32 crc:u32 kind:u8 bytes }*                     records; little-endian; CRC-32 of kind and bytes
//! kind 0: Birth   1: a turn: hash:u32, Now, events to the end   2: the end, with its reason
//! ```
//!
//! A process that is killed leaves the front of a recording; a record that is not whole ends it. One that is whole and
//! does not fit its CRC is damage.

use super::{BadTrace, Sink, VERSION, decode, encode};
use crate::config::broker::BrokerConfig;
use crate::limits::Limits;
use crate::seam::{ConnId, Event, Machine, Mono, Now, Outbox};
use crate::shard::Shard;
use sordini_log::StorageConfig;
use std::collections::BTreeMap;

const MAGIC: &[u8; 7] = b"SORDTRC";
const BIRTH: u8 = 0;
const TURN: u8 = 1;
const END: u8 = 2;
/// Bytes of a record before its contents: length, CRC, kind.
const HEAD_BYTES: usize = 9;

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct Birth {
    /// Version of the program.
    pub program: String,
    /// All chance.
    pub seed: [u8; 32],
    /// What the broker was configured with, by key.
    pub given: BTreeMap<String, String>,
    /// See [`BrokerConfig::disk_bytes`].
    pub disk_bytes: Option<u64>,
    /// Bounds.
    pub limits: Limits,
    /// Sizes of the storage.
    pub storage: StorageConfig,
}

impl Birth {
    /// The machine.
    pub fn shard(&self) -> Result<Shard, BadTrace> {
        let mut config =
            BrokerConfig::new(self.given.clone()).map_err(|e| BadTrace(e.to_string()))?;
        config.disk_bytes = self.disk_bytes;
        Ok(Shard::new(config, self.limits.clone(), self.storage.clone(), self.seed))
    }
}

/// Where a recording goes.
pub trait Tape {
    /// Whole records that follow those before; false if nothing more is wanted.
    fn write(&mut self, records: &[u8]) -> bool;
}

/// A machine whose life is recorded.
#[derive(Debug)]
pub struct Recorder<M, T> {
    machine: M,
    /// None once it is full.
    tape: Option<T>,
    /// Bytes that may still be written.
    left: u64,
    /// The turn under way: a record but for its head, its time and its hash.
    turn: Vec<u8>,
    /// Its time; none before its first event.
    now: Option<Now>,
}

impl<M, T: Tape> Recorder<M, T> {
    /// Records `machine`, which must be as `birth` makes it. The tape gets at most `bytes_max`.
    pub fn new(machine: M, birth: &Birth, mut tape: T, bytes_max: u64) -> Recorder<M, T> {
        let mut front = MAGIC.to_vec();
        front.push(VERSION as u8);
        let at = begin(&mut front, BIRTH);
        encode(birth, &mut front);
        finish(&mut front, at);
        let wanted = tape.write(&front);
        let left = bytes_max.saturating_sub(front.len() as u64);
        Recorder { machine, tape: wanted.then_some(tape), left, turn: Vec::new(), now: None }
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    fn begin_turn(&mut self, now: Now) {
        debug_assert!(self.now.is_none_or(|before| before == now), "a turn has one time");
        if self.now.is_none() {
            self.now = Some(now);
            self.turn.clear();
            begin(&mut self.turn, TURN);
            self.turn.extend([0; 4]);
            encode(&now, &mut self.turn);
        }
    }

    fn end_turn(&mut self, hash: u32) {
        self.now = None;
        self.turn[HEAD_BYTES..HEAD_BYTES + 4].copy_from_slice(&hash.to_le_bytes());
        finish(&mut self.turn, 0);
        let len = self.turn.len() as u64;
        if len > self.left {
            self.turn.clear();
            let at = begin(&mut self.turn, END);
            self.turn.extend(b"the recording has the size that was asked for");
            finish(&mut self.turn, at);
        }
        let wanted = self.tape.as_mut().is_some_and(|tape| tape.write(&self.turn));
        if !wanted || len > self.left {
            self.tape = None;
            self.turn = Vec::new();
        }
        self.left = self.left.saturating_sub(len);
    }
}

impl<M: Machine, T: Tape> Machine for Recorder<M, T> {
    fn step(&mut self, now: Now, event: Event, out: &mut Outbox) {
        if self.tape.is_some() {
            self.begin_turn(now);
            encode(&event, &mut self.turn);
        }
        self.machine.step(now, event, out);
    }

    fn flush(&mut self, now: Now, out: &mut Outbox) {
        self.machine.flush(now, out);
        if self.tape.is_some() {
            self.begin_turn(now);
            self.end_turn(hash(out));
        }
    }

    fn deadline(&self) -> Option<Mono> {
        self.machine.deadline()
    }

    fn owes(&self, conn: ConnId) -> bool {
        self.machine.owes(conn)
    }
}

/// Hash of everything that a turn wants of the world and reports.
pub fn hash(out: &Outbox) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    encode(&out.disk, &mut hash);
    encode(&out.net, &mut hash);
    encode(&out.facts, &mut hash);
    hash.finalize()
}

/// A turn as it was lived.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Its time.
    pub now: Now,
    /// What happened.
    pub events: Vec<Event>,
    /// [`hash`] of what followed.
    pub hash: u32,
}

/// What comes next in a recording.
#[derive(Clone, Debug)]
pub enum Next {
    /// A turn.
    Turn(Turn),
    /// The recording ends here; why.
    End(String),
}

/// Reads a recording.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// Bytes of all of it.
    len: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Whether these bytes begin as a recording does.
    pub fn knows(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Begins a recording: what the machine was made of.
    pub fn begin(bytes: &'a [u8]) -> Result<(Birth, Reader<'a>), BadTrace> {
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| {
            BadTrace("it does not begin as a recording of `sordini serve --record` does".into())
        })?;
        match rest.split_first() {
            Some((version, rest)) if u32::from(*version) == VERSION => {
                let mut reader = Reader { len: bytes.len(), rest };
                match reader.record()? {
                    Some((BIRTH, mut birth)) => Ok((decode(&mut birth)?, reader)),
                    _ => Err(BadTrace("the record of its beginning is not whole".into())),
                }
            }
            version => {
                let came = version.map_or(0, |(version, _)| *version);
                Err(BadTrace(format!(
                    "expected version {VERSION}, came {came}; replay it with the build that wrote it"
                )))
            }
        }
    }

    /// What comes next.
    pub fn next_turn(&mut self) -> Result<Next, BadTrace> {
        match self.record()? {
            Some((TURN, bytes)) => {
                let (hash, mut bytes) = bytes
                    .split_first_chunk()
                    .ok_or_else(|| BadTrace("a turn without a hash".into()))?;
                let now = decode(&mut bytes)?;
                let mut events = Vec::new();
                while !bytes.is_empty() {
                    events.push(decode(&mut bytes)?);
                }
                Ok(Next::Turn(Turn { now, events, hash: u32::from_le_bytes(*hash) }))
            }
            Some((END, why)) => Ok(Next::End(String::from_utf8_lossy(why).into_owned())),
            Some((kind, _)) => Err(BadTrace(format!("a record of kind {kind}"))),
            None if self.rest.is_empty() => Ok(Next::End("the process ended".into())),
            None => Ok(Next::End("the process ended while it wrote the next turn".into())),
        }
    }

    /// The next record, if it is whole.
    fn record(&mut self) -> Result<Option<(u8, &'a [u8])>, BadTrace> {
        let Some((crc, record, rest)) = self.cut() else { return Ok(None) };
        let came = crc32fast::hash(record);
        if came != crc {
            let at = self.len - self.rest.len();
            return Err(BadTrace(format!(
                "the record at byte {at} is damaged: expected CRC {crc:08x}, came {came:08x}; --until stops before it"
            )));
        }
        self.rest = rest;
        Ok(record.split_first().map(|(kind, bytes)| (*kind, bytes)))
    }

    /// The next record with the CRC before it and what follows, if all of it is there.
    fn cut(&self) -> Option<(u32, &'a [u8], &'a [u8])> {
        let (len, rest) = self.rest.split_first_chunk()?;
        let (crc, rest) = rest.split_first_chunk()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        Some((u32::from_le_bytes(*crc), record, rest))
    }
}

/// Room for the head of a record, whose place is returned.
fn begin(into: &mut Vec<u8>, kind: u8) -> usize {
    let at = into.len();
    into.put(&[0; 8]);
    into.push(kind);
    at
}

/// Fills in the head of the record that began at `at` and ends here.
fn finish(into: &mut [u8], at: usize) {
    let (head, record) = into[at..].split_at_mut(8);
    let len = u32::try_from(record.len()).expect("a turn is smaller than 4 GiB");
    head[..4].copy_from_slice(&len.to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(record).to_le_bytes());
}
