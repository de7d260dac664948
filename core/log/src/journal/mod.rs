//! The journal: one endless sequence of groups, written and synced one at a time.
//!
//! Everything that must survive is a [`Frame`] in some group: the appends of all logs, their hard
//! state, their beginning and end. Frames gather in the *open* group; [`Journal::flush`] hands it
//! to the disk when no other group is in flight, so that the next group is as large as one sync is
//! long. A frame that finds the open group full closes it, and closed groups wait in a queue.
//!
//! Bytes on disk: [`block`] (4 KiB with checksum and laps), [`group`] (frames and footer),
//! [`frame`], [`files`] (the ring). What is believed after a crash: [`recovery`]. All of it is
//! drawn in `docs/journal.md`.
//!
//! A payload is copied once, from the caller's slice into the blocks of the open group, striped
//! around the tags. Blocks live in one vector for each group, which comes back from the disk
//! through the `Arc` that was lent and serves again, so that a journal at work allocates nothing
//! for a frame.

pub mod block;
mod dump;
pub mod files;
pub mod frame;
pub mod group;
mod growth;
pub mod recovery;
#[cfg(test)]
mod tests;

pub use dump::dump;
pub use frame::{Frame, FrameKind, Identity};
pub use recovery::{Finding, Group, JournalError, JournalImage, recover};

use crate::disk::{BLOCK_BYTES, Block, Data, DiskOp, Done, FileName, OpKind};
use crate::id::GroupSeq;
use crate::time::{Mono, Now, Wall};
use crate::wall::WallGuard;
use block::{Head, PAYLOAD_BYTES};
use files::{FileState, Place, Ring, RingFile};
use group::{ECHO_MAX, Echo, Open, TRAILER_BYTES};
use sordini_mutant::mutant;
use sordini_reach::{Reach, Reached};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

/// A seal follows the last sync after so many milliseconds.
pub const SEAL_MS: u64 = 10;
/// What a full disk did not take is tried again after so many milliseconds.
pub const FULL_RETRY_MS: u64 = 1000;
/// Buffers that are kept for later groups: one for the open group, one for the group in flight.
const SPARES_MAX: usize = 2;

/// Sizes of a journal, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// All files together; the ring is not grown beyond.
    pub bytes: u64,
    /// A file.
    pub file_bytes: u64,
    /// The first file, which is small so that a start takes milliseconds.
    pub first_file_bytes: u64,
    /// A group, but for one that holds a single larger frame.
    pub group_bytes_max: u64,
    /// Frames in memory that are not with the disk yet; beyond it there is no [`Journal::room`].
    pub queue_bytes_max: u64,
}

impl Default for JournalConfig {
    fn default() -> JournalConfig {
        JournalConfig {
            bytes: 192 << 20,
            file_bytes: 16 << 20,
            first_file_bytes: 4 << 20,
            group_bytes_max: 4 << 20,
            queue_bytes_max: 16 << 20,
        }
    }
}

impl JournalConfig {
    /// The longest frame, header included, that fits a file of the ring.
    pub fn frame_bytes_max(&self) -> usize {
        let blocks = blocks_of(self.file_bytes).saturating_sub(1);
        (blocks * PAYLOAD_BYTES)
            .saturating_sub((1 + ECHO_MAX) * frame::IDENTITY_BYTES + TRAILER_BYTES)
    }

    /// The longest batch that fits a file of the ring.
    pub fn batch_bytes_max(&self) -> usize {
        self.frame_bytes_max().saturating_sub(frame::FRAME_HEAD_BYTES)
    }

    /// What an append of a batch of so many bytes may cost of [`Journal::room`], when it needs a
    /// group of its own.
    pub fn cost(batch_bytes: usize) -> u64 {
        let own = batch_bytes + frame::FRAME_HEAD_BYTES + frame::IDENTITY_BYTES + TRAILER_BYTES;
        // One more for the echo of the group before.
        ((own.div_ceil(PAYLOAD_BYTES) + 1) * BLOCK_BYTES) as u64
    }

    /// Blocks of a group, such that it fits every file.
    fn group_blocks_max(&self) -> usize {
        let file = blocks_of(self.file_bytes.min(self.first_file_bytes)).saturating_sub(1);
        blocks_of(self.group_bytes_max).clamp(1, file.max(1))
    }
}

/// What became durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The last durable group.
    pub through: GroupSeq,
}

/// The journal of a shard.
#[derive(Clone, Debug)]
pub struct Journal {
    config: JournalConfig,
    ring: Ring,
    /// The group that frames join.
    open: Open,
    /// Full groups in front of it, oldest first.
    queue: VecDeque<Open>,
    /// The group that is with the disk.
    flight: Option<Flight>,
    /// Groups before this one are covered by a checkpoint.
    first: GroupSeq,
    /// Every group through this one is durable. `first <= synced + 1`, `synced < flight < queue <
    /// open`, without gaps.
    synced: GroupSeq,
    /// What the group that was handed to the disk last holds.
    echo: Echo,
    /// When the last sync returned, while the group that it made durable is covered by no later
    /// group.
    unsealed: Option<Mono>,
    /// A file with groups that recovery kept though their sync may never have returned: no group is written
    /// before its header was, with a sync. Live while that is to be done or under way.
    resync: Option<Resync>,
    /// No file is made before then, because the disk was full.
    files_rest: Option<Mono>,
    /// When the group in flight, or the header before it, is written again, because the disk was full.
    again: Option<Mono>,
    /// Whether the disk was too full for the last file that was asked for, and for the last group.
    refused: Refused,
    /// What time it is, as the groups' footers say it.
    wall: WallGuard,
    memory: Memory,
    /// Rare states that it came to.
    pub(crate) reached: Reached,
}

/// The group that is with the disk.
#[derive(Clone, Debug)]
struct Flight {
    seq: GroupSeq,
    blocks: Arc<Vec<Block>>,
    /// File and byte where it goes.
    file: u32,
    at: u64,
    seal: bool,
}

/// What a full disk has not taken yet.
#[derive(Clone, Copy, Debug, Default)]
struct Refused {
    file: bool,
    group: bool,
}

/// A header that is to be written once more.
#[derive(Clone, Copy, Debug)]
struct Resync {
    /// Index of its file.
    index: usize,
    /// Whether the write is with the disk.
    asked: bool,
}

/// Memory of earlier groups, for later ones. Says nothing about the journal, so that a copy of the
/// journal has none, and shows nothing.
#[derive(Default)]
struct Memory {
    /// Free blocks.
    spare: Vec<Vec<Block>>,
    /// Blocks whose write is done, though the disk still has its handle.
    lent: Vec<Arc<Vec<Block>>>,
    /// A list of identities.
    entries: Vec<Identity>,
    /// Where a footer is encoded.
    footer: Vec<u8>,
}

impl Journal {
    /// The journal of an empty data directory. The directory `journal` itself is there and durable;
    /// the files are made by [`Journal::flush`], the first of them at once.
    pub fn create(config: JournalConfig) -> Journal {
        let nothing_before = Echo { entries: vec![], whole: true };
        Journal::new(config, Ring::default(), GroupSeq(1), nothing_before)
    }

    /// The journal that [`recover`] found. Writing goes on behind the last group that was kept, in
    /// a new lap.
    pub fn resume(image: &JournalImage, config: JournalConfig) -> Journal {
        let files: Vec<RingFile> = image
            .files
            .iter()
            .map(|f| RingFile {
                number: f.number,
                blocks: f.blocks,
                state: FileState::Ready,
                last: f.last,
            })
            .collect();
        let tail = image.tail.map(|(number, at)| {
            let index = files.iter().position(|f| f.number == number);
            (index.expect("the tail lies in a file of the image"), at)
        });
        // Entering a file begins a lap, going on in one does not: its lap begins here.
        let lap = if tail.is_some() { image.next_lap } else { image.next_lap - 1 };
        let ring = Ring { files, tail, lap, lsn: image.next_lsn };
        let resync = tail.map(|(index, _)| Resync { index, asked: false });
        let echo = image.echo.clone();
        Journal { resync, first: image.from, ..Journal::new(config, ring, image.next_seq, echo) }
    }

    fn new(config: JournalConfig, ring: Ring, next: GroupSeq, echo: Echo) -> Journal {
        Journal {
            config,
            ring,
            open: Open::new(next, vec![], vec![]),
            queue: VecDeque::new(),
            flight: None,
            first: GroupSeq(1),
            synced: GroupSeq(next.0 - 1),
            echo,
            unsealed: None,
            resync: None,
            files_rest: None,
            again: None,
            refused: Refused::default(),
            wall: WallGuard::default(),
            memory: Memory::default(),
            reached: Reached::default(),
        }
    }

    /// What an earlier life knew of the time: it was `known`, at the latest, at `mono` of this one.
    pub fn remember(&mut self, mono: Mono, known: Wall) {
        self.wall = WallGuard::since(mono, known);
    }

    /// The time, unless the wall clock is not to be believed; see [`WallGuard`].
    pub fn look(&mut self, now: Now) -> Wall {
        let believed = self.wall.look(now);
        self.reached.mark_if(Reach::ClockDoubted, believed != now.wall);
        believed
    }

    /// Puts a frame into the open group and returns the group whose durability makes it true.
    /// Nothing is written before [`Journal::flush`]. Never refuses, so ask [`Journal::room`] first;
    /// the frame must not be longer than [`JournalConfig::frame_bytes_max`].
    pub fn put(&mut self, frame: Frame) -> GroupSeq {
        let len = frame.len();
        assert!(len <= self.config.frame_bytes_max(), "a frame of {len} bytes fits no file");
        if !self.open.is_empty() && self.open.blocks(ECHO_MAX, len) > self.group_blocks_max() {
            self.close();
        }
        self.open.put(&frame);
        self.open.seq
    }

    /// The group that the next frame joins, if it fits.
    pub fn open_seq(&self) -> GroupSeq {
        self.open.seq
    }

    /// How many frames the open group has, a seal of the journal's own included.
    pub fn open_frames(&self) -> u32 {
        self.open.frames() as u32
    }

    /// Every group through this one is durable.
    pub fn synced(&self) -> GroupSeq {
        self.synced
    }

    /// Hands the next group to the disk if there is one, none is in flight and a file has room.
    /// Once per turn.
    pub fn flush(&mut self, now: Now, out: &mut Vec<DiskOp>) {
        self.wall.look(now);
        self.grow(now.mono, out);
        self.write_next(out);
        self.invariants();
    }

    /// The group in flight is durable (`Done::Group(seq)` came back well). A group that was full
    /// already goes out at once.
    pub fn done(&mut self, now: Now, seq: GroupSeq, out: &mut Vec<DiskOp>) -> Synced {
        let flight = self.flight.take().expect("a group is in flight");
        assert_eq!(flight.seq, seq, "the group in flight is the one that is done");
        self.refused.group = false;
        self.synced = seq;
        self.unsealed = (!flight.seal).then_some(now.mono);
        self.wall.look(now);
        self.memory.give_back(flight.blocks, self.group_blocks_max());
        self.write_closed(out);
        self.invariants();
        Synced { through: seq }
    }

    /// The disk was too full for the group in flight. Nothing was lost: all of it is written again later, at the
    /// same place, before its sync is believed.
    pub fn group_refused(&mut self, now: Now, seq: GroupSeq) {
        assert!(self.flight.as_ref().is_some_and(|f| f.seq == seq), "the group in flight");
        self.reached.mark(Reach::GroupRefused);
        (self.refused.group, self.again) = (true, Some(now.mono.after_ms(FULL_RETRY_MS)));
    }

    /// A durable checkpoint covers every group before `before`: files wholly before it are written
    /// over from now on.
    pub fn recycle(&mut self, before: GroupSeq) {
        assert!(before.0 <= self.synced.0 + 1, "a checkpoint covers durable groups only");
        self.first = self.first.max(before);
        self.ring.recycle(before);
    }

    /// Bytes that may still be put, footers and block headers included; what was put before always
    /// finds a place.
    pub fn room(&self) -> u64 {
        let group = self.group_blocks_max();
        let waiting = || self.queue.iter().chain([&self.open]).filter(|g| !g.is_empty());
        let queued = waiting().map(|g| g.blocks(ECHO_MAX, 0));
        let held = queued.clone().sum::<usize>() as u64 * BLOCK_BYTES as u64;
        let ring = self.ring.room(queued, group) as u64 * BLOCK_BYTES as u64;
        ring.saturating_sub(self.reserve()).min(self.config.queue_bytes_max.saturating_sub(held))
    }

    /// Bytes of the ring that hold groups which no checkpoint covers yet.
    pub fn used(&self) -> u64 {
        self.ring.used()
    }

    /// Whether there are files that a checkpoint of everything would free: all that hold groups, but for the one that
    /// is being written.
    pub fn holds_full_files(&self) -> bool {
        let tail = self.ring.tail.map(|(i, _)| i);
        self.ring.files.iter().enumerate().any(|(i, f)| f.last.is_some() && tail != Some(i))
    }

    /// Bytes of all files that are made.
    pub fn size(&self) -> u64 {
        let made = self.ring.files.iter().filter(|f| f.state == FileState::Ready);
        made.map(|f| u64::from(f.blocks) * BLOCK_BYTES as u64).sum()
    }

    /// The first group that no checkpoint covers: where a recovery would begin.
    pub fn tail_seq(&self) -> GroupSeq {
        self.first
    }

    /// When [`Journal::tick`] wants to be called next.
    pub fn deadline(&self) -> Option<Mono> {
        let quiet = self.flight.is_none() && self.queue.is_empty() && self.open.is_empty();
        let seal = self.unsealed.filter(|_| quiet).map(|at| at.after_ms(SEAL_MS));
        [seal, self.files_rest, self.again].into_iter().flatten().min()
    }

    /// Seals the journal if the last sync is [`SEAL_MS`] old, and tries again to make files.
    pub fn tick(&mut self, now: Now, out: &mut Vec<DiskOp>) {
        let due = self.unsealed.is_some_and(|at| now.mono >= at.after_ms(SEAL_MS));
        if due {
            self.seal(now, out);
        }
        if self.again.take_if(|at| now.mono >= *at).is_some() {
            match &self.flight {
                Some(flight) => {
                    let again = mutant!(S02, Arc::clone(&flight.blocks), Arc::default());
                    out.push(Flight { blocks: again, ..*flight }.write());
                }
                None => self.write_next(out),
            }
        }
        self.grow(now.mono, out);
    }

    /// Writes an empty group, so that a later recovery knows that everything before was durable.
    /// Does nothing while groups are on their way, or if the last one is a seal; says which group
    /// to wait for.
    pub fn seal(&mut self, now: Now, out: &mut Vec<DiskOp>) -> GroupSeq {
        let quiet = self.flight.is_none() && self.queue.is_empty() && self.open.is_empty();
        if quiet && self.unsealed.is_some() {
            self.put(Frame::Seal);
            self.flush(now, out);
        }
        GroupSeq(self.open.seq.0 - u64::from(self.open.is_empty()))
    }

    /// Blocks of a group, such that it fits every file, also those of a former configuration.
    fn group_blocks_max(&self) -> usize {
        let files = self.ring.files.iter().map(|f| f.blocks as usize - 1).min();
        self.config.group_blocks_max().min(files.unwrap_or(usize::MAX)).max(1)
    }

    /// Moves the open group to the queue.
    fn close(&mut self) {
        self.reached.mark(Reach::GroupQueued);
        let full = self.take_open();
        self.queue.push_back(full);
    }

    fn take_open(&mut self) -> Open {
        let entries = std::mem::take(&mut self.memory.entries);
        let next = Open::new(GroupSeq(self.open.seq.0 + 1), self.memory.blocks(), entries);
        std::mem::replace(&mut self.open, next)
    }

    /// Hands the oldest group that is full, or else the open one, to the disk.
    fn write_next(&mut self, out: &mut Vec<DiskOp>) {
        self.write_closed(out);
        let free = mutant!(B06, self.flight.is_none(), true);
        if free && self.queue.is_empty() && !self.open.is_empty() {
            let blocks = self.open.blocks(self.echo.entries.len(), 0);
            if let Some(place) = self.ring.place(blocks)
                && !self.rewrites_header(out)
            {
                let group = self.take_open();
                self.write(group, place, out);
            }
        }
    }

    /// Hands the oldest full group to the disk.
    fn write_closed(&mut self, out: &mut Vec<DiskOp>) {
        if self.flight.is_some() {
            return;
        }
        let Some(group) = self.queue.front() else { return };
        let blocks = group.blocks(self.echo.entries.len(), 0);
        let Some(place) = self.ring.place(blocks) else { return };
        if self.rewrites_header(out) {
            return;
        }
        let group = self.queue.pop_front().expect("looked at above");
        self.write(group, place, out);
    }

    fn write(&mut self, group: Open, place: Place, out: &mut Vec<DiskOp>) {
        assert_eq!(group.seq.0, self.synced.0 + 1, "one group in flight, in order");
        let (seq, seal, echo) = (group.seq, group.is_seal(), group.echo());
        let file = self.ring.files[place.index].number;
        if place.enter {
            self.ring.lap = self.ring.lap.checked_add(1).expect("laps stay below 2^32");
            let laps = self.ring.lap as usize;
            self.reached.mark_if(Reach::RingWrapped, laps > self.ring.files.len());
        }
        let first = Head {
            lap: self.ring.lap,
            lsn: self.ring.lsn,
            group: seq,
            index: 0,
            blocks: 0,
            file,
            at: place.at,
        };
        let (blocks, entries) =
            group.finish(first, self.synced, self.wall.last(), &self.echo, &mut self.memory.footer);
        self.memory.entries = entries;
        self.echo = echo;
        self.ring.take(place, blocks.len(), seq);
        let at = u64::from(place.at) * BLOCK_BYTES as u64;
        let flight = Flight { seq, blocks: Arc::new(blocks), file, at, seal };
        out.push(flight.write());
        self.flight = Some(flight);
    }

    /// Before the first group of a life: syncs the file whose last group recovery kept, by writing
    /// its header again. The group was read, but perhaps from a cache; nothing may follow it before
    /// it is durable, and so the first group waits as long as this says true.
    fn rewrites_header(&mut self, out: &mut Vec<DiskOp>) -> bool {
        let Some(Resync { index, asked }) = &mut self.resync else { return false };
        if self.again.is_none() && !std::mem::replace(asked, true) {
            self.reached.mark(Reach::HeaderRewritten);
            let RingFile { number, blocks, .. } = self.ring.files[*index];
            let data = Data::Blocks(Arc::new(vec![files::header(number, blocks)]));
            let kind = OpKind::Write { file: FileName::Journal(number), at: 0, data, sync: true };
            out.push(DiskOp { kind, done: Done::JournalFile(number) });
        }
        true
    }

    fn invariants(&self) {
        let mut next = self.synced.0 + 1;
        for seq in self.flight.iter().map(|f| f.seq).chain(self.queue.iter().map(|g| g.seq)) {
            assert_eq!(seq.0, next, "groups follow each other without gaps");
            next += 1;
        }
        assert_eq!(self.open.seq.0, next, "the open group is the last");
    }
}

impl Flight {
    /// Its write and sync.
    fn write(&self) -> DiskOp {
        let data = Data::Blocks(Arc::clone(&self.blocks));
        let file = FileName::Journal(self.file);
        let kind = OpKind::Write { file, at: self.at, data, sync: true };
        DiskOp { kind, done: Done::Group(self.seq) }
    }
}

impl Clone for Memory {
    fn clone(&self) -> Memory {
        Memory::default()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    /// Memory for a new group: what a former one has left, or nothing.
    fn blocks(&mut self) -> Vec<Block> {
        if self.spare.is_empty() {
            for arc in std::mem::take(&mut self.lent) {
                match Arc::try_unwrap(arc) {
                    Ok(blocks) => self.spare.push(blocks),
                    Err(arc) => self.lent.push(arc),
                }
            }
        }
        self.spare.pop().unwrap_or_default()
    }

    /// A group was written; the disk may still hold its handle for a moment.
    fn give_back(&mut self, blocks: Arc<Vec<Block>>, blocks_max: usize) {
        if blocks.len() > blocks_max || self.spare.len() + self.lent.len() >= SPARES_MAX {
            return;
        }
        match Arc::try_unwrap(blocks) {
            Ok(blocks) => self.spare.push(blocks),
            Err(arc) => self.lent.push(arc),
        }
    }
}

fn blocks_of(bytes: u64) -> usize {
    usize::try_from(bytes / BLOCK_BYTES as u64).expect("fits the address space")
}
