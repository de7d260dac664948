//! A group: the frames of one or more turns that become durable together, and the footer that says
//! again what they are.
//!
//! Frames follow each other from the group's first payload byte; the footer ends with the last
//! payload byte of the last block, so that it is found even where no header of the group can be
//! read; zeroes lie between. The footer repeats the identity of every frame, and names the frames
//! of the group *before* it once more (appends merged into ranges): the footer that proves a group
//! durable thereby also says what was in it, though nothing of the group itself may be left. That
//! costs 37 bytes a frame, and at most a block for the echo.
//!
//! `synced_through` is filled in when the group is handed to the disk, not when its last frame was
//! put: with one group in flight everything before it is durable by then.

use super::block::{self, Head, PAYLOAD_BYTES, le32, le64};
use super::frame::{Frame, FrameKind, IDENTITY_BYTES, Identity};
use crate::disk::Block;
use crate::id::{GroupSeq, Lsn};
use crate::time::Wall;
use bytes::Bytes;
use std::fmt;

/// Length of the fixed end of a footer in bytes.
pub const TRAILER_BYTES: usize = 56;
/// How many entries about the group before it a footer has at most: a block's worth.
pub const ECHO_MAX: usize = 100;

const TRAILER_MAGIC: u32 = u32::from_le_bytes(*b"FOOT");
const _: () = assert!(ECHO_MAX * IDENTITY_BYTES <= PAYLOAD_BYTES);

/// What a group says of itself and of the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// Sequence number of the group.
    pub seq: GroupSeq,
    /// Position of the group.
    pub lsn: Lsn,
    /// Lap in which it was written.
    pub lap: u32,
    /// The last group whose sync had returned when this one was handed to the disk.
    pub synced_through: GroupSeq,
    /// Bytes of frames, from the group's first payload byte.
    pub frames_bytes: u32,
    /// When it was handed to the disk, in whole seconds; `None` if that was not known.
    pub wall: Option<Wall>,
    /// Number of frames.
    pub frames: u32,
    /// Encoded identities: one of every frame, then the echo.
    lists: Bytes,
    /// Whether the echo is whole.
    echo_whole: bool,
}

/// What a group holds, as the next group's footer repeats it: consecutive appends to a log are one
/// entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// At most [`ECHO_MAX`] entries.
    pub entries: Vec<Identity>,
    /// Whether they are all.
    pub whole: bool,
}

/// A group that is being filled, or waits for its turn to be written.
pub struct Open {
    /// Its sequence number.
    pub seq: GroupSeq,
    /// Payload so far; may hold more blocks than are used, with anything in them.
    blocks: Vec<Block>,
    /// Payload bytes of frames.
    filled: usize,
    /// Identity of every frame.
    entries: Vec<Identity>,
}

/// Blocks of a group with so many bytes of frames and so many entries in its footer.
pub fn blocks_for(frames_bytes: usize, entries: usize, echo: usize) -> usize {
    (frames_bytes + (entries + echo) * IDENTITY_BYTES + TRAILER_BYTES).div_ceil(PAYLOAD_BYTES)
}

impl Open {
    /// An empty group. `memory` is what an earlier group was written from.
    pub fn new(seq: GroupSeq, memory: Vec<Block>, entries: Vec<Identity>) -> Open {
        Open { seq, blocks: memory, filled: 0, entries: cleared(entries) }
    }

    /// Whether it has no frames.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.entries.len()
    }

    /// Blocks it will have with an echo of `echo` entries and, if `more` is not 0, a further frame
    /// of so many bytes.
    pub fn blocks(&self, echo: usize, more: usize) -> usize {
        blocks_for(self.filled + more, self.entries.len() + usize::from(more > 0), echo)
    }

    /// Adds a frame: the one copy of its payload on the way to the disk.
    pub fn put(&mut self, frame: &Frame) {
        let at = u32::try_from(self.filled).expect("a group is smaller than a journal file");
        let head = frame.head();
        self.entries.push(frame.identity(at, &head));
        self.filled = block::stripe(&mut self.blocks, self.filled, &head);
        for piece in frame.payload() {
            self.filled = block::stripe(&mut self.blocks, self.filled, piece);
        }
    }

    /// What the next group's footer repeats of this one.
    pub fn echo(&self) -> Echo {
        Echo::of(self.entries.iter().copied())
    }

    /// Whether it is a seal and nothing else.
    pub fn is_seal(&self) -> bool {
        self.entries.iter().all(|e| e.kind == FrameKind::Seal)
    }

    /// Completes the group for its place, given as the head of its first block (whose `blocks` is
    /// filled in here). Returns its blocks, and the list of identities for reuse.
    pub fn finish(
        mut self,
        first: Head,
        synced_through: GroupSeq,
        wall: Wall,
        echo: &Echo,
        scratch: &mut Vec<u8>,
    ) -> (Vec<Block>, Vec<Identity>) {
        assert_eq!(first.group, self.seq, "the head of another group");
        let blocks = self.blocks(echo.entries.len(), 0);
        let frames_bytes = u32::try_from(self.filled).expect("a group is smaller than a file");
        scratch.clear();
        encode_footer(&first, synced_through, wall, frames_bytes, &self.entries, echo, scratch);
        self.blocks.truncate(blocks);
        let start = blocks * PAYLOAD_BYTES - scratch.len();
        block::blank(&mut self.blocks, self.filled, start);
        block::stripe(&mut self.blocks, start, scratch);
        assert_eq!(self.blocks.len(), blocks, "the footer ends the last block");
        let count = u32::try_from(blocks).expect("a group is smaller than a file");
        for (index, block) in (0..count).zip(&mut self.blocks) {
            block::seal(block, &Head { blocks: count, ..first.nth(index) });
        }
        (self.blocks, self.entries)
    }
}

impl Clone for Open {
    /// Copies the blocks that are used.
    fn clone(&self) -> Open {
        let used = self.filled.div_ceil(PAYLOAD_BYTES);
        let (blocks, entries) = (self.blocks[..used].to_vec(), self.entries.clone());
        Open { seq: self.seq, blocks, filled: self.filled, entries }
    }
}

impl fmt::Debug for Open {
    /// The identities, which have checksums, stand for the blocks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Open");
        shown.field("seq", &self.seq).field("filled", &self.filled).field("entries", &self.entries);
        shown.finish_non_exhaustive()
    }
}

impl Echo {
    /// Merges consecutive appends of a log, and stops at [`ECHO_MAX`] entries.
    pub fn of(entries: impl Iterator<Item = Identity>) -> Echo {
        let mut echo = Echo { entries: Vec::new(), whole: true };
        for id in entries.filter(|id| id.kind != FrameKind::Seal) {
            let before = echo.entries.iter_mut().rev().find(|e| e.log == id.log);
            let goes_on = |e: &Identity| {
                id.kind == FrameKind::Append && e.kind == id.kind && e.last + 1 == id.base
            };
            if let Some(e) = before.filter(|e| goes_on(e)) {
                (e.last, e.epoch, e.crc) = (id.last, id.epoch, 0);
            } else if echo.entries.len() < ECHO_MAX {
                echo.entries.push(id);
            } else {
                echo.whole = false;
                break;
            }
        }
        echo
    }
}

impl Footer {
    /// Reads the footer that ends `payload`, a group's payload; `None` if there is none that can be
    /// believed.
    pub fn decode(payload: &Bytes) -> Option<Footer> {
        let trailer = payload.len().checked_sub(TRAILER_BYTES)?;
        let t = &payload[trailer..];
        let (frames, echo) = (le32(t, 40), le32(t, 44));
        let lists = (frames as usize).checked_add(echo as usize)?.checked_mul(IDENTITY_BYTES)?;
        let start = trailer.checked_sub(lists)?;
        if le32(t, 4) != TRAILER_MAGIC || footer_checksum(&payload[start..], lists) != le32(t, 0) {
            return None;
        }
        let footer = Footer {
            seq: GroupSeq(le64(t, 8)),
            lsn: Lsn(le64(t, 16)),
            synced_through: GroupSeq(le64(t, 24)),
            lap: le32(t, 32),
            frames_bytes: le32(t, 36),
            frames,
            wall: Some(Wall(i64::from(le32(t, 52)) * 1000)).filter(|wall| wall.0 > 0),
            lists: payload.slice(start..trailer),
            echo_whole: le32(t, 48) == 1,
        };
        let readable = footer.ids().iter().all(|id| Identity::decode(id).is_some());
        (readable && footer.frames_bytes as usize <= start).then_some(footer)
    }

    /// Identity of every frame, in order.
    pub fn entries(&self) -> impl Iterator<Item = Identity> {
        self.ids()[..self.frames as usize].iter().filter_map(Identity::decode)
    }

    /// What the group before it holds.
    pub fn echo(&self) -> Echo {
        let entries = self.ids()[self.frames as usize..].iter().filter_map(Identity::decode);
        Echo { entries: entries.collect(), whole: self.echo_whole }
    }

    fn ids(&self) -> &[[u8; IDENTITY_BYTES]] {
        self.lists.as_chunks().0
    }
}

/// Encodes a footer at the end of `to`.
fn encode_footer(
    first: &Head,
    synced_through: GroupSeq,
    wall: Wall,
    frames_bytes: u32,
    entries: &[Identity],
    echo: &Echo,
    to: &mut Vec<u8>,
) {
    for id in entries.iter().chain(&echo.entries) {
        to.extend_from_slice(&id.encode());
    }
    let trailer = to.len();
    let count = |n: usize| u32::try_from(n).expect("a group is smaller than a file");
    to.extend_from_slice(&[0; 4]);
    to.extend_from_slice(&TRAILER_MAGIC.to_le_bytes());
    to.extend_from_slice(&first.group.0.to_le_bytes());
    to.extend_from_slice(&first.lsn.0.to_le_bytes());
    to.extend_from_slice(&synced_through.0.to_le_bytes());
    to.extend_from_slice(&first.lap.to_le_bytes());
    to.extend_from_slice(&frames_bytes.to_le_bytes());
    to.extend_from_slice(&count(entries.len()).to_le_bytes());
    to.extend_from_slice(&count(echo.entries.len()).to_le_bytes());
    to.extend_from_slice(&u32::from(echo.whole).to_le_bytes());
    to.extend_from_slice(&u32::try_from(wall.0.div_euclid(1000)).unwrap_or(0).to_le_bytes());
    assert_eq!(to.len() - trailer, TRAILER_BYTES, "the trailer as drawn");
    let crc = footer_checksum(to, trailer);
    to[trailer..trailer + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Checksum of a footer whose trailer begins at `trailer`: everything but the checksum itself.
fn footer_checksum(footer: &[u8], trailer: usize) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&footer[..trailer]);
    crc.update(&footer[trailer + 4..]);
    crc.finalize()
}

fn cleared(mut entries: Vec<Identity>) -> Vec<Identity> {
    entries.clear();
    entries
}
