//! A client that means no good: frames cut short, lengths that lie, lengths beyond every limit, bodies that are noise,
//! versions that do not exist, half a request and then silence.
//!
//! Whatever comes back, or nothing, is right; that the broker lives, serves everybody else and does not grow is for the checks
//! of everybody else. It names only a topic of its own.
//!
//! It has no parameters.

use super::{Ask, Asked, Desk, Load, Outcome, Row, no_parameters, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::scenario::{BadInput, Params};
use bytes::BytesMut;
use sordini_wire::message::Message;
use sordini_wire::message::api_versions::ApiVersionsRequest;
use sordini_wire::message::create_topics::{CreatableTopic, CreateTopicsRequest};
use sordini_wire::message::delete_records::{DeleteRecordsRequest, DeleteRecordsTopic};
use sordini_wire::message::describe_configs::DescribeConfigsRequest;
use sordini_wire::message::fetch::FetchRequest;
use sordini_wire::message::metadata::MetadataRequest;
use sordini_wire::message::produce::{ProduceRequest, TopicProduceData};
use sordini_wire::primitive::{Reader, Str};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "hostile",
    about: "frames that no honest client sends: cut, oversized, lying, noise, half and then silence",
    make,
    draw: no_parameters,
};

/// The topic that it names.
const TOPIC: &str = "hostile";

#[derive(Clone, Debug, Default)]
struct Hostile {
    /// Frames to send.
    wanted: u32,
}

fn make(_: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    Ok(Arc::new(Hostile::default()))
}

impl Load for Hostile {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        desk.ledger.tally.begun += 1;
        self.wanted = (self.wanted + 1).min(5);
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        self.wanted = self.wanted.checked_sub(1)?;
        let frame = spoiled(honest(desk), desk.chance);
        let asked = Asked::new(-1, 0, 0, 0, desk.now);
        Some(Ask { asked, frame })
    }

    fn classify(
        &mut self,
        _: &mut Desk<'_>,
        _: &Asked,
        _: &mut Reader,
    ) -> Result<Outcome, Failure> {
        Ok(Outcome::Step)
    }

    fn lost(&mut self, _: &mut Desk<'_>) {}

    fn is_finished(&self) -> bool {
        true
    }

    fn listens(&self) -> bool {
        false
    }
}

/// A frame as an honest client might send it.
fn honest(desk: &mut Desk<'_>) -> BytesMut {
    fn one<M: Message + Default>(request: &M, chance: &mut Chance) -> BytesMut {
        let (first, last) = M::VERSIONS.into_inner();
        let version = first + chance.below((last - first + 1) as u64) as i16;
        wire::framed(request, version, 7)
    }
    let chance = &mut *desk.chance;
    match chance.below(7) {
        0 => one(&ApiVersionsRequest::default(), chance),
        1 => one(&MetadataRequest { topics: Some(vec![]), ..Default::default() }, chance),
        2 => {
            let topic = TopicProduceData { name: Str::of(TOPIC), ..Default::default() };
            one(&ProduceRequest { topic_data: vec![topic], acks: -1, ..Default::default() }, chance)
        }
        3 => wire::framed(&wire::fetch(TOPIC, 0, 0, 1000, 0), 4 + chance.below(9) as i16, 7),
        4 => {
            let topic = CreatableTopic { name: Str::of(TOPIC), ..Default::default() };
            one(&CreateTopicsRequest { topics: vec![topic], ..Default::default() }, chance)
        }
        5 => {
            let topic = DeleteRecordsTopic { name: Str::of(TOPIC), ..Default::default() };
            one(&DeleteRecordsRequest { topics: vec![topic], ..Default::default() }, chance)
        }
        6 => one(&DescribeConfigsRequest::default(), chance),
        _ => one(&FetchRequest::default(), chance),
    }
}

/// A frame made worse.
fn spoiled(mut frame: BytesMut, chance: &mut Chance) -> BytesMut {
    let length = |frame: &mut BytesMut, length: i32| {
        frame[..4].copy_from_slice(&length.to_be_bytes());
    };
    match chance.below(9) {
        // As it is.
        0 => {}
        // A prefix in a frame of its own.
        1 => {
            frame.truncate(4 + chance.index(frame.len() - 4));
            let len = frame.len() as i32 - 4;
            length(&mut frame, len);
        }
        // One byte changed.
        2 | 3 => {
            let at = 4 + chance.index(frame.len() - 4);
            frame[at] ^= 1 << chance.below(8);
        }
        // Half of it, then silence.
        4 => frame.truncate(1 + chance.index(frame.len() - 1)),
        // A length that lies, is too large, is negative.
        5 => {
            let len = frame.len() as i32 - 4 + chance.below(40) as i32 - 20;
            length(&mut frame, len);
        }
        6 => length(&mut frame, *chance.pick(&[i32::MAX, i32::MIN, -1, 0, 1 << 30])),
        // A version or an API that does not exist.
        7 => {
            let at = 4 + chance.index(4);
            frame[at] = chance.bits() as u8;
        }
        // Noise.
        _ => {
            let noise = 4 + chance.index(300);
            frame.resize(4 + noise, 0);
            frame[4..].iter_mut().for_each(|byte| *byte = chance.bits() as u8);
            length(&mut frame, noise as i32);
        }
    }
    frame
}
