//! Answers a [`Query`] over one segment, where its bytes are: on the real disk's read threads and on the
//! simulated platter alike.
//!
//! An index only says where to begin. Whatever it says is checked against the batch header that it leads
//! to; if that does not fit, entries further to the front are tried, in doubling steps, and in the end the
//! beginning of the file. An entry that cannot be read is as good as none. So a missing, short, stale, damaged or unreadable
//! index costs time and nothing else. From there the file is walked header by header, in blocks, never beyond the `len` bytes that the log
//! vouches for; a bad header in front of what is asked for is passed over ([`super::damage`]). A base offset lies outside of its batch's CRC; it is believed because each batch begins
//! where the one before it, the index entry or the file's name says.

use super::damage::{self, Standing, is_damage};
use super::index::{IndexEntry, TimeEntry};
use super::rebuild;
use crate::disk::{DiskError, DiskErrorKind, Found, Query, ReadAt};
use crate::id::Offset;
use bytes::Bytes;
use sordini_wire::batch::{Batch, HEADER_SIZE, Header, latest_record, offset_for_time, walk};

/// How much is read at a time while batches are small ...
const BLOCK_BYTES: usize = 64 << 10;
/// ... and when they are so large that a block holds hardly more than one header.
const LARGE_BATCH_BYTES: u64 = 32 << 10;
const LARGE_BLOCK_BYTES: usize = 4 << 10;
/// So many entries of the index on either side are tried, where some lead to bad places.
const ENTRIES_NEAR: u64 = 16;
/// Where the index names no batch, so many bytes of one batch after another are proof enough.
const CONFIRMED_BYTES: u64 = 16 << 10;
/// The most that the records of one batch may come to when opened to look for a time.
pub(crate) const OPENED_BYTES_MAX: usize = 64 << 20;

/// Answers `query` over the first `len` bytes of the segment file `base` with the help of its indexes (an empty
/// file where one is missing). [`DiskErrorKind::Corrupt`] if the file is not what was written.
pub fn locate(
    query: &Query,
    base: Offset,
    log: &dyn ReadAt,
    index: &dyn ReadAt,
    timeindex: &dyn ReadAt,
    len: u64,
) -> Result<Found, DiskError> {
    let indexes = Indexes { base: base.0, index, timeindex };
    let (block, block_bytes) = (Vec::new(), BLOCK_BYTES);
    let mut walker = Walker { log, len, indexes, block, block_at: 0, block_bytes };
    if len == 0 {
        return Ok(Found::Nothing);
    }
    match *query {
        Query::Range { offset, until, bytes_max } => {
            let (at, due) = indexes.place(&mut walker, offset)?;
            range(&mut walker, (at, due), offset, until, bytes_max)
        }
        Query::Time { timestamp, from, until } => {
            walker.begins_with(base)?;
            let by_offset = indexes.position(&mut walker, from)?;
            let by_time = indexes.position_by_time(&mut walker, |e| e.timestamp < timestamp)?;
            first_at(&mut walker, by_offset.max(by_time), timestamp, from, until)
        }
        Query::TimeMax { from, until } => {
            walker.begins_with(base)?;
            let before = |e: &TimeEntry| base.0 + u64::from(e.offset_delta) < until.0;
            let by_offset = indexes.position(&mut walker, from)?;
            let by_time = indexes.position_by_time(&mut walker, before)?;
            latest(&mut walker, by_offset.max(by_time), from, until)
        }
        Query::Reindex { interval_bytes } => rebuild::indexes(&mut walker, base, interval_bytes),
        Query::Damage { from, until, bytes_max } => {
            let place = indexes.place(&mut walker, from)?;
            damage::find(&mut walker, place, (from, until), bytes_max)
        }
    }
}

/// Checks the CRC-32C of every batch in a piece of a segment file, which must be whole batches: what
/// whoever reads such a piece does before a byte of it is sent.
pub fn check_range(bytes: &[u8]) -> Result<(), DiskError> {
    let mut batches = walk(bytes);
    let mut at = 0;
    for placed in batches.by_ref() {
        let placed = placed.map_err(|e| corrupt(at as u64, e))?;
        placed.batch.check_crc().map_err(|e| corrupt(placed.position as u64, e))?;
        at = placed.position + placed.batch.size();
    }
    match batches.partial() {
        None => Ok(()),
        Some(e) => Err(corrupt(at as u64, e)),
    }
}

pub(super) fn corrupt(at: u64, what: impl std::fmt::Display) -> DiskError {
    DiskError {
        kind: DiskErrorKind::Corrupt,
        detail: format!("segment damaged at byte {at}: {what}"),
    }
}

/// A batch's place and what its header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub at: u64,
    size: u64,
    pub base: u64,
    pub next: u64,
    pub max_timestamp: i64,
}

impl Head {
    pub fn end(&self) -> u64 {
        self.at + self.size
    }
}

/// Reads headers anywhere in the believed part of a segment.
pub(super) struct Walker<'a> {
    pub log: &'a dyn ReadAt,
    pub len: u64,
    indexes: Indexes<'a>,
    block: Vec<u8>,
    block_at: u64,
    block_bytes: usize,
}

impl Walker<'_> {
    /// The batch at `at`, which must be where one begins; `None` at the end.
    pub fn head(&mut self, at: u64) -> Result<Option<Head>, DiskError> {
        if at == self.len {
            return Ok(None);
        }
        if at + HEADER_SIZE as u64 > self.len {
            return Err(corrupt(
                at,
                format!("a header goes beyond the {} bytes written", self.len),
            ));
        }
        let held = self.block_at..self.block_at + self.block.len() as u64;
        if !(held.contains(&at) && at + HEADER_SIZE as u64 <= held.end) {
            self.fill(at)?;
        }
        let from = (at - self.block_at) as usize;
        let header = Header::peek(&self.block[from..]).map_err(|e| corrupt(at, e))?;
        let header = header.ok_or_else(|| corrupt(at, "the file is shorter than was written"))?;
        let (base, next, size) = (header.base_offset(), header.next_offset(), header.size() as u64);
        if base < 0 || next <= base || at + size > self.len {
            return Err(corrupt(at, format!("a batch of {size} bytes from {base} to {next}")));
        }
        self.block_bytes = if size > LARGE_BATCH_BYTES { LARGE_BLOCK_BYTES } else { BLOCK_BYTES };
        Ok(Some(Head {
            at,
            size,
            base: base as u64,
            next: next as u64,
            max_timestamp: header.max_timestamp(),
        }))
    }

    fn fill(&mut self, at: u64) -> Result<(), DiskError> {
        let bytes = (self.len - at).min(self.block_bytes as u64) as usize;
        let mut block = std::mem::take(&mut self.block);
        block.resize(bytes, 0);
        let got = match self.log.read_at(at, &mut block) {
            // What cannot be read may lie behind the header that is wanted.
            Err(e) if is_damage(&e) && bytes > HEADER_SIZE => {
                self.log.read_at(at, &mut block[..HEADER_SIZE])?
            }
            got => got?,
        };
        block.truncate(got);
        (self.block, self.block_at) = (block, at);
        Ok(())
    }

    /// What is looked at next is read anew.
    pub fn forget(&mut self) {
        self.block.clear();
    }

    /// The batch behind `head`; offsets are dense.
    pub fn after(&mut self, head: &Head) -> Result<Option<Head>, DiskError> {
        let next = self.head(head.end())?;
        match next {
            Some(n) if n.base != head.next => {
                Err(corrupt(n.at, format!("offset {} behind {}", n.base, head.next - 1)))
            }
            next => Ok(next),
        }
    }

    /// The first batch begins where the file's name says.
    pub fn begins_with(&mut self, base: Offset) -> Result<(), DiskError> {
        match self.head(0)? {
            Some(head) if head.base != base.0 => {
                Err(corrupt(0, format!("offset {} where {base} should be", head.base)))
            }
            _ => Ok(()),
        }
    }

    /// The batch that holds `offset`, looked for from the one at `at` on, whose base offset is `due`; `None` if the end
    /// comes first. Batches with bad headers are passed over, but nothing is answered in the place of one.
    fn holding(&mut self, at: u64, due: u64, offset: Offset) -> Result<Option<Head>, DiskError> {
        let (mut at, mut due) = (at, due);
        while at < self.len {
            (at, due) = match damage::standing(self, at, due)? {
                Standing::Sound(head) if head.next > offset.0 => return Ok(Some(head)),
                Standing::Sound(head) => (head.end(), head.next),
                Standing::Bad(Some(next), _) if next.base <= offset.0 => (next.at, next.base),
                Standing::Bad(_, e) => return Err(e),
            };
        }
        Ok(None)
    }

    /// Whether it is certain that the batch belongs where it stands: from it, batch after batch follows without a gap up to one that
    /// the index names, or the end. Nothing in a batch says of which log it is, and a page that was misdirected is full of good
    /// ones; but these do not go on behind it.
    pub fn is_confirmed(&mut self, head: &Head) -> bool {
        let indexes = self.indexes;
        let entry = |n| IndexEntry::read(indexes.index, n).ok().flatten();
        let in_front = |n| Ok(entry(n).is_some_and(|e| u64::from(e.position) < head.at));
        let Ok(count) = entries_before(self.len, &in_front) else { return false };
        let mut batch_of = |n| entry(n).and_then(|entry| indexes.named(self, &entry));
        // Where entries are bad, the search by halves may have ended anywhere.
        let before = (count.saturating_sub(ENTRIES_NEAR)..count)
            .rev()
            .find_map(|n| batch_of(n).filter(|named| named.at < head.at));
        let behind = (count..count + ENTRIES_NEAR)
            .find_map(|n| batch_of(n).filter(|named| named.at >= head.at));
        let until = behind.map_or(self.len, |named| named.at);
        let mut head = *head;
        let begins_late = before.is_none_or(|named| named.next <= head.base);
        let far = head.at + CONFIRMED_BYTES;
        while head.at < until.min(far) {
            match self.after(&head) {
                Ok(Some(next)) => head = next,
                Ok(None) => return begins_late && until == self.len,
                Err(_) => return false,
            }
        }
        begins_late
            && (head.at >= far
                || behind.is_some_and(|named| named.at == head.at && named.base == head.base))
    }

    /// The whole batch, its CRC checked.
    pub fn batch(&mut self, head: &Head) -> Result<Batch, DiskError> {
        let mut bytes = vec![0; head.size as usize];
        let got = self.log.read_at(head.at, &mut bytes)?;
        bytes.truncate(got);
        let batch = Batch::parse(Bytes::from(bytes)).map_err(|e| corrupt(head.at, e))?;
        batch.check_crc().map_err(|e| corrupt(head.at, e))?;
        Ok(batch)
    }
}

/// The two indexes of a segment. Both rise, so they are searched by halves.
#[derive(Clone, Copy)]
struct Indexes<'a> {
    /// Base offset of the segment.
    base: u64,
    index: &'a dyn ReadAt,
    timeindex: &'a dyn ReadAt,
}

impl Indexes<'_> {
    /// As [`Indexes::position`], with the base offset of the batch that is there.
    fn place(&self, walker: &mut Walker, offset: Offset) -> Result<(u64, u64), DiskError> {
        Ok(match self.position(walker, offset)? {
            0 => (0, self.base),
            at => (at, walker.head(at)?.map_or(self.base, |head| head.base)),
        })
    }

    /// Where to begin to look for `offset`: at or before the batch that holds it.
    fn position(&self, walker: &mut Walker, offset: Offset) -> Result<u64, DiskError> {
        let fits = |e: &IndexEntry| self.base + u64::from(e.offset_delta) <= offset.0;
        let entries = |n| readable(IndexEntry::read(self.index, n));
        let count = entries_before(walker.len, &|n| Ok(entries(n)?.is_some_and(|e| fits(&e))))?;
        backwards(count, |n| {
            let entry = entries(n)?.filter(|e| fits(e));
            Ok(entry.and_then(|entry| self.named(walker, &entry)).map(|head| head.at))
        })
    }

    /// The batch that an entry names, if it is there: with that last offset, and behind the segment's first. What was misdirected
    /// over an index may look like an entry, and a page that was over the log begins with the first batch of another segment.
    fn named(&self, walker: &mut Walker, entry: &IndexEntry) -> Option<Head> {
        let (at, last) = (u64::from(entry.position), self.base + u64::from(entry.offset_delta));
        let there = if at > 0 { probe(walker, at) } else { None };
        there.filter(|head| head.next - 1 == last && head.base > self.base)
    }

    /// Where to begin to look for what is younger than all entries that `before` takes.
    fn position_by_time(
        &self,
        walker: &mut Walker,
        before: impl Fn(&TimeEntry) -> bool,
    ) -> Result<u64, DiskError> {
        let entries = |n| readable(TimeEntry::read(self.timeindex, n));
        let count = entries_before(walker.len, &|n| Ok(entries(n)?.is_some_and(|e| before(&e))))?;
        backwards(count, |n| {
            let Some(entry) = entries(n)?.filter(&before) else { return Ok(None) };
            let last = self.base + u64::from(entry.offset_delta);
            let mut at = self.position(walker, Offset(last))?;
            // The batch that the entry names is at most one index interval further on.
            while let Some(head) = probe(walker, at).filter(|h| h.next <= last) {
                at = head.end();
            }
            let named = |h: &Head| h.next - 1 == last && h.max_timestamp == entry.timestamp;
            Ok(probe(walker, at).filter(named).map(|_| at))
        })
    }
}

/// An entry of an index, if the disk gives it.
fn readable<T>(entry: Result<Option<T>, DiskError>) -> Result<Option<T>, DiskError> {
    match entry {
        Err(e) if is_damage(&e) => Ok(None),
        entry => entry,
    }
}

/// The batch that an index says is there, if one is.
fn probe(walker: &mut Walker, at: u64) -> Option<Head> {
    if at >= walker.len {
        return None;
    }
    walker.head(at).ok().flatten()
}

/// Number of entries in front of the first that does not fit, by halves. A file has no more entries than
/// batches.
fn entries_before(
    len: u64,
    fits: &dyn Fn(u64) -> Result<bool, DiskError>,
) -> Result<u64, DiskError> {
    let (mut low, mut high) = (0, len / HEADER_SIZE as u64 + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        if fits(middle)? {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Tries the last of `count` entries, and others ever further to the front; the beginning of the file if
/// none is good.
fn backwards(
    count: u64,
    mut attempt: impl FnMut(u64) -> Result<Option<u64>, DiskError>,
) -> Result<u64, DiskError> {
    let mut step = 1;
    while step <= count {
        if let Some(at) = attempt(count - step)? {
            return Ok(at);
        }
        step *= 2;
    }
    Ok(0)
}

fn range(
    walker: &mut Walker,
    (at, due): (u64, u64),
    offset: Offset,
    until: Offset,
    bytes_max: u32,
) -> Result<Found, DiskError> {
    let Some(first) = walker.holding(at, due, offset)?.filter(|h| h.next <= until.0) else {
        return Ok(Found::Nothing);
    };
    let mut last = first;
    while last.end() - first.at < u64::from(bytes_max) {
        match walker.after(&last) {
            Ok(Some(h)) if h.next <= until.0 && h.end() - first.at <= u64::from(bytes_max) => {
                last = h;
            }
            // What is good comes first; whoever asks for the next batch is told.
            Err(e) if !is_damage(&e) => return Err(e),
            _ => break,
        }
    }
    Ok(Found::Range {
        at: first.at,
        len: u32::try_from(last.end() - first.at).expect("one batch, or within bytes_max"),
        base: Offset(first.base),
        next: Offset(last.next),
    })
}

fn first_at(
    walker: &mut Walker,
    at: u64,
    timestamp: i64,
    from: Offset,
    until: Offset,
) -> Result<Found, DiskError> {
    let mut head = walker.head(at)?;
    while let Some(h) = head.filter(|h| h.base < until.0) {
        if h.next > from.0 && h.max_timestamp >= timestamp {
            let batch = walker.batch(&h)?;
            if let Some(found) = record_at(&batch, timestamp, from, until) {
                return Ok(found);
            }
        }
        head = walker.after(&h)?;
    }
    Ok(Found::Nothing)
}

/// The first record of a batch at or after `from`, below `until`, with at least this timestamp. A batch that
/// cannot be opened, which its producer is to blame for, is answered by its header.
pub(crate) fn record_at(
    batch: &Batch,
    timestamp: i64,
    from: Offset,
    until: Offset,
) -> Option<Found> {
    let found = match offset_for_time(batch, timestamp, from.wire(), OPENED_BYTES_MAX) {
        Ok(found) => found.map(|t| (t.offset as u64, t.timestamp)),
        Err(_) => Some((from.0.max(batch.base_offset() as u64), batch.max_timestamp())),
    };
    let leader_epoch = batch.partition_leader_epoch();
    let (offset, timestamp) = found.filter(|(offset, _)| *offset < until.0)?;
    Some(Found::Record { offset: Offset(offset), timestamp, leader_epoch })
}

fn latest(walker: &mut Walker, at: u64, from: Offset, until: Offset) -> Result<Found, DiskError> {
    let mut first = Found::Nothing;
    let mut best: Option<Head> = None;
    let mut head = walker.head(at)?;
    while let Some(h) = head.filter(|h| h.base < until.0) {
        if h.next > until.0 {
            // What ends there does so between batches: the header of this one may be bad, and hide those behind it.
            walker.batch(&h)?;
            break;
        }
        if h.base < from.0 && h.next > from.0 {
            // Its header speaks of records in front of `from` too.
            first = latest_of(&walker.batch(&h)?, from);
        } else if h.base >= from.0 && best.is_none_or(|b| h.max_timestamp > b.max_timestamp) {
            best = Some(h);
        }
        head = walker.after(&h)?;
    }
    Ok(match best {
        None => first,
        Some(best) => later(first, latest_of(&walker.batch(&best)?, from)),
    })
}

/// The one of two records with the larger timestamp; with equal ones, the one in front.
pub(crate) fn later(a: Found, b: Found) -> Found {
    match (&a, &b) {
        (
            Found::Record { timestamp: mine, offset: here, .. },
            Found::Record { timestamp: other, offset: there, .. },
        ) if (other, std::cmp::Reverse(there)) > (mine, std::cmp::Reverse(here)) => b,
        (Found::Record { .. }, _) => a,
        _ => b,
    }
}

/// The first record of a batch at or after `from` with their largest timestamp. A batch that cannot be opened is
/// answered by its header.
pub(crate) fn latest_of(batch: &Batch, from: Offset) -> Found {
    let (offset, timestamp) = match latest_record(batch, from.wire(), OPENED_BYTES_MAX) {
        Ok(Some(found)) => (found.offset, found.timestamp),
        Ok(None) => return Found::Nothing,
        Err(_) => (batch.last_offset(), batch.max_timestamp()),
    };
    let leader_epoch = batch.partition_leader_epoch();
    Found::Record { offset: Offset(offset as u64), timestamp, leader_epoch }
}
