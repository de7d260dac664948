//! Administrators who share a few topics: they create, grow, delete, recreate and describe them, all at once.
//!
//! What each was told goes into the ledger with the order of beginnings and ends; whether one broker that does one thing after another
//! could have said so is for the check of metadata.
//!
//! Parameters: `names` (3), how many topics they share.

use super::single::Single;
use super::{Ask, Asked, Desk, Load, Outcome, Row, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::ledger::admin::{Act, Told};
use crate::scenario::{BadInput, Params};
use sordini_wire::message::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic,
};
use sordini_wire::message::create_topics::CreateTopicsResponse;
use sordini_wire::message::delete_topics::{
    DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};
use sordini_wire::message::metadata::MetadataResponse;
use sordini_wire::primitive::{Reader, Str};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "topics",
    about: "administrators create, grow, delete, recreate and describe topics that they share",
    make,
    draw,
};

#[derive(Clone, Debug)]
struct Topics {
    names: u64,
    /// With its number in the ledger.
    at_hand: Single<(u16, Act), usize>,
}

fn make(params: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    let names = params.number("names", 1..100)?.unwrap_or(3);
    Ok(Arc::new(Topics { names, at_hand: Single::default() }))
}

fn draw(chance: &mut Chance) -> String {
    format!("names = {}\n", chance.pick(&[1, 3, 10]))
}

impl Load for Topics {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if !self.at_hand.begins(desk) {
            return;
        }
        let count = 1 + desk.chance.below(4) as i32;
        let act = match desk.chance.below(8) {
            0 | 1 => Act::Create(count),
            2 | 3 => Act::Delete,
            4 => Act::Grow(count),
            _ => Act::Describe,
        };
        self.at_hand.want((desk.chance.below(self.names) as u16, act));
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        let (number, act) = self.at_hand.due()?;
        let node = desk.ledger.topics[usize::from(desk.topic.0)].node;
        self.at_hand.sent(desk.ledger.admin.begin((node, number), act));
        let name = format!("shared-{number}");
        Some(match act {
            Act::Create(num_partitions) => {
                let version = *desk.chance.pick(&[2, 4, 5, 7]);
                desk.ask(&wire::create_topic(&name, num_partitions, 30_000), version, 0)
            }
            Act::Delete => {
                let version = *desk.chance.pick(&[1, 4, 5, 6]);
                let name = Str::from(name.as_str());
                let topic = DeleteTopicState { name: Some(name.clone()), ..Default::default() };
                let request = DeleteTopicsRequest {
                    topics: if version >= 6 { vec![topic] } else { vec![] },
                    topic_names: if version >= 6 { vec![] } else { vec![name] },
                    timeout_ms: 30_000,
                    ..Default::default()
                };
                desk.ask(&request, version, 0)
            }
            Act::Grow(count) => {
                let name = Str::from(name.as_str());
                let topic =
                    CreatePartitionsTopic { name, count, assignments: None, ..Default::default() };
                let request = CreatePartitionsRequest {
                    topics: vec![topic],
                    timeout_ms: 30_000,
                    ..Default::default()
                };
                let version = *desk.chance.pick(&[0, 1, 2, 3]);
                desk.ask(&request, version, 0)
            }
            Act::Describe => {
                let version = *desk.chance.pick(&[4, 8, 9, 12]);
                desk.ask(&wire::describe_topic(&name, false), version, 0)
            }
        })
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let ((_, act), &number) = self.at_hand.asked()?;
        let (code, count) = match act {
            Act::Create(_) => {
                let answer: CreateTopicsResponse = wire::decoded(answer, asked.version)?;
                (answer.topics.first().map(|t| t.error_code), 0)
            }
            Act::Delete => {
                let answer: DeleteTopicsResponse = wire::decoded(answer, asked.version)?;
                (answer.responses.first().map(|t| t.error_code), 0)
            }
            Act::Grow(_) => {
                let answer: CreatePartitionsResponse = wire::decoded(answer, asked.version)?;
                (answer.results.first().map(|t| t.error_code), 0)
            }
            Act::Describe => {
                let answer: MetadataResponse = wire::decoded(answer, asked.version)?;
                let topic = answer.topics.first();
                (topic.map(|t| t.error_code), topic.map_or(0, |t| t.partitions.len() as i32))
            }
        };
        let told = match (act, code) {
            (Act::Describe, Some(0)) => Told::Is(Some(count)),
            (Act::Describe, Some(3)) => Told::Is(None),
            (_, Some(0)) => Told::Done,
            (Act::Create(_), Some(36)) => Told::Exists,
            (Act::Delete | Act::Grow(_), Some(3)) => Told::Missing,
            (Act::Grow(_), Some(37)) => Told::NotMore,
            // No time, no room on the disk or in the node, or partitions without a leader yet.
            (_, Some(code @ (5 | 7 | 44 | 56))) => {
                self.at_hand.done();
                return Ok(Outcome::Unknown(code));
            }
            (act, code) => {
                let what = format!("{act:?} was answered {code:?}");
                return Err(Failure::new("legal_answers", what));
            }
        };
        desk.ledger.admin.end(number, told);
        self.at_hand.done();
        Ok(match told {
            Told::Done | Told::Is(_) => Outcome::Success,
            _ => Outcome::Refused(code.unwrap_or_default()),
        })
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        self.at_hand.lost(desk);
    }

    fn is_finished(&self) -> bool {
        self.at_hand.is_finished()
    }
}
