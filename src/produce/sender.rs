//! Batches to the leaders of their partitions, a few under way at a time.
//!
//! What is refused for now, or was under way on a connection that broke, is sent again: first
//! everything under way is waited for, then the metadata is read again, then the unsent batches go out one by
//! one in their old order. An idempotent producer's sequence numbers make the broker drop those that
//! it has already; a plain producer may store a batch twice when a connection breaks.

use crate::client::connection::{Ticket, is_away};
use crate::client::{Cluster, Refusal, Topic, accepted};
use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use sordini_wire::batch::BatchBuilder;
use sordini_wire::error::ErrorCode;
use sordini_wire::message::init_producer_id::InitProducerIdRequest;
use sordini_wire::message::produce::{
    PartitionProduceData, PartitionProduceResponse, ProduceRequest, TopicProduceData,
};
use std::collections::{BTreeMap, VecDeque};
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Requests under way; brokers remember the last five batches of an idempotent producer.
const UNDER_WAY_MAX: usize = 5;
/// How long the broker may wait for replicas, ms.
const REPLICATION_MS_MAX: i32 = 30_000;
/// Pause before a batch is sent again.
const RETRY_WAIT: Duration = Duration::from_millis(100);
/// Produce below this version names topics instead of their ids.
const PRODUCE_BY_NAME: i16 = 12;

/// Whose word is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Nobody's: the broker does not even answer.
    None,
    /// The leader's.
    Leader,
    /// That of all replicas in sync.
    All,
}

impl FromStr for Acks {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Acks> {
        match text {
            "0" => Ok(Acks::None),
            "1" => Ok(Acks::Leader),
            "all" | "-1" => Ok(Acks::All),
            _ => bail!("expected all, 1 or 0, got {text:?}"),
        }
    }
}

impl Acks {
    /// As Kafka writes it.
    pub fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

impl std::fmt::Display for Acks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Acks::None => "0",
            Acks::Leader => "1",
            Acks::All => "all",
        })
    }
}

/// What was stored.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Records.
    pub records: u64,
    /// Bytes of their batches.
    pub bytes: u64,
    /// First and last offset of each partition; empty without acks.
    pub offsets: BTreeMap<i32, (i64, i64)>,
}

/// A batch that is not stored yet, as far as we know.
#[derive(Clone, Debug)]
struct Unstored {
    partition: i32,
    batch: Bytes,
    records: i32,
}

/// See the module.
pub struct Sender {
    cluster: Cluster,
    topic: Topic,
    acks: Acks,
    timeout: Duration,
    /// Producer id and epoch of an idempotent producer.
    identity: Option<(i64, i16)>,
    /// The next sequence number of each partition.
    sequences: BTreeMap<i32, i32>,
    under_way: VecDeque<(i32, Ticket, Unstored)>,
    /// What was stored so far.
    pub summary: Summary,
}

impl Sender {
    /// A sender to one topic. An idempotent one asks for its id.
    pub fn new(
        mut cluster: Cluster,
        topic: Topic,
        acks: Acks,
        idempotent: bool,
        timeout: Duration,
    ) -> Result<Sender> {
        let identity = if idempotent { Some(identity(&mut cluster, timeout)?) } else { None };
        Ok(Sender {
            cluster,
            topic,
            acks,
            timeout,
            identity,
            sequences: BTreeMap::new(),
            under_way: VecDeque::new(),
            summary: Summary::default(),
        })
    }

    /// Sends a batch, and waits for older ones if too many are under way.
    pub fn send(&mut self, partition: i32, mut batch: BatchBuilder) -> Result<()> {
        let records = batch.records_count();
        if let Some((id, epoch)) = self.identity {
            let next = self.sequences.entry(partition).or_insert(0);
            batch = batch.producer(id, epoch, *next);
            *next = next.wrapping_add(records) & i32::MAX;
        }
        let batch = Unstored { partition, batch: batch.build(), records };
        while self.under_way.len() >= UNDER_WAY_MAX {
            self.take_oldest()?;
        }
        match self.begin(&batch) {
            Ok(()) => Ok(()),
            // What is under way was made before it, and goes first.
            Err(error) if passes(&error) => self.again(Vec::new(), Some(batch)),
            Err(error) => Err(error),
        }
    }

    /// Waits until nothing is under way.
    pub fn settle(&mut self) -> Result<()> {
        while !self.under_way.is_empty() {
            self.take_oldest()?;
        }
        Ok(())
    }

    fn begin(&mut self, unstored: &Unstored) -> Result<()> {
        let leader = self.leader(unstored.partition)?;
        let data = PartitionProduceData {
            index: unstored.partition,
            records: Some(unstored.batch.clone().into()),
            ..Default::default()
        };
        let request = ProduceRequest {
            acks: self.acks.code(),
            timeout_ms: REPLICATION_MS_MAX,
            topic_data: vec![TopicProduceData {
                topic_id: self.topic.id,
                name: self.topic.name.clone(),
                partition_data: vec![data],
                ..Default::default()
            }],
            ..Default::default()
        };
        let link = self.cluster.broker(leader)?;
        let newest = if self.topic.id.is_zero() { PRODUCE_BY_NAME } else { i16::MAX };
        let version = link.version::<ProduceRequest>(newest)?;
        let ticket = link.send(&request, version)?;
        match self.acks {
            Acks::None => self.stored(unstored, -1),
            _ => self.under_way.push_back((leader, ticket, unstored.clone())),
        }
        Ok(())
    }

    /// Waits for the oldest batch under way.
    fn take_oldest(&mut self) -> Result<()> {
        let Some((leader, ticket, unstored)) = self.under_way.pop_front() else { return Ok(()) };
        match self.outcome(leader, ticket, &unstored) {
            Ok(base_offset) => {
                self.stored(&unstored, base_offset);
                Ok(())
            }
            Err(error) if passes(&error) => self.again(vec![unstored], None),
            Err(error) => Err(error),
        }
    }

    /// The base offset that a batch got.
    fn outcome(&mut self, leader: i32, ticket: Ticket, unstored: &Unstored) -> Result<i64> {
        let answer = self.cluster.broker(leader)?.receive::<ProduceRequest>(ticket)?;
        let topics = answer.responses.into_iter();
        let mut results = topics.flat_map(|t| t.partition_responses);
        let Some(result) = results.find(|r| r.index == unstored.partition) else {
            bail!("expected a result for partition {}, none came", unstored.partition);
        };
        // Stored before, and answered to a connection that broke.
        if result.error_code != ErrorCode::DUPLICATE_SEQUENCE_NUMBER.0 {
            accepted(result.error_code, why(&result).as_deref(), || {
                format!("produce to partition {} of {}", result.index, self.topic.name)
            })?;
        }
        Ok(result.base_offset)
    }

    /// Sends again, in the order in which they were made: what failed, what is under way behind it and cannot have been stored, and
    /// the last, which could not even be sent.
    fn again(&mut self, mut unsent: Vec<Unstored>, last: Option<Unstored>) -> Result<()> {
        for (leader, ticket, unstored) in std::mem::take(&mut self.under_way) {
            match self.outcome(leader, ticket, &unstored) {
                Ok(base_offset) => self.stored(&unstored, base_offset),
                Err(error) if passes(&error) || self.follows(&error, &unstored, &unsent) => {
                    unsent.push(unstored);
                }
                Err(error) => return Err(error),
            }
        }
        for unstored in unsent.into_iter().chain(last) {
            self.insist(&unstored)?;
        }
        Ok(())
    }

    /// Whether a batch was refused only because one before it is missing.
    fn follows(&self, error: &anyhow::Error, unstored: &Unstored, missing: &[Unstored]) -> bool {
        let refusal = error.downcast_ref::<Refusal>();
        refusal.is_some_and(|r| r.code == ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
            && missing.iter().any(|m| m.partition == unstored.partition)
    }

    /// Sends one batch until it is stored or the time is up.
    fn insist(&mut self, unstored: &Unstored) -> Result<()> {
        let deadline = Instant::now() + self.timeout;
        loop {
            sleep(RETRY_WAIT);
            let sent = self.refresh(deadline).and_then(|()| {
                self.begin(unstored)?;
                let Some((leader, ticket, _)) = self.under_way.pop_front() else { return Ok(()) };
                let base_offset = self.outcome(leader, ticket, unstored)?;
                self.stored(unstored, base_offset);
                Ok(())
            });
            match sent {
                Ok(()) => return Ok(()),
                Err(error) if passes(&error) && Instant::now() < deadline => {}
                Err(error) => {
                    let stored = self.summary.records;
                    return Err(error).with_context(|| {
                        format!("gave up; {stored} records before this one are stored")
                    });
                }
            }
        }
    }

    fn refresh(&mut self, deadline: Instant) -> Result<()> {
        self.cluster.reconnect()?;
        let left = deadline.saturating_duration_since(Instant::now());
        let topic = self.cluster.topic(&self.topic.name, false, left)?;
        if topic.id != self.topic.id {
            bail!("the topic {} was deleted and created again", topic.name);
        }
        self.topic = topic;
        Ok(())
    }

    fn leader(&self, partition: i32) -> Result<i32> {
        let found = self.topic.partitions.iter().find(|p| p.index == partition);
        Ok(found.ok_or_else(|| anyhow!("{} has no partition {partition}", self.topic.name))?.leader)
    }

    fn stored(&mut self, unstored: &Unstored, base_offset: i64) {
        self.summary.records += unstored.records as u64;
        self.summary.bytes += unstored.batch.len() as u64;
        if base_offset >= 0 {
            let last = base_offset + i64::from(unstored.records) - 1;
            let offsets = &mut self.summary.offsets;
            offsets.entry(unstored.partition).or_insert((base_offset, last)).1 = last;
        }
    }
}

/// Asks for a producer id; a coordinator that is still loading is asked again.
fn identity(cluster: &mut Cluster, timeout: Duration) -> Result<(i64, i16)> {
    let deadline = Instant::now() + timeout;
    let request = InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        ..Default::default()
    };
    loop {
        let answer = cluster.call(&request)?;
        let done = accepted(answer.error_code, None, || "get a producer id".into());
        match done {
            Ok(()) => return Ok((answer.producer_id, answer.producer_epoch)),
            Err(error) if passes(&error) && Instant::now() < deadline => sleep(RETRY_WAIT),
            Err(error) => return Err(error),
        }
    }
}

/// The broker's explanation, with the record to blame if there is one.
fn why(result: &PartitionProduceResponse) -> Option<String> {
    let message = result.error_message.as_deref();
    match result.record_errors.first() {
        Some(record) => {
            let about = record.batch_index_error_message.as_deref().or(message).unwrap_or_default();
            Some(format!("record {} of the batch: {about}", record.batch_index))
        }
        None => message.map(str::to_owned),
    }
}

/// Whether the same batch may be stored later: a lost connection, a broker that is away, a retriable refusal.
fn passes(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refusal>().is_some_and(|r| r.code.is_retriable());
    refused || is_away(error)
}
