//! The broker's own configuration: what it was started with, typed.

use super::table::{self, Value, ValueError};
use crate::metadata::NodeId;
use std::collections::BTreeMap;

/// What the node was started with. What is set while it runs lives in the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerConfig {
    /// What was given, as it was given, by key.
    pub given: BTreeMap<String, String>,
    /// `node.id`.
    pub node_id: NodeId,
    /// `cluster.id`, a key of ours: the id that a new data directory gets; none draws one.
    pub cluster_id: Option<String>,
    /// Host of `advertised.listeners`: where clients are told to connect.
    pub advertised_host: String,
    /// Port of `advertised.listeners`.
    pub advertised_port: u16,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// `log.dirs`: the data directory, as it is shown to people.
    pub log_dir: String,
    /// Size of the data directory's file system in bytes, if the program could find out; shown to people.
    pub disk_bytes: Option<u64>,
    /// `auto.create.topics.enable`: a client's mere mention creates a topic.
    pub auto_create_topics: bool,
    /// `delete.topic.enable`.
    pub delete_topic: bool,
    /// `num.partitions`: of a topic whose creator left it open.
    pub num_partitions: i32,
    /// `default.replication.factor`, likewise.
    pub replication_factor: i16,
    /// `socket.request.max.bytes`: largest request frame.
    pub request_bytes_max: u32,
    /// `fetch.max.bytes`: largest answer to a fetch that has more to give.
    pub fetch_bytes_max: u32,
    /// `max.incremental.fetch.session.cache.slots`: fetch sessions kept.
    pub fetch_sessions_max: u32,
    /// `max.connections`.
    pub connections_max: u32,
    /// `max.connections.per.ip`.
    pub connections_per_ip_max: u32,
    /// `connections.max.idle.ms`; none is for ever.
    pub connections_idle_ms_max: Option<u64>,
    /// `log.retention.check.interval.ms`: how often old segments are looked for.
    pub retention_check_ms: u64,
    /// `transaction.max.timeout.ms`.
    pub transaction_max_timeout_ms: i32,
    /// `max.request.partition.size.limit`: partitions in one answer of DescribeTopicPartitions.
    pub describe_partitions_max: u32,
    /// `journal.bytes`.
    pub journal_bytes: u64,
    /// `journal.file.bytes`.
    pub journal_file_bytes: u32,
}

/// What is wrong with what was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GivenError {
    /// A key that nobody knows.
    #[error("no configuration key is called {name}{}", suggestion(.near))]
    Unknown {
        /// The key.
        name: String,
        /// A key that looks like it.
        near: Option<&'static str>,
    },
    /// A value that its key does not take.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// An address that is none.
    #[error("{name}={value}: expected PLAINTEXT://HOST:PORT")]
    Address {
        /// The key.
        name: &'static str,
        /// What came.
        value: String,
    },
    /// Two data directories.
    #[error("log.dirs={0}: one data directory is used, give one")]
    Dirs(String),
}

impl GivenError {
    /// The key that it is about.
    pub fn key(&self) -> &str {
        match self {
            GivenError::Unknown { name, .. } => name,
            GivenError::Value(error) => &error.name,
            GivenError::Address { name, .. } => name,
            GivenError::Dirs(_) => "log.dirs",
        }
    }
}

fn suggestion(near: &Option<&'static str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

impl Default for BrokerConfig {
    fn default() -> BrokerConfig {
        BrokerConfig::new(BTreeMap::new()).expect("every default fits its row; a test says so")
    }
}

impl BrokerConfig {
    /// Checks what was given and types it. Where a key comes twice the caller has decided already.
    pub fn new(given: BTreeMap<String, String>) -> Result<BrokerConfig, GivenError> {
        for (name, value) in given.iter().filter(|(name, _)| *name != CLUSTER_ID) {
            let row = table::broker(name).ok_or_else(|| unknown(name))?;
            row.parse(value)?;
        }
        let value = |key: &str| {
            let row =
                table::broker(key).expect("keys here are in the table; the default takes them all");
            let text = given.get(key).map(String::as_str).or(row.default);
            text.map(|text| row.parse(text).expect("checked above, or a default"))
        };
        let number = |key: &str| match value(key) {
            Some(Value::Number(n)) => n,
            other => panic!("{key} has a number in the table, not {other:?}"),
        };
        let flag = |key: &str| value(key) == Some(Value::Boolean(true));
        let text = |key: &str| value(key).map(|v| v.to_string()).filter(|t| !t.is_empty());
        let small = |key: &str| u32::try_from(number(key)).unwrap_or(0);
        let node = match number("broker.id") {
            id if id >= 0 && !given.contains_key("node.id") => id,
            _ => number("node.id"),
        };
        let (host, port) = advertised(text("advertised.listeners"), text("listeners"))?;
        Ok(BrokerConfig {
            node_id: NodeId(i32::try_from(node).expect("the row is an INT")),
            cluster_id: cluster_id(&given)?,
            advertised_host: host,
            advertised_port: port,
            rack: text("broker.rack"),
            log_dir: dir(text("log.dirs").or(text("log.dir")))?,
            disk_bytes: None,
            auto_create_topics: flag("auto.create.topics.enable"),
            delete_topic: flag("delete.topic.enable"),
            num_partitions: number("num.partitions") as i32,
            replication_factor: i16::try_from(number("default.replication.factor"))
                .unwrap_or(i16::MAX),
            request_bytes_max: small("socket.request.max.bytes"),
            fetch_bytes_max: small("fetch.max.bytes"),
            fetch_sessions_max: small("max.incremental.fetch.session.cache.slots"),
            connections_max: small("max.connections"),
            connections_per_ip_max: small("max.connections.per.ip"),
            connections_idle_ms_max: u64::try_from(number("connections.max.idle.ms")).ok(),
            retention_check_ms: number("log.retention.check.interval.ms") as u64,
            transaction_max_timeout_ms: number("transaction.max.timeout.ms") as i32,
            describe_partitions_max: small("max.request.partition.size.limit"),
            journal_bytes: number("journal.bytes") as u64,
            journal_file_bytes: small("journal.file.bytes"),
            given,
        })
    }

    /// The given keys from which nothing follows here; the program tells its operator.
    pub fn inert(&self) -> impl Iterator<Item = &str> {
        let obeyed = |key: &str| key == CLUSTER_ID || table::obeyed(key);
        self.given.keys().map(String::as_str).filter(move |key| !obeyed(key))
    }
}

const CLUSTER_ID: &str = "cluster.id";

fn cluster_id(given: &BTreeMap<String, String>) -> Result<Option<String>, ValueError> {
    let Some(id) = given.get(CLUSTER_ID) else { return Ok(None) };
    if (1..=255).contains(&id.len()) {
        return Ok(Some(id.clone()));
    }
    let why = "expected 1 to 255 bytes of text".into();
    Err(ValueError { name: CLUSTER_ID.into(), value: id.clone(), why })
}

fn unknown(name: &str) -> GivenError {
    let near = table::BROKER.iter().map(|row| row.name).min_by_key(|known| distance(name, known));
    let near = near.filter(|known| distance(name, known) <= name.len() / 3);
    GivenError::Unknown { name: name.to_owned(), near }
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let cost = if x == y { diagonal } else { diagonal + 1 };
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Host and port that clients are told: those advertised, else those listened on, else this machine's.
fn advertised(
    advertised: Option<String>,
    listeners: Option<String>,
) -> Result<(String, u16), GivenError> {
    let (name, value) = match (advertised, listeners) {
        (Some(value), _) => ("advertised.listeners", value),
        (None, Some(value)) => ("listeners", value),
        (None, None) => return Ok((LOCAL.to_owned(), PORT)),
    };
    let (host, port) = address(name, &value)?;
    let anywhere = matches!(host.as_str(), "" | "0.0.0.0" | "::");
    Ok((if anywhere { LOCAL.to_owned() } else { host }, port))
}

const LOCAL: &str = "127.0.0.1";
const PORT: u16 = 9092;

/// The parts of `PLAINTEXT://host:port`; the host may be empty or an IPv6 address in brackets.
pub fn address(name: &'static str, value: &str) -> Result<(String, u16), GivenError> {
    let wrong = || GivenError::Address { name, value: value.to_owned() };
    let rest = value.trim().strip_prefix("PLAINTEXT://").ok_or_else(wrong)?;
    let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    if host.contains([',', '/', ' ']) {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

fn dir(dirs: Option<String>) -> Result<String, GivenError> {
    let dirs = dirs.unwrap_or_else(|| "sordini-data".into());
    if dirs.contains(',') { Err(GivenError::Dirs(dirs)) } else { Ok(dirs) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> Result<BrokerConfig, GivenError> {
        let pair = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        BrokerConfig::new(pairs.iter().map(pair).collect())
    }

    #[track_caller]
    fn refused(pairs: &[(&str, &str)], words: &str) {
        assert_eq!(config(pairs).unwrap_err().to_string(), words);
    }

    #[test]
    fn a_misspelt_key_is_told_which_one_was_meant() {
        refused(
            &[("num.partition", "3")],
            "no configuration key is called num.partition; did you mean num.partitions?",
        );
        refused(&[("xyzzy", "3")], "no configuration key is called xyzzy");
    }

    #[test]
    fn a_wrong_value_is_refused_before_anything_starts() {
        refused(
            &[("num.partitions", "0")],
            "Invalid value 0 for configuration num.partitions: Value must be at least 1",
        );
        refused(
            &[("advertised.listeners", "localhost:9092")],
            "advertised.listeners=localhost:9092: expected PLAINTEXT://HOST:PORT",
        );
        refused(&[("log.dirs", "/a,/b")], "log.dirs=/a,/b: one data directory is used, give one");
    }

    #[test]
    fn clients_are_told_an_address_that_they_can_reach() {
        let told = |pairs: &[(&str, &str)]| {
            let config = config(pairs).unwrap();
            (config.advertised_host, config.advertised_port)
        };
        let at = |host: &str, port| (host.to_owned(), port);
        assert_eq!(told(&[]), at("127.0.0.1", 9092));
        assert_eq!(told(&[("listeners", "PLAINTEXT://0.0.0.0:7000")]), at("127.0.0.1", 7000));
        assert_eq!(told(&[("listeners", "PLAINTEXT://[::1]:7000")]), at("::1", 7000));
        let both = [
            ("listeners", "PLAINTEXT://:7000"),
            ("advertised.listeners", "PLAINTEXT://kafka.example:9999"),
        ];
        assert_eq!(told(&both), at("kafka.example", 9999));
    }

    #[test]
    fn kafkas_keys_without_meaning_here_are_taken_and_named() {
        let config = config(&[("num.network.threads", "8"), ("num.partitions", "2")]).unwrap();
        assert_eq!(config.inert().collect::<Vec<_>>(), ["num.network.threads"]);
        assert_eq!(config.num_partitions, 2);
    }

    #[test]
    fn the_old_name_of_the_node_counts_where_the_new_one_is_not_given() {
        let node = |pairs: &[(&str, &str)]| config(pairs).unwrap().node_id.0;
        assert_eq!(node(&[]), 1);
        assert_eq!(node(&[("broker.id", "7")]), 7);
        assert_eq!(node(&[("broker.id", "7"), ("node.id", "8")]), 8);
    }
}
