//! What the storage of a shard was asked to keep, and what it said is durable: the simulator's own books.
//!
//! The ledger never looks into the storage. It knows every frame that was put, in order, with the
//! group it joined; a crash may lose groups from the end, but only those that were never said to be
//! durable. So a recovered storage must equal the ledger at one of a few points: the *cuts*.

use crate::digest::Digest;
use bytes::Bytes;
use sordini_log::{GroupSeq, LogDir, LogId, Offset};
use std::collections::BTreeMap;

/// A batch as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base: Offset,
    /// Offset after its last record.
    pub next: Offset,
    /// All its bytes.
    pub bytes: Bytes,
}

/// A log as it must be.
#[derive(Clone, Debug)]
pub struct LogBook {
    /// Its directory and id.
    pub dir: LogDir,
    /// Topic id it was created with.
    pub topic_id: [u8; 16],
    /// Partition number it was created with.
    pub partition: u32,
    /// First offset.
    pub start: Offset,
    /// The last hard state.
    pub hard_state: Bytes,
    /// Every batch ever appended, also those below the start.
    pub batches: Vec<Appended>,
    /// Digest of all batches in order: what a fold over the log would hold.
    pub fold: u64,
}

impl LogBook {
    /// Offset of the next record.
    pub fn end(&self) -> Offset {
        self.batches.last().map_or(Offset(0), |batch| batch.next)
    }

    /// The batch that begins at `base`.
    pub fn batch(&self, base: Offset) -> Option<&Appended> {
        let at = self.batches.binary_search_by_key(&base, |batch| batch.base).ok()?;
        self.batches.get(at)
    }
}

/// The next value of a fold over a log.
pub fn fold(before: u64, batch: &[u8]) -> u64 {
    let mut digest = Digest::default();
    digest.number(before);
    digest.bytes(batch);
    digest.finish()
}

/// Something that was put into a journal group.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Deed {
    Create { dir: LogDir, topic_id: [u8; 16], partition: u32 },
    Append { log: LogId, batch: Appended },
    Start { log: LogId, start: Offset },
    HardState { log: LogId, state: Bytes },
    Delete { log: LogId },
}

/// All logs at one point of the journal.
pub type Books = BTreeMap<LogId, LogBook>;

/// The books: what is durable, and what was put since.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    settled: Books,
    pending: Vec<(GroupSeq, Deed)>,
    /// With everything that was put.
    newest: Books,
}

impl Ledger {
    /// Something was put into group `seq`.
    pub fn put(&mut self, seq: GroupSeq, deed: Deed) {
        apply(&mut self.newest, &deed);
        self.pending.push((seq, deed));
    }

    /// The storage said that this group is durable, with all before it. Returns how many batches that acknowledges.
    pub fn durable(&mut self, through: GroupSeq) -> u64 {
        let count = self.pending.iter().take_while(|(seq, _)| *seq <= through).count();
        let mut batches = 0;
        for (_, deed) in self.pending.drain(..count) {
            batches += u64::from(matches!(deed, Deed::Append { .. }));
            apply(&mut self.settled, &deed);
        }
        batches
    }

    /// The logs with everything that was put.
    pub fn newest(&self) -> &Books {
        &self.newest
    }

    /// The logs as far as they were said to be durable.
    pub fn settled(&self) -> &Books {
        &self.settled
    }

    /// Every state that a crash may leave behind: what is durable, then one for each group that may
    /// have been under way.
    pub fn cuts(&self) -> Vec<Books> {
        let mut cuts = vec![self.settled.clone()];
        let mut seq = None;
        for (group, deed) in &self.pending {
            if seq.replace(*group) != Some(*group) {
                cuts.push(cuts.last().expect("one is always there").clone());
            }
            apply(cuts.last_mut().expect("one is always there"), deed);
        }
        cuts
    }

    /// Recovery decided: these are the books now, and all of it is durable.
    pub fn recovered(&mut self, books: Books) {
        *self = Ledger { settled: books.clone(), pending: Vec::new(), newest: books };
    }
}

fn apply(books: &mut Books, deed: &Deed) {
    let known = "the load only names logs that exist";
    match deed {
        Deed::Create { dir, topic_id, partition } => {
            let book = LogBook {
                dir: dir.clone(),
                topic_id: *topic_id,
                partition: *partition,
                start: Offset(0),
                hard_state: Bytes::new(),
                batches: Vec::new(),
                fold: 0,
            };
            assert!(books.insert(dir.log, book).is_none(), "log ids are not reused");
        }
        Deed::Append { log, batch } => {
            let book = books.get_mut(log).expect(known);
            assert_eq!(batch.base, book.end(), "{log}: offsets are dense");
            book.fold = fold(book.fold, &batch.bytes);
            book.batches.push(batch.clone());
        }
        Deed::Start { log, start } => books.get_mut(log).expect(known).start = *start,
        Deed::HardState { log, state } => {
            books.get_mut(log).expect(known).hard_state = state.clone();
        }
        Deed::Delete { log } => {
            books.remove(log).expect(known);
        }
    }
}
