//! Topics that are deleted and made again under the same name: each has an id of its own, and is a topic of its own here.
//!
//! What is sure follows from who asked to delete what. Nobody can have deleted a topic whose deletion nobody asked for, by its id
//! or by its name; a deletion by name that was not answered may still come. Whoever writes by name may write to any of them,
//! unless one is sure to have been there all the time.

use super::admin::Name;
use super::{Ledger, Part, TopicNo};
use crate::failure::Failure;
use std::collections::BTreeMap;

/// A topic's id, as it goes over the wire.
pub type Id = [u8; 16];

/// A topic that was once under a name.
#[derive(Clone, Copy, Debug)]
pub struct Incarnation {
    /// Its id.
    pub id: Id,
    /// Its name.
    pub name: Name,
    /// Its number.
    pub topic: TopicNo,
    /// When somebody was told of it first, ms.
    pub told_ms: i64,
    /// Whether somebody may have deleted it.
    pub may_be_gone: bool,
    /// When somebody was told that it is deleted, ms.
    pub gone_ms: Option<i64>,
}

/// A name that topics come and go under.
#[derive(Clone, Copy, Debug)]
struct Shared {
    /// The number that stands for whichever topic it is.
    root: TopicNo,
    /// Deletions by name without an answer.
    deletions: u32,
    /// When one was answered last, ms.
    deleted_ms: i64,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Incarnations {
    /// In the order in which somebody was told of them.
    pub all: Vec<Incarnation>,
    names: BTreeMap<Name, Shared>,
    by_id: BTreeMap<Id, usize>,
    /// The one under each name that nobody can have deleted.
    sure: BTreeMap<Name, usize>,
}

impl Incarnations {
    /// The one with this id, if anybody was told of it.
    pub fn find(&self, id: Id) -> Option<&Incarnation> {
        self.by_id.get(&id).map(|n| &self.all[*n])
    }

    /// The newest one under a name.
    pub fn newest(&self, name: Name) -> Option<&Incarnation> {
        self.all.iter().rev().find(|one| one.name == name)
    }

    /// The one that is under its name, and has been since `since` at the latest.
    pub fn sure(&self, name: Name, since: i64) -> Option<&Incarnation> {
        self.sure.get(&name).map(|n| &self.all[*n]).filter(|one| one.told_ms < since)
    }
}

impl Ledger {
    /// The number that stands for whichever topic is under a name.
    pub fn shared_root(&mut self, name: Name) -> TopicNo {
        if let Some(shared) = self.incarnations.names.get(&name) {
            return shared.root;
        }
        let root = self.topic(&shared_name(name), PARTITIONS, name.0);
        let shared = Shared { root, deletions: 0, deleted_ms: i64::MIN };
        self.incarnations.names.insert(name, shared);
        root
    }

    /// Whether a record that was sent to `to` may be in `at`.
    pub fn belongs(&self, to: Part, at: Part) -> bool {
        let named = |one: &Incarnation| one.topic == at.topic;
        to == at
            || to.partition == at.partition
                && self.incarnations.names.values().any(|shared| shared.root == to.topic)
                && self.incarnations.all.iter().rev().find(|one| named(one)).is_some_and(|one| {
                    self.incarnations.names.get(&one.name).is_some_and(|s| s.root == to.topic)
                })
    }

    /// Somebody who asked at `asked_ms` is told that the topic `id` is there under `name`.
    pub fn told_incarnation(
        &mut self,
        name: Name,
        id: Id,
        asked_ms: i64,
        now: i64,
    ) -> Result<TopicNo, Failure> {
        if let Some(one) = self.incarnations.find(id) {
            if one.gone_ms.is_some_and(|gone| gone < asked_ms) {
                let what = format!("{one:?} was deleted, and is there");
                return Err(Failure::new("metadata_linearizable", what));
            }
            return Ok(one.topic);
        }
        self.shared_root(name);
        let topic = self.topic(&shared_name(name), PARTITIONS, name.0);
        let shared = self.incarnations.names[&name];
        let may_be_gone = shared.deletions > 0 || shared.deleted_ms >= asked_ms;
        let one = Incarnation { id, name, topic, told_ms: now, may_be_gone, gone_ms: None };
        let number = self.incarnations.all.len();
        if !may_be_gone && let Some(other) = self.incarnations.sure.get(&name) {
            let other = self.incarnations.all[*other];
            let what = format!("{one:?} is there; nobody can have deleted {other:?}");
            return Err(Failure::new("metadata_linearizable", what));
        }
        if !may_be_gone {
            self.incarnations.sure.insert(name, number);
        }
        self.incarnations.all.push(one);
        self.incarnations.by_id.insert(id, number);
        Ok(topic)
    }

    /// Somebody asks to delete whatever topic is under `name`, or the one with this id alone.
    pub fn ask_deletion(&mut self, name: Name, id: Option<Id>) {
        self.shared_root(name);
        let Incarnations { all, names, by_id, sure } = &mut self.incarnations;
        match id.map(|id| by_id[&id]) {
            Some(number) => {
                all[number].may_be_gone = true;
                if sure.get(&name) == Some(&number) {
                    sure.remove(&name);
                }
            }
            None => {
                names.get_mut(&name).expect("made above").deletions += 1;
                if let Some(number) = sure.remove(&name) {
                    all[number].may_be_gone = true;
                }
            }
        }
    }

    /// Whether a topic that clients knew under this name of the node's may have been deleted.
    pub fn may_be_deleted(&self, node: u32, topic: &str) -> bool {
        let is_it = |name: Name| name.0 == node && shared_name(name) == topic;
        self.incarnations.all.iter().any(|one| one.may_be_gone && is_it(one.name))
    }

    /// That was answered; `done` if something was deleted.
    pub fn told_deletion(&mut self, name: Name, id: Option<Id>, done: bool, now: i64) {
        let Incarnations { all, names, by_id, .. } = &mut self.incarnations;
        match id.map(|id| by_id[&id]) {
            // Whether it was done now or before.
            Some(number) => drop(all[number].gone_ms.get_or_insert(now)),
            None => {
                let shared = names.get_mut(&name).expect("somebody asked");
                shared.deletions -= 1;
                shared.deleted_ms = if done { now } else { shared.deleted_ms };
            }
        }
    }
}

/// Partitions of each of these topics.
pub const PARTITIONS: i32 = 2;

/// How a name is written.
pub fn shared_name(name: Name) -> String {
    format!("again-{}", name.1)
}
