//! A consumer that asks where to begin: at the start, at the end, at the largest timestamp, at a time. Then it reads there.
//!
//! What it is told goes into the ledger, and the check of what consumers see holds it against all records. Where it was told that a
//! record is, one must be, unless it was deleted meanwhile.
//!
//! Parameters: `past` ("2s"), how far back times go that it asks for.

use super::{Ask, Asked, Desk, Load, Outcome, Row, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::heap::{MS, SECOND};
use crate::ledger::{Known, Lookup, Part, Place};
use crate::scenario::{BadInput, Params};
use sordini_wire::message::Message;
use sordini_wire::message::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use sordini_wire::primitive::Reader;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "seek",
    about: "a consumer looks offsets up (start, end, largest timestamp, a time) and reads there",
    make,
    draw,
};

/// How many answers of one client are remembered: each is held against a whole log.
const LOOKUPS_MAX: u32 = 200;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const LARGEST: i64 = -3;

#[derive(Clone, Debug)]
struct Seek {
    past_ms: i64,
    lookups: u32,
    step: Step,
}

/// An operation has two steps.
#[derive(Clone, Copy, Debug)]
enum Step {
    Idle,
    /// Where is it? `Some` while an answer is waited for: what was known before.
    Look {
        part: Part,
        timestamp: i64,
        sent: Option<Known>,
    },
    /// What is there?
    Read {
        part: Part,
        offset: i64,
        sent: Option<Known>,
    },
}

fn make(params: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    let past_ms = (params.time("past")?.unwrap_or(2 * SECOND) / MS) as i64;
    Ok(Arc::new(Seek { past_ms, lookups: 0, step: Step::Idle }))
}

fn draw(chance: &mut Chance) -> String {
    format!("past = \"{}\"\n", chance.pick(&["100ms", "2s", "20s"]))
}

impl Load for Seek {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if !matches!(self.step, Step::Idle) {
            return;
        }
        let partitions = desk.ledger.topics[usize::from(desk.topic.0)].partitions;
        let partition = desk.chance.below(partitions as u64) as i32;
        let part = Part { topic: desk.topic, partition };
        let ago = desk.chance.below(self.past_ms as u64 + 1) as i64;
        let time = desk.wall_ms - ago;
        let timestamp =
            *desk.chance.pick(&[LATEST, EARLIEST, LARGEST, LARGEST, time, time, time, 0]);
        desk.ledger.tally.begun += 1;
        self.step = Step::Look { part, timestamp, sent: None };
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        match &mut self.step {
            Step::Look { part, timestamp, sent: sent @ None } => {
                *sent = Some(desk.ledger.known(*part));
                let name = &desk.ledger.topics[usize::from(part.topic.0)].name;
                let request = wire::list_offsets(name, part.partition, *timestamp);
                let versions: &[i16] = match *timestamp {
                    LARGEST => &[7, 8, 9, 10, 11],
                    _ => &[1, 2, 4, 5, 6, 7, 11],
                };
                let version = *desk.chance.pick(versions);
                Some(desk.ask(&request, version, 0))
            }
            Step::Read { part, offset, sent: sent @ None } => {
                *sent = Some(desk.ledger.known(*part));
                let name = &desk.ledger.topics[usize::from(part.topic.0)].name;
                let request = wire::fetch(name, part.partition, *offset, 1, 0);
                let version = *desk.chance.pick(&[4, 5, 8, 10, 12]);
                Some(desk.ask(&request, version, 0))
            }
            _ => None,
        }
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let outcome = match (self.step, asked.key) {
            (Step::Look { part, timestamp, sent: Some(known) }, ListOffsetsRequest::API_KEY) => {
                let answer: ListOffsetsResponse = wire::decoded(answer, asked.version)?;
                self.looked(desk, part, timestamp, known, &answer)?
            }
            (Step::Read { part, offset, sent: Some(known) }, _) => {
                let answer = wire::fetched(answer, asked.version, part)?;
                self.step = Step::Idle;
                read(desk, part, offset, known, answer)?
            }
            _ => return Err(Failure::new("wire", "an answer that nobody waits for")),
        };
        if let Outcome::Unknown(_) = outcome {
            self.step = Step::Idle;
        }
        Ok(outcome)
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        if let Step::Look { sent, .. } | Step::Read { sent, .. } = &mut self.step {
            desk.ledger.tally.unknown += u64::from(sent.take().is_some());
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.step, Step::Idle)
    }
}

impl Seek {
    fn looked(
        &mut self,
        desk: &mut Desk<'_>,
        part: Part,
        timestamp: i64,
        known: Known,
        answer: &ListOffsetsResponse,
    ) -> Result<Outcome, Failure> {
        let found = answer.topics.first().and_then(|t| t.partitions.first());
        let found = found.ok_or_else(|| Failure::new("wire", "an answer without partition"))?;
        match found.error_code {
            0 if found.partition_index == part.partition => {}
            code @ (6 | 56) => return Ok(Outcome::Unknown(code)),
            code => {
                let what = format!("{timestamp} in {part:?} was answered {code}: {found:?}");
                return Err(Failure::new("legal_answers", what));
            }
        }
        let offset = found.offset;
        match timestamp {
            LATEST => desk.ledger.told_end(part, known, offset)?,
            EARLIEST => desk.ledger.told_start(part, known, offset, desk.wall_ms)?,
            _ if self.lookups < LOOKUPS_MAX => {
                self.lookups += 1;
                let start_max = desk.ledger.start_max(part);
                let found = (offset >= 0).then_some((offset, found.timestamp));
                desk.ledger.lookups.push(Lookup { part, timestamp, known, start_max, found });
            }
            _ => {}
        }
        if offset < 0 {
            self.step = Step::Idle;
            return Ok(Outcome::Success);
        }
        self.step = Step::Read { part, offset, sent: None };
        Ok(Outcome::Step)
    }
}

/// What is at an offset that was looked up.
fn read(
    desk: &mut Desk<'_>,
    part: Part,
    offset: i64,
    known: Known,
    answer: Result<crate::ledger::View, i16>,
) -> Result<Outcome, Failure> {
    let view = match answer {
        Ok(view) => view,
        Err(1) if offset < desk.ledger.start_max(part) => return Ok(Outcome::Refused(1)),
        Err(code @ (6 | 56)) => return Ok(Outcome::Unknown(code)),
        Err(code) => {
            let what = format!("a fetch of {part:?} at {offset} was answered {code}");
            return Err(Failure::new("legal_answers", what));
        }
    };
    desk.ledger.told_end(part, known, view.end)?;
    let mut due = offset;
    for (at, id) in view.records.into_iter().filter(|(at, _)| *at >= offset) {
        if at != due {
            let what = format!("{part:?}: read {at}, expected {due}");
            return Err(Failure::new("consumer_view", what));
        }
        desk.ledger.see(Place { part, offset: at }, id)?;
        due += 1;
    }
    if due == offset && offset < known.end {
        let what = format!("{part:?} has nothing at {offset}, and ended at {} before", known.end);
        return Err(Failure::new("consumer_view", what));
    }
    Ok(Outcome::Success)
}
