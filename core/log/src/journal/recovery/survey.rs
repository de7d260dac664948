//! The first look at a journal: what each block says, and which groups they speak of together.

use super::super::block::{self, Class, Found, Head};
use super::super::files::{self, FORMAT_VERSION, FileHeader};
use super::{Damage, Finding, ImageFile, JournalError, Where};
use crate::disk::BLOCK_BYTES;
use crate::id::{GroupSeq, Lsn};
use bytes::{Bytes, BytesMut};
use sordini_mutant::mutant;
use std::cmp::Reverse;

/// How far the laps of torn blocks are believed beyond those of valid ones.
const LAPS_AHEAD_MAX: u32 = 1 << 16;

/// All files, and the groups in them.
pub(super) struct Survey {
    files: Vec<Surveyed>,
    /// The groups, by sequence number; of each the one of the latest lap.
    live: Vec<Candidate>,
    /// The largest lap that any block names.
    pub lap_max: u32,
    /// Length of all files.
    pub bytes: u64,
    pub findings: Vec<Finding>,
}

struct Surveyed {
    number: u32,
    /// The file; but where a group is whole, its payload, packed together from the group's first
    /// byte on.
    bytes: Bytes,
    /// What each block says; the first is the header and says nothing.
    found: Vec<Found>,
    /// The first blocks of the groups that are whole, in ascending order.
    whole: Vec<u32>,
}

/// A group that at least one valid block speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub seq: GroupSeq,
    pub lap: u32,
    /// Index among the files.
    file: usize,
    /// Its first block in the file.
    pub at: u32,
    pub blocks: u32,
    pub lsn: Lsn,
}

/// Blocks that somebody began to write where the next group would be.
pub(super) struct Trace {
    pub at: (u32, u32),
    pub damage: Damage,
}

impl Candidate {
    /// Whether a block at its place says that it is a piece of this group.
    fn owns(&self, found: &Found) -> bool {
        let Found::Valid(h) = found else { return false };
        (h.lap, h.group, h.group_at(), h.group_lsn(), h.blocks)
            == (self.lap, self.seq, self.at, self.lsn, self.blocks)
    }

    /// Position of the group after it.
    pub fn end(&self) -> Lsn {
        Lsn(self.lsn.0 + u64::from(self.blocks) * BLOCK_BYTES as u64)
    }
}

impl Survey {
    pub fn of(mut files: Vec<(u32, Bytes)>) -> Result<Survey, JournalError> {
        files.sort_by_key(|f| f.0);
        let mut survey =
            Survey { files: vec![], live: vec![], lap_max: 0, bytes: 0, findings: vec![] };
        for (number, bytes) in files {
            survey.add(number, bytes)?;
        }
        survey.find_groups()?;
        survey.find_laps();
        Ok(survey)
    }

    /// Takes a file in, unless it was never finished.
    fn add(&mut self, number: u32, bytes: Bytes) -> Result<(), JournalError> {
        let header = files::read_header(&bytes[..bytes.len().min(BLOCK_BYTES)]);
        let len = bytes.len() as u64;
        let file = Surveyed::of(number, bytes);
        let found = &file.found;
        let mine = |f: &Found| matches!(f, Found::Valid(h) if h.file == number);
        match header {
            FileHeader::Version(found) => {
                let known = FORMAT_VERSION;
                return Err(JournalError::Version { file: number, found, known });
            }
            FileHeader::Good { file: found, .. } if found != number => {
                return Err(JournalError::Renamed { file: number, found });
            }
            FileHeader::Good { blocks, .. } => {
                let have = (len / BLOCK_BYTES as u64) as u32;
                if have < blocks {
                    self.findings.push(Finding::Short { file: number, have, want: blocks });
                }
            }
            _ if found.iter().any(mine) => self.findings.push(Finding::Header { file: number }),
            // The header is durable before the first group is written: nothing was ever here.
            _ if files::is_unfinished(number, &file.bytes) => return Ok(()),
            FileHeader::Zero | FileHeader::Damaged | FileHeader::Foreign => {
                return Err(JournalError::Foreign { file: number });
            }
        }
        self.bytes += len;
        self.files.push(file);
        Ok(())
    }

    /// Collects the groups, and keeps of each the one of the latest lap.
    fn find_groups(&mut self) -> Result<(), JournalError> {
        let mut all: Vec<Candidate> = vec![];
        for (index, file) in self.files.iter().enumerate() {
            for (at, found) in file.found.iter().enumerate() {
                let Found::Valid(h) = found else { continue };
                if h.file != file.number || h.at as usize != at {
                    continue;
                }
                let c = Candidate {
                    seq: h.group,
                    lap: h.lap,
                    file: index,
                    at: h.group_at(),
                    blocks: h.blocks,
                    lsn: h.group_lsn(),
                };
                if all.last() != Some(&c) {
                    all.push(c);
                }
            }
        }
        all.sort_by_key(|c| (c.seq, Reverse(c.lap), c.file, c.at));
        for c in all {
            match self.live.last() {
                Some(last) if last.seq == c.seq && last.lap > c.lap => {}
                Some(last) if last == &c => {}
                Some(last) if last.seq == c.seq => {
                    let at = Where { seq: c.seq, lsn: c.lsn, file: self.files[c.file].number };
                    let what = format!("was written twice in lap {}", c.lap);
                    return Err(JournalError::Inconsistent { at, what });
                }
                _ => self.live.push(c),
            }
        }
        Ok(())
    }

    /// Finds the largest lap, also among the blocks that are not valid: what is written next must
    /// differ from all of them.
    fn find_laps(&mut self) {
        let valid = |f: &Found| if let Found::Valid(h) = f { h.lap } else { 0 };
        let laps = self.files.iter().flat_map(|f| f.found.iter().map(valid));
        self.lap_max = laps.max().unwrap_or(0).min(u32::MAX - 2 * LAPS_AHEAD_MAX);
        let limit = self.lap_max + LAPS_AHEAD_MAX;
        for file in &self.files {
            for (at, _) in file.found.iter().enumerate().filter(|(_, f)| **f == Found::Bad) {
                let tags = block::tags(file.block(at));
                let lap = tags.into_iter().filter(|&t| t <= limit).max().unwrap_or(0);
                self.lap_max = self.lap_max.max(lap);
            }
        }
    }

    pub fn live(&self) -> &[Candidate] {
        &self.live
    }

    pub fn number(&self, c: &Candidate) -> u32 {
        self.files[c.file].number
    }

    pub fn image_files(&self) -> Vec<ImageFile> {
        let file =
            |f: &Surveyed| ImageFile { number: f.number, blocks: f.found.len() as u32, last: None };
        self.files.iter().map(file).collect()
    }

    /// What the blocks of a group are.
    pub fn damage(&self, c: &Candidate) -> Damage {
        let mut damage = Damage::default();
        let there = (self.files[c.file].found.len() as u32).saturating_sub(c.at).min(c.blocks);
        for i in 0..there {
            damage.count(self.class(c, i));
        }
        damage.rotten += c.blocks - there;
        damage
    }

    fn class(&self, c: &Candidate, index: u32) -> Class {
        let file = &self.files[c.file];
        let at = (c.at + index) as usize;
        match file.found.get(at) {
            None => Class::Rotten,
            Some(Found::Zero) => Class::Old,
            Some(Found::Bad) => block::class_of_tags(&block::tags(file.block(at)), c.lap),
            Some(Found::Valid(h)) if h.file != file.number || h.at as usize != at => Class::Rotten,
            Some(Found::Valid(h)) if h.lap < c.lap => mutant!(B02, Class::Old, Class::New),
            Some(found) => {
                if c.owns(found) {
                    Class::New
                } else {
                    Class::Rotten
                }
            }
        }
    }

    /// The payload of all blocks of a group that the file has, one after the other. What was not
    /// written with the group is left out, so that nothing stale or misdirected is ever taken for a
    /// part of it.
    pub fn payload(&self, c: &Candidate) -> Bytes {
        let file = &self.files[c.file];
        if file.whole.binary_search(&c.at).is_ok() && c.owns(&file.found[c.at as usize]) {
            let start = c.at as usize * BLOCK_BYTES;
            return file.bytes.slice(start..start + c.blocks as usize * block::PAYLOAD_BYTES);
        }
        let end = (c.at as usize).saturating_add(c.blocks as usize).min(file.found.len());
        let mut payload = Vec::with_capacity((end - c.at as usize) * block::PAYLOAD_BYTES);
        for at in c.at as usize..end {
            match (file.found[at], self.class(c, at as u32 - c.at)) {
                (_, Class::New) => block::unstripe(file.block(at), &mut payload),
                (Found::Bad, _) => block::unstripe_lap(file.block(at), c.lap, &mut payload),
                _ => payload.resize(payload.len() + block::PAYLOAD_BYTES, 0),
            }
        }
        Bytes::from(payload)
    }

    /// Where the one group between `before` and `after` must have been, though no block speaks of
    /// it. Without a group before, the journal begins with it.
    pub fn between(&self, before: Option<&Candidate>, after: &Candidate) -> Option<Candidate> {
        let (seq, lsn) = before.map_or((1, Lsn(0)), |b| (b.seq.0 + 1, b.end()));
        let blocks = (after.lsn.0.checked_sub(lsn.0)? / BLOCK_BYTES as u64).try_into().ok()?;
        if after.seq.0 != seq + 1 || blocks == 0 {
            return None;
        }
        let (file, at) = match before {
            Some(b) if after.at == 1 => (b.file, b.at + b.blocks),
            _ => (after.file, after.at.checked_sub(blocks).filter(|&at| at > 0)?),
        };
        let there = &self.files[file].found;
        if at as usize + blocks as usize > there.len() {
            return None;
        }
        let named = match there[at as usize] {
            Found::Bad => block::most_common(&block::tags(self.files[file].block(at as usize))),
            _ => after.lap,
        };
        let lap = named.clamp(before.map_or(1, |b| b.lap), after.lap);
        Some(Candidate { seq: GroupSeq(seq), lap, file, at, blocks, lsn })
    }

    /// Looks for blocks of a group of which no block is valid: behind the tail, where anything of
    /// the tail's lap or a later one is new, and at the beginning of `free` files, where only a
    /// later lap is.
    pub fn traces(
        &self,
        tail: Option<(u32, u32)>,
        free: impl Iterator<Item = u32>,
    ) -> Option<Trace> {
        let lap = self.live.last().map_or(0, |c| c.lap);
        let behind = tail.iter().map(|&(number, at)| (number, at, lap.max(1)));
        let starts = free.map(|number| (number, 1, lap + 1));
        behind.chain(starts).find_map(|(number, at, lap)| self.trace(number, at, lap))
    }

    fn trace(&self, number: u32, at: u32, lap: u32) -> Option<Trace> {
        let file = self.files.iter().find(|f| f.number == number)?;
        let mut damage = Damage::default();
        for at in at as usize..file.found.len() {
            let class = match file.found[at] {
                Found::Bad => block::class_of_tags(&block::tags(file.block(at)), lap),
                _ => Class::Old,
            };
            if class == Class::Old {
                break;
            }
            damage.count(class);
        }
        (damage != Damage::default()).then_some(Trace { at: (number, at), damage })
    }
}

impl Surveyed {
    /// Reads every block once; a group that is whole is packed while its blocks are in the CPU's
    /// cache.
    fn of(number: u32, bytes: Bytes) -> Surveyed {
        let mut bytes = bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        let count = bytes.len() / BLOCK_BYTES;
        let mut found = Vec::with_capacity(count.max(1));
        found.push(Found::Zero);
        let mut whole = vec![];
        // The group that begins at `start` and has been whole so far.
        let mut group: Option<Head> = None;
        for at in 1..count {
            let read = block::read(&bytes[at * BLOCK_BYTES..(at + 1) * BLOCK_BYTES]);
            found.push(read);
            let Found::Valid(head) = read else {
                group = None;
                continue;
            };
            if head.index == 0 && head.file == number && head.at as usize == at {
                group = Some(head);
            }
            group = group.filter(|first| head == first.nth(at as u32 - first.at));
            let Some(first) = group.filter(|_| head.index + 1 == head.blocks) else { continue };
            let start = first.at as usize;
            for at in start..=at {
                let to = start * BLOCK_BYTES + (at - start) * block::PAYLOAD_BYTES;
                block::pack(&mut bytes, at * BLOCK_BYTES, to);
            }
            whole.push(first.at);
            group = None;
        }
        Surveyed { number, bytes: bytes.freeze(), found, whole }
    }

    fn block(&self, at: usize) -> &[u8] {
        &self.bytes[at * BLOCK_BYTES..(at + 1) * BLOCK_BYTES]
    }
}
