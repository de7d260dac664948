//! Somebody who lets logs start later: DeleteRecords to offsets that were seen, sometimes to the end, sometimes beyond it.
//!
//! What was asked, whatever became of it, may be gone from then on; what was granted is gone for good. Beyond the high watermark
//! nothing can be deleted.
//!
//! Parameters: `most` (20), how many records are deleted at once.

use super::single::Single;
use super::{Ask, Asked, Desk, Load, Outcome, Row, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::ledger::{Known, Part};
use crate::scenario::{BadInput, Params};
use sordini_wire::message::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use sordini_wire::primitive::{Reader, Str};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "delete_records",
    about: "logs are told to start later: at offsets that were seen, at the end, beyond the end",
    make,
    draw,
};

#[derive(Clone, Debug)]
struct DeleteRecords {
    most: u64,
    /// With what was known when the wish was sent.
    at_hand: Single<Wish, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Wish {
    part: Part,
    /// Where the log shall start; -1 is its end.
    offset: i64,
}

fn make(params: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    let most = params.number("most", 1..100_000)?.unwrap_or(20);
    Ok(Arc::new(DeleteRecords { most, at_hand: Single::default() }))
}

fn draw(chance: &mut Chance) -> String {
    format!("most = {}\n", chance.pick(&[5, 20, 300]))
}

impl Load for DeleteRecords {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if !self.at_hand.begins(desk) {
            return;
        }
        let partitions = desk.ledger.topics[usize::from(desk.topic.0)].partitions;
        let partition = desk.chance.below(partitions as u64) as i32;
        let part = Part { topic: desk.topic, partition };
        let Known { floor, end } = desk.ledger.known(part);
        let offset = match desk.chance.below(16) {
            0 => -1,
            1 => end + 1_000_000,
            _ => (floor + desk.chance.below(self.most) as i64).min(end),
        };
        self.at_hand.want(Wish { part, offset });
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        let Wish { part, offset } = self.at_hand.due()?;
        self.at_hand.sent(desk.ledger.known(part));
        if !Wish::is_beyond(offset) {
            desk.ledger.ask_start(part, (offset >= 0).then_some(offset));
        }
        let partition = DeleteRecordsPartition {
            partition_index: part.partition,
            offset,
            ..Default::default()
        };
        let name = Str::from(desk.ledger.topics[usize::from(part.topic.0)].name.as_str());
        let topic = DeleteRecordsTopic { name, partitions: vec![partition], ..Default::default() };
        let request =
            DeleteRecordsRequest { topics: vec![topic], timeout_ms: 30_000, ..Default::default() };
        let version = *desk.chance.pick(&[0, 1, 2]);
        Some(desk.ask(&request, version, 0))
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let answer: DeleteRecordsResponse = wire::decoded(answer, asked.version)?;
        let found = answer.topics.first().and_then(|t| t.partitions.first());
        let found = found.ok_or_else(|| Failure::new("wire", "an answer without partition"))?;
        let (Wish { part, offset }, &known) = self.at_hand.asked()?;
        let outcome = match found.error_code {
            0 if found.low_watermark >= offset && !Wish::is_beyond(offset) => {
                if offset < 0 {
                    // Nothing that was acknowledged before may be left.
                    let known = Known { floor: known.end, ..known };
                    desk.ledger.told_start(part, known, found.low_watermark, desk.wall_ms)?;
                    desk.ledger.settle_start(part, found.low_watermark);
                } else {
                    desk.ledger.told_start(part, known, found.low_watermark, desk.wall_ms)?;
                }
                Outcome::Success
            }
            // No offset of a log that was shorter than anybody knew: only beyond the end.
            1 if offset >= known.end && offset >= 0 => Outcome::Refused(1),
            code @ (6 | 7 | 56) => return Ok(Outcome::Unknown(code)),
            code => {
                let low = found.low_watermark;
                let what = format!("{part:?} to {offset}, {known:?}: answered {code}, start {low}");
                return Err(Failure::new("legal_answers", what));
            }
        };
        self.at_hand.done();
        Ok(outcome)
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        self.at_hand.lost(desk);
    }

    fn is_finished(&self) -> bool {
        self.at_hand.is_finished()
    }
}

impl Wish {
    /// Whether no log of a run is as long.
    fn is_beyond(offset: i64) -> bool {
        offset >= 1_000_000
    }
}
