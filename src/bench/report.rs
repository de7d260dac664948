//! What a load came to, as a table or as JSON.

use super::engine::Outcome;
use super::{BenchArgs, Load, Row};
use crate::cpu;
use crate::output::{count, print, size, table};
use anyhow::Result;
use clap::ValueEnum;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::Duration;

/// CPU time and memory of the broker, if it is on this machine.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    pid: Option<u32>,
    from: Option<Duration>,
    /// CPU time while answers were counted.
    pub cpu: Option<Duration>,
    /// Memory in the end, bytes.
    pub resident: Option<u64>,
}

impl Usage {
    /// Of the broker that the arguments name.
    pub fn of(args: &BenchArgs) -> Usage {
        let broker = &args.broker.broker;
        let found = || cpu::is_local(&broker.host).then(|| cpu::listener(broker.port)).flatten();
        Usage { pid: args.pid.or_else(found), ..Usage::default() }
    }

    /// Counting begins.
    pub fn begin(&mut self) {
        self.from = self.pid.and_then(cpu::used);
    }

    /// Counting is over.
    pub fn end(&mut self) {
        let to = self.pid.and_then(cpu::used);
        self.cpu = self.from.zip(to).map(|(from, to)| to.saturating_sub(from));
        self.resident = self.pid.and_then(cpu::resident);
    }
}

/// What the machine can do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Floor {
    /// One append and its sync, median, us.
    pub sync_us: Option<f64>,
    /// Requests a second that as many writers, each a thread, commit together.
    pub group_rate: Option<f64>,
    /// Requests a second if one write and sync, over and over, carried all that are under way.
    pub synced_rate: Option<f64>,
    /// Requests a second over the bare loopback.
    pub exchange_rate: Option<f64>,
    /// One of them, median, us.
    pub exchange_us: Option<f64>,
    /// Bytes a second by sendfile.
    pub sendfile: Option<f64>,
    /// Whether the disk was measured past the page cache.
    pub direct: bool,
}

impl Floor {
    /// Between two measurements.
    pub fn mean(self, other: Floor) -> Floor {
        let mean = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| (a + b) / 2.0);
        Floor {
            sync_us: mean(self.sync_us, other.sync_us),
            group_rate: mean(self.group_rate, other.group_rate),
            synced_rate: mean(self.synced_rate, other.synced_rate),
            exchange_rate: mean(self.exchange_rate, other.exchange_rate),
            exchange_us: mean(self.exchange_us, other.exchange_us),
            sendfile: mean(self.sendfile, other.sendfile),
            direct: self.direct && other.direct,
        }
    }
}

/// Everything there is to say.
pub struct Report<'a> {
    /// The load.
    pub load: Load,
    /// Its values.
    pub row: Row,
    /// The command line.
    pub args: &'a BenchArgs,
    /// What came of it.
    pub outcome: Outcome,
    /// What it cost the broker.
    pub usage: Usage,
    /// What was possible.
    pub floor: Option<Floor>,
}

const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

impl Report<'_> {
    /// Prints it.
    pub fn print(&self) -> Result<()> {
        let text = match self.args.json {
            true => format!("{}\n", serde_json::to_string_pretty(&self.json())?),
            false => self.text(),
        };
        Ok(print(&text)?)
    }

    fn name(&self) -> String {
        self.load.to_possible_value().expect("no load is hidden").get_name().to_owned()
    }

    fn per_second(&self, amount: u64) -> f64 {
        amount as f64 / self.outcome.took.as_secs_f64()
    }

    /// What was really sent with each request, its headers too.
    fn batch_bytes(&self) -> Option<u64> {
        let is_sent = self.load != Load::Consume;
        is_sent.then(|| self.outcome.worth.bytes.checked_div(self.outcome.requests)).flatten()
    }

    fn cpu_us(&self) -> Option<f64> {
        let cpu = self.usage.cpu?;
        Some(cpu.as_secs_f64() * 1e6 / self.outcome.requests.max(1) as f64)
    }

    /// Latencies of a closed loop are shown as they were, and corrected for coordinated omission.
    fn corrected(&self) -> Option<Histogram<u64>> {
        self.args.rate.is_none().then(|| self.outcome.corrected())
    }

    /// The load against what was possible: a label, the limit, and the load's share of it.
    fn ratios(&self) -> Vec<(String, String, String)> {
        let Some(floor) = self.floor else { return Vec::new() };
        let p50 = us(&self.outcome.latency, 0.5);
        let rate = self.outcome.rate();
        let mut rows = Vec::new();
        let cached = if floor.direct { "" } else { " (through the page cache)" };
        if let (Some(sync), Some(exchange)) = (floor.sync_us, floor.exchange_us) {
            rows.push((
                format!("bare sync{cached} + bare exchange, p50"),
                format!("{sync:.0} + {exchange:.0} us"),
                format!("{:+.0} us", p50 - sync - exchange),
            ));
        }
        let share = |limit: f64, ours: f64| format!("{:.0} %", 100.0 * ours / limit);
        if let Some(limit) = floor.exchange_rate {
            let label = "bare tokio exchange, same sizes".to_owned();
            rows.push((label, format!("{limit:.0} requests/s"), share(limit, rate)));
        }
        let writers = count((self.row.connections * self.args.in_flight) as u64, "writer");
        let commits = [
            (floor.group_rate, format!("bare group commit{cached}, {writers}")),
            (floor.synced_rate, format!("bare synced writes{cached}, each for {writers}")),
        ];
        for (limit, label) in commits {
            let Some(limit) = limit else { continue };
            let bytes = size((limit * self.row.request_bytes as f64) as u64);
            rows.push((label, format!("{limit:.0} requests/s, {bytes}/s"), share(limit, rate)));
        }
        if let Some(limit) = floor.sendfile {
            rows.push((
                "bare sendfile from the page cache".to_owned(),
                format!("{}/s", size(limit as u64)),
                share(limit, self.per_second(self.outcome.worth.bytes)),
            ));
        }
        rows
    }

    fn text(&self) -> String {
        let (row, outcome) = (&self.row, &self.outcome);
        let loop_kind = match self.args.rate {
            Some(rate) => format!("open loop at {rate} requests/s"),
            None => format!("closed loop, {} under way each", self.args.in_flight),
        };
        let mut text = format!(
            "{}: {}, {} requests of {} records, {}, acks {}, {loop_kind}, {:.1} s\n\n",
            self.name(),
            count(row.connections as u64, "connection"),
            size(self.batch_bytes().unwrap_or(row.request_bytes as u64)),
            size(row.record_bytes as u64),
            count(row.partitions as u64 * self.args.topics as u64, "partition"),
            self.args.acks,
            outcome.took.as_secs_f64(),
        );
        let mut rows = vec![
            vec!["requests/s".to_owned(), format!("{:.0}", outcome.rate())],
            vec!["records/s".to_owned(), format!("{:.0}", self.per_second(outcome.worth.records))],
            vec!["bytes/s".to_owned(), size(self.per_second(outcome.worth.bytes) as u64)],
        ];
        if let Some(cpu) = self.cpu_us() {
            rows.push(vec!["broker's CPU a request".to_owned(), format!("{cpu:.1} us")]);
        }
        if let Some(bytes) = self.usage.resident {
            rows.push(vec!["broker's memory".to_owned(), size(bytes)]);
        }
        text += &table(&["", "measured"], &rows);
        text += "\n";
        text += &self.latencies();
        let ratios = self.ratios();
        if !ratios.is_empty() {
            let rows: Vec<Vec<String>> =
                ratios.into_iter().map(|(a, b, c)| vec![a, b, c]).collect();
            text += "\n";
            text += &table(&["limit of this machine", "", "the broker"], &rows);
        }
        text
    }

    fn latencies(&self) -> String {
        let corrected = self.corrected();
        let mut headings = vec!["latency"];
        headings.extend(QUANTILES.iter().map(|(name, _)| *name));
        let line = |label: &str, histogram: &Histogram<u64>| {
            let values = QUANTILES.iter().map(|(_, q)| duration(us(histogram, *q)));
            std::iter::once(label.to_owned()).chain(values).collect::<Vec<_>>()
        };
        let first = if corrected.is_some() { "as it was" } else { "from when due" };
        let mut rows = vec![line(first, &self.outcome.latency)];
        if let Some(corrected) = &corrected {
            rows.push(line("corrected for omission", corrected));
        }
        table(&headings, &rows)
    }

    fn json(&self) -> Value {
        let quantiles = |histogram: &Histogram<u64>| -> Value {
            let pairs = QUANTILES.iter().map(|(n, q)| (n.to_string(), json!(us(histogram, *q))));
            Value::Object(pairs.collect())
        };
        let floor = self.floor.unwrap_or_default();
        json!({
            "load": self.name(),
            "connections": self.row.connections,
            "request_bytes": self.row.request_bytes,
            "batch_bytes": self.batch_bytes(),
            "record_bytes": self.row.record_bytes,
            "partitions": self.row.partitions as usize * self.args.topics,
            "acks": self.args.acks.to_string(),
            "rate": self.args.rate,
            "in_flight": self.args.in_flight,
            "seconds": self.outcome.took.as_secs_f64(),
            "requests": self.outcome.requests,
            "requests_per_second": self.outcome.rate(),
            "records_per_second": self.per_second(self.outcome.worth.records),
            "bytes_per_second": self.per_second(self.outcome.worth.bytes),
            "latency_us": quantiles(&self.outcome.latency),
            "latency_corrected_us": self.corrected().map(|c| quantiles(&c)),
            "broker_cpu_us_per_request": self.cpu_us(),
            "broker_resident_bytes": self.usage.resident,
            "limits": self.floor.map(|_| json!({
                "sync_us_p50": floor.sync_us,
                "group_commit_requests_per_second": floor.group_rate,
                "synced_write_requests_per_second": floor.synced_rate,
                "exchange_requests_per_second": floor.exchange_rate,
                "exchange_us_p50": floor.exchange_us,
                "sendfile_bytes_per_second": floor.sendfile,
                "direct": floor.direct,
            })),
        })
    }
}

fn us(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1e3
}

/// Microseconds for people.
fn duration(us: f64) -> String {
    match us {
        0.0..1000.0 => format!("{us:.0} us"),
        _ => format!("{:.2} ms", us / 1e3),
    }
}
