//! `sordini bench`: a load on any Kafka-speaking broker, and the machine's own limits beside it.
//!
//! A load is a row of [`LOADS`]; every option overrides one of its values. With `--limits DIR` the bare disk and
//! the bare loopback are measured before and after the load with the same sizes, so that the ratios hold for
//! this machine at this hour.

mod consume;
mod engine;
mod limits;
mod produce;
mod report;
mod stage;

use crate::cli::BrokerArg;
use crate::output::Progress;
use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};
use engine::{Drive, Outcome};
use produce::Payload;
use report::{Floor, Report, Usage};
use stage::Stage;
use std::path::PathBuf;
use std::time::Duration;

/// Share of the load's time that each limit takes, before and after.
const LIMIT_SHARE: u32 = 8;
/// Bytes of a request that fills topics for a consumer.
const FILL_REQUEST_BYTES: usize = 64 << 10;

/// The loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Load {
    /// One connection, one record of 1 KiB at a time: how long does a durable write take?
    Latency,
    /// 64 connections, one request of 4 KiB each under way
    Small,
    /// 4 connections, one request of 900 KiB each under way
    Large,
    /// 64 producers over 1,000 partitions
    Spread,
    /// Consumers that read what is in the page cache, and check it
    Consume,
}

/// A load's values.
#[derive(Clone, Copy, Debug)]
struct Row {
    load: Load,
    connections: usize,
    request_bytes: usize,
    record_bytes: usize,
    partitions: i32,
}

const LOADS: [Row; 5] = [
    row(Load::Latency, 1, 1 << 10, 1 << 10, 1),
    row(Load::Small, 64, 4 << 10, 4 << 10, 1),
    row(Load::Large, 4, 900 << 10, 1 << 10, 4),
    row(Load::Spread, 64, 4 << 10, 4 << 10, 1000),
    row(Load::Consume, 1, 1 << 20, 1 << 10, 4),
];

const fn row(
    load: Load,
    connections: usize,
    request_bytes: usize,
    record_bytes: usize,
    partitions: i32,
) -> Row {
    Row { load, connections, request_bytes, record_bytes, partitions }
}

/// `sordini bench`
#[derive(Args, Debug)]
pub struct BenchArgs {
    /// The load; each has its own values for the options below
    #[arg(value_enum, default_value = "small")]
    load: Load,
    /// Connections
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// Bytes of the records in a produced batch (it holds one at least), or of a fetched answer
    #[arg(long, value_name = "BYTES")]
    request_bytes: Option<usize>,
    /// Bytes of a record's value; without it those of the load, but no more than --request-bytes
    #[arg(long, value_name = "BYTES")]
    record_bytes: Option<usize>,
    /// Partitions of each topic
    #[arg(long, value_name = "N")]
    partitions: Option<i32>,
    /// Topics; connections share them
    #[arg(long, value_name = "N", default_value_t = 1)]
    topics: usize,
    /// Who must hold a record before it is answered: all or 1
    #[arg(long, default_value = "all")]
    acks: crate::produce::Acks,
    /// Requests under way on each connection
    #[arg(long, value_name = "N", default_value_t = 1)]
    in_flight: usize,
    /// Requests a second whatever the broker does (open loop); without it each answer brings the next request
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<f64>,
    /// Seconds that are counted
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds before that; a broker on a JVM needs more
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    warm_up: f64,
    /// Bytes that consumers find
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 20)]
    fill_bytes: u64,
    /// Measure the bare disk (in this directory, which must be there) and the bare loopback too, and print ratios
    #[arg(long, value_name = "DIR")]
    limits: Option<PathBuf>,
    /// The broker's process, for its CPU time; found by itself if it is on this machine
    #[arg(long)]
    pid: Option<u32>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArg,
}

/// Runs the command.
pub fn run(args: &BenchArgs) -> Result<()> {
    let preset = LOADS.into_iter().find(|r| r.load == args.load).expect("every load has its row");
    let request_bytes = args.request_bytes.unwrap_or(preset.request_bytes);
    let record_bytes = match args.load {
        // What is fetched may be larger than what is asked for.
        Load::Consume => preset.record_bytes,
        _ => preset.record_bytes.min(request_bytes),
    };
    let row = Row {
        connections: args.connections.unwrap_or(preset.connections),
        request_bytes,
        record_bytes: args.record_bytes.unwrap_or(record_bytes),
        partitions: args.partitions.unwrap_or(preset.partitions),
        ..preset
    };
    check(args, &row)?;
    let drive = Drive {
        in_flight: args.in_flight,
        rate: args.rate,
        warm_up: Duration::from_secs_f64(args.warm_up),
        length: Duration::from_secs_f64(args.seconds),
    };
    let before = floor(args, &row, &drive)?;
    let (outcome, usage) = load(args, &row, drive)?;
    let after = floor(args, &row, &drive)?;
    let floor = before.zip(after).map(|(before, after)| before.mean(after));
    Report { load: args.load, row, args, outcome, usage, floor }.print()
}

fn check(args: &BenchArgs, row: &Row) -> Result<()> {
    ensure!(
        row.connections > 0 && args.in_flight > 0 && args.topics > 0 && row.partitions > 0,
        "expected at least one connection, request under way, topic and partition"
    );
    ensure!(args.seconds > 0.0 && args.warm_up >= 0.0, "expected a time to measure, --seconds > 0");
    ensure!(args.rate.is_none_or(|rate| rate > 0.0), "expected --rate greater than 0");
    ensure!(
        args.acks != crate::produce::Acks::None,
        "with --acks 0 there is no answer that could be measured; use all or 1"
    );
    ensure!(
        args.load == Load::Consume || row.record_bytes <= row.request_bytes,
        "expected --request-bytes of at least a record's {}, got {}; give --record-bytes that fits into it",
        row.record_bytes,
        row.request_bytes
    );
    if let Some(dir) = &args.limits {
        ensure!(
            dir.is_dir(),
            "expected --limits to name a directory that is there, {} is none; make it, or name one on the \
             broker's disk",
            dir.display()
        );
    }
    Ok(())
}

/// The load on topics of its own, which are deleted whatever came of it.
fn load(args: &BenchArgs, row: &Row, drive: Drive) -> Result<(Outcome, Usage)> {
    let stage = Stage::set(&args.broker.broker, args.topics, row.partitions)?;
    let measured = match args.load {
        Load::Consume => fill(args, row, &stage).and_then(|()| consume(args, row, drive, &stage)),
        _ => produce(args, row, drive, &stage),
    };
    let struck = stage.strike();
    let measured = measured?;
    struck.map(|()| measured)
}

fn produce(args: &BenchArgs, row: &Row, drive: Drive, stage: &Stage) -> Result<(Outcome, Usage)> {
    let (batch, records) = produce::batch(row.request_bytes, row.record_bytes);
    let payload = Payload { batch, records, acks: args.acks.code() };
    let sockets = stage.sockets(row.connections)?.into_iter().enumerate();
    let producer = |(number, socket)| {
        Ok((socket, produce::Producer::new(stage, number, row.connections, &payload)?))
    };
    let dialogues = sockets.map(producer).collect::<Result<_>>()?;
    let mut usage = Usage::of(args);
    let outcome = engine::drive(dialogues, drive, &mut || usage.begin())?;
    usage.end();
    Ok((outcome, usage))
}

fn consume(args: &BenchArgs, row: &Row, drive: Drive, stage: &Stage) -> Result<(Outcome, Usage)> {
    let sockets = stage.sockets(row.connections)?.into_iter().enumerate();
    let bytes = i32::try_from(row.request_bytes).unwrap_or(i32::MAX);
    let consumer =
        |(number, socket)| (socket, consume::Consumer::new(stage, number, row.connections, bytes));
    let dialogues = sockets.map(consumer).collect();
    // An answer tells where the next request begins.
    let drive = Drive { in_flight: 1, ..drive };
    let mut usage = Usage::of(args);
    let outcome = engine::drive(dialogues, drive, &mut || usage.begin())?;
    usage.end();
    Ok((outcome, usage))
}

/// Gives the consumers something to read.
fn fill(args: &BenchArgs, row: &Row, stage: &Stage) -> Result<()> {
    let (batch, records) = produce::batch(FILL_REQUEST_BYTES, row.record_bytes);
    let wanted = args.fill_bytes.div_ceil(batch.len() as u64);
    let payload = Payload { batch, records, acks: -1 };
    let mut progress = Progress::pieces(wanted, "batches written");
    let mut left = wanted;
    for number in 0..args.topics {
        let mut sockets = stage.sockets(1)?;
        let mut socket = sockets.pop().expect("one was asked for");
        let mut producer = produce::Producer::new(stage, number, 1, &payload)?;
        let share = left / (args.topics - number) as u64;
        for _ in 0..share {
            producer.once(&mut socket)?;
            left -= 1;
            progress.set(wanted - left);
        }
    }
    Ok(())
}

/// What the machine can do with this load's sizes.
fn floor(args: &BenchArgs, row: &Row, drive: &Drive) -> Result<Option<Floor>> {
    let Some(dir) = &args.limits else { return Ok(None) };
    let length = drive.length / LIMIT_SHARE;
    let how = Drive { rate: None, warm_up: length / 4, length, ..*drive };
    if args.load == Load::Consume {
        let sendfile = limits::sendfile::stream(dir, row.connections, length)?;
        return Ok(Some(Floor { sendfile: Some(sendfile), ..Floor::default() }));
    }
    let one = limits::disk::append(dir, row.request_bytes, length)?;
    let writers = row.connections * args.in_flight;
    let together = limits::disk::append(dir, row.request_bytes * writers, length)?;
    let group_rate = limits::disk::group(dir, row.request_bytes, writers, length)?;
    let exchange = limits::loopback::exchange(row.connections, row.request_bytes, how)?;
    Ok(Some(Floor {
        sync_us: Some(one.latency.value_at_quantile(0.5) as f64 / 1e3),
        group_rate: Some(group_rate),
        synced_rate: Some(together.rate * writers as f64),
        exchange_rate: Some(exchange.rate()),
        exchange_us: Some(exchange.latency.value_at_quantile(0.5) as f64 / 1e3),
        sendfile: None,
        direct: one.direct,
    }))
}
