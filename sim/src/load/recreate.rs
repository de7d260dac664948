//! Topics that are deleted and made again while others write to them and read from them, by name and by id.
//!
//! A record that goes to an id is in that topic or nowhere; one that goes to a name is in one of those that were there. What is
//! deleted stays so, with all its records, and its id is refused; what nobody asked to delete is there.
//!
//! Parameters: `names` (2), how many names there are.

use super::single::Single;
use super::{Ask, Asked, Desk, Load, Outcome, Row, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::heap::MS;
use crate::ledger::admin::Name;
use crate::ledger::incarnations::{Id, PARTITIONS, shared_name};
use crate::ledger::{Known, Part, Place, RecordId, View};
use crate::scenario::{BadInput, Params};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::create_topics::CreateTopicsResponse;
use sordini_wire::message::delete_topics::{
    DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use sordini_wire::message::metadata::MetadataResponse;
use sordini_wire::message::produce::ProduceResponse;
use sordini_wire::primitive::{Reader, Str, Uuid};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "recreate",
    about: "topics are deleted and made again while others write and read by name and by id",
    make,
    draw,
};

#[derive(Clone, Debug)]
struct Recreate {
    names: u64,
    /// With what was known of the partition when it was sent.
    at_hand: Single<Wish, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    name: Name,
    act: Act,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Look,
    Create,
    Delete(Option<Id>),
    Write(Option<Id>, RecordId),
    Read(Id, Part, i64),
}

fn make(params: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    let names = params.number("names", 1..100)?.unwrap_or(2);
    Ok(Arc::new(Recreate { names, at_hand: Single::default() }))
}

fn draw(chance: &mut Chance) -> String {
    format!("names = {}\n", chance.pick(&[1, 2, 5]))
}

impl Load for Recreate {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if !self.at_hand.begins(desk) {
            return;
        }
        let node = desk.ledger.topics[usize::from(desk.topic.0)].node;
        let name = (node, desk.chance.below(self.names) as u16);
        let newest = desk.ledger.incarnations.newest(name).copied();
        let partition = desk.chance.below(PARTITIONS as u64) as i32;
        let what = desk.chance.below(32);
        let act = match (what, newest) {
            (0..6, Some(one)) => {
                let part = Part { topic: one.topic, partition };
                Act::Write(Some(one.id), desk.ledger.send(desk.client, part, false))
            }
            (6..10, _) => {
                let part = Part { topic: desk.ledger.shared_root(name), partition };
                Act::Write(None, desk.ledger.send(desk.client, part, false))
            }
            (10..18, Some(one)) => {
                let part = Part { topic: one.topic, partition };
                let end = desk.ledger.known(part).end;
                let offset = *desk.chance.pick(&[0, 0, end, end / 2]);
                Act::Read(one.id, part, offset)
            }
            (18..21, Some(one)) => Act::Delete(Some(one.id)),
            (21, _) => Act::Delete(None),
            (22..27, _) => Act::Create,
            _ => Act::Look,
        };
        self.at_hand.want(Wish { name, act });
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        let Wish { name, act } = self.at_hand.due()?;
        let text = shared_name(name);
        let mut known = Known::default();
        let ask = match act {
            Act::Look => {
                let version = *desk.chance.pick(&[10, 12]);
                desk.ask(&wire::describe_topic(&text, false), version, 0)
            }
            Act::Create => {
                let version = *desk.chance.pick(&[5, 7, 7]);
                desk.ask(&wire::create_topic(&text, PARTITIONS, 30_000), version, 0)
            }
            Act::Delete(id) => {
                desk.ledger.ask_deletion(name, id);
                let by_name = Some(Str::from(text.as_str())).filter(|_| id.is_none());
                let topic = DeleteTopicState {
                    name: by_name,
                    topic_id: id.map_or(Uuid::ZERO, Uuid),
                    ..Default::default()
                };
                let request = DeleteTopicsRequest {
                    topics: vec![topic],
                    timeout_ms: 30_000,
                    ..Default::default()
                };
                desk.ask(&request, 6, 0)
            }
            Act::Write(id, record) => write(desk, &text, id, record),
            Act::Read(id, part, offset) => {
                known = desk.ledger.known(part);
                let bytes_max = *desk.chance.pick(&[1, 1000, 100_000]);
                let wait_ms = *desk.chance.pick(&[0, 0, 20]);
                let mut request = wire::fetch(&text, part.partition, offset, bytes_max, wait_ms);
                request.topics[0].topic_id = Uuid(id);
                let version = *desk.chance.pick(&[13, 15, 17]);
                let mut ask = desk.ask(&request, version, 0);
                ask.asked.patience = wait_ms as u64 * MS;
                ask
            }
        };
        self.at_hand.sent(known);
        Some(ask)
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let (Wish { name, act }, &known) = self.at_hand.asked()?;
        let (asked_ms, now) = (desk.asked_ms(asked), desk.wall_ms);
        let told = |desk: &mut Desk<'_>, id: Uuid| {
            let told = desk.ledger.told_incarnation(name, id.0, asked_ms, now);
            told.map(|_| Outcome::Success)
        };
        let code = match act {
            Act::Look => {
                let answer: MetadataResponse = wire::decoded(answer, asked.version)?;
                let topic = answer.topics.first();
                match topic.map(|topic| topic.error_code) {
                    Some(0) => Ok(told(desk, topic.expect("looked at above").topic_id)?),
                    // Made this moment, without a leader yet.
                    Some(5) => Ok(Outcome::Success),
                    Some(3) if desk.ledger.incarnations.sure(name, asked_ms).is_none() => {
                        Ok(Outcome::Success)
                    }
                    code => Err(code),
                }
            }
            Act::Create => {
                let answer: CreateTopicsResponse = wire::decoded(answer, asked.version)?;
                let topic = answer.topics.first();
                match topic.map(|topic| topic.error_code) {
                    Some(0) if asked.version < 7 => Ok(Outcome::Success),
                    Some(0) => Ok(told(desk, topic.expect("looked at above").topic_id)?),
                    Some(36) => Ok(Outcome::Refused(36)),
                    // No room in the node.
                    Some(44) => Ok(Outcome::Refused(44)),
                    code => Err(code),
                }
            }
            Act::Delete(id) => {
                let answer: DeleteTopicsResponse = wire::decoded(answer, asked.version)?;
                let code = answer.responses.first().map(|topic| topic.error_code);
                let missing = if id.is_some() { 100 } else { 3 };
                match code {
                    Some(0) => {
                        desk.ledger.told_deletion(name, id, true, now);
                        Ok(Outcome::Success)
                    }
                    Some(code) if code == missing => {
                        desk.ledger.told_deletion(name, id, false, now);
                        Ok(Outcome::Refused(code))
                    }
                    code => Err(code),
                }
            }
            Act::Write(id, record) => {
                let answer: ProduceResponse = wire::decoded(answer, asked.version)?;
                let answer = answer.responses.first().and_then(|t| t.partition_responses.first());
                let code = answer.map(|answer| answer.error_code);
                let base = answer.map_or(-1, |answer| answer.base_offset);
                written(desk, name, id, record, asked, (code, base))?
            }
            Act::Read(id, part, offset) => {
                let one = *desk.ledger.incarnations.find(id).expect("somebody was told of it");
                match wire::fetched(answer, asked.version, part)? {
                    Ok(_) if one.gone_ms.is_some_and(|gone| gone < asked_ms) => {
                        let what = format!("{one:?} was deleted, and is read");
                        return Err(Failure::new("metadata_linearizable", what));
                    }
                    Ok(view) => {
                        read(desk, part, offset, known, view)?;
                        Ok(Outcome::Success)
                    }
                    Err(100) if one.may_be_gone => Ok(Outcome::Refused(100)),
                    Err(1) if offset < desk.ledger.start_max(part) => Ok(Outcome::Refused(1)),
                    Err(code) => Err(Some(code)),
                }
            }
        };
        self.at_hand.done();
        match code {
            Ok(outcome) => Ok(outcome),
            // Damaged on its way, no leader yet, no time, no room on the disk.
            Err(Some(code @ (2 | 5 | 6 | 7 | 56))) => Ok(Outcome::Unknown(code)),
            Err(code) => {
                let newest = desk.ledger.incarnations.newest(name);
                let what = format!("{act:?} of {name:?} was answered {code:?}; newest: {newest:?}");
                Err(Failure::new("legal_answers", what))
            }
        }
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        self.at_hand.lost(desk);
    }

    fn is_finished(&self) -> bool {
        self.at_hand.is_finished()
    }
}

fn write(desk: &mut Desk<'_>, name: &str, id: Option<Id>, record: RecordId) -> Ask {
    let mut value = Vec::new();
    record.value(30, &mut value);
    desk.ledger.date(record, desk.wall_ms, desk.wall_ms);
    let mut builder = BatchBuilder::new(Codec::None);
    builder.push(desk.wall_ms, None, Some(&value), &[]);
    let bytes = builder.build();
    desk.ledger.weigh(record, bytes.len());
    let part = desk.ledger.of(record).expect("just sent").part;
    let topic_id = id.map_or(Uuid::ZERO, Uuid);
    let request = wire::produce(Str::from(name), topic_id, part.partition, bytes);
    let version = if id.is_some() { 13 } else { *desk.chance.pick(&[3, 9, 12]) };
    desk.ask(&request, version, 0)
}

/// A record was answered: where it is, if that is sure. `Err` is a code that says nothing of it.
fn written(
    desk: &mut Desk<'_>,
    name: Name,
    id: Option<Id>,
    record: RecordId,
    asked: &Asked,
    (code, base): (Option<i16>, i64),
) -> Result<Result<Outcome, Option<i16>>, Failure> {
    let incarnations = &desk.ledger.incarnations;
    let asked_ms = desk.asked_ms(asked);
    let sure = incarnations.sure(name, asked_ms).copied();
    let to = match id {
        Some(id) => Some(*incarnations.find(id).expect("somebody was told of it")),
        None => sure,
    };
    Ok(match code {
        Some(0) => {
            if let Some(one) = to {
                if one.gone_ms.is_some_and(|gone| gone < asked_ms) {
                    let what = format!("{one:?} was deleted, and took {record:?}");
                    return Err(Failure::new("metadata_linearizable", what));
                }
                desk.ledger.settle(record, one.topic);
                desk.ack(asked, record, base);
            }
            Ok(Outcome::Success)
        }
        // Too far ahead of a broker whose clock went back.
        Some(32) => {
            desk.ledger.refuse(record);
            Ok(Outcome::Refused(32))
        }
        Some(100) if to.is_some_and(|one| one.may_be_gone) && id.is_some() => {
            desk.ledger.refuse(record);
            Ok(Outcome::Refused(100))
        }
        Some(3) if sure.is_none() && id.is_none() => {
            desk.ledger.refuse(record);
            Ok(Outcome::Refused(3))
        }
        code => Err(code),
    })
}

/// What was read of a topic: its own records, without a hole.
fn read(
    desk: &mut Desk<'_>,
    part: Part,
    offset: i64,
    known: Known,
    view: View,
) -> Result<(), Failure> {
    desk.ledger.told_end(part, known, view.end)?;
    desk.ledger.told_start(part, known, view.start, desk.wall_ms)?;
    let records = view.records.into_iter().filter(|(at, _)| *at >= offset);
    for (due, (at, id)) in (offset..).zip(records) {
        if at != due || at >= view.end {
            let what = format!("{part:?}: read {at}, expected {due} below {}", view.end);
            return Err(Failure::new("consumer_view", what));
        }
        let sent = desk.ledger.of(id).copied();
        if !sent.is_some_and(|sent| desk.ledger.belongs(sent.part, part) && !sent.refused) {
            let what = format!("{id:?} is at {at} of {part:?}: {sent:?}");
            return Err(Failure::new("no_invention", what));
        }
        desk.ledger.see(Place { part, offset: at }, id)?;
    }
    Ok(())
}
