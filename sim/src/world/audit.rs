//! The auditor: reads every partition from the beginning through the wire, as a client of its own, and has every
//! check look at what it found; and once more after processes have followed each other. Meanwhile nobody else acts.

use super::World;
use crate::check;
use crate::failure::Failure;
use crate::heap::SECOND;
use crate::ledger::admin::Name;
use crate::ledger::incarnations::{Id, PARTITIONS, shared_name};
use crate::ledger::{Part, Place, REREAD, TopicNo, View, Views};
use crate::load::Asked;
use crate::load::wire::{self, Names};
use crate::marks::Mark;
use bytes::{Bytes, BytesMut};
use sordini_core::seam::ConnId;
use sordini_wire::frame::FrameSplitter;
use sordini_wire::message::Message;
use sordini_wire::message::fetch::FetchRequest;
use sordini_wire::message::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use sordini_wire::message::metadata::{MetadataRequest, MetadataResponse};
use sordini_wire::primitive::Reader;
use std::collections::BTreeSet;

/// So often is the same asked for: each time something else may have changed under the auditor's hands, but not for ever.
const TRIES_MAX: u32 = 1000;

/// How long the auditor waits for a broker or an answer.
pub(super) const PATIENCE: u64 = 60 * SECOND;

/// The check that fails when nobody answers the auditor though its connection is gone.
const CLOSED: &str = "auditor_heard";

/// What has come for the auditor.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    splitter: FrameSplitter,
    frame: Option<Bytes>,
    broken: bool,
}

impl Inbox {
    pub fn receive(&mut self, bytes: Bytes) {
        self.splitter.push(BytesMut::from(&bytes[..]));
        match self.splitter.next_frame() {
            Ok(Some(frame)) => self.frame = Some(frame.freeze()),
            Ok(None) => {}
            Err(_) => self.broken = true,
        }
    }

    pub fn lose(&mut self) {
        self.broken = true;
    }
}

impl World {
    /// Waits for every broker, reads everything that clients know of, and runs every check.
    pub fn audit(&mut self) -> Result<(), Failure> {
        self.lively = false;
        self.recover()?;
        // An answer that waited for no sync may have come before its batch can be read.
        let synced = |world: &World| world.nodes.iter().all(|node| !node.up || node.has_synced());
        self.run_until(PATIENCE, "liveness", "the sync of what was answered", synced)?;
        let views = self.views(None)?;
        self.audit_image()?;
        self.come_to_rest()?;
        // Who dies from now on has nothing left to lose: that excuses nothing.
        let lives = self.ledger.lives.clone();
        self.be_reborn()?;
        self.ledger.lives = lives;
        if !self.ledger.births.is_empty() {
            self.ledger.reread = self.views(Some(&views))?;
        }
        let scenario = std::sync::Arc::clone(&self.scenario);
        self.marks.count(Mark::TailLost, check::lost_tail(&self.ledger, &views));
        check::all(&scenario.checks, &self.ledger, &views)
    }

    /// Reads every partition that clients know of; with `known`, only the last records of those, which a recovery has to do with.
    fn views(&mut self, known: Option<&Views>) -> Result<Views, Failure> {
        let mut views = Views::new();
        for number in 0..self.ledger.topics.len() {
            let topic = &self.ledger.topics[number];
            if !topic.known {
                continue;
            }
            let (name, partitions, node) = (topic.name.clone(), topic.partitions, topic.node);
            if self.nodes[node as usize].is_lost() {
                continue; // it says that its disk is damaged, and nothing else
            }
            let mut conn = self.connect(None, node);
            for partition in 0..partitions {
                let part = Part { topic: TopicNo(number as u16), partition };
                let from = tail(known, part);
                views.insert(part, self.view(&mut conn, &name, part, wire::by_value, from)?);
            }
            self.hang_up(conn);
        }
        self.audit_incarnations(&mut views, known)?;
        Ok(views)
    }

    /// Reads every topic that is under a name which topics came and went under.
    fn audit_incarnations(
        &mut self,
        views: &mut Views,
        known: Option<&Views>,
    ) -> Result<(), Failure> {
        let all = self.ledger.incarnations.all.clone();
        let names: BTreeSet<Name> = all.iter().map(|one| one.name).collect();
        for name in names {
            if self.nodes[name.0 as usize].is_lost() {
                continue;
            }
            let mut conn = self.connect(None, name.0);
            let text = shared_name(name);
            let there = self.id_of(conn, &text)?;
            for one in all.iter().filter(|one| one.name == name) {
                let wrong = match there == Some(one.id) {
                    true => one.gone_ms.map(|_| "was deleted, and is there"),
                    false => (!one.may_be_gone).then_some("is gone; nobody asked to delete it"),
                };
                if let Some(wrong) = wrong {
                    return Err(Failure::new("metadata_linearizable", format!("{one:?} {wrong}")));
                }
                for partition in 0..if there == Some(one.id) { PARTITIONS } else { 0 } {
                    let part = Part { topic: one.topic, partition };
                    let from = tail(known, part);
                    let view = self.view(&mut conn, &text, part, wire::by_value, from);
                    // What was on its way when nobody asked any more may have deleted it.
                    if view.is_err() && one.may_be_gone && self.id_of(conn, &text)? != Some(one.id)
                    {
                        break;
                    }
                    views.insert(part, view?);
                }
            }
            self.hang_up(conn);
        }
        Ok(())
    }

    /// The id of the topic with this name, if there is one.
    fn id_of(&mut self, conn: ConnId, name: &str) -> Result<Option<Id>, Failure> {
        let request = wire::describe_topic(name, false);
        let mut body = self.ask(conn, &request, 12, MetadataRequest::API_KEY)?;
        let answer: MetadataResponse = wire::decoded(&mut body, 12)?;
        match answer.topics.first().map(|topic| (topic.error_code, topic.topic_id)) {
            Some((0, id)) => Ok(Some(id.0)),
            Some((3, _)) => Ok(None),
            answer => Err(Failure::new("legal_answers", format!("{name}: {answer:?}"))),
        }
    }

    /// Waits until every process listens.
    pub fn recover(&mut self) -> Result<(), Failure> {
        let listening = |world: &World| world.nodes.iter().all(|n| n.listening || !n.up);
        self.run_until(PATIENCE, "liveness", "recovery", listening)
    }

    /// A partition from the log's start, or from `from` if that is later, to its high watermark. What the simulator damaged may be refused.
    pub(super) fn view(
        &mut self,
        conn: &mut ConnId,
        topic: &str,
        part: Part,
        names: Names,
        from: i64,
    ) -> Result<View, Failure> {
        let mut at = self.log_start(*conn, topic, part)?.max(from);
        let mut whole = View { start: at, end: at, ..View::default() };
        let mut tries = (at, 0);
        loop {
            tries = (at, if tries.0 == at { tries.1 + 1 } else { 1 });
            if tries.1 > TRIES_MAX {
                let what = format!("the auditor asked {TRIES_MAX} times for {part:?} at {at}");
                return Err(Failure::new("liveness", what));
            }
            let request = wire::fetch(topic, part.partition, at, 100_000, 0);
            let node = self.ledger.topics[usize::from(part.topic.0)].node;
            let bites = self.nodes[node as usize].platter.counts.bites;
            let asked = self.ask(*conn, &request, 12, FetchRequest::API_KEY);
            if asked.as_ref().is_err_and(|e| e.check == CLOSED) {
                *conn = self.connect(None, node);
                if self.nodes[node as usize].platter.counts.bites > bites {
                    continue; // bytes were found to be bad when they were about to be sent
                }
                let start = self.log_start(*conn, topic, part)?;
                if start > at && self.may_expire(part) {
                    at = start; // the segment went after it was found in, and before it was sent
                    continue;
                }
            }
            let answer = wire::fetched_by(&mut asked?, 12, part, names)?;
            if answer == Err(1) && self.may_expire(part) {
                // Time goes on while an auditor reads.
                at = at.max(self.log_start(*conn, topic, part)?);
                continue;
            }
            if answer == Err(6) {
                continue; // what it was about to read has changed: clients ask again
            }
            if answer == Err(56) && self.ledger.is_damaged(Place { part, offset: at }) {
                whole.refused.push(at);
                at += 1;
                whole.end = whole.end.max(at);
                continue;
            }
            let view = answer.map_err(|code| {
                let what = format!("the auditor's fetch of {part:?} at {at} was answered {code}");
                Failure::new("legal_answers", what)
            })?;
            let before = whole.records.len();
            whole.records.extend(view.records.into_iter().filter(|r| r.0 >= at));
            (whole.start, whole.end) = (view.start, view.end);
            if whole.records.len() == before {
                whole.records.retain(|r| r.0 >= view.start);
                whole.refused.retain(|at| *at >= view.start);
                return Ok(whole);
            }
            at = whole.records.last().expect("it has grown").0 + 1;
        }
    }

    /// Whether records of a partition may go by themselves. Nobody knows what the settings of an image's topics want.
    fn may_expire(&self, part: Part) -> bool {
        self.ledger.may_expire(part.topic) || self.ledger.image.contains_key(&part)
    }

    fn log_start(&mut self, conn: ConnId, topic: &str, part: Part) -> Result<i64, Failure> {
        let request = wire::list_offsets(topic, part.partition, -2);
        let mut body = self.ask(conn, &request, 7, ListOffsetsRequest::API_KEY)?;
        let answer: ListOffsetsResponse = wire::decoded(&mut body, 7)?;
        let found = answer.topics.first().and_then(|t| t.partitions.first());
        match found {
            Some(found) if found.error_code == 0 => Ok(found.offset),
            _ => Err(Failure::new("legal_answers", format!("log start of {part:?}: {answer:?}"))),
        }
    }

    /// Sends a request and waits for its answer.
    pub(super) fn ask<M: Message>(
        &mut self,
        conn: ConnId,
        request: &M,
        version: i16,
        key: i16,
    ) -> Result<Reader, Failure> {
        self.audit = Inbox::default();
        self.transmit(conn, wire::framed(request, version, 7));
        let done = |world: &World| world.audit.frame.is_some() || world.audit.broken;
        self.run_until(PATIENCE, "liveness", "an answer to the auditor", done)?;
        match self.audit.frame.take() {
            Some(frame) => {
                let asked = Asked::new(key, version, 7, 0, self.now);
                wire::opened(frame, &asked)
            }
            None => Err(Failure::new(CLOSED, "the auditor's connection was closed")),
        }
    }
}

/// Where reading begins: at the last records of what is known already.
fn tail(known: Option<&Views>, part: Part) -> i64 {
    known.and_then(|views| views.get(&part)).map_or(0, |view| view.end - REREAD)
}
