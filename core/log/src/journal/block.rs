//! One 4 KiB block: what every byte of a journal file but its header belongs to.
//!
//! A block says of itself which place it was written for (file, block number), which stretch of the
//! endless journal it holds (LSN), which group it is a piece of, and in which *lap* it was written.
//! The lap is a number that grows whenever the writer enters a file and whenever a process starts;
//! within a lap no block is written twice. So whatever a block held before the write that we look
//! for carries a smaller lap, and a block that was only partly written gives itself away: every
//! 512-byte sector begins and ends with the lap. The end alone would not do, since a sector torn in
//! its middle can have kept its old half in front. The payload is striped around these tags.
//!
//! **One CRC-32 over the whole block**, payload included. A batch's own CRC-32C covers most of the
//! payload already, and leaving those bytes out would save 85 ns of 48 GB/s CRC for each 4 KiB (22
//! us of a 1 MiB group, beside a sync of 270 us). But then a block could no longer be judged
//! without its neighbours: whether a sector is torn or rotten would depend on a batch that may
//! begin 2,000 blocks earlier and whose frame header may itself be the damage. The classes stay
//! exact and local for 85 ns.
//!
//! The tags are evidence, never content: a block whose CRC is right once all tags are read as the
//! lap that most of them name holds exactly what was written, and is NEW however its tags look.

use crate::disk::{BLOCK_BYTES, Block};
use crate::id::{GroupSeq, Lsn};

/// What a disk writes all or nothing of, as far as anybody promises.
pub const SECTOR_BYTES: usize = 512;
/// Sectors of a block.
pub const SECTORS: usize = BLOCK_BYTES / SECTOR_BYTES;
/// Header of a block; its lap is the first sector's front tag.
pub const HEAD_BYTES: usize = 40;
/// A lap at the front or the end of a sector.
pub const TAG_BYTES: usize = 4;
/// Payload of a block's first sector.
const FIRST_BYTES: usize = SECTOR_BYTES - HEAD_BYTES - TAG_BYTES;
/// Payload of every other sector.
const OTHER_BYTES: usize = SECTOR_BYTES - 2 * TAG_BYTES;
/// Payload of a block.
pub const PAYLOAD_BYTES: usize = FIRST_BYTES + (SECTORS - 1) * OTHER_BYTES;

/// Where the front tag of the first sector is: the lap of the header.
const LAP_AT: usize = 4;

const _: () = assert!(PAYLOAD_BYTES == 3996 && SECTORS == 8);

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Lap in which it was written; 0 is never written.
    pub lap: u32,
    /// Position of its first byte in the endless journal.
    pub lsn: Lsn,
    /// The group it is a piece of.
    pub group: GroupSeq,
    /// Which piece, from 0.
    pub index: u32,
    /// Pieces of the group.
    pub blocks: u32,
    /// Number of the file it was written for.
    pub file: u32,
    /// Number of the block in that file; 0 is the file's header.
    pub at: u32,
}

impl Head {
    /// LSN of the group's first block.
    pub fn group_lsn(&self) -> Lsn {
        Lsn(self.lsn.0 - u64::from(self.index) * BLOCK_BYTES as u64)
    }

    /// The head of the block `n` places behind this one, the group's first.
    pub fn nth(&self, n: u32) -> Head {
        let lsn = Lsn(self.lsn.0 + u64::from(n) * BLOCK_BYTES as u64);
        Head { lsn, index: self.index + n, at: self.at + n, ..*self }
    }

    /// Number of the group's first block in its file.
    pub fn group_at(&self) -> u32 {
        self.at - self.index
    }

    /// Whether the numbers agree with each other, so that the arithmetic above cannot go wrong.
    fn sound(&self) -> bool {
        let reach = u64::from(self.blocks).saturating_mul(BLOCK_BYTES as u64);
        self.lap != 0
            && self.group.0 != 0
            && self.index < self.blocks
            && self.at > self.index
            && self.at.checked_add(self.blocks).is_some()
            && self.lsn.0.is_multiple_of(BLOCK_BYTES as u64)
            && self.lsn.0 >= u64::from(self.index) * BLOCK_BYTES as u64
            && self.lsn.0 <= u64::MAX - reach
            && self.group.0 < u64::MAX
    }
}

/// The laps at the front and the end of every sector.
pub type Tags = [u32; 2 * SECTORS];

/// What reading one block tells without knowing what should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Exactly what somebody wrote, though not always for this place.
    Valid(Head),
    /// All zero: never written.
    Zero,
    /// Neither.
    Bad,
}

/// What a block is to somebody who expects a certain group there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The block that was written last.
    New,
    /// What was there before: nothing of the write arrived.
    Old,
    /// Its sectors mix laps: the write arrived in part, so its sync never returned.
    Torn,
    /// Anything else: it changed after it was written, or belongs to another place.
    Rotten,
}

/// Completes a block: writes header and tags around the payload, and the checksum over all of it.
pub fn seal(block: &mut Block, head: &Head) {
    let b = &mut block.0;
    b[4..8].copy_from_slice(&head.lap.to_le_bytes());
    b[8..16].copy_from_slice(&head.lsn.0.to_le_bytes());
    b[16..24].copy_from_slice(&head.group.0.to_le_bytes());
    b[24..28].copy_from_slice(&head.index.to_le_bytes());
    b[28..32].copy_from_slice(&head.blocks.to_le_bytes());
    b[32..36].copy_from_slice(&head.file.to_le_bytes());
    b[36..40].copy_from_slice(&head.at.to_le_bytes());
    write_tags(b, head.lap);
    let crc = crc32fast::hash(&b[4..]);
    b[0..4].copy_from_slice(&crc.to_le_bytes());
}

/// Reads one block of [`BLOCK_BYTES`].
pub fn read(bytes: &[u8]) -> Found {
    assert_eq!(bytes.len(), BLOCK_BYTES, "blocks are read whole");
    if le32(bytes, LAP_AT) == 0 && bytes == ZERO.0 {
        return Found::Zero;
    }
    if crc32fast::hash(&bytes[4..]) == le32(bytes, 0) {
        return head(bytes);
    }
    // Only one tag differs? Then that tag rotted, and the content is what was written. Two are a sector of another
    // write: zeroes behind the end of a group look alike in all of them, and a group that an earlier life cut must
    // not come back when the next one's write leaves the sector that it lacked.
    let mut block = Block(bytes.try_into().expect("length asserted above"));
    let tags = tags(bytes);
    let lap = most_common(&tags);
    if tags.iter().filter(|tag| **tag != lap).count() > 1 {
        return Found::Bad;
    }
    block.0[LAP_AT..LAP_AT + TAG_BYTES].copy_from_slice(&lap.to_le_bytes());
    write_tags(&mut block.0, lap);
    if crc32fast::hash(&block.0[4..]) == le32(bytes, 0) { head(&block.0) } else { Found::Bad }
}

/// The tags of a block, whatever it holds.
pub fn tags(bytes: &[u8]) -> Tags {
    std::array::from_fn(|i| match (i / 2 * SECTOR_BYTES, i) {
        (_, 0) => le32(bytes, LAP_AT),
        (sector, i) if i % 2 == 0 => le32(bytes, sector),
        (sector, _) => le32(bytes, sector + SECTOR_BYTES - TAG_BYTES),
    })
}

/// What a block that is not valid is to somebody who expects lap `lap` (or a later one) there.
pub fn class_of_tags(tags: &Tags, lap: u32) -> Class {
    if tags.iter().all(|&t| t < lap) {
        Class::Old
    } else if tags.iter().all(|&t| t == tags[0]) {
        Class::Rotten
    } else {
        Class::Torn
    }
}

/// Copies `from` into the payload of `blocks`, starting at payload byte `at`; adds blocks as
/// needed. Returns the payload byte after the last one written.
pub fn stripe(blocks: &mut Vec<Block>, at: usize, mut from: &[u8]) -> usize {
    let end = at + from.len();
    let (mut block, mut sector, mut skip) = place(at);
    while !from.is_empty() {
        if block >= blocks.len() {
            blocks.resize_with(end.div_ceil(PAYLOAD_BYTES).max(block + 1), Block::default);
        }
        let (start, stop) = payload_of(sector);
        let n = from.len().min(stop - start - skip);
        let (now, later) = from.split_at(n);
        blocks[block].0[start + skip..start + skip + n].copy_from_slice(now);
        from = later;
        (sector, skip) = (sector + 1, 0);
        if sector == SECTORS {
            (block, sector) = (block + 1, 0);
        }
    }
    end
}

/// Writes zeroes over payload bytes `at .. end`, which lie in blocks that are there.
pub fn blank(blocks: &mut Vec<Block>, mut at: usize, end: usize) {
    while at < end {
        at = stripe(blocks, at, &ZERO.0[..(end - at).min(BLOCK_BYTES)]);
    }
}

/// Appends the payload of a block to `to`.
pub fn unstripe(bytes: &[u8], to: &mut Vec<u8>) {
    unstripe_where(bytes, to, |_| true);
}

/// Appends the payload of a block that is not valid to `to`, with zeroes for what was not written
/// in lap `lap`.
pub fn unstripe_lap(bytes: &[u8], lap: u32, to: &mut Vec<u8>) {
    let tags = tags(bytes);
    unstripe_where(bytes, to, |sector| tags[2 * sector..2 * sector + 2] == [lap; 2]);
}

/// Moves the payload of the block at byte `from` to byte `to`, which is not behind it, within one
/// buffer.
pub fn pack(bytes: &mut [u8], from: usize, mut to: usize) {
    for sector in 0..SECTORS {
        let (start, stop) = payload_of(sector);
        bytes.copy_within(from + start..from + stop, to);
        to += stop - start;
    }
}

fn unstripe_where(bytes: &[u8], to: &mut Vec<u8>, take: impl Fn(usize) -> bool) {
    for sector in 0..SECTORS {
        let (start, stop) = payload_of(sector);
        let from = if take(sector) { bytes } else { &ZERO.0 };
        to.extend_from_slice(&from[start..stop]);
    }
}

/// First and last byte (exclusive) of a sector's payload within its block.
fn payload_of(sector: usize) -> (usize, usize) {
    let front = if sector == 0 { HEAD_BYTES } else { sector * SECTOR_BYTES + TAG_BYTES };
    (front, (sector + 1) * SECTOR_BYTES - TAG_BYTES)
}

/// Block, sector and byte of the sector's payload that hold payload byte `at` of a group.
fn place(at: usize) -> (usize, usize, usize) {
    let (block, rest) = (at / PAYLOAD_BYTES, at % PAYLOAD_BYTES);
    match rest.checked_sub(FIRST_BYTES) {
        None => (block, 0, rest),
        Some(rest) => (block, 1 + rest / OTHER_BYTES, rest % OTHER_BYTES),
    }
}

fn write_tags(b: &mut [u8; BLOCK_BYTES], lap: u32) {
    let lap = lap.to_le_bytes();
    for (i, sector) in b.as_chunks_mut::<SECTOR_BYTES>().0.iter_mut().enumerate() {
        if i > 0 {
            sector[..TAG_BYTES].copy_from_slice(&lap);
        }
        sector[SECTOR_BYTES - TAG_BYTES..].copy_from_slice(&lap);
    }
}

fn head(b: &[u8]) -> Found {
    let head = Head {
        lap: le32(b, LAP_AT),
        lsn: Lsn(le64(b, 8)),
        group: GroupSeq(le64(b, 16)),
        index: le32(b, 24),
        blocks: le32(b, 28),
        file: le32(b, 32),
        at: le32(b, 36),
    };
    if head.sound() { Found::Valid(head) } else { Found::Bad }
}

/// The lap that most tags name.
pub fn most_common(tags: &Tags) -> u32 {
    let count = |t: u32| tags.iter().filter(|&&u| u == t).count();
    *tags.iter().max_by_key(|&&t| count(t)).expect("tags are not empty")
}

/// A little-endian `u32` at byte `at`.
pub(super) fn le32(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(b[at..at + 4].try_into().expect("four bytes"))
}

/// A little-endian `u64` at byte `at`.
pub(super) fn le64(b: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(b[at..at + 8].try_into().expect("eight bytes"))
}

static ZERO: Block = Block([0; BLOCK_BYTES]);
