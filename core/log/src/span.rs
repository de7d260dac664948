//! Ranges of offsets that cannot be read: sorted, apart from each other, few.

use crate::id::Offset;

/// A range of offsets, `to` not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First offset.
    pub from: Offset,
    /// Offset after the last.
    pub to: Offset,
}

/// A set of ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// The ranges, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Span> {
        self.0.iter()
    }

    /// Whether it is empty, as in a healthy log.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a range; what touches becomes one.
    pub fn add(&mut self, from: Offset, to: Offset) {
        if from >= to {
            return;
        }
        let mut merged = Span { from, to };
        self.0.retain(|s| {
            let apart = s.to < merged.from || s.from > merged.to;
            if !apart {
                merged = Span { from: s.from.min(merged.from), to: s.to.max(merged.to) };
            }
            apart
        });
        let at = self.0.partition_point(|s| s.from < merged.from);
        self.0.insert(at, merged);
    }

    /// Takes a range out.
    pub fn remove(&mut self, from: Offset, to: Offset) {
        if from >= to {
            return;
        }
        let old = std::mem::take(&mut self.0);
        for s in old {
            let before = Span { from: s.from, to: s.to.min(from) };
            let after = Span { from: s.from.max(to), to: s.to };
            self.0.extend([before, after].into_iter().filter(|s| s.from < s.to));
        }
    }

    /// Whether it holds `offset`.
    pub fn contains(&self, offset: Offset) -> bool {
        self.first_from(offset).is_some_and(|s| s.from <= offset)
    }

    /// Whether it holds anything of `from .. to`.
    pub fn touches(&self, from: Offset, to: Offset) -> bool {
        self.first_from(from).is_some_and(|s| s.from < to)
    }

    /// The range that holds `offset`, or the first behind it.
    pub fn first_from(&self, offset: Offset) -> Option<Span> {
        self.0.get(self.0.partition_point(|s| s.to <= offset)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// The same as a set of single offsets, and as few ranges as that set needs.
        #[test]
        fn ranges_are_a_set(steps in prop::collection::vec((any::<bool>(), 0..40u64, 0..40u64), 0..40)) {
            let (mut spans, mut set) = (Spans::default(), BTreeSet::new());
            for (add, from, to) in steps {
                if add {
                    spans.add(Offset(from), Offset(to));
                    set.extend(from..to);
                } else {
                    spans.remove(Offset(from), Offset(to));
                    set.retain(|o| !(from..to).contains(o));
                }
            }
            for o in 0..41 {
                prop_assert_eq!(spans.contains(Offset(o)), set.contains(&o));
                prop_assert_eq!(spans.touches(Offset(o), Offset(o + 3)), (o..o + 3).any(|o| set.contains(&o)));
            }
            let starts = set.iter().filter(|o| **o == 0 || !set.contains(&(**o - 1))).count();
            prop_assert_eq!(spans.iter().count(), starts);
        }
    }
}
