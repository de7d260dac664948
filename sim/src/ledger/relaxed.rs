//! What a crash may take of topics with `flush=relaxed`: what was acknowledged before any sync.
//!
//! Such an answer promises a place in the log and nothing of the disk. What is not durable when the process ends, however it
//! ends, may be gone: from the end of the log, so that nothing that came later in the same life is left, and nothing that a
//! reader may have been given, since readers see what is durable. How little that is follows from two things that the simulator
//! knows by itself: the watermarks that the broker reported, and the syncs of its journal, since a batch is in one of the
//! next few groups.

use super::{Ledger, Part, RecordId, Sent, TopicNo};
use crate::heap::Nanos;
use std::collections::BTreeMap;

/// An acknowledgement that waited for no sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relaxed {
    /// When the process that answered had accepted the connection.
    pub accepted: Nanos,
    /// Syncs of the node's journal when the answer came.
    pub syncs: u64,
}

/// The end of a process, of whatever kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Death {
    /// When.
    pub at: Nanos,
    /// Syncs of the node's journal until then.
    pub syncs: u64,
    /// By name of the topic and partition: what was durable at least. Of logs that followed each other under a name, the least.
    pub durable: BTreeMap<(String, i32), u64>,
}

/// The processes of a node.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    /// Syncs of the journal so far.
    pub syncs: u64,
    /// Their ends, in order.
    pub deaths: Vec<Death>,
}

impl Lives {
    /// Number of the life at a moment at which there was one.
    fn at(&self, at: Nanos) -> usize {
        self.deaths.partition_point(|death| death.at < at)
    }
}

impl Ledger {
    /// Whether a batch may have been acknowledged before it was durable, between two moments of a client's wall clock, ms.
    pub fn may_be_relaxed(&self, topic: TopicNo, (from, until): (i64, i64)) -> bool {
        let mut values = self.configs.within((topic, "flush"), from, until);
        values.any(|value| value.map_or(self.relaxed, |value| value == "relaxed"))
    }

    /// The answer that a record is there may have waited for no sync. Nobody knows from it where the log ends for readers.
    pub(super) fn ack_relaxed(&mut self, id: RecordId, accepted: Nanos) {
        let node = self.node_of(self.of(id).expect("it was sent").part.topic);
        let syncs = self.lives(node).syncs;
        self.of_mut(id).relaxed = Some(Relaxed { accepted, syncs });
    }

    /// Whether a crash may have taken something of `part` that this client was told is there.
    pub fn may_have_lost(&self, client: u32, part: Part) -> bool {
        let sent = self.sent.get(client as usize).into_iter().flatten();
        sent.filter(|sent| sent.part == part).any(|sent| self.may_have_gone(sent))
    }

    /// Whether a crash may have taken this one, of which its producer was told that it is there.
    pub fn may_have_gone(&self, sent: &Sent) -> bool {
        let Some((relaxed, offset)) = sent.relaxed.zip(sent.acked) else { return false };
        let death = self.end_of(sent.part, relaxed.accepted);
        death.is_some_and(|death| offset >= self.durable(sent.part, death))
    }

    /// Number of the process that had `part` at a moment at which there was one.
    pub fn life_of(&self, part: Part, at: Nanos) -> usize {
        self.lives.get(&self.node_of(part.topic)).map_or(0, |lives| lives.at(at))
    }

    /// How the process ended that had `part` at that moment; none if it lives.
    pub fn end_of(&self, part: Part, at: Nanos) -> Option<&Death> {
        let lives = self.lives.get(&self.node_of(part.topic))?;
        lives.deaths.get(lives.at(at))
    }

    /// Up to which offset a partition was durable, at least, when a process ended.
    pub fn durable(&self, part: Part, death: &Death) -> i64 {
        let topic = &self.topics[usize::from(part.topic.0)];
        let durable = death.durable.get(&(topic.name.clone(), part.partition));
        durable.map_or(0, |offset| *offset as i64)
    }

    /// The processes of a node.
    pub fn lives(&mut self, node: u32) -> &mut Lives {
        self.lives.entry(node).or_default()
    }

    fn node_of(&self, topic: TopicNo) -> u32 {
        self.topics.get(usize::from(topic.0)).map_or(0, |topic| topic.node)
    }
}
