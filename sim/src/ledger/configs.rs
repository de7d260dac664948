//! What a topic's settings may have been, and when.
//!
//! A change holds from the moment at which it was asked for, at the earliest, until another one of the same key is answered that was
//! asked for after the first was answered. One that was never answered may have been made at any time since, and never ends.
//! So whoever was told something between two moments knows every value that the broker can have gone by.

use super::{Extent, Ledger, Part, Retention, TopicNo};
use std::collections::BTreeMap;

/// A value; none is what the broker says for topics that say nothing.
pub type Value = Option<&'static str>;

/// A key of a topic.
type Setting = (TopicNo, &'static str);

/// Wall clock of a client, ms. Two things within one are in no order.
type Ms = i64;

/// Every setting of every topic.
#[derive(Clone, Debug, Default)]
pub struct Configs {
    settings: BTreeMap<Setting, Changes>,
    next: u64,
}

/// All changes of a setting.
#[derive(Clone, Debug)]
struct Changes {
    /// Those that may hold now.
    open: Vec<Change>,
    /// Those that ended, with the last moment at which they may have held, in the order of those moments.
    closed: Vec<(Change, Ms)>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    number: u64,
    value: Value,
    asked: Ms,
    answered: Option<Ms>,
    /// Whether no answer will come: it may be made at any moment from then on.
    lost: bool,
}

impl Configs {
    /// Somebody asks for a change; its number.
    pub fn ask(&mut self, setting: Setting, value: Value, now: Ms) -> u64 {
        self.next += 1;
        let first =
            Change { number: 0, value: None, asked: Ms::MIN, answered: Some(Ms::MIN), lost: false };
        let changes = self.settings.entry(setting);
        let changes = changes.or_insert(Changes { open: vec![first], closed: Vec::new() });
        changes.open.push(Change {
            number: self.next,
            value,
            asked: now,
            answered: None,
            lost: false,
        });
        self.next
    }

    /// A change was made.
    pub fn made(&mut self, setting: Setting, number: u64, now: Ms) {
        let Some(changes) = self.settings.get_mut(&setting) else { return };
        let Some(made) = changes.open.iter_mut().find(|c| c.number == number) else { return };
        made.answered = Some(now);
        let asked = made.asked;
        let over = |c: &mut Change| c.answered.is_some_and(|answered| answered < asked);
        changes.closed.extend(changes.open.extract_if(.., over).map(|c| (c, now)));
    }

    /// A change was refused: it never was made.
    pub fn refused(&mut self, setting: Setting, number: u64) {
        if let Some(changes) = self.settings.get_mut(&setting) {
            changes.open.retain(|c| c.number != number);
        }
    }

    /// A change will have no answer. Of several such that say the same, the first says it all.
    pub fn lost(&mut self, setting: Setting, number: u64) {
        let Some(changes) = self.settings.get_mut(&setting) else { return };
        let Some(lost) = changes.open.iter_mut().find(|c| c.number == number) else { return };
        lost.lost = true;
        let lost = *lost;
        let says_it_all = |c: &Change| {
            c.lost && c.value == lost.value && c.number < number && c.asked <= lost.asked
        };
        if changes.open.iter().any(says_it_all) {
            changes.open.retain(|c| c.number != number);
        }
    }

    /// Every value that the setting may have had at some moment of these.
    pub fn within(&self, setting: Setting, from: Ms, until: Ms) -> impl Iterator<Item = Value> {
        let changes = self.settings.get(&setting);
        let untouched = changes.is_none().then_some(None);
        let ended = changes.into_iter().flat_map(move |changes| {
            let first = changes.closed.partition_point(|(_, last)| *last < from);
            changes.closed[first..].iter().map(|(change, _)| change)
        });
        let held = ended.chain(changes.into_iter().flat_map(|changes| &changes.open));
        untouched.into_iter().chain(held.filter(move |c| c.asked <= until).map(|c| c.value))
    }

    /// Whether the setting may have had this value at some moment of these.
    pub fn may_be(&self, setting: Setting, value: &str, from: Ms, until: Ms) -> bool {
        self.within(setting, from, until).any(|v| v == Some(value))
    }

    /// Whether anybody ever asked for a change.
    pub fn is_touched(&self, setting: Setting) -> bool {
        self.settings.contains_key(&setting)
    }
}

impl Ledger {
    /// Every number that the setting may have been at some moment of these; `base` is what the broker says.
    pub fn numbers(
        &self,
        setting: Setting,
        base: i64,
        (from, until): (Ms, Ms),
    ) -> impl Iterator<Item = i64> {
        let within = self.configs.within(setting, from, until);
        within.map(move |value| value.map_or(base, |v| v.parse().expect("a number")))
    }

    /// Whether records of a topic may go by themselves.
    pub fn may_expire(&self, topic: TopicNo) -> bool {
        let touched = |key| self.configs.is_touched((topic, key));
        self.retention.is_on() || touched("retention.ms") || touched("retention.bytes")
    }

    /// The strictest limits that a topic's records may have met between two moments.
    pub fn retention(&self, topic: TopicNo, from: Ms, until: Ms) -> Retention {
        let strictest = |key, base: Option<i64>| {
            let limits = self.numbers((topic, key), base.unwrap_or(-1), (from, until));
            limits.filter(|limit| *limit >= 0).min()
        };
        Retention {
            ms: strictest("retention.ms", self.retention.ms),
            bytes: strictest("retention.bytes", self.retention.bytes),
        }
    }

    /// Whether a batch of `bytes` may have been refused with this code between two moments, as far as settings decide it.
    pub fn may_refuse(&self, topic: TopicNo, code: i16, bytes: i64, within: (Ms, Ms)) -> bool {
        match code {
            10 => self.bytes_max(topic, within).any(|max| bytes > max),
            87 => self.wants_keys(topic, within).any(|wanted| wanted),
            _ => true,
        }
    }

    /// Whether a batch may have become too long for its topic or the journal when it was compressed anew, as its topic wants;
    /// `bytes_max` is the longest that it can become.
    pub fn may_outgrow(&self, topic: TopicNo, bytes_max: i64, within: (Ms, Ms)) -> bool {
        let mut wanted = self.configs.within((topic, "compression.type"), within.0, within.1);
        let is_other = |codec: Option<&str>| codec.is_some_and(|codec| codec != "producer");
        wanted.any(is_other) && self.bytes_max(topic, within).any(|max| bytes_max > max)
    }

    /// Whether a batch of `bytes`, of records without keys, may have been taken between two moments.
    pub fn may_take(&self, topic: TopicNo, bytes: i64, within: (Ms, Ms)) -> bool {
        self.bytes_max(topic, within).any(|max| bytes <= max)
            && self.wants_keys(topic, within).any(|wanted| !wanted)
    }

    fn bytes_max(&self, topic: TopicNo, within: (Ms, Ms)) -> impl Iterator<Item = i64> {
        let most = self.batch_bytes_max;
        let numbers = self.numbers((topic, "max.message.bytes"), self.message_bytes_max, within);
        numbers.map(move |max| max.min(most))
    }

    /// Whether every record of the topic needed a key.
    fn wants_keys(&self, topic: TopicNo, (from, until): (Ms, Ms)) -> impl Iterator<Item = bool> {
        let policies = self.configs.within((topic, "cleanup.policy"), from, until);
        policies.map(|policy| policy.is_some_and(|policy| policy.contains("compact")))
    }

    /// Whether any segment may have been dropped by now.
    pub fn may_drop(&self) -> bool {
        let asked = |(part, e): (&Part, &Extent)| {
            e.ceiling > 0 || e.open > 0 || self.may_expire(part.topic)
        };
        // A topic that was deleted takes its segments along.
        let deleted = self.incarnations.all.iter().any(|one| one.may_be_gone);
        self.retention.is_on() || deleted || self.extents.iter().any(asked)
    }
}
