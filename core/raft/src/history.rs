//! Which epoch wrote which offsets.
//!
//! An entry says that `epoch` started at `start`; it ends where the next one starts. Answers
//! Kafka's OffsetForLeaderEpoch (KIP-101, KIP-320) and finds divergence points.

/// Entries (epoch, start offset), both strictly increasing in the epoch and never decreasing in the offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochHistory {
    entries: Vec<(u32, u64)>,
}

impl EpochHistory {
    /// A history out of entries as [`EpochHistory::entries`] gave them.
    ///
    /// Returns `None` if they are not in order.
    pub fn from_entries(entries: Vec<(u32, u64)>) -> Option<EpochHistory> {
        let ordered = entries.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 <= w[1].1);
        ordered.then_some(EpochHistory { entries })
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[(u32, u64)] {
        &self.entries
    }

    /// Notes that `epoch` writes from offset `start` on. An epoch that is known already keeps its start. An older epoch
    /// that wrote nothing (same start) is kept too: a zero-width epoch answers truncation questions.
    ///
    /// # Panics
    /// If `epoch` or `start` is below what the history holds: only our own logic calls this.
    pub fn begin(&mut self, epoch: u32, start: u64) {
        if let Some(&(last, at)) = self.entries.last() {
            if last == epoch {
                return;
            }
            assert!(last < epoch, "epoch {epoch} begins after epoch {last}");
            assert!(at <= start, "epoch {epoch} begins at {start}, before {at}");
        }
        self.entries.push((epoch, start));
    }

    /// Forgets what is below `log_start`: the epoch that covers it stays, from `log_start` on.
    pub fn trim(&mut self, log_start: u64) {
        let covering = self.entries.partition_point(|e| e.1 <= log_start);
        if covering > 0 {
            self.entries.drain(..covering - 1);
            self.entries[0].1 = log_start;
        }
    }

    /// The last epoch, if any.
    pub fn last(&self) -> Option<u32> {
        self.entries.last().map(|e| e.0)
    }

    /// The epoch that wrote `offset`.
    pub fn epoch_of(&self, offset: u64) -> Option<u32> {
        let after = self.entries.partition_point(|e| e.1 <= offset);
        after.checked_sub(1).map(|i| self.entries[i].0)
    }

    /// The largest epoch that is not above `epoch`, and the offset where it ended; `end` is the end of the log.
    /// `None` if `epoch` is below everything known or above the last epoch.
    pub fn end_of(&self, epoch: u32, end: u64) -> Option<(u32, u64)> {
        if self.last()? < epoch {
            return None;
        }
        let after = self.entries.partition_point(|e| e.0 <= epoch);
        let entry = self.entries[after.checked_sub(1)?];
        let ends = self.entries.get(after).map_or(end, |next| next.1);
        Some((entry.0, ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn history() -> EpochHistory {
        let mut h = EpochHistory::default();
        h.begin(1, 0);
        h.begin(3, 10);
        h.begin(4, 10);
        h.begin(7, 25);
        h
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_starts() {
        let h = history();
        assert_eq!(h.end_of(1, 40), Some((1, 10)));
        assert_eq!(h.end_of(2, 40), Some((1, 10)));
        assert_eq!(h.end_of(3, 40), Some((3, 10)));
        assert_eq!(h.end_of(4, 40), Some((4, 25)));
        assert_eq!(h.end_of(7, 40), Some((7, 40)));
        assert_eq!(h.end_of(8, 40), None);
        assert_eq!(h.end_of(0, 40), None);
    }

    #[test]
    fn the_epoch_of_an_offset_is_the_last_that_started_at_or_below_it() {
        let h = history();
        assert_eq!(h.epoch_of(9), Some(1));
        assert_eq!(h.epoch_of(10), Some(4));
        assert_eq!(h.epoch_of(100), Some(7));
    }

    #[test]
    fn trimming_keeps_the_epoch_that_covers_the_log_start() {
        let mut h = history();
        h.trim(12);
        assert_eq!(h.entries(), &[(4, 12), (7, 25)]);
        h.trim(12);
        assert_eq!(h.entries(), &[(4, 12), (7, 25)]);
    }

    #[test]
    #[should_panic(expected = "begins after")]
    fn an_older_epoch_never_begins_again() {
        history().begin(5, 30);
    }

    #[test]
    fn entries_out_of_order_are_refused() {
        assert!(EpochHistory::from_entries(vec![(2, 5), (1, 9)]).is_none());
        assert!(EpochHistory::from_entries(vec![(1, 9), (2, 5)]).is_none());
        assert!(EpochHistory::from_entries(vec![(1, 0), (2, 0)]).is_some());
    }

    /// A log as the epoch of each of its records, and its history. An act is how many epochs pass, and how many
    /// records the last of them writes.
    fn lived(acts: &[(u32, usize)]) -> (Vec<u32>, EpochHistory) {
        let (mut log, mut history, mut epoch) = (Vec::new(), EpochHistory::default(), 0);
        for &(passed, records) in acts {
            epoch += passed;
            history.begin(epoch, log.len() as u64);
            log.extend(std::iter::repeat_n(epoch, records));
        }
        (log, history)
    }

    fn acts() -> impl Strategy<Value = Vec<(u32, usize)>> {
        prop::collection::vec((0..3u32, 0..4usize), 1..12)
    }

    proptest! {
        #[test]
        fn a_history_answers_as_the_log_itself_would(acts in acts(), start in any::<prop::sample::Index>()) {
            let (log, mut history) = lived(&acts);
            let start = start.index(log.len() + 1);
            history.trim(start as u64);
            prop_assert_eq!(EpochHistory::from_entries(history.entries().to_vec()), Some(history.clone()));
            for (offset, epoch) in log.iter().enumerate().skip(start) {
                prop_assert_eq!(history.epoch_of(offset as u64), Some(*epoch));
            }
            let (first, last) = (history.entries()[0].0, history.last().unwrap());
            for asked in 0..last + 2 {
                let Some((epoch, end)) = history.end_of(asked, log.len() as u64) else {
                    prop_assert!(asked < first || asked > last, "epoch {} is known", asked);
                    continue;
                };
                prop_assert!(first <= epoch && epoch <= asked && asked <= last);
                let split = (end as usize).max(start);
                prop_assert!(log[start..split].iter().all(|e| *e <= epoch));
                prop_assert!(log[split..].iter().all(|e| *e > asked));
            }
        }

        #[test]
        fn a_follower_that_asks_for_the_ends_of_its_epochs_finds_where_the_logs_part(
            shared in acts(),
            (ours, theirs) in (acts(), acts()),
            alone in 0..3usize,
        ) {
            let live = |rest: &[(u32, usize)], parity: u32, alone: usize| {
                // An epoch has one leader, so two logs that part have no later epoch in common.
                let (mut log, mut history) = lived(&shared);
                let mut epoch = history.last().unwrap();
                log.extend(std::iter::repeat_n(epoch, alone));
                epoch = (epoch + 2) / 2 * 2 + parity;
                for &(passed, records) in rest {
                    epoch += 2 * passed;
                    history.begin(epoch, log.len() as u64);
                    log.extend(std::iter::repeat_n(epoch, records));
                }
                (log, history)
            };
            let common = lived(&shared).0.len();
            let (mut follower, of_follower) = live(&ours, 0, alone);
            let (leader, of_leader) = live(&theirs, 1, 0);
            for round in 0.. {
                prop_assert!(round <= 12, "it never ends");
                let Some(&last) = follower.last() else { break };
                let (epoch, end) = match of_leader.end_of(last, leader.len() as u64) {
                    Some(known) => known,
                    // The follower's last epoch is above all that the leader knows: it asks for the leader's last.
                    None if last > of_leader.last().unwrap() => (of_leader.last().unwrap(), leader.len() as u64),
                    None => (0, 0),
                };
                let own_end = of_follower.end_of(epoch, follower.len() as u64).map_or(0, |e| e.1);
                let to = end.min(own_end).min(follower.len() as u64);
                if epoch == last && to == follower.len() as u64 {
                    break;
                }
                follower.truncate(to as usize);
            }
            prop_assert!(leader.starts_with(&follower), "{:?} is left beside {:?}", follower, leader);
            prop_assert_eq!(follower.len(), common, "more was cut than had to be");
        }
    }
}
