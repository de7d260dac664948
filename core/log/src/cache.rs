//! The tail of a log in memory: every batch that is not in its segment file yet, and as many of those
//! before it as the shard's budget allows. Followers, live consumers and the segment writer feed on it.
//!
//! Nothing here decides what may go: the log drops from the front, and never beyond what is written.

use crate::id::Offset;
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::VecDeque;

/// A batch in memory, or the place of one whose bytes are lost (then `bytes` is empty).
#[derive(Clone, Debug)]
pub(crate) struct Cached {
    pub base: Offset,
    pub next: Offset,
    /// Base of the segment it belongs to.
    pub segment: Offset,
    /// Where in that segment it starts.
    pub at: u64,
    pub bytes: Bytes,
}

/// Batches without a gap, up to the end of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    entries: VecDeque<Cached>,
    bytes: u64,
}

impl Cache {
    /// Bytes of all batches in it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Offset of its first batch, if it has one.
    pub fn front(&self) -> Option<&Cached> {
        self.entries.front()
    }

    pub fn push(&mut self, entry: Cached) {
        debug_assert!(self.entries.back().is_none_or(|last| last.next == entry.base));
        self.bytes += entry.bytes.len() as u64;
        self.entries.push_back(entry);
    }

    /// Drops its first batch; returns how many bytes that was.
    pub fn pop_front(&mut self) -> u64 {
        let Some(entry) = self.entries.pop_front() else { return 0 };
        self.bytes -= entry.bytes.len() as u64;
        entry.bytes.len() as u64
    }

    /// Takes out every batch that begins at `to` or behind it.
    pub fn cut(&mut self, to: Offset) -> Vec<Cached> {
        let kept = self.entries.partition_point(|e| e.base < to);
        let gone: Vec<_> = self.entries.drain(kept..).collect();
        self.bytes -= gone.iter().map(|e| e.bytes.len() as u64).sum::<u64>();
        gone
    }

    /// Number of the batch that holds `offset`, or of the first one behind it.
    fn position(&self, offset: Offset) -> usize {
        // Consumers and the writer ask near the end: look there first.
        match self.entries.back() {
            Some(last) if last.base <= offset => {
                self.entries.len() - usize::from(offset < last.next)
            }
            _ => self.entries.partition_point(|e| e.next <= offset),
        }
    }

    /// The batches from the one that holds `offset` on.
    pub fn from(&self, offset: Offset) -> impl Iterator<Item = &Cached> {
        self.entries.range(self.position(offset)..)
    }

    /// Whole batches from the one that holds `from`, none that ends beyond `until`, as many as fit in
    /// `bytes_max`; the first comes however large it is. `None` if `from` lies before the cache.
    pub fn read(
        &self,
        from: Offset,
        until: Offset,
        bytes_max: u32,
    ) -> Option<(SmallVec<[Bytes; 4]>, Offset)> {
        if self.front().is_none_or(|first| from < first.base) {
            return None;
        }
        let (mut batches, mut next, mut total) = (SmallVec::new(), from, 0);
        for entry in self.from(from) {
            total += entry.bytes.len() as u64;
            let fits = batches.is_empty() || total <= u64::from(bytes_max);
            if entry.next > until || !fits || entry.bytes.is_empty() {
                break;
            }
            batches.push(entry.bytes.clone());
            next = entry.next;
        }
        Some((batches, next))
    }
}
