//! `sordini consume`: reads records of a topic and prints them.
//!
//! It asks for all partitions of each leader in one Fetch and lets the broker wait for news. Without
//! --follow it reads what was there when it began, and ends. Every batch's CRC is checked. A broker that goes away is
//! waited for, and reading goes on at the next offset.

mod format;
pub mod offsets;
mod start;

use crate::cli::BrokerArg;
use crate::client::connection::is_away;
use crate::client::{Cluster, LEADER_WAIT, Topic, accepted};
use crate::output::{OutputError, Progress, count, story};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use format::{Format, Found};
use sordini_wire::batch::{BatchView, RecordView, walk};
use sordini_wire::message::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, PartitionData,
};
use start::Start;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a broker waits for news before it answers that there are none, ms.
const FETCH_WAIT_MS: i32 = 500;
/// Bytes of one answer, and of one partition in it.
const FETCH_BYTES: i32 = 16 << 20;
const PARTITION_BYTES: i32 = 4 << 20;
/// How long a partition may refuse with an error that passes by itself, as while its leader moves.
const REFUSED_MAX: Duration = Duration::from_secs(10);
/// Pause before it, or a broker that is away, is asked again.
const RETRY_WAIT: Duration = Duration::from_millis(50);
/// Bytes that one batch may become when it is decompressed.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// Fetch below this version names topics instead of their ids.
const FETCH_BY_NAME: i16 = 12;

/// `sordini consume`
#[derive(Args, Debug)]
pub struct ConsumeArgs {
    /// The topic
    topic: String,
    /// A partition; may be repeated; without it all of them
    #[arg(long, short)]
    partition: Vec<i32>,
    /// Where to begin: beginning, end, OFFSET, -N (so many before the end), @TIME (ms or RFC 3339)
    #[arg(long, value_name = "WHERE", default_value = "beginning", allow_hyphen_values = true)]
    from: Start,
    /// End after so many records
    #[arg(long, short, value_name = "N")]
    count: Option<u64>,
    /// Wait for new records at the end instead of ending there
    #[arg(long, short)]
    follow: bool,
    /// Seconds to go on trying when the broker is away
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// %k key, %v value, %o offset, %p partition, %t time, %T time in ms, %h headers, %n topic, %K and %V lengths
    #[arg(long, value_name = "FORMAT", default_value = "%v\\n")]
    format: Format,
    /// One JSON object a line instead of --format
    #[arg(long, conflicts_with = "format")]
    json: bool,
    #[command(flatten)]
    broker: BrokerArg,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cursor {
    leader: i32,
    /// The next offset wanted.
    next: i64,
    /// First offset that is not read; `i64::MAX` when following.
    until: i64,
    /// The broker has refused to go on since then, with an error that may pass.
    refused: Option<Instant>,
    /// The connection to the broker has not brought an answer since then.
    away: Option<Instant>,
}

struct Consumer {
    topic: Topic,
    cursors: BTreeMap<i32, Cursor>,
    /// How long a broker may be away.
    timeout: Duration,
    format: Format,
    json: bool,
    /// Records that may still be printed.
    left: u64,
    printed: u64,
    out: Vec<u8>,
}

/// Runs the command.
pub fn run(args: ConsumeArgs) -> Result<()> {
    let mut cluster = Cluster::connect(&args.broker.broker)?;
    let topic = cluster.topic(&args.topic, false, LEADER_WAIT)?;
    let cursors = cursors(&mut cluster, &topic, &args)?;
    let total = cursors.values().map(|c| c.until.saturating_sub(c.next).max(0) as u64);
    // A bar between the records would be no help.
    let watched = !args.follow && !io::stdout().is_terminal();
    let mut progress = watched.then(|| Progress::pieces(total.sum(), "offsets"));
    let mut consumer = Consumer {
        topic,
        cursors,
        timeout: Duration::from_secs(args.timeout),
        format: args.format,
        json: args.json,
        left: args.count.unwrap_or(u64::MAX),
        printed: 0,
        out: Vec::new(),
    };
    while consumer.left > 0 && consumer.unfinished().next().is_some() {
        let round = consumer.round(&mut cluster);
        consumer.print()?;
        match round {
            Err(error) if is_away(&error) => consumer.connect_again(&mut cluster, error)?,
            round => round?,
        }
        if let Some(progress) = &mut progress {
            progress.set(consumer.printed);
        }
    }
    drop(progress);
    if io::stderr().is_terminal() && !args.follow {
        eprintln!("{}", count(consumer.printed, "record"));
    }
    Ok(())
}

/// Where each partition begins and ends.
fn cursors(
    cluster: &mut Cluster,
    topic: &Topic,
    args: &ConsumeArgs,
) -> Result<BTreeMap<i32, Cursor>> {
    let mut indexes: Vec<i32> = topic.partitions.iter().map(|p| p.index).collect();
    for wanted in &args.partition {
        let last = indexes.len() - 1;
        ensure!(
            indexes.contains(wanted),
            "expected a partition of {} from 0 to {last}, got {wanted}",
            topic.name
        );
    }
    if !args.partition.is_empty() {
        indexes.retain(|index| args.partition.contains(index));
    }
    let starts = offsets::list(cluster, topic, &indexes, offsets::EARLIEST)?;
    let ends = offsets::list(cluster, topic, &indexes, offsets::LATEST)?;
    let times = match args.from {
        Start::Time(ms) => offsets::list(cluster, topic, &indexes, ms)?,
        _ => BTreeMap::new(),
    };
    let mut cursors = BTreeMap::new();
    for partition in topic.partitions.iter().filter(|p| indexes.contains(&p.index)) {
        let index = partition.index;
        let (first, end) = (starts[&index].offset, ends[&index].offset);
        let next = match args.from {
            Start::Beginning => first,
            Start::End => end,
            Start::Before(n) => end.saturating_sub(n).max(first),
            // -1: no record is that late.
            Start::Time(_) if times[&index].offset < 0 => end,
            Start::Time(_) => times[&index].offset,
            Start::Offset(offset) => offset,
        };
        ensure!(
            next >= first && next <= end,
            "expected an offset of partition {index} of {} from {first} to {end}, got {next}",
            topic.name
        );
        let until = if args.follow { i64::MAX } else { end };
        let leader = partition.leader;
        cursors.insert(index, Cursor { leader, next, until, refused: None, away: None });
    }
    Ok(cursors)
}

impl Consumer {
    /// Partitions that are not read to their end.
    fn unfinished(&self) -> impl Iterator<Item = (i32, &Cursor)> {
        self.cursors.iter().map(|(index, c)| (*index, c)).filter(|(_, c)| c.next < c.until)
    }

    /// Asks every leader once, all of them at the same time.
    fn round(&mut self, cluster: &mut Cluster) -> Result<()> {
        let mut leaders: Vec<i32> = self.unfinished().map(|(_, c)| c.leader).collect();
        leaders.sort_unstable();
        leaders.dedup();
        let mut under_way = Vec::new();
        for leader in leaders {
            let request = self.request(leader);
            let link = cluster.broker(leader)?;
            let newest = if self.topic.id.is_zero() { FETCH_BY_NAME } else { i16::MAX };
            let version = link.version::<FetchRequest>(newest)?;
            under_way.push((leader, link.send(&request, version)?));
        }
        for (leader, ticket) in under_way {
            let answer = cluster.broker(leader)?.receive::<FetchRequest>(ticket)?;
            if self.take(answer, Instant::now())? {
                sleep(RETRY_WAIT);
                self.find_leaders(cluster)?;
            }
        }
        Ok(())
    }

    fn request(&self, leader: i32) -> FetchRequest {
        let of_leader = self.unfinished().filter(|(_, c)| c.leader == leader);
        let partitions = of_leader.map(|(partition, cursor)| FetchPartition {
            partition,
            fetch_offset: cursor.next,
            partition_max_bytes: PARTITION_BYTES,
            ..Default::default()
        });
        FetchRequest {
            max_wait_ms: FETCH_WAIT_MS,
            min_bytes: 1,
            max_bytes: FETCH_BYTES,
            topics: vec![FetchTopic {
                topic_id: self.topic.id,
                topic: self.topic.name.clone(),
                partitions: partitions.collect(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    /// Takes the records of an answer. True if a partition refused and may have another leader now.
    fn take(&mut self, answer: FetchResponse, now: Instant) -> Result<bool> {
        accepted(answer.error_code, None, || format!("fetch from {}", self.topic.name))?;
        let mut moved = false;
        for data in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
            let index = data.partition_index;
            let done = accepted(data.error_code, None, || {
                let at = self.cursors.get(&index).map_or(-1, |c| c.next);
                format!("fetch from partition {index} of {} at offset {at}", self.topic.name)
            });
            match done {
                Ok(()) => self.take_partition(data)?,
                Err(error) => match error.downcast_ref::<crate::client::Refusal>() {
                    Some(refusal) if refusal.code.is_retriable() && self.waits(index, now) => {
                        moved = true;
                    }
                    _ => return Err(error),
                },
            }
        }
        Ok(moved)
    }

    /// After a connection broke: a broker closes it when it finds a damaged batch in the middle of an answer, and says
    /// which records are lost when it is asked again.
    fn connect_again(&mut self, cluster: &mut Cluster, mut broken: anyhow::Error) -> Result<()> {
        let now = Instant::now();
        for cursor in self.cursors.values_mut().filter(|c| c.next < c.until) {
            cursor.away.get_or_insert(now);
        }
        let since = self.unfinished().filter_map(|(_, c)| c.away).min().unwrap_or(now);
        let mut is_told = false;
        while since.elapsed() < self.timeout {
            sleep(RETRY_WAIT);
            match cluster.reconnect().and_then(|()| self.find_leaders(cluster)) {
                Ok(()) => {
                    // What it refuses now has nothing to do with what it refused before.
                    self.cursors.values_mut().for_each(|cursor| cursor.refused = None);
                    return Ok(());
                }
                Err(error) if is_away(&error) => broken = error,
                Err(error) => return Err(error),
            }
            if !std::mem::replace(&mut is_told, true) {
                let seconds = self.timeout.as_secs();
                eprintln!("sordini: {}; trying again for {seconds} s", story(&broken));
            }
        }
        Err(broken.context(format!("gave up after {} s", self.timeout.as_secs())))
    }

    /// Whether a partition that refuses is asked again: what may pass has to pass within a while.
    fn waits(&mut self, partition: i32, now: Instant) -> bool {
        let Some(cursor) = self.cursors.get_mut(&partition) else { return false };
        let since = *cursor.refused.get_or_insert(now);
        now - since < REFUSED_MAX
    }

    fn take_partition(&mut self, data: PartitionData) -> Result<()> {
        let index = data.partition_index;
        let Some(mut cursor) = self.cursors.get(&index).copied() else {
            bail!("the broker sent partition {index} of {}, nobody asked for it", self.topic.name);
        };
        (cursor.refused, cursor.away) = (None, None);
        let records = data.records.and_then(|r| r.contiguous()).unwrap_or_default();
        let mut batches = walk(&records);
        for placed in batches.by_ref() {
            let place =
                || format!("partition {index} of {}, offset {}", self.topic.name, cursor.next);
            let batch = placed.with_context(place)?.batch;
            batch.check_crc().with_context(place)?;
            if batch.next_offset() <= cursor.next {
                continue;
            }
            if !batch.attributes().control() {
                self.take_batch(index, &batch, &cursor)?;
            }
            cursor.next = batch.next_offset();
        }
        self.cursors.insert(index, cursor);
        Ok(())
    }

    fn take_batch(&mut self, partition: i32, batch: &BatchView<'_>, cursor: &Cursor) -> Result<()> {
        let place = || {
            format!("partition {partition} of {}, offset {}", self.topic.name, batch.base_offset())
        };
        let topic = self.topic.name.clone();
        let mut shown = |record: &RecordView<'_>| {
            if record.offset >= cursor.next && record.offset < cursor.until && self.left > 0 {
                let found = Found { topic: &topic, partition, record };
                match self.json {
                    true => format::write_json(&found, &mut self.out),
                    false => self.format.write(&found, &mut self.out),
                }
                self.left -= 1;
                self.printed += 1;
            }
        };
        match batch.records_plain() {
            Some(mut plain) => plain.try_for_each(|r| r.map(|r| shown(&r))),
            None => {
                let records = batch.records(BATCH_BYTES_MAX).with_context(place)?;
                records.views().try_for_each(|r| r.map(|r| shown(&r)))
            }
        }
        .with_context(place)
    }

    /// Learns who leads now.
    fn find_leaders(&mut self, cluster: &mut Cluster) -> Result<()> {
        let topic = cluster.topic(&self.topic.name, false, LEADER_WAIT)?;
        ensure!(
            topic.id == self.topic.id,
            "the topic {} was deleted and created again while it was read; start over",
            topic.name
        );
        for partition in &topic.partitions {
            if let Some(cursor) = self.cursors.get_mut(&partition.index) {
                cursor.leader = partition.leader;
            }
        }
        Ok(())
    }

    fn print(&mut self) -> Result<(), OutputError> {
        let mut out = io::stdout().lock();
        out.write_all(&self.out)?;
        out.flush()?;
        self.out.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sordini_wire::error::ErrorCode;
    use sordini_wire::message::fetch::FetchableTopicResponse;
    use sordini_wire::primitive::Uuid;

    fn answer(code: ErrorCode) -> FetchResponse {
        let data = PartitionData { error_code: code.0, ..PartitionData::default() };
        let responses =
            vec![FetchableTopicResponse { partitions: vec![data], ..Default::default() }];
        FetchResponse { responses, ..FetchResponse::default() }
    }

    #[test]
    fn a_range_that_stays_unreadable_ends_the_command_and_one_that_recovers_does_not() {
        let topic = Topic { name: "orders".into(), id: Uuid([0; 16]), partitions: Vec::new() };
        let cursor = Cursor { leader: 0, next: 604, until: 3000, refused: None, away: None };
        let mut consumer = Consumer {
            topic,
            cursors: BTreeMap::from([(0, cursor)]),
            timeout: Duration::from_secs(30),
            format: "%v".parse().unwrap(),
            json: false,
            left: u64::MAX,
            printed: 0,
            out: Vec::new(),
        };
        let begun = Instant::now();
        let lost = || answer(ErrorCode::KAFKA_STORAGE_ERROR);
        assert!(consumer.take(lost(), begun).unwrap());
        assert!(!consumer.take(answer(ErrorCode::NONE), begun).unwrap());
        let later = begun + REFUSED_MAX;
        assert!(consumer.take(lost(), later).unwrap(), "patience begins anew");
        let error = consumer.take(lost(), later + REFUSED_MAX).unwrap_err().to_string();
        assert!(error.contains("partition 0 of orders at offset 604"), "{error}");
    }
}
