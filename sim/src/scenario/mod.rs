//! Scenarios: what a run is made of, as TOML that people write, a seed draws and a shrinker prints.
//!
//! A run is a scenario, a seed and a build. Everything is explicit in the text; what is given as a range is drawn from
//! the seed, by whoever it belongs to. The text stays with the scenario, so that a failure can be written down.
//!
//! ```toml
//! # Why: what this is about.   Seen: where such a thing happened.
//! title = "power fails while two clients append"
//! nodes = 1
//! seeds = 20                         # how many a plain run takes; or `seed = 7`, this one and no other
//! span  = "60s"                      # the safety phase; then all faults end and everything must converge
//! topic = { name = "t", partitions = 2 }
//! [storage]
//! size = "tiny"                      # tiny, small or default; single keys may follow
//! [broker]
//! "fetch.max.bytes" = 1024           # any of the broker's keys
//! [[load]]
//! kind = "produce"
//! rate = "50/s"
//! [[fault]]
//! kind = "power_loss"
//! when = "5s..40s"
//! times = 3
//! mend = "100ms..2s"
//! [[check]]                          # without any, all checks run
//! kind = "converged"
//! within = "30s"
//! ```

mod draw;
mod params;
mod sizes;

pub use draw::draw;
pub use params::{BadInput, Params, Source, show};

use crate::check;
use crate::fault;
use crate::heap::{Nanos, SECOND};
use crate::image::Image;
use crate::load;
use sordini_core::config::broker::BrokerConfig;
use sordini_core::limits::Limits;
use sordini_core::metadata::topics;
use sordini_log::storage::StorageConfig;
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::de::DeTable;

/// What a run is made of, but for the seed.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Where it came from.
    pub file: String,
    /// As it was read.
    pub text: String,
    /// One line.
    pub title: String,
    /// Brokers.
    pub nodes: u32,
    /// How many seeds a plain `sim run` takes.
    pub seeds: u64,
    /// The one seed that it is about, where it is about one.
    pub seed: Option<u64>,
    /// Length of the safety phase.
    pub span: Nanos,
    /// Topics: name and partitions. The first is what loads use unless they say otherwise.
    pub topics: Vec<(String, i32)>,
    /// Sizes of the storage.
    pub storage: StorageConfig,
    /// The broker's configuration.
    pub broker: BrokerConfig,
    /// Bounds of the machine.
    pub limits: Limits,
    /// How long things take.
    pub pace: Pace,
    /// What clients do.
    pub loads: Vec<load::Spec>,
    /// What goes wrong.
    pub faults: Vec<fault::Spec>,
    /// What must hold.
    pub checks: check::Wanted,
    /// What the first broker's disk holds when a run begins, if anything.
    pub image: Option<Arc<Image>>,
}

/// How long things take in a world without faults. Each is the mean of an exponential draw on top of half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A piece between client and node.
    pub net: Nanos,
    /// A journal write with its sync.
    pub sync: Nanos,
    /// Any other disk operation.
    pub disk: Nanos,
    /// From something's arrival to the turn that takes it.
    pub turn: Nanos,
    /// Bytes that may be on their way to a client at once.
    pub window: u64,
    /// One in so many pieces arrives in several.
    pub split: u64,
    /// Bytes of a disk.
    pub disk_bytes: u64,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            net: 100_000,
            sync: 120_000,
            disk: 60_000,
            turn: 10_000,
            window: 256 << 10,
            split: 5,
            disk_bytes: 1 << 40,
        }
    }
}

impl Scenario {
    /// The seeds that a plain run takes.
    pub fn all_seeds(&self) -> std::ops::Range<u64> {
        self.seed.map_or(0..self.seeds, |seed| seed..seed + 1)
    }

    /// Reads a scenario. `file` is only for errors and reports.
    pub fn parse(file: &str, text: &str) -> Result<Scenario, BadInput> {
        let source = Source { file, text };
        let parsed = DeTable::parse(text).map_err(|e| {
            source.bad(e.span().map_or(0, |s| s.start), format_args!("TOML: {}", e.message()))
        })?;
        let root = Params::new(source, "scenario", 0, parsed.get_ref());
        let scenario = Scenario::read(&root, file, text)?;
        root.finish()?;
        Ok(scenario)
    }

    fn read(root: &Params<'_>, file: &str, text: &str) -> Result<Scenario, BadInput> {
        let mut topics = Vec::new();
        for topic in root.tables("topic")? {
            let partitions = topic.number("partitions", 1..17)?.unwrap_or(1) as i32;
            let name = topic.required("name")?;
            topics::check_name(&name).map_err(|e| topic.bad_at("name", e))?;
            if topics.iter().any(|(other, _)| *other == name) {
                return Err(topic.bad_at("name", format_args!("there are two topics {name}")));
            }
            topics.push((name, partitions));
            topic.finish()?;
        }
        if topics.is_empty() {
            topics.push(("t".to_owned(), 2));
        }
        let nodes = root.number("nodes", 1..17)?.unwrap_or(1) as u32;
        let span = root.time("span")?.unwrap_or(60 * SECOND);
        if span == 0 {
            return Err(root.bad_at("span", "expected a time that is longer than 0s"));
        }
        let mut loads = Vec::new();
        for (number, mut params) in root.tables("load")?.into_iter().enumerate() {
            let spec = load::Spec::read(&mut params, number, &topics[0].0)?;
            if !topics.iter().any(|(name, _)| *name == spec.topic) {
                let names: Vec<&str> = topics.iter().map(|(name, _)| name.as_str()).collect();
                return Err(params.wrong_choice("topic", &names));
            }
            if spec.node >= nodes {
                return Err(params.bad(format_args!("expected a node below {nodes}")));
            }
            loads.push(spec);
            params.finish()?;
        }
        let mut faults = Vec::new();
        for (number, mut params) in root.tables("fault")?.into_iter().enumerate() {
            faults.push(fault::Spec::read(&mut params, number, nodes, span)?);
            params.finish()?;
        }
        Ok(Scenario {
            file: file.to_owned(),
            text: text.to_owned(),
            title: root.required("title")?,
            nodes,
            seeds: root.number("seeds", 1..1 << 32)?.unwrap_or(20),
            seed: root.number("seed", 0..u64::MAX)?,
            span,
            storage: sizes::storage(root)?,
            broker: broker(root, topics[0].1)?,
            limits: sizes::limits(root)?,
            pace: pace(root)?,
            topics,
            loads,
            faults,
            checks: check::Wanted::read(root)?,
            image: None,
        })
    }
}

fn broker(root: &Params<'_>, partitions: i32) -> Result<BrokerConfig, BadInput> {
    let mut given = BTreeMap::from([("num.partitions".to_owned(), partitions.to_string())]);
    let Some(table) = root.table("broker")? else {
        return Ok(BrokerConfig::new(given).expect("known keys"));
    };
    given.extend(table.pairs()?);
    let config = BrokerConfig::new(given).map_err(|e| table.bad_at(e.key(), &e))?;
    table.finish()?;
    Ok(config)
}

fn pace(root: &Params<'_>) -> Result<Pace, BadInput> {
    let mut pace = Pace::default();
    let Some(table) = root.table("pace")? else { return Ok(pace) };
    for (key, field) in [
        ("net", &mut pace.net),
        ("sync", &mut pace.sync),
        ("disk", &mut pace.disk),
        ("turn", &mut pace.turn),
    ] {
        *field = table.time(key)?.unwrap_or(*field);
    }
    pace.window = table.number("window", 1..1 << 40)?.unwrap_or(pace.window);
    pace.split = table.number("split", 1..1 << 20)?.unwrap_or(pace.split);
    pace.disk_bytes = table.number("disk_bytes", 1 << 16..1 << 50)?.unwrap_or(pace.disk_bytes);
    table.finish()?;
    Ok(pace)
}

#[cfg(test)]
mod tests;
