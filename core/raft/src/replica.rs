//! One replica of one log: hard state, what each voter holds durably, and the commit rule.

use crate::EpochHistory;
use sordini_mutant::mutant;

/// A node of the cluster, by its `node.id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub i32);

/// What must be durable before it is acted on.
///
/// `log_epoch` is the epoch up to whose start this replica's log is known to equal its leader's
/// (viewstamped replication's `log_view`); it makes a no-op record at the start of an epoch
/// unnecessary, and so offsets stay dense.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// Highest epoch seen.
    pub epoch: u32,
    /// Whom this node voted for in `epoch`.
    pub voted_for: Option<NodeId>,
    /// See above; never above `epoch`.
    pub log_epoch: u32,
}

impl HardState {
    /// Length of [`HardState::encode`], in bytes.
    pub const BYTES: usize = 14;

    /// Version 0, big endian: version u16, epoch u32, voted_for i32 (-1: nobody), log_epoch u32.
    pub fn encode(&self) -> [u8; HardState::BYTES] {
        let mut out = [0; HardState::BYTES];
        out[2..6].copy_from_slice(&self.epoch.to_be_bytes());
        out[6..10].copy_from_slice(&self.voted_for.map_or(-1, |n| n.0).to_be_bytes());
        out[10..14].copy_from_slice(&self.log_epoch.to_be_bytes());
        out
    }

    /// Reads what [`HardState::encode`] wrote; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<HardState> {
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        if bytes.len() != HardState::BYTES || bytes[..2] != [0, 0] {
            return None;
        }
        let (epoch, voted, log_epoch) = (word(2)?, word(6)? as i32, word(10)?);
        let voted_for = (voted >= 0).then_some(NodeId(voted));
        (log_epoch <= epoch).then_some(HardState { epoch, voted_for, log_epoch })
    }
}

/// A voter, as its leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Voter {
    node: NodeId,
    /// Epoch that its log is verified for.
    log_epoch: u32,
    /// End of its durable, verified log.
    durable: u64,
}

/// The replica that leads a log, alone or with followers.
///
/// One chain: `high_watermark <= durable end of a majority <= end`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    me: NodeId,
    hard: HardState,
    history: EpochHistory,
    voters: Vec<Voter>,
    end: u64,
    high_watermark: u64,
}

impl Replica {
    /// The only voter of a log, leading it in an epoch above every earlier one.
    ///
    /// `hard` is the last durable hard state, `end` the end of the recovered log, all of which is durable. The new
    /// hard state ([`Replica::hard`]) must be made durable before an answer of the new epoch leaves.
    pub fn lead_alone(me: NodeId, hard: HardState, mut history: EpochHistory, end: u64) -> Replica {
        let epoch = hard.epoch.max(history.last().unwrap_or(0)) + 1;
        history.begin(epoch, end);
        let hard = HardState { epoch, voted_for: Some(me), log_epoch: epoch };
        let voters = vec![Voter { node: me, log_epoch: 0, durable: 0 }];
        // A recovered log was durable on this quorum of one before, all of it.
        Replica { me, hard, history, voters, end, high_watermark: end }
    }

    /// A log that was never written: its first epoch is 0, as in Kafka.
    pub fn lead_new(me: NodeId) -> Replica {
        let mut history = EpochHistory::default();
        history.begin(0, 0);
        let hard = HardState { epoch: 0, voted_for: Some(me), log_epoch: 0 };
        let voters = vec![Voter { node: me, log_epoch: 0, durable: 0 }];
        Replica { me, hard, history, voters, end: 0, high_watermark: 0 }
    }

    /// What must be durable before this replica acts as leader of [`Replica::epoch`].
    pub fn hard(&self) -> HardState {
        self.hard
    }

    /// The leader epoch.
    pub fn epoch(&self) -> u32 {
        self.hard.epoch
    }

    /// Epochs and where they started.
    pub fn history(&self) -> &EpochHistory {
        &self.history
    }

    /// End of the log: the offset of the next record.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Everything below is committed and may be shown.
    pub fn high_watermark(&self) -> u64 {
        self.high_watermark
    }

    /// The leader appended up to `end`; nothing is counted yet, not even for itself.
    pub fn appended(&mut self, end: u64) {
        assert!(end >= self.end, "a leader never shortens its log: {end} < {}", self.end);
        self.end = end;
        mutant!(B09, (), self.high_watermark = end);
    }

    /// The log now starts at `start`.
    pub fn trimmed(&mut self, start: u64) {
        self.history.trim(start);
    }

    /// A voter's log is durable up to `durable` and verified for `log_epoch`. Acknowledgements of another epoch than
    /// the current one are refused. Returns the new high watermark if it moved.
    pub fn acked(&mut self, node: NodeId, log_epoch: u32, durable: u64) -> Option<u64> {
        if log_epoch != self.hard.epoch {
            return None;
        }
        assert!(durable <= self.end, "{durable} was acknowledged, the log ends at {}", self.end);
        let voter = self.voters.iter_mut().find(|v| v.node == node)?;
        voter.log_epoch = log_epoch;
        voter.durable = voter.durable.max(durable);
        self.commit_to(self.quorum_end())
    }

    /// This replica's own log is durable up to `durable`: one voter among the others.
    pub fn synced(&mut self, durable: u64) -> Option<u64> {
        self.acked(self.me, self.hard.epoch, durable)
    }

    /// The largest offset that a majority holds durably in the current epoch.
    fn quorum_end(&self) -> u64 {
        let mut ends: Vec<u64> = self
            .voters
            .iter()
            .map(|v| if v.log_epoch == self.hard.epoch { v.durable } else { 0 })
            .collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        ends[self.voters.len() / 2]
    }

    /// The one place where the high watermark moves.
    fn commit_to(&mut self, offset: u64) -> Option<u64> {
        assert!(offset <= self.end);
        if offset <= self.high_watermark {
            return None;
        }
        self.high_watermark = offset;
        Some(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    const ME: NodeId = NodeId(1);

    #[test]
    fn a_quorum_of_one_commits_what_it_has_synced_and_no_more() {
        let mut r = Replica::lead_new(ME);
        r.appended(10);
        assert_eq!(r.high_watermark(), 0);
        assert_eq!(r.synced(4), Some(4));
        assert_eq!(r.synced(3), None);
        assert_eq!(r.synced(10), Some(10));
    }

    #[test]
    fn a_majority_of_three_is_needed_in_the_current_epoch() {
        let mut r = Replica::lead_new(ME);
        r.voters.push(Voter { node: NodeId(2), log_epoch: 0, durable: 0 });
        r.voters.push(Voter { node: NodeId(3), log_epoch: 0, durable: 0 });
        r.appended(10);
        assert_eq!(r.synced(10), None);
        assert_eq!(r.acked(NodeId(2), 7, 10), None, "an acknowledgement of another epoch");
        assert_eq!(r.acked(NodeId(9), 0, 10), None, "no voter");
        assert_eq!(r.acked(NodeId(2), 0, 6), Some(6));
        assert_eq!(r.acked(NodeId(3), 0, 8), Some(8));
    }

    #[test]
    fn every_boot_starts_an_epoch_above_all_that_the_log_has_seen() {
        let mut h = EpochHistory::default();
        h.begin(4, 0);
        let hard = HardState { epoch: 3, voted_for: Some(ME), log_epoch: 3 };
        let r = Replica::lead_alone(ME, hard, h, 17);
        assert_eq!(r.epoch(), 5);
        assert_eq!(r.history().end_of(4, 17), Some((4, 17)));
        assert_eq!(r.high_watermark(), 17);
    }

    #[test]
    fn hard_state_survives_its_encoding_and_refuses_others() {
        let h = HardState { epoch: 9, voted_for: Some(NodeId(3)), log_epoch: 8 };
        assert_eq!(HardState::decode(&h.encode()), Some(h));
        let nobody = HardState { voted_for: None, ..h };
        assert_eq!(HardState::decode(&nobody.encode()), Some(nobody));
        assert_eq!(HardState::decode(&h.encode()[..13]), None);
        let mut newer = h.encode();
        newer[1] = 1;
        assert_eq!(HardState::decode(&newer), None);
    }
}
