//! The ring of files: which file takes the next group, and which may be written over.
//!
//! Files are made once, full of zeroes that were really written, and used again and again. The
//! first one is small, so that an empty data directory is ready in milliseconds; the others are
//! made one by one in the background. There is no fixed order among them: a file that has become
//! free is entered whenever it fits, and recovery finds the order again from the blocks.

use super::block::{le32, le64};
use crate::disk::{BLOCK_BYTES, Block};
use crate::id::{GroupSeq, Lsn};
use sordini_mutant::mutant;

/// Version of everything that a journal file holds.
pub const FORMAT_VERSION: u32 = 1;

/// First bytes of every journal file.
pub const MAGIC: [u8; 8] = *b"SORDJRNL";

/// Bytes of the header that its checksum covers, the checksum not included.
const HEADER_BYTES: usize = 32;

/// A file of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingFile {
    /// Its number, which is its name.
    pub number: u32,
    /// Its length in blocks, header included.
    pub blocks: u32,
    /// How far it is.
    pub state: FileState,
    /// The last group in it that is still needed; `None` means that it may be written over.
    pub last: Option<GroupSeq>,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileState {
    /// Its zeroes are being written.
    Filling,
    /// It is full of zeroes; its header is being written and made durable.
    Heading,
    /// Its name is being made durable.
    Naming,
    /// It can be written.
    Ready,
}

/// Where the next group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index among the files.
    pub index: usize,
    /// Block at which it starts.
    pub at: u32,
    /// Whether the file is entered for it, which begins a lap.
    pub enter: bool,
}

/// All files, and the writer's position.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    /// The files, by number.
    pub files: Vec<RingFile>,
    /// The file that is being written, and the next free block in it.
    pub tail: Option<(usize, u32)>,
    /// The lap that is being written.
    pub lap: u32,
    /// Position of the next block in the endless journal.
    pub lsn: Lsn,
}

impl Ring {
    /// Where a group of `blocks` goes, if there is room.
    pub fn place(&self, blocks: usize) -> Option<Place> {
        self.place_after(self.tail, &mut |i| self.is_free(i), blocks)
    }

    /// As [`Ring::place`], for a writer at `tail` and files that `free` says are free.
    fn place_after(
        &self,
        tail: Option<(usize, u32)>,
        free: &mut dyn FnMut(usize) -> bool,
        blocks: usize,
    ) -> Option<Place> {
        let fits = |i: usize, at: u32| at as usize + blocks <= self.files[i].blocks as usize;
        if let Some((index, at)) = tail
            && fits(index, at)
        {
            return Some(Place { index, at, enter: false });
        }
        let after = tail.map_or(0, |(i, _)| i + 1);
        let count = self.files.len();
        let next = (0..count).map(|n| (after + n) % count).find(|&i| free(i) && fits(i, 1))?;
        Some(Place { index: next, at: 1, enter: true })
    }

    /// Moves the writer behind a group of `blocks` at `place`.
    pub fn take(&mut self, place: Place, blocks: usize, seq: GroupSeq) {
        let blocks = u32::try_from(blocks).expect("a group is smaller than a file");
        let file = &mut self.files[place.index];
        assert!(place.at + blocks <= file.blocks, "a group lies in one file");
        file.last = Some(seq);
        let next = mutant!(B01, place.at + blocks, place.at + blocks - u32::from(blocks > 1));
        self.tail = Some((place.index, next));
        self.lsn = Lsn(self.lsn.0 + u64::from(blocks) * BLOCK_BYTES as u64);
    }

    /// Frees the files whose last group is before `before`, but never the one that is being
    /// written.
    pub fn recycle(&mut self, before: GroupSeq) {
        let tail = self.tail.map(|(i, _)| i);
        for (i, file) in self.files.iter_mut().enumerate() {
            if file.last.is_some_and(|last| last < before) && tail != Some(i) {
                file.last = None;
            }
        }
    }

    /// Bytes that hold, or are followed by, groups that are still needed.
    pub fn used(&self) -> u64 {
        let blocks = |i: usize, f: &RingFile| match self.tail {
            Some((tail, at)) if tail == i => u64::from(at),
            _ if f.last.is_some() => u64::from(f.blocks),
            _ => 0,
        };
        let used: u64 = self.files.iter().enumerate().map(|(i, f)| blocks(i, f)).sum();
        used * BLOCK_BYTES as u64
    }

    /// Blocks that are certainly left for groups of at most `group` blocks once groups of the sizes
    /// `queued` have been placed; 0 if these do not even fit. A group never crosses files, so each
    /// file but one may lose nearly a group at its end.
    pub fn room(&self, queued: impl Iterator<Item = usize>, group: usize) -> usize {
        let mut tail = self.tail;
        let mut taken = vec![];
        for blocks in queued {
            let mut free = |i| self.is_free(i) && !taken.contains(&i);
            let Some(place) = self.place_after(tail, &mut free, blocks) else { return 0 };
            if place.enter {
                taken.push(place.index);
            }
            tail = Some((place.index, place.at + blocks as u32));
        }
        let rest = tail.map_or(0, |(i, at)| (self.files[i].blocks - at) as usize);
        let free = (0..self.files.len()).filter(|i| self.is_free(*i) && !taken.contains(i));
        let lossy = |blocks: usize| (blocks + 1).saturating_sub(group);
        let whole: usize = free.map(|i| lossy(self.files[i].blocks as usize - 1)).sum();
        rest.max(lossy(rest) + whole)
    }

    fn is_free(&self, i: usize) -> bool {
        let file = &self.files[i];
        file.state == FileState::Ready && file.last.is_none() && self.tail.is_none_or(|t| t.0 != i)
    }
}

/// What the first block of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileHeader {
    /// A journal file of this version.
    Good {
        /// Its number.
        file: u32,
        /// Its length in blocks.
        blocks: u32,
    },
    /// A journal file of another version.
    Version(u32),
    /// All zero: the file was made and not named yet.
    Zero,
    /// The magic is there, and something else is wrong.
    Damaged,
    /// Not a journal file.
    Foreign,
}

/// The header of file `file` with `blocks` blocks.
pub fn header(file: u32, blocks: u32) -> Block {
    let mut block = Block::default();
    let b = &mut block.0;
    b[0..8].copy_from_slice(&MAGIC);
    b[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    b[12..16].copy_from_slice(&file.to_le_bytes());
    b[16..24].copy_from_slice(&u64::from(blocks).to_le_bytes());
    let crc = crc32fast::hash(&b[..HEADER_BYTES]);
    b[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&crc.to_le_bytes());
    block
}

/// Whether a crash while file `file` was made can have left it so: zeroes of any length, and at most some bytes of
/// its header.
pub fn is_unfinished(file: u32, bytes: &[u8]) -> bool {
    let (head, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES + 4));
    let whole = header(file, u32::try_from(bytes.len() / BLOCK_BYTES).unwrap_or(0));
    rest.iter().all(|&b| b == 0) && head.iter().zip(&whole.0).all(|(&b, &own)| b == 0 || b == own)
}

/// Reads the first block of a file. Magic, version and the checksum of the first 32 bytes keep
/// their places in every version.
pub fn read_header(b: &[u8]) -> FileHeader {
    if b.len() < BLOCK_BYTES || b.iter().all(|&x| x == 0) {
        return if b.iter().all(|&x| x == 0) { FileHeader::Zero } else { FileHeader::Foreign };
    }
    if b[..8] != MAGIC {
        return FileHeader::Foreign;
    }
    if crc32fast::hash(&b[..HEADER_BYTES]) != le32(b, HEADER_BYTES) {
        return FileHeader::Damaged;
    }
    match (le32(b, 8), u32::try_from(le64(b, 16))) {
        (FORMAT_VERSION, Ok(blocks)) => FileHeader::Good { file: le32(b, 12), blocks },
        (FORMAT_VERSION, Err(_)) => FileHeader::Damaged,
        (version, _) => FileHeader::Version(version),
    }
}
