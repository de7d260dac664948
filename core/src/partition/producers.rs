//! What a partition remembers of idempotent producers (KIP-98).
//!
//! Per producer id: its epoch, and first and last sequence number, base offset and timestamp of its last
//! five batches, as many as a client may have in flight. A batch that is remembered is a
//! duplicate and is answered with what was answered first; one that continues the sequence is
//! appended; everything else is refused, so that a record can neither double nor swap places.

use crate::limits::PRODUCER_BATCHES;
use smallvec::SmallVec;
use sordini_log::{Offset, Wall};
use sordini_mutant::mutant;
use std::collections::BTreeMap;

/// Producer fields of a batch, as its header carries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// Producer id, not negative.
    pub producer_id: i64,
    /// Producer epoch.
    pub epoch: i16,
    /// Sequence number of the first record.
    pub first: i32,
    /// Sequence number of the last record; wraps to 0 after `i32::MAX`.
    pub last: i32,
}

/// A batch that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Remembered {
    first: i32,
    last: i32,
    base: Offset,
    /// The batch's largest timestamp: what a duplicate is answered with.
    timestamp: i64,
}

/// One producer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    /// Oldest first; empty only after a producer's epoch moved without data.
    batches: SmallVec<[Remembered; PRODUCER_BATCHES]>,
    /// When its last batch was appended, by the wall clock: expiry counts from here.
    last_append: Wall,
}

impl Producer {
    fn save_window(&self, out: &mut Vec<u8>) {
        out.push(self.batches.len() as u8);
        for b in &self.batches {
            out.extend(b.first.to_be_bytes());
            out.extend(b.last.to_be_bytes());
            out.extend(b.base.0.to_be_bytes());
            out.extend(b.timestamp.to_be_bytes());
        }
    }
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Verdict {
    /// It continues the sequence.
    Append,
    /// It was appended before, at this offset with this largest timestamp.
    Duplicate { base: Offset, timestamp: i64 },
    /// Kafka's OUT_OF_ORDER_SEQUENCE_NUMBER: the producer's last sequence number is `expected - 1`.
    OutOfOrder { expected: i32 },
    /// Kafka's INVALID_PRODUCER_EPOCH: a newer instance of this producer, with this epoch, was seen.
    Fenced { epoch: i16 },
}

/// All producers of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    by_id: BTreeMap<i64, Producer>,
}

/// The sequence number after `sequence`.
fn next(sequence: i32) -> i32 {
    if sequence == i32::MAX { 0 } else { sequence + 1 }
}

impl Producers {
    /// Judges a batch; changes nothing.
    pub fn judge(&self, batch: Sequenced) -> Verdict {
        let Some(producer) = self.by_id.get(&batch.producer_id) else {
            // Its records may have been deleted by retention, so any first sequence number will do (KIP-360).
            return Verdict::Append;
        };
        if batch.epoch < producer.epoch {
            return Verdict::Fenced { epoch: producer.epoch };
        }
        if batch.epoch > producer.epoch {
            return match batch.first {
                0 => Verdict::Append,
                _ => Verdict::OutOfOrder { expected: 0 },
            };
        }
        let same = |b: &&Remembered| b.first == batch.first && b.last == batch.last;
        let from = mutant!(B17, 0, producer.batches.len().saturating_sub(1));
        if let Some(known) = producer.batches[from..].iter().find(same) {
            return Verdict::Duplicate { base: known.base, timestamp: known.timestamp };
        }
        match producer.batches.last() {
            None => Verdict::Append,
            Some(last) if next(last.last) == batch.first => Verdict::Append,
            Some(last) => Verdict::OutOfOrder { expected: next(last.last) },
        }
    }

    /// Notes an appended batch, also when the log is replayed. At most `producers_max` are kept.
    pub fn appended(
        &mut self,
        batch: Sequenced,
        base: Offset,
        timestamp: i64,
        at: Wall,
        producers_max: usize,
    ) {
        if self.by_id.len() >= producers_max && !self.by_id.contains_key(&batch.producer_id) {
            let idle = self.by_id.iter().min_by_key(|(_, p)| p.last_append).map(|(id, _)| *id);
            idle.map(|id| self.by_id.remove(&id));
        }
        let fresh = Producer { epoch: batch.epoch, batches: SmallVec::new(), last_append: at };
        let producer = self.by_id.entry(batch.producer_id).or_insert(fresh);
        if producer.epoch != batch.epoch {
            producer.epoch = batch.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == PRODUCER_BATCHES {
            producer.batches.remove(0);
        }
        let Sequenced { first, last, .. } = batch;
        producer.batches.push(Remembered { first, last, base, timestamp });
        producer.last_append = producer.last_append.max(at);
    }

    /// Forgets producers whose last batch is older than `expiry_ms` (Kafka's `producer.id.expiration.ms`).
    pub fn expire(&mut self, now: Wall, expiry_ms: i64) {
        self.by_id.retain(|_, p| now.0.saturating_sub(p.last_append.0) < expiry_ms);
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Appends the state to `out`: count u32, then per producer id i64, epoch i16, last append i64, count u8 and per batch first
    /// i32, last i32, base u64, timestamp i64; all big endian.
    pub fn save(&self, out: &mut Vec<u8>) {
        out.extend((self.by_id.len() as u32).to_be_bytes());
        for (id, p) in &self.by_id {
            out.extend(id.to_be_bytes());
            out.extend(p.epoch.to_be_bytes());
            out.extend(p.last_append.0.to_be_bytes());
            p.save_window(out);
        }
    }

    /// Each producer with a digest of what its next batch is compared with.
    pub fn windows(&self) -> impl Iterator<Item = (i64, u32)> {
        self.by_id.iter().map(|(id, p)| {
            let mut window = p.epoch.to_be_bytes().to_vec();
            p.save_window(&mut window);
            (*id, crc32fast::hash(&window))
        })
    }

    /// Reads what [`Producers::save`] wrote, from the front of `bytes`; `None` if it is something else.
    pub fn load(bytes: &mut &[u8]) -> Option<Producers> {
        fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
            let (head, rest) = bytes.split_first_chunk::<N>()?;
            *bytes = rest;
            Some(*head)
        }
        let mut by_id = BTreeMap::new();
        for _ in 0..u32::from_be_bytes(take(bytes)?) {
            let id = i64::from_be_bytes(take(bytes)?);
            let epoch = i16::from_be_bytes(take(bytes)?);
            let last_append = Wall(i64::from_be_bytes(take(bytes)?));
            let [count] = take(bytes)?;
            let mut batches = SmallVec::new();
            for _ in 0..count {
                let first = i32::from_be_bytes(take(bytes)?);
                let last = i32::from_be_bytes(take(bytes)?);
                let base = Offset(u64::from_be_bytes(take(bytes)?));
                let timestamp = i64::from_be_bytes(take(bytes)?);
                batches.push(Remembered { first, last, base, timestamp });
            }
            if batches.len() > PRODUCER_BATCHES {
                return None;
            }
            by_id.insert(id, Producer { epoch, batches, last_append });
        }
        Some(Producers { by_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seq(epoch: i16, first: i32, count: i32) -> Sequenced {
        let last = (i64::from(first) + i64::from(count) - 1) % (1 << 31);
        Sequenced { producer_id: 7, epoch, first, last: last as i32 }
    }

    fn with(batches: &[(Sequenced, u64)]) -> Producers {
        let mut p = Producers::default();
        for (b, base) in batches {
            p.appended(*b, Offset(*base), 1000 + *base as i64, Wall(5), 10);
        }
        p
    }

    #[test]
    fn a_remembered_batch_is_a_duplicate_with_its_first_offset() {
        let p = with(&[(seq(0, 0, 2), 0), (seq(0, 2, 3), 2)]);
        assert_eq!(p.judge(seq(0, 0, 2)), Verdict::Duplicate { base: Offset(0), timestamp: 1000 });
        assert_eq!(p.judge(seq(0, 2, 3)), Verdict::Duplicate { base: Offset(2), timestamp: 1002 });
        assert_eq!(p.judge(seq(0, 5, 1)), Verdict::Append);
        assert_eq!(p.judge(seq(0, 2, 2)), Verdict::OutOfOrder { expected: 5 });
        assert_eq!(p.judge(seq(0, 6, 1)), Verdict::OutOfOrder { expected: 5 });
    }

    #[test]
    fn the_window_holds_five_batches() {
        let all: Vec<_> = (0..6).map(|i| (seq(0, i, 1), i as u64)).collect();
        let p = with(&all);
        assert_eq!(p.judge(seq(0, 0, 1)), Verdict::OutOfOrder { expected: 6 });
        assert_eq!(p.judge(seq(0, 1, 1)), Verdict::Duplicate { base: Offset(1), timestamp: 1001 });
    }

    #[test]
    fn a_newer_epoch_starts_at_zero_and_fences_the_older() {
        let mut p = with(&[(seq(0, 0, 2), 0)]);
        assert_eq!(p.judge(seq(1, 3, 1)), Verdict::OutOfOrder { expected: 0 });
        assert_eq!(p.judge(seq(1, 0, 1)), Verdict::Append);
        p.appended(seq(1, 0, 1), Offset(2), 0, Wall(6), 10);
        assert_eq!(p.judge(seq(0, 2, 1)), Verdict::Fenced { epoch: 1 });
    }

    #[test]
    fn an_unknown_producer_may_start_anywhere_and_the_sequence_wraps() {
        let mut p = Producers::default();
        assert_eq!(p.judge(seq(0, 44, 1)), Verdict::Append);
        p.appended(seq(0, i32::MAX - 1, 3), Offset(0), 0, Wall(0), 10);
        assert_eq!(p.judge(seq(0, 1, 1)), Verdict::Append);
    }

    #[test]
    fn idle_producers_expire_and_the_longest_idle_makes_room() {
        let mut p = Producers::default();
        for id in 0..4 {
            let s = Sequenced { producer_id: id, epoch: 0, first: 0, last: 0 };
            p.appended(s, Offset(id as u64), 0, Wall(id * 10), 3);
        }
        assert_eq!(p.len(), 3);
        assert!(!p.by_id.contains_key(&0));
        p.expire(Wall(35), 10);
        assert_eq!(p.len(), 1);
    }

    #[test]
    fn state_survives_its_encoding_and_a_cut_one_is_refused() {
        let p = with(&[(seq(0, 0, 2), 0), (seq(0, 2, 3), 2)]);
        let mut bytes = Vec::new();
        p.save(&mut bytes);
        assert_eq!(Producers::load(&mut &bytes[..]), Some(p));
        for cut in 0..bytes.len() {
            assert_eq!(Producers::load(&mut &bytes[..cut]), None);
        }
    }

    /// What a client sends next: its next batch, an older one again, one too far ahead, another of the same beginning, or
    /// something with another epoch.
    #[derive(Clone, Debug)]
    enum Act {
        Next(i32),
        Again(usize),
        Ahead(i32),
        Changed(usize),
        Bump,
        Stale,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (1..5i32).prop_map(Act::Next),
            3 => (0..8usize).prop_map(Act::Again),
            1 => (1..1000i32).prop_map(Act::Ahead),
            1 => (0..8usize).prop_map(Act::Changed),
            1 => Just(Act::Bump),
            1 => Just(Act::Stale),
        ]
    }

    proptest! {
        /// Judged against a client that remembers everything it ever sent.
        #[test]
        fn every_batch_is_taken_once_and_in_order(
            start in prop_oneof![Just(0), 0..i32::MAX, i32::MAX - 20..=i32::MAX],
            acts in prop::collection::vec(act(), 0..60),
        ) {
            let mut window = Producers::default();
            let (mut epoch, mut end) = (5i16, 0u64);
            let mut sent: Vec<(Sequenced, u64)> = Vec::new();
            for act in acts {
                let due = sent.last().map_or(start, |(batch, _)| next(batch.last));
                let recent = |back: usize| sent.len().checked_sub(back + 1).map(|i| (sent[i], back));
                let batch = match act {
                    Act::Next(count) => {
                        let batch = seq(epoch, due, count);
                        prop_assert_eq!(window.judge(batch), Verdict::Append);
                        Some(batch)
                    }
                    Act::Bump => {
                        prop_assume!(epoch < i16::MAX);
                        if !sent.is_empty() {
                            let wrong = window.judge(seq(epoch + 1, 1, 1));
                            prop_assert_eq!(wrong, Verdict::OutOfOrder { expected: 0 });
                            epoch += 1;
                            sent.clear();
                            prop_assert_eq!(window.judge(seq(epoch, 0, 1)), Verdict::Append);
                            Some(seq(epoch, 0, 1))
                        } else {
                            None
                        }
                    }
                    Act::Again(back) => {
                        if let Some(((batch, base), back)) = recent(back) {
                            let timestamp = 1000 + base as i64;
                            let known = Verdict::Duplicate { base: Offset(base), timestamp };
                            let forgotten = Verdict::OutOfOrder { expected: due };
                            let want = if back < PRODUCER_BATCHES { known } else { forgotten };
                            prop_assert_eq!(window.judge(batch), want);
                        }
                        None
                    }
                    Act::Changed(back) => {
                        if let Some(((batch, _), _)) = recent(back) {
                            let changed = Sequenced { last: next(batch.last), ..batch };
                            let want = Verdict::OutOfOrder { expected: due };
                            prop_assert_eq!(window.judge(changed), want);
                        }
                        None
                    }
                    Act::Ahead(gap) if !sent.is_empty() => {
                        let first = (i64::from(due) + i64::from(gap)) % (1 << 31);
                        let want = Verdict::OutOfOrder { expected: due };
                        prop_assert_eq!(window.judge(seq(epoch, first as i32, 1)), want);
                        None
                    }
                    Act::Stale if !sent.is_empty() => {
                        prop_assert_eq!(window.judge(seq(epoch - 1, due, 1)), Verdict::Fenced { epoch });
                        None
                    }
                    Act::Ahead(_) | Act::Stale => None,
                };
                if let Some(batch) = batch {
                    window.appended(batch, Offset(end), 1000 + end as i64, Wall(5), 10);
                    sent.push((batch, end));
                    end += (i64::from(batch.last) - i64::from(batch.first)).rem_euclid(1 << 31) as u64 + 1;
                }
                let mut bytes = Vec::new();
                window.save(&mut bytes);
                prop_assert_eq!(Producers::load(&mut &bytes[..]), Some(window.clone()));
            }
        }

        #[test]
        fn bytes_that_nobody_saved_are_read_or_refused_and_never_believed_in_their_length(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut rest = &bytes[..];
            if let Some(window) = Producers::load(&mut rest) {
                prop_assert!(window.len() <= bytes.len());
            }
        }
    }
}
