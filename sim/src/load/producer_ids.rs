//! Applications that are started and ended again soon: each wants a producer id, and is gone before it has produced anything.
//!
//! An id belongs to whoever was told it first, for ever: batches of two producers under one id would pass for repetitions of each
//! other. So what counts is every answer, also of a broker that dies right after.
//!
//! It has no parameters.

use super::single::Single;
use super::{Ask, Asked, Desk, Load, Outcome, Row, no_parameters, wire};
use crate::failure::Failure;
use crate::scenario::{BadInput, Params};
use sordini_wire::message::init_producer_id::InitProducerIdResponse;
use sordini_wire::primitive::Reader;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "producer_ids",
    about: "applications that begin, are told a producer id, and end",
    make,
    draw: no_parameters,
};

#[derive(Clone, Debug, Default)]
struct ProducerIds {
    at_hand: Single<(), ()>,
}

fn make(_: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    Ok(Arc::new(ProducerIds::default()))
}

impl Load for ProducerIds {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if self.at_hand.begins(desk) {
            self.at_hand.want(());
        }
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        self.at_hand.due()?;
        self.at_hand.sent(());
        let version = *desk.chance.pick(&[0, 1, 2, 3, 4, 5]);
        Some(desk.ask(&wire::producer_id(), version, 0))
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let answer: InitProducerIdResponse = wire::decoded(answer, asked.version)?;
        let outcome = match answer.error_code {
            0 if answer.producer_epoch == 0 => {
                desk.ledger.producer(desk.topic, answer.producer_id, desk.client)?;
                Outcome::Success
            }
            _ => {
                let what = format!("a question for a producer id was answered {answer:?}");
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
