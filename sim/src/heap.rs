//! What will happen, ordered by virtual time; what happens at the same time comes in a drawn order.
//!
//! The tie is a random number of its own stream, so that the order of equal moments is explored by seeds and repeated
//! by a seed. Entries are small and hold no data: bytes wait at the link, the node or the platter that they belong to.

use crate::chance::Chance;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Nanoseconds of virtual time since the beginning of a run.
pub type Nanos = u64;

/// A millisecond in virtual time.
pub const MS: Nanos = 1_000_000;

/// A second in virtual time.
pub const SECOND: Nanos = 1_000 * MS;

#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    at: Nanos,
    tie: u64,
    what: T,
}

/// A queue of things to come.
#[derive(Clone, Debug)]
pub struct Heap<T> {
    entries: BinaryHeap<Entry<T>>,
    ties: Chance,
}

impl<T: Copy> Heap<T> {
    /// Nothing is to come; ties are drawn from `ties`.
    pub fn new(ties: Chance) -> Heap<T> {
        Heap { entries: BinaryHeap::with_capacity(256), ties }
    }

    /// `what` will happen at `at`.
    pub fn push(&mut self, at: Nanos, what: T) {
        let tie = self.ties.bits();
        self.entries.push(Entry { at, tie, what });
    }

    /// The same with a tie of its own: whether it is there or not, what else is pushed meets the same ties.
    pub fn push_with(&mut self, at: Nanos, tie: u64, what: T) {
        self.entries.push(Entry { at, tie, what });
    }

    /// The next thing to happen, and when.
    pub fn pop(&mut self) -> Option<(Nanos, T)> {
        self.entries.pop().map(|e| (e.at, e.what))
    }

    /// What [`Heap::pop`] would bring.
    pub fn peek(&self) -> Option<(Nanos, T)> {
        self.entries.peek().map(|e| (e.at, e.what))
    }

    /// How many things are to come.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is to come.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // The greatest entry of a BinaryHeap comes first: the earliest must be the greatest.
        (other.at, other.tie).cmp(&(self.at, self.tie))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_comes_first_and_equal_moments_come_in_an_order_that_only_the_seed_decides() {
        let order = |seed| {
            let mut heap = Heap::new(Chance::new(seed, 0));
            heap.push(9, 100);
            (0..8).for_each(|n| heap.push(5, n));
            std::iter::from_fn(move || heap.pop().map(|(_, n)| n)).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        assert_eq!(order(3).last(), Some(&100));
    }
}
