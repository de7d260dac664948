//! The checkpoint file: all that recovery needs besides the journal behind it.
//!
//! One file per shard, written whole, never changed: `next` is written and synced, `current` becomes
//! `previous`, `next` becomes `current`. Every byte is drawn in `docs/checkpoint.md`. Integers are
//! little-endian; the last four bytes are the CRC-32 of all before them, so a file is whole or nothing.

use crate::disk::BLOCK_BYTES;
use crate::id::{GroupSeq, LogDir, LogId, Offset};
use crate::segment::{LogConfig, Segment};
use crate::span::Spans;
use crate::storage::Section;
use crate::time::Wall;
use bytes::Bytes;
use std::sync::Arc;

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"SORDCKPT";
/// Version of the format.
pub const VERSION: u32 = 1;
/// Names of the files, in the order in which they are believed.
pub const NAMES: [&str; 3] = ["current", "next", "previous"];
/// Bytes before the first log.
pub const HEADER_BYTES: usize = 64;

/// Contents of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of the checkpoint; each is one more than the one before.
    pub number: u64,
    /// Boot in which it was taken.
    pub boot: u64,
    /// Recovery replays the journal from this group on ...
    pub from: GroupSeq,
    /// ... but for its first so many frames, which the checkpoint has seen.
    pub skip: u32,
    /// Every log.
    pub logs: Vec<SavedLog>,
    /// Deleted logs whose directories may still have their old names.
    pub removals: Vec<LogDir>,
    /// The owner's sections.
    pub sections: Vec<Section>,
}

/// A log as the checkpoint saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedLog {
    /// Directory and id.
    pub dir: LogDir,
    /// Topic id.
    pub topic_id: [u8; 16],
    /// Partition number.
    pub partition: u32,
    /// Whether its directory is there and durable.
    pub made: bool,
    /// Whether its last segment takes no further batch.
    pub closed: bool,
    /// First offset.
    pub start: Offset,
    /// The segments hold everything below this, durably.
    pub end: Offset,
    /// How files are cut and indexed.
    pub config: LogConfig,
    /// The last hard state; empty if none.
    pub hard_state: Bytes,
    /// Ranges that cannot be read.
    pub faulty: Spans,
    /// Segments, oldest first, each up to `end`.
    pub segments: Vec<Segment>,
}

/// Why bytes are no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum CheckpointError {
    /// Not our file.
    #[error("not a checkpoint: expected magic {MAGIC:02x?}, came {0:02x?}")]
    Magic([u8; 8]),
    /// Written by another version.
    #[error("checkpoint of format version {0}, this program reads {VERSION}: use a newer program")]
    Version(u32),
    /// Cut off.
    #[error("checkpoint cut off: {have} bytes, expected {want}")]
    Short { have: u64, want: u64 },
    /// Damaged.
    #[error("checkpoint damaged: CRC-32 {said:#010x} in the file, computed {computed:#010x}")]
    Crc { said: u32, computed: u32 },
    /// Whole, and yet it cannot be.
    #[error("checkpoint makes no sense at byte {at}: {what}")]
    Nonsense { at: usize, what: &'static str },
}

/// The checkpoint that is believed, with its place in [`NAMES`], if there is any; and what to tell people.
pub type Choice = (Option<(usize, Checkpoint)>, Vec<String>);

impl Checkpoint {
    /// The file's bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(BLOCK_BYTES + 256 * self.logs.len());
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(self.skip.to_le_bytes());
        let numbers = [self.number, self.boot, self.from.0, 0];
        out.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
        let counts = [self.logs.len(), self.removals.len(), self.sections.len(), 0];
        out.extend(counts.iter().flat_map(|n| (*n as u32).to_le_bytes()));
        debug_assert_eq!(out.len(), HEADER_BYTES);
        self.logs.iter().for_each(|log| log.encode(&mut out));
        self.removals.iter().for_each(|dir| put_dir(&mut out, dir));
        for s in &self.sections {
            out.extend(s.name.to_le_bytes());
            out.extend(s.version.to_le_bytes());
            out.extend(s.log.map_or(u64::MAX, |log| log.0).to_le_bytes());
            put_bytes(&mut out, &s.bytes);
        }
        let total = out.len() as u64 + 4;
        out[40..48].copy_from_slice(&total.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        Bytes::from(out)
    }

    /// Reads the file; the bytes of sections and hard states stay slices of it.
    pub fn decode(file: Bytes) -> Result<Checkpoint, CheckpointError> {
        let have = file.len() as u64;
        let mut r = Reader { bytes: file.clone(), at: 0 };
        if file.len() < HEADER_BYTES + 4 {
            return Err(CheckpointError::Short { have, want: HEADER_BYTES as u64 + 4 });
        }
        let magic: [u8; 8] = r.array()?;
        if magic != MAGIC {
            return Err(CheckpointError::Magic(magic));
        }
        let version = r.u32()?;
        if version != VERSION {
            return Err(CheckpointError::Version(version));
        }
        let skip = r.u32()?;
        let (number, boot, from, want) = (r.u64()?, r.u64()?, GroupSeq(r.u64()?), r.u64()?);
        if want < HEADER_BYTES as u64 + 4 || have < want {
            return Err(CheckpointError::Short { have, want });
        }
        let body = want as usize - 4;
        let said = u32::from_le_bytes(file[body..body + 4].try_into().expect("four bytes"));
        let computed = crc32fast::hash(&file[..body]);
        if said != computed {
            return Err(CheckpointError::Crc { said, computed });
        }
        r.bytes.truncate(body);
        let (logs, removals, sections) = (r.u32()?, r.u32()?, r.u32()?);
        let _reserved = r.u32()?;
        let mut checkpoint = Checkpoint { number, boot, from, skip, ..Checkpoint::default() };
        for _ in 0..logs {
            checkpoint.logs.push(SavedLog::decode(&mut r)?);
        }
        for _ in 0..removals {
            checkpoint.removals.push(r.dir()?);
        }
        for _ in 0..sections {
            let (name, version) = (r.u16()?, r.u16()?);
            let log = Some(r.u64()?).filter(|n| *n != u64::MAX).map(LogId);
            checkpoint.sections.push(Section { name, log, version, bytes: r.bytes()? });
        }
        match r.at == body {
            true => Ok(checkpoint),
            false => {
                Err(CheckpointError::Nonsense { at: r.at, what: "bytes behind the last section" })
            }
        }
    }
}

/// Lines that say what a checkpoint file holds, or why it is none.
pub fn dump(file: Bytes) -> impl Iterator<Item = String> {
    let mut lines = Vec::new();
    match Checkpoint::decode(file) {
        Err(e) => lines.push(e.to_string()),
        Ok(c) => {
            lines.push(format!(
                "checkpoint {} of boot {}: replay from journal group {}, but its first {} frames",
                c.number, c.boot, c.from.0, c.skip
            ));
            c.logs.iter().for_each(|log| log.dump(&mut lines));
            for dir in &c.removals {
                lines.push(format!("{} in {} is deleted and being removed", dir.log, dir.name));
            }
            for s in &c.sections {
                let about = s.log.map_or(String::new(), |log| format!(" of {log}"));
                let (name, version, bytes) = (s.name, s.version, s.bytes.len());
                lines.push(format!("section {name}{about}: version {version}, {bytes} bytes"));
            }
        }
    }
    lines.into_iter()
}

/// The checkpoint that recovery believes among the contents of `current`, `next` and `previous`, in this order (`None` where a
/// file is missing, an error where the disk does not give it), with its place in it; and what is wrong with those before it.
/// An error if there was one and none can be read.
pub fn choose(files: [Option<Result<Bytes, String>>; 3]) -> Result<Choice, String> {
    let mut wrong = Vec::new();
    for (place, (name, file)) in NAMES.into_iter().zip(files).enumerate() {
        let read = |bytes| Checkpoint::decode(bytes).map_err(|e| e.to_string());
        match file.map(|file| file.and_then(read)) {
            Some(Ok(checkpoint)) => {
                if !wrong.is_empty() {
                    wrong.push(format!("going on with checkpoint/{name}"));
                }
                return Ok((Some((place, checkpoint)), wrong));
            }
            // A torn `next` is one that was never completed.
            Some(Err(_)) if name == "next" => {}
            Some(Err(e)) => wrong.push(format!("checkpoint/{name}: {e}")),
            None => {}
        }
    }
    match wrong.is_empty() {
        true => Ok((None, wrong)),
        false => {
            let wrong = wrong.join("; ");
            Err(format!("{wrong}; no other checkpoint is readable: restore one of them"))
        }
    }
}

impl SavedLog {
    fn dump(&self, lines: &mut Vec<String>) {
        let LogDir { name, log } = &self.dir;
        let made = if self.made { "" } else { ", no directory yet" };
        lines.push(format!(
            "{log} in {name}{made}: partition {}, offsets {}..{}, hard state of {} bytes",
            self.partition,
            self.start,
            self.end,
            self.hard_state.len()
        ));
        for span in self.faulty.iter() {
            lines.push(format!("  FAULTY {}..{}", span.from, span.to));
        }
        for s in &self.segments {
            lines.push(format!(
                "  segment {:020}: offsets ..{}, {} bytes, max timestamp {}, {} index and {} time \
                 entries",
                s.base.0, s.next, s.bytes, s.max_timestamp, s.index_entries, s.time_entries
            ));
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_dir(out, &self.dir);
        out.extend(self.topic_id);
        out.extend(self.partition.to_le_bytes());
        out.push(u8::from(self.made) | u8::from(self.closed) << 1);
        out.extend(self.start.0.to_le_bytes());
        out.extend(self.end.0.to_le_bytes());
        out.extend(self.config.segment_bytes.to_le_bytes());
        out.extend(self.config.segment_ms.to_le_bytes());
        out.extend(self.config.index_bytes_max.to_le_bytes());
        out.extend(self.config.index_interval_bytes.to_le_bytes());
        put_bytes(out, &self.hard_state);
        out.extend((self.faulty.iter().count() as u32).to_le_bytes());
        for span in self.faulty.iter() {
            out.extend(span.from.0.to_le_bytes());
            out.extend(span.to.0.to_le_bytes());
        }
        out.extend((self.segments.len() as u32).to_le_bytes());
        for s in &self.segments {
            out.extend(s.base.0.to_le_bytes());
            out.extend(s.next.0.to_le_bytes());
            out.extend(s.bytes.to_le_bytes());
            out.extend(s.max_timestamp.to_le_bytes());
            out.extend(s.max_timestamp_last.0.to_le_bytes());
            out.extend(s.first_timestamp.to_le_bytes());
            out.extend(s.created.0.to_le_bytes());
            out.extend(s.time_indexed.to_le_bytes());
            out.extend(s.index_entries.to_le_bytes());
            out.extend(s.time_entries.to_le_bytes());
            out.extend(s.unindexed_bytes.to_le_bytes());
        }
    }

    fn decode(r: &mut Reader) -> Result<SavedLog, CheckpointError> {
        let (dir, topic_id, partition, flags) = (r.dir()?, r.array()?, r.u32()?, r.u8()?);
        let mut log = SavedLog {
            dir,
            topic_id,
            partition,
            made: flags & 1 != 0,
            closed: flags & 2 != 0,
            start: Offset(r.u64()?),
            end: Offset(r.u64()?),
            config: LogConfig {
                segment_bytes: r.u32()?,
                segment_ms: r.u64()?,
                index_bytes_max: r.u32()?,
                index_interval_bytes: r.u32()?,
            },
            hard_state: r.bytes()?,
            faulty: Spans::default(),
            segments: Vec::new(),
        };
        for _ in 0..r.u32()? {
            log.faulty.add(Offset(r.u64()?), Offset(r.u64()?));
        }
        let mut next = None;
        for _ in 0..r.u32()? {
            let segment = Segment {
                base: Offset(r.u64()?),
                next: Offset(r.u64()?),
                bytes: r.u64()?,
                max_timestamp: r.i64()?,
                max_timestamp_last: Offset(r.u64()?),
                first_timestamp: r.i64()?,
                created: Wall(r.i64()?),
                time_indexed: r.i64()?,
                index_entries: r.u32()?,
                time_entries: r.u32()?,
                unindexed_bytes: r.u32()?,
            };
            if segment.next < segment.base || next.is_some_and(|next| next != segment.base) {
                return Err(r.nonsense("segments that do not follow each other"));
            }
            next = Some(segment.next);
            log.segments.push(segment);
        }
        if log.start > log.end || next.is_some_and(|next| next != log.end) {
            return Err(r.nonsense("a log whose segments do not reach its end"));
        }
        Ok(log)
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

fn put_dir(out: &mut Vec<u8>, dir: &LogDir) {
    out.extend(dir.log.0.to_le_bytes());
    put_bytes(out, dir.name.as_bytes());
}

/// Reads fields one after the other; never beyond the end.
struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    fn nonsense(&self, what: &'static str) -> CheckpointError {
        CheckpointError::Nonsense { at: self.at, what }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).copied();
        let bytes = bytes.ok_or(self.nonsense("a field goes beyond the end"))?;
        self.at += N;
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<u8, CheckpointError> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, CheckpointError> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, CheckpointError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, CheckpointError> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, CheckpointError> {
        self.array().map(i64::from_le_bytes)
    }

    fn bytes(&mut self) -> Result<Bytes, CheckpointError> {
        let len = self.u32()? as usize;
        if len > self.bytes.len() - self.at {
            return Err(self.nonsense("a length goes beyond the end"));
        }
        let bytes = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(bytes)
    }

    fn dir(&mut self) -> Result<LogDir, CheckpointError> {
        let log = LogId(self.u64()?);
        let name = self.bytes()?;
        let name = std::str::from_utf8(&name).map_err(|_| self.nonsense("a name not in UTF-8"))?;
        Ok(LogDir { name: Arc::from(name), log })
    }
}
