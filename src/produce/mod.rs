//! `sordini produce`: lines of a file or of standard input become records.
//!
//! Lines are gathered in a batch per partition while more of them are at hand, and sent as soon as none
//! is. A few requests are under way at a time; what the broker refuses for now is sent again, in order.

mod lines;
mod partitioner;
mod sender;

use crate::cli::BrokerArg;
use crate::client::{Cluster, Topic};
use crate::output::{Progress, count, size};
use crate::topic::pair;
use anyhow::{Context, Result, ensure};
use clap::Args;
use lines::Shape;
use partitioner::Partitioner;
pub use sender::Acks;
use sender::{Sender, Summary};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// `sordini produce`
#[derive(Args, Debug)]
pub struct ProduceArgs {
    /// The topic; created if it does not exist and the broker creates topics (auto.create.topics.enable)
    topic: String,
    /// Read lines from this file instead of standard input
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// What divides key and value of a line; without it a line is a value
    #[arg(long, short, value_name = "TEXT")]
    key_separator: Option<String>,
    /// An empty value is null, which deletes its key in a compacted topic
    #[arg(long)]
    empty_is_null: bool,
    /// A header of every record; may be repeated
    #[arg(long = "header", short = 'H', value_name = "KEY=VALUE", value_parser = pair)]
    headers: Vec<(String, String)>,
    /// The partition; without it that of the key, or one after the other
    #[arg(long, short)]
    partition: Option<i32>,
    /// Who must hold a record before it counts: all, 1 (the leader), 0 (nobody)
    #[arg(long, default_value = "all")]
    acks: Acks,
    /// none, gzip, snappy, lz4 or zstd
    #[arg(long, default_value_t = Codec::None, value_parser = |name: &str| name.parse::<Codec>())]
    compression: Codec,
    /// Number the records, so that one sent twice is stored once
    #[arg(long)]
    idempotent: bool,
    /// Bytes of a batch
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 10)]
    batch_bytes: usize,
    /// Seconds to go on trying when the broker is away or refuses for now
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Say nothing at the end
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    broker: BrokerArg,
}

/// Runs the command.
pub fn run(args: ProduceArgs) -> Result<()> {
    let acks = args.acks;
    ensure!(
        !args.idempotent || acks == Acks::All,
        "--idempotent needs --acks all, since only then is a record known to be stored"
    );
    ensure!(
        args.key_separator.as_deref() != Some(""),
        "expected a --key-separator that is not empty"
    );
    let mut cluster = Cluster::connect(&args.broker.broker)?;
    let timeout = Duration::from_secs(args.timeout);
    let topic = cluster.topic(&args.topic, true, timeout)?;
    if let Some(wanted) = args.partition {
        let known = topic.partitions.iter().any(|p| p.index == wanted);
        let last = topic.partitions.len() - 1;
        ensure!(known, "expected a partition of {} from 0 to {last}, got {wanted}", topic.name);
    }
    let sender = Sender::new(cluster, topic.clone(), acks, args.idempotent, timeout)?;
    let since = Instant::now();
    let quiet = args.quiet;
    let summary = Producer::new(args, topic, sender).run()?;
    if !quiet {
        report(&summary, acks, since.elapsed());
    }
    Ok(())
}

struct Producer {
    args: ProduceArgs,
    shape: Shape,
    topic: Topic,
    partitioner: Partitioner,
    /// The batches being filled, by partition.
    open: BTreeMap<i32, BatchBuilder>,
    sender: Sender,
}

impl Producer {
    fn new(args: ProduceArgs, topic: Topic, sender: Sender) -> Producer {
        let shape =
            Shape { key_separator: args.key_separator.clone(), empty_is_null: args.empty_is_null };
        let partitioner = Partitioner::new(topic.partitions.len());
        Producer { args, shape, topic, partitioner, open: BTreeMap::new(), sender }
    }

    fn run(mut self) -> Result<Summary> {
        if self.args.file.is_none() && io::stdin().is_terminal() && !self.args.quiet {
            eprintln!("each line is a record; Ctrl-D ends");
        }
        let (pieces, size) = lines::read(self.args.file.as_ref())?;
        let mut progress = size.map(Progress::bytes);
        let mut done = 0;
        loop {
            let piece = match pieces.try_recv() {
                Ok(piece) => piece?,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.send_all()?;
                    self.sender.settle()?;
                    match pieces.recv() {
                        Ok(piece) => piece?,
                        Err(_) => break,
                    }
                }
            };
            done += piece.len() as u64 + 1;
            for line in piece.split(|b| *b == b'\n') {
                self.take(line)?;
            }
            if let Some(progress) = &mut progress {
                progress.set(done);
            }
        }
        self.send_all()?;
        self.sender.settle()?;
        Ok(self.sender.summary)
    }

    /// Puts a line into the open batch of its partition.
    fn take(&mut self, line: &[u8]) -> Result<()> {
        let (key, value) = self.shape.cut(line);
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            self.args.headers.iter().map(|(k, v)| (k.as_bytes(), Some(v.as_bytes()))).collect();
        let chosen = || self.topic.partitions[self.partitioner.partition(key) as usize].index;
        let partition = self.args.partition.unwrap_or_else(chosen);
        let codec = self.args.compression;
        let batch = self.open.entry(partition).or_insert_with(|| BatchBuilder::new(codec));
        batch.push(now_ms()?, key, value, &headers);
        if batch.size() >= self.args.batch_bytes {
            let batch = self.open.remove(&partition).expect("it was just filled");
            self.sender.send(partition, batch)?;
            self.partitioner.turn();
        }
        Ok(())
    }

    fn send_all(&mut self) -> Result<()> {
        for (partition, batch) in std::mem::take(&mut self.open) {
            self.sender.send(partition, batch)?;
            self.partitioner.turn();
        }
        Ok(())
    }
}

fn report(summary: &Summary, acks: Acks, took: Duration) {
    let what = format!("{} ({})", count(summary.records, "record"), size(summary.bytes));
    let verb = if acks == Acks::None { "sent, nobody confirmed them" } else { "stored" };
    eprintln!("{what} {verb} in {:.2} s", took.as_secs_f64());
    for (partition, (first, last)) in &summary.offsets {
        eprintln!("  partition {partition}: offsets {first} to {last}");
    }
}

fn now_ms() -> Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(since.as_millis() as i64)
}
