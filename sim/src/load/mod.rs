//! Loads: what clients do. One file for each, one row in [`LOADS`].
//!
//! A load is the brain of a client; [`crate::world::client`] is its body, which connects, cuts frames, times out and
//! connects again. A load says four things: **sample** draws the next operation (from a stream that belongs to this
//! one operation, so that leaving it out changes no other); **send** makes the next request of what was sampled and not
//! yet answered; **classify** reads an answer as success, definite failure or unknown; and **predict** is what it then
//! tells the [`Ledger`]: what must be seen from now on, what must never be, what may be. Whether it is seen is
//! for the checks to say.

mod configs;
mod consume;
mod delete_records;
mod hostile;
mod produce;
mod producer_ids;
mod recreate;
mod seek;
mod single;
mod topics;
pub mod wire;
mod zombie;

use crate::chance::Chance;
use crate::failure::Failure;
use crate::heap::{MS, Nanos, SECOND};
use crate::ledger::{Ledger, RecordId, TopicNo};
use crate::scenario::{BadInput, Params};
use crate::world::client::BACKOFF_MAX;
use bytes::BytesMut;
use sordini_wire::message::Message;
use sordini_wire::primitive::Reader;
use std::fmt;
use std::sync::Arc;

/// What a client does.
pub trait Load: fmt::Debug + Send + Sync {
    /// A copy, for a world that is forked.
    fn fork(&self) -> Box<dyn Load>;
    /// One more operation is wanted; `desk.chance` is this operation's own stream.
    fn sample(&mut self, desk: &mut Desk<'_>);
    /// The next request for the connection, if one is wanted now.
    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask>;
    /// An answer came: what it means, after the ledger was told what follows from it.
    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure>;
    /// The connection is gone, and with it every answer that was still to come.
    fn lost(&mut self, desk: &mut Desk<'_>);
    /// Whether nothing that was sampled is still without an answer.
    fn is_finished(&self) -> bool;
    /// Whether it wants to know what comes back. Without, whatever comes is dropped.
    fn listens(&self) -> bool {
        true
    }
}

/// What a load is lent while it thinks.
pub struct Desk<'a> {
    /// Which client it is.
    pub client: u32,
    /// The topic it works on.
    pub topic: TopicNo,
    /// Virtual time.
    pub now: Nanos,
    /// What the client's wall clock shows, ms.
    pub wall_ms: i64,
    /// Chance.
    pub chance: &'a mut Chance,
    /// The books.
    pub ledger: &'a mut Ledger,
    /// Number of the last request of this client.
    pub correlation: &'a mut i32,
}

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What the answer will be held against.
    pub asked: Asked,
    /// The whole frame.
    pub frame: BytesMut,
}

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Key of the API.
    pub key: i16,
    /// Version.
    pub version: i16,
    /// Its number.
    pub correlation: i32,
    /// Whatever the load wants to remember.
    pub tag: i64,
    /// How long the broker may take over it on purpose; comes on top of the client's own timeout.
    pub patience: Nanos,
    /// When it was sent.
    pub at: Nanos,
    /// When the process that answered it had accepted the connection; live once it is answered.
    pub accepted: Nanos,
}

impl Asked {
    /// A request that is sent at `at`.
    pub fn new(key: i16, version: i16, correlation: i32, tag: i64, at: Nanos) -> Asked {
        Asked { key, version, correlation, tag, patience: 0, at, accepted: 0 }
    }
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused and never will have been done; Kafka's error code.
    Refused(i16),
    /// It may have been done or may yet be; Kafka's error code. The client connects anew and asks again if it likes.
    Unknown(i16),
    /// A step on the way, no operation of its own.
    Step,
}

/// What all loads have in common.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Number of its first client in all streams of chance; stays when other loads are removed.
    pub stream: u32,
    /// How many clients do this.
    pub clients: u32,
    /// Which node they connect to.
    pub node: u32,
    /// Name of the topic.
    pub topic: String,
    /// Mean time between operations of one client.
    pub interval: Nanos,
    /// How many operations a client begins at most.
    pub operations_max: u32,
    /// With `Some`, only operations with these numbers, in ascending order, are begun, each at its time.
    pub only: Option<Arc<[u32]>>,
    /// Bytes that may be on their way to a client at once, if not what the scenario's pace says.
    pub window: Option<u64>,
    /// How long a client takes to read a byte, ns.
    pub byte_ns: Nanos,
    /// How long a client waits for an answer before it gives the connection up.
    pub timeout: Nanos,
    /// How long a client waits at most before it connects for the second time; each further time twice as long.
    pub backoff: Nanos,
    /// The load of a client.
    pub load: Arc<dyn Load>,
}

/// A load in the table.
pub struct Row {
    /// What a scenario calls it.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Reads its parameters.
    pub make: fn(&mut Params<'_>) -> Result<Arc<dyn Load>, BadInput>,
    /// Draws the lines that follow `kind` in a scenario.
    pub draw: fn(&mut Chance) -> String,
}

/// Every load.
pub const LOADS: &[Row] = &[
    configs::ROW,
    consume::ROW,
    delete_records::ROW,
    hostile::ROW,
    produce::ROW,
    producer_ids::ROW,
    recreate::ROW,
    seek::ROW,
    topics::ROW,
    zombie::ROW,
];

impl Spec {
    /// Reads a `[[load]]`. `number` is its place in the scenario.
    pub fn read(params: &mut Params<'_>, number: usize, topic: &str) -> Result<Spec, BadInput> {
        let kind = params.required("kind")?;
        let row = LOADS.iter().find(|row| row.name == kind);
        let names = || LOADS.iter().map(|row| row.name).collect::<Vec<_>>();
        let row = row.ok_or_else(|| params.wrong_choice("kind", &names()))?;
        Ok(Spec {
            stream: params.number("stream", 0..4000)?.unwrap_or(16 * number as u64) as u32,
            clients: params.number("clients", 1..17)?.unwrap_or(1) as u32,
            node: params.number("node", 0..16)?.unwrap_or(0) as u32,
            topic: params.text("topic")?.unwrap_or_else(|| topic.to_owned()),
            interval: params.rate("rate")?.unwrap_or(SECOND / 20),
            operations_max: params.number("operations", 0..1 << 32)?.unwrap_or(u64::from(u32::MAX))
                as u32,
            only: params.numbers("only")?.map(|mut numbers| {
                numbers.sort_unstable();
                numbers.into_iter().map(|n| n as u32).collect()
            }),
            window: params.number("window", 1..1 << 40)?,
            byte_ns: match params.number("reads", 1..1 << 40)? {
                Some(rate) => SECOND / rate,
                None => 0,
            },
            timeout: params.time("timeout")?.unwrap_or(5 * SECOND),
            backoff: params.time("backoff")?.unwrap_or(BACKOFF_MAX).min(BACKOFF_MAX),
            load: (row.make)(params)?,
        })
    }

    /// Whether the operation number `n` is begun.
    pub fn wants(&self, n: u32) -> bool {
        n < self.operations_max
            && self.only.as_ref().is_none_or(|only| only.binary_search(&n).is_ok())
    }
}

/// For loads without parameters of their own.
fn no_parameters(_: &mut Chance) -> String {
    String::new()
}

impl Desk<'_> {
    /// A request with the next number.
    pub fn ask<M: Message>(&mut self, request: &M, version: i16, tag: i64) -> Ask {
        *self.correlation = self.correlation.wrapping_add(1);
        let correlation = *self.correlation;
        let frame = wire::framed(request, version, correlation);
        let asked = Asked::new(M::API_KEY, version, correlation, tag, self.now);
        Ask { asked, frame }
    }

    /// The answer to `asked` says that a record is at `offset`.
    pub fn ack(&mut self, asked: &Asked, id: RecordId, offset: i64) {
        let within = (self.asked_ms(asked), self.wall_ms);
        self.ledger.ack(id, offset, asked.accepted, within);
    }

    /// What the client's wall clock showed when it asked.
    pub fn asked_ms(&self, asked: &Asked) -> i64 {
        self.wall_ms - (self.now / MS - asked.at / MS) as i64
    }
}
