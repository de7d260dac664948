//! A producer with a twin: the epoch of its producer id is raised (KIP-360), and then its former self sends once more.
//!
//! What the twin has written in the new epoch fences the old one: INVALID_PRODUCER_EPOCH, and nothing of it is ever seen.
//! One request is in flight at a time, so that it is known who comes first; what is not answered is given up, with the epoch.
//!
//! The fence is as durable as the records that it is made of. Where a crash took them all, which `flush=relaxed` lets it, the broker knows
//! an older epoch or none, and answers the former self as any producer: it appends (0), or asks for the sequence that comes next (45). While one of
//! them is left, there is nothing but a fence.
//!
//! It has no parameters.

use super::{Ask, Asked, Desk, Load, Outcome, Row, no_parameters, wire};
use crate::failure::Failure;
use crate::ledger::{Ledger, Part, RecordId};
use crate::scenario::{BadInput, Params};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use sordini_wire::message::Message;
use sordini_wire::message::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use sordini_wire::primitive::{Reader, Str, Uuid};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "zombie",
    about: "a producer whose epoch was raised sends once more in the old one, and is fenced",
    make,
    draw: no_parameters,
};

#[derive(Clone, Debug, Default)]
struct Zombie {
    producer: Option<(i64, i16)>,
    /// Number of the next record in this epoch.
    sequence: i32,
    /// Records of the current epoch that were acknowledged: what fences the old one.
    fence: Vec<RecordId>,
    step: Step,
    /// Whether an answer is waited for.
    waiting: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum Step {
    #[default]
    Idle,
    /// In the current epoch.
    Live(RecordId),
    /// In the one before.
    Dead(RecordId),
}

fn make(_: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    Ok(Arc::new(Zombie::default()))
}

impl Load for Zombie {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if !matches!(self.step, Step::Idle) {
            return;
        }
        desk.ledger.tally.begun += 1;
        let part = Part { topic: desk.topic, partition: 0 };
        let epoch = self.producer.map_or(0, |(_, epoch)| epoch);
        self.step = match epoch > 0 && !self.fence.is_empty() && desk.chance.odds(1, 3) {
            true => Step::Dead(desk.ledger.send(desk.client, part, false)),
            false => {
                if !self.fence.is_empty() && desk.chance.odds(1, 4) && epoch < 30_000 {
                    self.raise();
                }
                Step::Live(desk.ledger.send(desk.client, part, true))
            }
        };
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        if self.waiting {
            return None;
        }
        let Some((producer, epoch)) = self.producer else {
            if matches!(self.step, Step::Idle) {
                return None;
            }
            self.waiting = true;
            return Some(desk.ask(&wire::producer_id(), 4, 0));
        };
        let (id, epoch, sequence) = match self.step {
            Step::Idle => return None,
            Step::Live(id) => (id, epoch, self.sequence),
            // What the old epoch would have sent next, or anything else: it is fenced before its sequence is looked at.
            Step::Dead(id) => (id, epoch - 1, desk.chance.below(3) as i32),
        };
        self.waiting = true;
        let mut value = Vec::new();
        id.value(20, &mut value);
        desk.ledger.date(id, desk.wall_ms, desk.wall_ms);
        let mut builder = BatchBuilder::new(Codec::None).producer(producer, epoch, sequence);
        builder.push(desk.wall_ms, None, Some(&value), &[]);
        let bytes = builder.build();
        desk.ledger.weigh(id, bytes.len());
        let name = Str::from(desk.ledger.topics[usize::from(desk.topic.0)].name.as_str());
        let request = wire::produce(name, Uuid::ZERO, 0, bytes);
        let version = *desk.chance.pick(&[3, 7, 9, 12]);
        Some(desk.ask(&request, version, 0))
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        if asked.key == InitProducerIdRequest::API_KEY {
            let answer: InitProducerIdResponse = wire::decoded(answer, asked.version)?;
            if answer.error_code != 0 {
                return Ok(Outcome::Unknown(answer.error_code));
            }
            desk.ledger.producer(desk.topic, answer.producer_id, desk.client)?;
            self.producer = Some((answer.producer_id, answer.producer_epoch));
            self.waiting = false;
            return Ok(Outcome::Step);
        }
        let answer = wire::produced(answer, asked.version)?;
        let (Step::Live(id) | Step::Dead(id)) = self.step else {
            return Err(Failure::new("wire", "an answer that nobody waits for"));
        };
        let sent = *desk.ledger.of(id).expect("its own record");
        let (topic, bytes, within) =
            (desk.topic, i64::from(sent.bytes), (sent.sent_ms, desk.wall_ms));
        let may_take = desk.ledger.may_take(topic, bytes, within);
        let may_refuse = desk.ledger.may_refuse(topic, answer.error_code, bytes, within)
            || answer.error_code == 10
                && desk.ledger.may_outgrow(topic, bytes + CODEC_BYTES_MORE, within);
        let part = Part { topic, partition: 0 };
        let left = self.left(desk.ledger, part);
        let outcome = match (self.step, answer.error_code) {
            (Step::Live(id), 0) if may_take => {
                desk.ack(asked, id, answer.base_offset);
                desk.ledger.stamped(id, 1, answer.log_append_time_ms, desk.wall_ms)?;
                self.sequence += 1;
                self.fence.push(id);
                Outcome::Success
            }
            // Fenced; or the topic has settings, or the broker a clock, that refuse it in whichever epoch.
            (Step::Dead(id), code @ (10 | 32 | 47 | 87))
            | (Step::Live(id), code @ (10 | 32 | 87))
                if may_refuse =>
            {
                desk.ledger.refuse(id);
                Outcome::Refused(code)
            }
            // What fenced it is gone. With the sequence of a batch that is still known it is taken for that one, and the answer
            // says where that one is.
            (Step::Dead(_), 0) if left.unfenced => Outcome::Success,
            // What is left of the old epoch does not end where this begins.
            (Step::Dead(id), 45) if left.unfenced => {
                desk.ledger.refuse(id);
                Outcome::Refused(45)
            }
            (Step::Dead(id), 0) => {
                let what = format!("{id:?} of an old epoch was accepted: {:?}", self.producer);
                return Err(Failure::new("idempotence", what));
            }
            (_, code @ (2 | 6 | 7 | 56)) => return Ok(Outcome::Unknown(code)),
            // What its producer had sent before it is gone.
            (Step::Live(_), 45) if left.gap => return Ok(Outcome::Unknown(45)),
            (step, code) => {
                let what = format!("{step:?} of {:?} was answered {code}", self.producer);
                return Err(Failure::new("legal_answers", what));
            }
        };
        (self.step, self.waiting) = (Step::Idle, false);
        Ok(outcome)
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        if std::mem::take(&mut self.waiting) {
            desk.ledger.tally.unknown += 1;
            // It may arrive yet, before or after whatever this producer does next: only another producer id is sure.
            if !matches!(self.step, Step::Idle) && self.producer.take().is_some() {
                if let Step::Live(id) = self.step {
                    desk.ledger.may_repeat(id); // nor is it known what it will be behind
                }
                self.step = Step::Idle;
                self.begin_epoch();
            }
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.step, Step::Idle)
    }
}

/// What may be left of the current epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    /// Something may be gone: what comes next may be behind a gap.
    gap: bool,
    /// All of it may be gone.
    unfenced: bool,
}

impl Zombie {
    /// The epoch goes up, as a client does it by itself.
    fn raise(&mut self) {
        if let Some((_, epoch)) = &mut self.producer {
            *epoch += 1;
            self.begin_epoch();
        }
    }

    /// Nothing was sent in this epoch yet.
    fn begin_epoch(&mut self) {
        self.sequence = 0;
        self.fence.clear();
    }

    /// What is known of a producer goes with what it sent: with a damaged block, or with the end of a log that no sync had followed yet.
    fn left(&self, ledger: &Ledger, part: Part) -> Left {
        let damage = ledger.has_damage(part);
        let gone = |id: &RecordId| ledger.of(*id).is_some_and(|sent| ledger.may_have_gone(sent));
        Left {
            gap: damage || self.fence.iter().any(gone),
            unfenced: damage || self.fence.iter().all(gone),
        }
    }
}

/// What a codec may add to a record that it cannot make smaller: its frame.
const CODEC_BYTES_MORE: i64 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::TopicNo;
    use crate::ledger::relaxed::Death;
    use std::collections::BTreeMap;

    const PART: Part = Part { topic: TopicNo(0), partition: 0 };

    fn relaxed_ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.topic("t", 1, 0);
        ledger.relaxed = true;
        ledger
    }

    /// What is left of an epoch of three records, at offsets 0 to 2 of a topic with `flush=relaxed`, when its process ended with so many durable.
    fn left(durable: u64) -> Left {
        let mut ledger = relaxed_ledger();
        let mut zombie = Zombie::default();
        for offset in 0..3 {
            let id = ledger.send(1, PART, true);
            ledger.ack(id, offset, 10, (0, 0));
            zombie.fence.push(id);
        }
        let durable = BTreeMap::from([(("t".to_owned(), 0), durable)]);
        ledger.lives(0).deaths.push(Death { at: 20, syncs: 0, durable });
        zombie.left(&ledger, PART)
    }

    #[test]
    fn the_old_epoch_is_fenced_as_long_as_one_record_of_the_new_one_is_durable() {
        assert_eq!(left(3), Left { gap: false, unfenced: false });
        assert_eq!(left(1), Left { gap: true, unfenced: false });
        assert_eq!(left(0), Left { gap: true, unfenced: true });
    }

    #[test]
    fn what_an_older_epoch_lost_excuses_nothing_of_this_one() {
        let mut ledger = relaxed_ledger();
        let lost = ledger.send(1, PART, true);
        ledger.ack(lost, 0, 10, (0, 0));
        ledger.lives(0).deaths.push(Death { at: 20, ..Death::default() });
        let mut zombie = Zombie { producer: Some((7, 0)), fence: vec![lost], ..Zombie::default() };
        assert!(zombie.left(&ledger, PART).unfenced);
        zombie.raise();
        let kept = ledger.send(1, PART, true);
        ledger.ack(kept, 0, 30, (0, 0));
        zombie.fence.push(kept);
        assert_eq!(zombie.left(&ledger, PART), Left { gap: false, unfenced: false });
    }
}
