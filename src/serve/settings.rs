//! What the broker is started with: the file's keys, then those of `--set`, then the other options.
//!
//! A key in the file is written as in Kafka (`log.retention.ms = 60000`). TOML reads the dots as tables, which
//! are flattened here, so `[log.retention]` with `ms = 60000` is the same. Where one key is the beginning of
//! another (`log.flush`), TOML wants the shorter one in quotes.

use super::ServeArgs;
use crate::client::Address;
use anyhow::{Context, Result, anyhow, bail};
use sordini_core::config::broker::{BrokerConfig, GivenError, address};
use sordini_core::config::table;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the broker listens if nobody says so.
const LISTEN: &str = "127.0.0.1:9092";
/// Where the data goes if nobody says so.
const DATA: &str = "sordini-data";

/// What was given, by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    given: BTreeMap<String, String>,
    /// The configuration file, and the keys that no option overrides.
    file: Option<(PathBuf, BTreeSet<String>)>,
    /// Where to listen; port 0 for any.
    pub listen: Address,
    /// The data directory.
    pub data: PathBuf,
}

impl Settings {
    /// Reads the file, if any, and lays the options over it.
    pub fn gather(args: &ServeArgs) -> Result<Settings> {
        let mut given = match &args.config {
            Some(path) => from_file(path)?,
            None => BTreeMap::new(),
        };
        let set: BTreeSet<&str> = args.set.iter().map(|(key, _)| key.trim()).collect();
        let in_file = given.keys().filter(|key| !set.contains(key.as_str())).cloned().collect();
        let file = args.config.clone().map(|path| (path, in_file));
        given.extend(args.set.iter().map(|(k, v)| (k.trim().into(), v.trim().into())));
        if let Some(advertise) = &args.advertise {
            given.insert("advertised.listeners".into(), format!("PLAINTEXT://{advertise}"));
        }
        let listen = match (&args.listen, given.get("listeners")) {
            (Some(listen), _) => listen.clone(),
            (None, Some(listeners)) => {
                let (host, port) =
                    address("listeners", listeners).map_err(|e| refused(e, &file))?;
                let host = if host.is_empty() { "0.0.0.0".into() } else { host };
                Address { host, port }
            }
            (None, None) => LISTEN.parse().expect("it is an address"),
        };
        let dir = given.get("log.dirs").or(given.get("log.dir"));
        let data = args.data.clone().or(dir.map(PathBuf::from)).unwrap_or(DATA.into());
        Ok(Settings { given, file, listen, data })
    }

    /// Checks every key and value. `bound` is where the broker listens by now.
    pub fn check(mut self, bound: SocketAddr) -> Result<BrokerConfig> {
        // The port may be another than was asked for, if any was.
        self.given.insert("listeners".into(), format!("PLAINTEXT://{bound}"));
        self.given.remove("log.dir");
        self.given.insert("log.dirs".into(), self.data.display().to_string());
        BrokerConfig::new(self.given).map_err(|error| refused(error, &self.file))
    }

    /// Whether clients are told an address on purpose.
    pub fn is_advertised(&self) -> bool {
        self.given.contains_key("advertised.listeners")
    }
}

/// A key or value that is none: where it stands, and what to do.
fn refused(error: GivenError, file: &Option<(PathBuf, BTreeSet<String>)>) -> anyhow::Error {
    let key = error.key();
    let default = table::broker(key).and_then(|row| row.default).filter(|text| !text.is_empty());
    let remedy = match (&error, default) {
        (GivenError::Value(_), Some(default)) => {
            format!("; correct it, or leave it out for the default {default}")
        }
        (GivenError::Value(_), None) => "; correct it, or leave it out".to_owned(),
        (GivenError::Unknown { near: None, .. }, _) => "; leave it out".to_owned(),
        _ => String::new(),
    };
    match file.as_ref().filter(|(_, keys)| keys.contains(key)) {
        Some((path, _)) => anyhow!("in the configuration file {}: {error}{remedy}", path.display()),
        None => anyhow!("{error}{remedy}"),
    }
}

fn from_file(path: &Path) -> Result<BTreeMap<String, String>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read the configuration file {shown}; give a readable file or leave --config out"
        )
    })?;
    parse(&text).with_context(|| format!("in the configuration file {shown}"))
}

fn parse(text: &str) -> Result<BTreeMap<String, String>> {
    let table: toml::Table = text.parse().context(
        "expected TOML, KEY = VALUE a line with text in quotes; where one key is the beginning of another, \
         quote the shorter one",
    )?;
    let mut given = BTreeMap::new();
    flatten("", &table, &mut given)?;
    Ok(given)
}

fn flatten(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) -> Result<()> {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        let text = match value {
            toml::Value::Table(inner) => {
                flatten(&format!("{key}."), inner, into)?;
                continue;
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                value.to_string()
            }
            toml::Value::Array(values) => {
                let words = values.iter().map(toml::Value::as_str).collect::<Option<Vec<_>>>();
                words.with_context(|| format!("{key}: expected a list of texts"))?.join(",")
            }
            toml::Value::Datetime(_) => bail!("{key} = {value}: expected text, a number or a flag"),
        };
        into.insert(key, text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn gathered(words: &[&str]) -> Result<Settings> {
        let words = std::iter::once("serve").chain(words.iter().copied());
        Settings::gather(&Line::parse_from(words).args)
    }

    #[test]
    fn a_file_holds_kafkas_keys_in_either_of_tomls_ways() {
        let text = r#"
            num.partitions = 3
            "log.flush" = "relaxed"
            auto.create.topics.enable = false
            log.cleanup.policy = ["compact", "delete"]
            [log.retention]
            ms = 60000
        "#;
        let keys = parse(text).unwrap();
        let got: Vec<_> = keys.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [
            ("auto.create.topics.enable", "false"),
            ("log.cleanup.policy", "compact,delete"),
            ("log.flush", "relaxed"),
            ("log.retention.ms", "60000"),
            ("num.partitions", "3"),
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn options_win_over_keys_and_keys_over_defaults() {
        let plain = gathered(&[]).unwrap();
        assert_eq!(
            (plain.listen.to_string().as_str(), plain.data.as_path()),
            (LISTEN, Path::new(DATA))
        );
        let keys = ["--set", "listeners=PLAINTEXT://:7000", "--set", "log.dirs=/d"];
        let set = gathered(&keys).unwrap();
        assert_eq!(set.listen.to_string(), "0.0.0.0:7000");
        assert_eq!(set.data, Path::new("/d"));
        let both = gathered(&[&keys[..], &["--listen", "h:1", "--data", "/e"]].concat()).unwrap();
        assert_eq!(both.listen.to_string(), "h:1");
        assert_eq!(both.data, Path::new("/e"));
    }

    #[test]
    fn clients_are_told_what_is_advertised_else_what_is_bound() {
        let told = |words: &[&str]| {
            let config = gathered(words).unwrap().check("127.0.0.1:4711".parse().unwrap()).unwrap();
            format!("{}:{}", config.advertised_host, config.advertised_port)
        };
        assert_eq!(told(&["--listen", "127.0.0.1:0"]), "127.0.0.1:4711");
        assert_eq!(told(&["--advertise", "broker.example:1"]), "broker.example:1");
        assert_eq!(told(&["--set", "advertised.listeners=PLAINTEXT://b:2"]), "b:2");
    }

    #[test]
    fn a_key_that_nobody_knows_is_refused_with_its_neighbour() {
        let bound = "127.0.0.1:1".parse().unwrap();
        let error = gathered(&["--set", "num.partition=3"]).unwrap().check(bound).unwrap_err();
        assert!(error.to_string().contains("did you mean num.partitions?"), "{error}");
    }
}
