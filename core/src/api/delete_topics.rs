//! DeleteTopics (key 20, versions 1-6): delete topics, with everything in them.
//!
//! 4: flexible. 5: with an error message. 6: by id too (KIP-516).
//!
//! Refused per topic: name and id together, or neither; a name or an id that comes twice, in whatever way
//! (INVALID_REQUEST); an unknown name, an unknown id; all where `delete.topic.enable` is false. A full disk
//! refuses nothing: deletion makes room.

use super::refusal::Refusal;
use crate::metadata::TopicId;
use crate::metadata::draft::Admin;
use sordini_wire::error::ErrorCode;
use sordini_wire::message::delete_topics::{
    DeletableTopicResult, DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use sordini_wire::primitive::Str;
use std::collections::BTreeMap;

/// The answer to a request.
pub fn answer(
    admin: &mut Admin<'_>,
    request: &DeleteTopicsRequest,
    version: i16,
) -> DeleteTopicsResponse {
    let mut responses = Vec::new();
    let mut names = Times::default();
    let mut ids = Times::default();
    request.topic_names.iter().for_each(|name| names.add(name.clone()));
    for topic in &request.topics {
        match named(topic) {
            Ok(Named::Name(name)) => names.add(name),
            Ok(Named::Id(id)) => ids.add(id),
            Err(why) => responses.push(result(topic.name.clone(), topic.topic_id.into(), &why)),
        }
    }
    let twice = |what: &str| Refusal::invalid(format!("Duplicate topic {what}."));
    let name_twice = |name| result(Some(name), TopicId::ZERO, &twice("name"));
    responses.extend(names.twice().map(name_twice));
    responses.extend(ids.twice().map(|id| result(None, id, &twice("id"))));

    let wanted = resolve(admin, &names, &ids, &mut responses);
    for (id, name) in wanted {
        let done = match admin.config.delete_topic {
            true => admin.check_deletion().map_err(Refusal::from),
            false => Err(disabled(version)),
        };
        if done.is_ok() {
            admin.delete_topic(id);
        }
        let none = Refusal { code: ErrorCode::NONE, message: None };
        responses.push(result(Some(name), id, &done.err().unwrap_or(none)));
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

enum Named {
    Name(Str),
    Id(TopicId),
}

fn named(topic: &DeleteTopicState) -> Result<Named, Refusal> {
    match (&topic.name, topic.topic_id.is_zero()) {
        (Some(name), true) => Ok(Named::Name(name.clone())),
        (None, false) => Ok(Named::Id(topic.topic_id.into())),
        (None, true) => Err(Refusal::invalid("Neither topic name nor id were specified.")),
        (Some(_), false) => {
            Err(Refusal::invalid("You may not specify both topic name and topic id."))
        }
    }
}

/// How often something was asked for.
struct Times<T>(BTreeMap<T, usize>);

impl<T: Ord> Default for Times<T> {
    fn default() -> Times<T> {
        Times(BTreeMap::new())
    }
}

impl<T: Ord + Clone> Times<T> {
    fn add(&mut self, item: T) {
        *self.0.entry(item).or_default() += 1;
    }

    fn once(&self) -> impl Iterator<Item = T> {
        self.0.iter().filter(|(_, n)| **n == 1).map(|(item, _)| item.clone())
    }

    fn twice(&self) -> impl Iterator<Item = T> {
        self.0.iter().filter(|(_, n)| **n > 1).map(|(item, _)| item.clone())
    }
}

/// The topics that shall go; those that cannot be found are answered.
fn resolve(
    admin: &Admin<'_>,
    names: &Times<Str>,
    ids: &Times<TopicId>,
    responses: &mut Vec<DeletableTopicResult>,
) -> BTreeMap<TopicId, Str> {
    let mut wanted = BTreeMap::new();
    for id in ids.once() {
        match admin.metadata().topic_by_id(id) {
            Some(topic) => drop(wanted.insert(id, Str::from(&*topic.name))),
            None => responses.push(result(None, id, &plain(ErrorCode::UNKNOWN_TOPIC_ID))),
        }
    }
    for name in names.once() {
        let Some(topic) = admin.metadata().topic(&name) else {
            let why = plain(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            responses.push(result(Some(name), TopicId::ZERO, &why));
            continue;
        };
        if ids.0.contains_key(&topic.id) {
            wanted.remove(&topic.id);
            let words = "The provided topic name maps to an ID that was already supplied.";
            responses.push(result(Some(name), topic.id, &Refusal::invalid(words)));
        } else {
            wanted.insert(topic.id, name);
        }
    }
    wanted
}

/// A code with its own words.
fn plain(code: ErrorCode) -> Refusal {
    Refusal::new(code, code.message())
}

/// Nothing is deleted here; old clients do not know the code for it.
fn disabled(version: i16) -> Refusal {
    match version {
        ..3 => plain(ErrorCode::INVALID_REQUEST),
        _ => plain(ErrorCode::TOPIC_DELETION_DISABLED),
    }
}

fn result(name: Option<Str>, id: TopicId, why: &Refusal) -> DeletableTopicResult {
    DeletableTopicResult {
        name,
        topic_id: id.into(),
        error_code: why.code.0,
        error_message: why.text(),
        ..DeletableTopicResult::default()
    }
}
