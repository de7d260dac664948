//! A consumer that assigns its partitions itself: reads each from the beginning and goes on where it was.
//!
//! What it reads must follow without gap or repetition, below the high watermark, and be what anybody read
//! there before. If it is told that its offset is out of range, the log must be able to start beyond it by now; then it asks for
//! the start, and goes on there. An offset that cannot be read, because the simulator damaged it, it passes by.
//!
//! Parameters: `wait` ("5ms"), how long the broker may wait for data.

use super::{Ask, Asked, Desk, Load, Outcome, Row, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::heap::MS;
use crate::ledger::{Known, Part, Place};
use crate::scenario::{BadInput, Params};
use sordini_wire::message::Message;
use sordini_wire::message::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use sordini_wire::primitive::Reader;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "consume",
    about: "a consumer by assignment: every partition from the beginning, without gap or repetition",
    make,
    draw,
};

#[derive(Clone, Debug)]
struct Consume {
    wait_ms: i32,
    /// The fetch that was sampled.
    next: Option<Fetch>,
    /// What was known of the partition when the request was sent that is not answered yet.
    waiting: Option<Known>,
    /// Whether it must ask where the partition starts before it can go on.
    astray: bool,
    /// Where it goes on, by partition.
    positions: Vec<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Fetch {
    partition: i32,
    bytes_max: i32,
}

fn make(params: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    let wait_ms = params.time("wait")?.unwrap_or(5 * MS) / MS;
    Ok(Arc::new(Consume {
        wait_ms: wait_ms as i32,
        next: None,
        waiting: None,
        astray: false,
        positions: vec![],
    }))
}

fn draw(chance: &mut Chance) -> String {
    format!("wait = \"{}\"\n", chance.pick(&["0ms", "5ms", "500ms"]))
}

impl Load for Consume {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if self.next.is_some() {
            return; // slower than the rate that was asked for
        }
        let partitions = desk.ledger.topics[usize::from(desk.topic.0)].partitions;
        self.positions.resize(partitions as usize, 0);
        desk.ledger.tally.begun += 1;
        self.next = Some(Fetch {
            partition: desk.chance.below(partitions as u64) as i32,
            bytes_max: *desk.chance.pick(&[1, 300, 100_000]),
        });
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        let fetch = self.next.filter(|_| self.waiting.is_none())?;
        let part = Part { topic: desk.topic, partition: fetch.partition };
        self.waiting = Some(desk.ledger.known(part));
        let topic = &desk.ledger.topics[usize::from(desk.topic.0)];
        if self.astray {
            let request = wire::list_offsets(&topic.name, fetch.partition, -2);
            let version = *desk.chance.pick(&[1, 4, 6, 11]);
            return Some(desk.ask(&request, version, i64::from(fetch.partition)));
        }
        let version = *desk.chance.pick(&[4, 7, 11, 12]);
        let at = self.positions[fetch.partition as usize];
        let request = wire::fetch(&topic.name, fetch.partition, at, fetch.bytes_max, self.wait_ms);
        let mut ask = desk.ask(&request, version, i64::from(fetch.partition));
        ask.asked.patience = self.wait_ms as u64 * MS;
        Some(ask)
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let part = Part { topic: desk.topic, partition: asked.tag as i32 };
        let known = self.waiting.unwrap_or_default();
        if asked.key == ListOffsetsRequest::API_KEY {
            return self.found(desk, asked, answer, part, known);
        }
        let position = &mut self.positions[asked.tag as usize];
        let view = match wire::fetched(answer, asked.version, part)? {
            Ok(view) => view,
            Err(56) if desk.ledger.is_damaged(Place { part, offset: *position }) => {
                desk.ledger.refuse_read(Place { part, offset: *position });
                *position += 1;
                (self.waiting, self.next) = (None, None);
                return Ok(Outcome::Refused(56));
            }
            Err(code @ (6 | 56)) => return Ok(Outcome::Unknown(code)),
            // Deleted meanwhile.
            Err(1) if *position < desk.ledger.start_max(part) => {
                (self.astray, self.waiting) = (true, None);
                return Ok(Outcome::Step);
            }
            Err(code) => {
                let what = format!("a fetch of {part:?} at {position} was answered {code}");
                return Err(Failure::new("legal_answers", what));
            }
        };
        (self.waiting, self.next) = (None, None);
        desk.ledger.told_end(part, known, view.end)?;
        if asked.version >= 5 {
            desk.ledger.told_start(part, known, view.start, desk.wall_ms)?;
        }
        let first = *position;
        for (offset, id) in view.records.into_iter().filter(|(offset, _)| *offset >= first) {
            if offset != *position || offset >= view.end {
                let what = format!("{part:?}: read {offset}, expected {position}");
                return Err(Failure::new("consumer_view", what));
            }
            desk.ledger.see(Place { part, offset }, id)?;
            *position += 1;
        }
        Ok(Outcome::Success)
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        desk.ledger.tally.unknown += u64::from(self.waiting.take().is_some());
    }

    fn is_finished(&self) -> bool {
        self.next.is_none()
    }
}

impl Consume {
    /// The partition starts somewhere else: there it goes on.
    fn found(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
        part: Part,
        known: Known,
    ) -> Result<Outcome, Failure> {
        let answer: ListOffsetsResponse = wire::decoded(answer, asked.version)?;
        let found = answer.topics.first().and_then(|t| t.partitions.first());
        let found = found.ok_or_else(|| Failure::new("wire", "an answer without partition"))?;
        let position = &mut self.positions[asked.tag as usize];
        match found.error_code {
            0 if found.offset > *position => {}
            code @ (6 | 56) => return Ok(Outcome::Unknown(code)),
            code => {
                let what = format!(
                    "{part:?} does not have {position} any more, its start was answered {code}, {}",
                    found.offset
                );
                return Err(Failure::new("consumer_view", what));
            }
        }
        desk.ledger.told_start(part, known, found.offset, desk.wall_ms)?;
        *position = found.offset;
        (self.waiting, self.astray) = (None, false);
        Ok(Outcome::Step)
    }
}
