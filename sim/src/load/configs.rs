//! Administrators who change how a topic behaves while others use it: single settings and all at once, set, reset and looked at.
//!
//! Each key of the broker's table knows the value that hurts; a few have more of them. What was asked for goes into the ledger with
//! its beginning and end, and from there into what others expect: when records may go, whose clock dates them, what is too large.
//! Who looks must see a value that can hold.
//!
//! Parameters: `keys` ("all"), the names of keys that are changed, separated by spaces.

use super::single::Single;
use super::{Ask, Asked, Desk, Load, Outcome, Row, wire};
use crate::chance::Chance;
use crate::failure::Failure;
use crate::ledger::configs::Value;
use crate::scenario::{BadInput, Params};
use sordini_core::config::table;
use sordini_wire::message::Message;
use sordini_wire::message::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResponse, AlterableConfig,
};
use sordini_wire::message::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse,
};
use sordini_wire::message::incremental_alter_configs::{
    AlterConfigsResource as Resource, AlterableConfig as Alteration,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use sordini_wire::primitive::{Reader, Str};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "configs",
    about: "a topic's settings are changed to values that hurt, reset and looked at",
    make,
    draw,
};

/// Kafka's number for topics among resources.
const TOPIC: i8 = 2;
/// DescribeConfigs says so of a value that was set on the topic itself.
const SET_ON_TOPIC: i8 = 1;

/// Values besides the one that the table calls nasty.
const MORE: &[(&str, &[&str])] = &[
    ("compression.type", &["lz4", "uncompressed", "producer", "gzip"]),
    ("max.message.bytes", &["150", "300", "1000"]),
    ("message.timestamp.before.max.ms", &["1000", "100000"]),
    ("retention.bytes", &["3000", "30000", "-1"]),
    ("retention.ms", &["1000", "3000", "-1"]),
    ("segment.index.bytes", &["120"]),
    ("segment.ms", &["100", "1000"]),
];

#[derive(Clone, Debug)]
struct Configs {
    keys: Arc<[&'static str]>,
    at_hand: Single<(&'static str, Act), Changes>,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// This key.
    Set(Value),
    /// This key, and every other is reset.
    SetAlone(Value),
    Describe,
}

/// The changes that a request asks for: key, and number in the ledger.
type Changes = Vec<(&'static str, u64)>;

/// Every key that can be changed here.
fn all() -> impl Iterator<Item = &'static str> {
    let hurts = |row: &&table::Row| !row.nasty.is_empty();
    table::TOPIC.iter().filter(hurts).map(|row| row.name)
}

fn make(params: &mut Params<'_>) -> Result<Arc<dyn Load>, BadInput> {
    let names = params.text("keys")?.unwrap_or_else(|| "all".to_owned());
    let find = |name: &str| all().find(|key| *key == name);
    let keys: Option<Vec<&str>> = match names.as_str() {
        "all" => Some(all().collect()),
        names => names.split_whitespace().map(find).collect(),
    };
    let keys = keys.filter(|keys| !keys.is_empty());
    let keys = keys.ok_or_else(|| {
        let known: Vec<&str> = all().collect();
        let known = known.join(" ");
        params.bad(format_args!("keys: expected \"all\" or some of {known}; came \"{names}\""))
    })?;
    Ok(Arc::new(Configs { keys: keys.into(), at_hand: Single::default() }))
}

fn draw(chance: &mut Chance) -> String {
    let all: Vec<&str> = all().collect();
    let some = (0..1 + chance.below(5)).map(|_| *chance.pick(&all)).collect::<Vec<_>>().join(" ");
    let keys = if chance.odds(1, 3) { "all".to_owned() } else { some };
    format!("keys = \"{keys}\"\n")
}

impl Load for Configs {
    fn fork(&self) -> Box<dyn Load> {
        Box::new(self.clone())
    }

    fn sample(&mut self, desk: &mut Desk<'_>) {
        if !self.at_hand.begins(desk) {
            return;
        }
        let key = *desk.chance.pick(&self.keys);
        let nasty = table::topic(key).expect("a key of the table").nasty;
        let more = MORE.iter().find(|(name, _)| *name == key).map_or(&[][..], |(_, more)| more);
        let value = match desk.chance.index(more.len() + 1) {
            0 => nasty,
            n => more[n - 1],
        };
        let act = match desk.chance.below(8) {
            0..=2 => Act::Set(Some(value)),
            3 | 4 => Act::Set(None),
            5 => Act::SetAlone(Some(value).filter(|_| desk.chance.odds(1, 2))),
            _ => Act::Describe,
        };
        self.at_hand.want((key, act));
    }

    fn send(&mut self, desk: &mut Desk<'_>) -> Option<Ask> {
        let (key, act) = self.at_hand.due()?;
        let resource_name = Str::from(desk.ledger.topics[usize::from(desk.topic.0)].name.as_str());
        let (now, topic) = (desk.wall_ms, desk.topic);
        let mut change = |key, value| (key, desk.ledger.configs.ask((topic, key), value, now));
        let mut changes = Vec::new();
        let ask = match act {
            Act::Set(value) => {
                changes.push(change(key, value));
                let config = Alteration {
                    name: Str::from(key),
                    config_operation: if value.is_some() { 0 } else { 1 },
                    value: value.map(Str::from),
                    ..Default::default()
                };
                let resource = Resource {
                    resource_type: TOPIC,
                    resource_name,
                    configs: vec![config],
                    ..Default::default()
                };
                let request = IncrementalAlterConfigsRequest {
                    resources: vec![resource],
                    ..Default::default()
                };
                let version = *desk.chance.pick(&[0, 1]);
                desk.ask(&request, version, 0)
            }
            Act::SetAlone(value) => {
                let set = |other: &str| value.filter(|_| other == key);
                changes.extend(all().map(|other| change(other, set(other))));
                let config = AlterableConfig {
                    name: Str::from(key),
                    value: value.map(Str::from),
                    ..Default::default()
                };
                let resource = AlterConfigsResource {
                    resource_type: TOPIC,
                    resource_name,
                    configs: value.map(|_| config).into_iter().collect(),
                    ..Default::default()
                };
                let request =
                    AlterConfigsRequest { resources: vec![resource], ..Default::default() };
                let version = *desk.chance.pick(&[0, 1, 2]);
                desk.ask(&request, version, 0)
            }
            Act::Describe => {
                let resource = DescribeConfigsResource {
                    resource_type: TOPIC,
                    resource_name,
                    configuration_keys: Some(vec![Str::from(key)]),
                    ..Default::default()
                };
                let request =
                    DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
                let version = *desk.chance.pick(&[1, 2, 3, 4]);
                desk.ask(&request, version, 0)
            }
        };
        self.at_hand.sent(changes);
        Some(ask)
    }

    fn classify(
        &mut self,
        desk: &mut Desk<'_>,
        asked: &Asked,
        answer: &mut Reader,
    ) -> Result<Outcome, Failure> {
        let ((key, act), sent) = self.at_hand.asked()?;
        let code = match asked.key {
            DescribeConfigsRequest::API_KEY => {
                let answer: DescribeConfigsResponse = wire::decoded(answer, asked.version)?;
                let result = answer.results.first();
                if let Some(result) = result.filter(|result| result.error_code == 0) {
                    let shown = result.configs.iter().find(|config| *config.name == *key);
                    let shown = shown
                        .ok_or_else(|| Failure::new("legal_answers", format!("no {key} shown")))?;
                    let on_topic = shown.config_source == SET_ON_TOPIC;
                    let value = shown.value.as_deref().filter(|_| on_topic);
                    right(desk, key, value, desk.asked_ms(asked))?;
                }
                result.map(|result| result.error_code)
            }
            AlterConfigsRequest::API_KEY => {
                let answer: AlterConfigsResponse = wire::decoded(answer, asked.version)?;
                answer.responses.first().map(|response| response.error_code)
            }
            _ => {
                let answer: IncrementalAlterConfigsResponse = wire::decoded(answer, asked.version)?;
                answer.responses.first().map(|response| response.error_code)
            }
        };
        let (topic, now) = (desk.topic, desk.wall_ms);
        let configs = &mut desk.ledger.configs;
        let outcome = match code {
            Some(0) => {
                let made = |(key, n): &(_, u64)| configs.made((topic, *key), *n, now);
                sent.iter().for_each(made);
                Outcome::Success
            }
            // A lag beyond the other one.
            Some(40) if key.ends_with(".compaction.lag.ms") => {
                let refused = |(key, n): &(_, u64)| configs.refused((topic, *key), *n);
                sent.iter().for_each(refused);
                Outcome::Refused(40)
            }
            Some(code @ (7 | 56)) => {
                let lost = |(key, n): &(_, u64)| configs.lost((topic, *key), *n);
                sent.iter().for_each(lost);
                Outcome::Unknown(code)
            }
            code => {
                let what = format!("{act:?} of {key} was answered {code:?}");
                return Err(Failure::new("legal_answers", what));
            }
        };
        self.at_hand.done();
        Ok(outcome)
    }

    fn lost(&mut self, desk: &mut Desk<'_>) {
        if let Some(sent) = self.at_hand.lost(desk) {
            let (topic, configs) = (desk.topic, &mut desk.ledger.configs);
            sent.iter().for_each(|(key, n)| configs.lost((topic, *key), *n));
        }
    }

    fn is_finished(&self) -> bool {
        self.at_hand.is_finished()
    }
}

/// Whether a value that was shown can have held since it was asked for; none is that the topic says nothing.
fn right(
    desk: &Desk<'_>,
    key: &'static str,
    shown: Option<&str>,
    asked_ms: i64,
) -> Result<(), Failure> {
    let row = table::topic(key).expect("a key of the table");
    let written = |value: &str| row.parse(value).map(|value| value.to_string()).ok();
    let mut within = desk.ledger.configs.within((desk.topic, key), asked_ms, desk.wall_ms);
    if within.any(|value| value.and_then(written).as_deref() == shown) {
        return Ok(());
    }
    let possible = desk.ledger.configs.within((desk.topic, key), asked_ms, desk.wall_ms);
    let what = format!(
        "{key} of topic {} is shown as {shown:?}; expected one of {:?}",
        desk.topic.0,
        possible.collect::<Vec<_>>()
    );
    Err(Failure::new("metadata_linearizable", what))
}
