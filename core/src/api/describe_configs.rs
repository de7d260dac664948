//! DescribeConfigs (key 32, versions 1-4): what is configured, and where that comes from (KIP-133, KIP-226).
//!
//! 3: types and documentation (KIP-569). 4: flexible.
//!
//! A null or empty list of keys asks for all; unknown keys are left out. A topic shows every key that it can have; a
//! broker every key that is known; the default of all brokers only what is set on it. Refused per resource: an
//! illegal or unknown topic name, another broker, a group without a name, an unknown kind (INVALID_REQUEST).

use super::refusal::Refusal;
use crate::config::group::{self, GroupRow};
use crate::config::lookup::{Layer, Synonym};
use crate::config::table::{self, Mode, Row, Type};
use crate::metadata::draft::Admin;
use crate::metadata::settings::node_of;
use crate::metadata::topics::check_name;
use crate::metadata::{Resource, ResourceKind};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse, DescribeConfigsResult, DescribeConfigsSynonym,
};
use sordini_wire::primitive::Str;

/// The answer to a request.
pub fn answer(admin: &Admin<'_>, request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    let result = |asked: &DescribeConfigsResource| {
        let (configs, why) = match describe(admin, asked) {
            Ok(entries) => {
                let wanted = entries.into_iter().filter(|entry| wants(asked, entry.name));
                (wanted.map(|entry| entry.shape(request)).collect(), None)
            }
            Err(why) => (Vec::new(), Some(why)),
        };
        DescribeConfigsResult {
            error_code: why.as_ref().map_or(0, |why| why.code.0),
            error_message: Some(why.and_then(|why| why.text()).unwrap_or(Str::EMPTY)),
            resource_type: asked.resource_type,
            resource_name: asked.resource_name.clone(),
            configs,
            ..DescribeConfigsResult::default()
        }
    };
    let results = request.resources.iter().map(result).collect();
    DescribeConfigsResponse { results, ..DescribeConfigsResponse::default() }
}

fn wants(asked: &DescribeConfigsResource, name: &str) -> bool {
    match &asked.configuration_keys {
        Some(keys) if !keys.is_empty() => keys.iter().any(|key| *key == name),
        _ => true,
    }
}

/// A key as it is shown.
struct Entry {
    name: &'static str,
    value: Option<String>,
    kind: Type,
    read_only: bool,
    synonyms: Vec<Synonym>,
    doc: &'static str,
}

impl Entry {
    fn shape(self, request: &DescribeConfigsRequest) -> DescribeConfigsResourceResult {
        let layer = self.synonyms.first().map_or(Layer::Default, |first| first.layer);
        let synonym = |s: &Synonym| DescribeConfigsSynonym {
            name: s.name.as_str().into(),
            value: s.value.as_deref().map(Str::from),
            source: s.layer as i8,
            ..DescribeConfigsSynonym::default()
        };
        let shown = if request.include_synonyms { self.synonyms.as_slice() } else { &[] };
        DescribeConfigsResourceResult {
            name: self.name.into(),
            value: self.value.map(Str::from),
            read_only: self.read_only,
            config_source: layer as i8,
            is_sensitive: self.kind == Type::Password,
            synonyms: shown.iter().map(synonym).collect(),
            config_type: self.kind as i8,
            documentation: request.include_documentation.then(|| self.doc.into()),
            ..DescribeConfigsResourceResult::default()
        }
    }
}

fn describe(admin: &Admin<'_>, asked: &DescribeConfigsResource) -> Result<Vec<Entry>, Refusal> {
    let name = asked.resource_name.as_str();
    let expected = |also: &str| {
        let here = admin.node().0;
        Refusal::invalid(format!("Unexpected broker id, expected {here}{also} but received {name}"))
    };
    let not_a_number =
        || Refusal::invalid(format!("Broker id must be an integer, but it is: {name}"));
    match ResourceKind::from_code(asked.resource_type) {
        Some(ResourceKind::Topic) => {
            check_name(name)?;
            let unknown = Refusal { code: ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, message: None };
            admin.metadata().topic(name).ok_or(unknown)?;
            Ok(of_topic(admin, asked))
        }
        Some(ResourceKind::Broker) if name.is_empty() => Ok(of_cluster(admin)),
        Some(ResourceKind::Broker) => match node_of(name) {
            None => Err(not_a_number()),
            Some(node) if node != admin.node() => Err(expected(" or empty string,")),
            Some(_) => Ok(of_broker(admin)),
        },
        Some(ResourceKind::BrokerLogger) => match node_of(name) {
            None => Err(not_a_number()),
            Some(node) if node != admin.node() => Err(expected("")),
            Some(_) => Ok(Vec::new()), // no logger's level can be asked for or changed
        },
        Some(ResourceKind::Group) if name.is_empty() => {
            Err(Refusal::invalid("Group name must not be empty"))
        }
        Some(ResourceKind::Group) => Ok(of_group(admin, name)),
        Some(ResourceKind::ClientMetrics) => {
            Err(Refusal::invalid("this broker takes no metrics of clients"))
        }
        None => Err(Refusal::invalid(format!("there is no resource type {}", asked.resource_type))),
    }
}

/// What a topic shows. Kafka's tools see Kafka's keys; ours appear where they are set or asked for by name.
fn of_topic(admin: &Admin<'_>, asked: &DescribeConfigsResource) -> Vec<Entry> {
    let set = admin.metadata().configs(&Resource::topic(&asked.resource_name));
    let named = asked.configuration_keys.as_ref().is_some_and(|keys| !keys.is_empty());
    let shown =
        table::TOPIC.iter().filter(|row| !row.ours() || named || set.contains_key(row.name));
    let entry = |row: &'static Row| {
        let (said, layer) = admin.lookup().topic(row, set);
        // Said before this program's rules: shown as it was said.
        let value = row.parse(&said).map_or(said, |value| value.to_string());
        let mut synonyms = Vec::new();
        if layer == Layer::Topic {
            synonyms.push(Synonym { name: row.name.into(), value: Some(value.clone()), layer });
        }
        if let Some((key, _)) = row.sources.first() {
            synonyms.extend(admin.lookup().synonyms(key));
        }
        let (name, kind, doc) = (row.name, row.kind, row.doc);
        Entry { name, value: Some(value), kind, read_only: false, synonyms, doc }
    };
    shown.map(entry).collect()
}

/// A broker's key; `value` is what is said, not parsed.
fn broker_entry(row: &'static Row, said: Option<&str>, synonyms: Vec<Synonym>) -> Entry {
    let shown = |said: &str| row.parse(said).map_or(said.to_owned(), |value| value.to_string());
    let value = said.filter(|_| !row.sensitive()).map(shown);
    let read_only = row.mode == Mode::ReadOnly;
    Entry { name: row.name, value, kind: row.kind, read_only, synonyms, doc: row.doc }
}

fn of_broker(admin: &Admin<'_>) -> Vec<Entry> {
    let entry = |row: &'static Row| {
        let said = admin.lookup().broker(row.name).map(|(value, _)| value);
        broker_entry(row, said, admin.lookup().synonyms(row.name))
    };
    table::BROKER.iter().chain(table::INERT).map(entry).collect()
}

fn of_cluster(admin: &Admin<'_>) -> Vec<Entry> {
    let set = admin.metadata().configs(&Resource::broker(None));
    let entry = |(key, value): (&String, &String)| {
        let row = table::broker(key)?;
        let mut synonyms = admin.lookup().synonyms(key);
        synonyms.retain(|s| s.layer == Layer::Cluster);
        Some(broker_entry(row, Some(value), synonyms))
    };
    set.iter().filter_map(entry).collect()
}

fn of_group(admin: &Admin<'_>, name: &str) -> Vec<Entry> {
    let resource = Resource { kind: ResourceKind::Group, name: name.to_owned() };
    let set = admin.metadata().configs(&resource);
    let entry = |row: &'static GroupRow| {
        let source = table::broker(row.source).expect("a source is a broker's key");
        let mut synonyms = admin.lookup().synonyms(row.source);
        let own = set.get(row.name);
        let said = own.map(String::as_str).or(admin.lookup().broker(row.source).map(|(v, _)| v));
        let mut entry = broker_entry(source, said, Vec::new());
        if own.is_some() {
            let (name, value, layer) = (row.name.into(), entry.value.clone(), Layer::Group);
            synonyms.insert(0, Synonym { name, value, layer });
        }
        (entry.name, entry.doc, entry.synonyms) = (row.name, row.doc, synonyms);
        entry.read_only = false;
        entry
    };
    group::GROUP.iter().map(entry).collect()
}
