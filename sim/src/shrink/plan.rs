//! A run as an explicit schedule: every client, every operation that it begins and every blow of a fault by itself, so that
//! each can be left out.
//!
//! A plan is written as a scenario and read back by the same reader as any other. Numbers of streams stay with whom they
//! belong to: what is left draws what it drew before.

use crate::chance::{Chance, Purpose, Who};
use crate::heap::Nanos;
use crate::scenario::{Scenario, show};
use std::fmt::Write;
use toml::{Table, Value};

/// A run as an explicit schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Length of the safety phase.
    pub span: Nanos,
    /// Everything else that is neither a client nor a blow.
    pub frame: Table,
    /// The clients.
    pub clients: Vec<Client>,
    /// The blows.
    pub blows: Vec<Blow>,
}

/// A client.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Its number in all streams of chance.
    pub stream: u32,
    /// The numbers of the operations that it begins.
    pub operations: Vec<u32>,
    /// When operations are due: by number, as long as the plan that was made first.
    pub due: Vec<Nanos>,
    /// Everything else that its load was given.
    pub params: Table,
}

/// A blow of a fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Blow {
    /// What scenarios call the fault.
    pub kind: String,
    /// Its stream of chance.
    pub stream: u32,
    /// Whom it meets.
    pub node: u32,
    /// When.
    pub at: Nanos,
    /// For how long.
    pub lasts: Nanos,
    /// Everything else that the fault was given.
    pub params: Table,
}

impl Client {
    /// What scenarios call its load.
    pub fn load(&self) -> &str {
        self.params.get("kind").and_then(Value::as_str).unwrap_or_default()
    }
}

impl Plan {
    /// What `scenario` does with `seed`.
    pub fn of(scenario: &Scenario, seed: u64) -> Plan {
        let mut frame: Table = scenario.text.parse().expect("it was read before");
        let loads = rows(frame.remove("load"));
        let faults = rows(frame.remove("fault"));
        for key in ["title", "seed", "seeds", "span"] {
            frame.remove(key);
        }
        let mut clients = Vec::new();
        for (spec, params) in scenario.loads.iter().zip(loads) {
            for stream in spec.stream..spec.stream + spec.clients {
                let due = due(seed, stream, spec.interval, scenario.span);
                let operations = (0..due.len() as u32).filter(|n| spec.wants(*n)).collect();
                let params = without(&params, &["clients", "stream", "only", "operations"]);
                clients.push(Client { stream, operations, due, params });
            }
        }
        let mut blows = Vec::new();
        for (n, (spec, params)) in scenario.faults.iter().zip(faults).enumerate() {
            let params = without(&params, &["kind", "stream", "where", "when", "mend", "times"]);
            blows.extend(spec.strikes(seed, n, scenario.nodes).into_iter().map(|strike| Blow {
                kind: spec.name().to_owned(),
                stream: strike.stream,
                node: strike.node,
                at: strike.at,
                lasts: strike.lasts,
                params: params.clone(),
            }));
        }
        Plan { seed, span: scenario.span, frame, clients, blows }
    }

    /// How many operations there are.
    pub fn operations(&self) -> usize {
        self.clients.iter().map(|c| c.operations.len()).sum()
    }

    /// As a scenario.
    pub fn text(&self, title: &str) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "title = {}", Value::from(title));
        let _ = writeln!(out, "seed = {}", self.seed);
        let _ = writeln!(out, "span = \"{}\"", show(self.span));
        let is_table = |value: &Value| value.is_table() || is_rows(value);
        for (name, value) in self.frame.iter().filter(|(_, v)| !is_table(v)) {
            pair(&mut out, name, value);
        }
        for (name, value) in self.frame.iter().filter(|(_, v)| is_table(v)) {
            let tables = rows(Some(value.clone()));
            let is_one = value.is_table();
            for table in &tables {
                let _ = writeln!(
                    out,
                    "{}",
                    if is_one { format!("[{name}]") } else { format!("[[{name}]]") }
                );
                table.iter().for_each(|(name, value)| pair(&mut out, name, value));
            }
        }
        for client in &self.clients {
            let _ = writeln!(out, "[[load]]");
            pair(&mut out, "kind", &client.params["kind"]);
            let _ = writeln!(out, "stream = {}\nonly = {:?}", client.stream, client.operations);
            let rest = client.params.iter().filter(|(name, _)| *name != "kind");
            rest.for_each(|(name, value)| pair(&mut out, name, value));
        }
        for blow in &self.blows {
            let (when, mend) = (show(blow.at), show(blow.lasts));
            let _ = writeln!(out, "[[fault]]\nkind = \"{}\"\nstream = {}", blow.kind, blow.stream);
            let _ = writeln!(
                out,
                "where = \"node {}\"\nwhen = \"{when}\"\nmend = \"{mend}\"",
                blow.node
            );
            blow.params.iter().for_each(|(name, value)| pair(&mut out, name, value));
        }
        out
    }
}

/// When the operations of a client are due, up to the end of the safety phase.
fn due(seed: u64, stream: u32, interval: Nanos, span: Nanos) -> Vec<Nanos> {
    let mut arrivals = Chance::of(seed, Who::Client(stream), Purpose::Arrivals);
    let next = |at: &Nanos| Some(at + arrivals.exponential(interval));
    let mut all = Vec::new();
    let mut next = next;
    let mut at = next(&0);
    while let Some(due) = at.filter(|due| *due <= span) {
        all.push(due);
        at = next(&due);
    }
    all
}

/// The tables of `[[name]]`, or the one of `[name]`.
fn rows(value: Option<Value>) -> Vec<Table> {
    match value {
        Some(Value::Array(list)) => {
            list.into_iter().filter_map(|v| v.as_table().cloned()).collect()
        }
        Some(Value::Table(table)) => vec![table],
        _ => Vec::new(),
    }
}

fn is_rows(value: &Value) -> bool {
    value.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(Value::is_table))
}

fn without(table: &Table, keys: &[&str]) -> Table {
    let rest = table.iter().filter(|(key, _)| !keys.contains(&key.as_str()));
    rest.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn pair(out: &mut String, key: &str, value: &Value) {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match key.chars().all(bare) {
        true => writeln!(out, "{key} = {value}"),
        false => writeln!(out, "{} = {value}", Value::from(key)),
    }
    .expect("text takes everything");
}
