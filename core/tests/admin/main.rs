//! What Apache Kafka 4.3.1 answered to the cases of the admin APIs, asked again of our handlers.
//!
//! The cases run in their order against one state, as they did against an empty Kafka. What may rightly
//! differ is made equal first (`compare.rs`); where we differ on purpose stands in docs/differences.md and
//! in [`DIFFERENT`], so that neither list can grow in silence.

mod compare;
mod json;
mod requests;

use flate2::read::GzDecoder;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use serde_json::Value;
use sordini_core::api;
use sordini_core::config::broker::BrokerConfig;
use sordini_core::metadata::{Admin, Draft, Drafted, Metadata, PartitionFacts};
use sordini_log::{Epoch, LogId, Now, Offset};
use sordini_wire::message::{Descriptor, MESSAGES, Message};
use std::collections::BTreeMap;
use std::io::Read;

/// Cases that we answer differently, in their order, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("metadata-v13-zero-id-null-name", "Kafka answers -1; we answer INVALID_REQUEST"),
    (
        "alter-resource-twice",
        "Kafka never replies; we refuse both, as IncrementalAlterConfigs does",
    ),
    ("inc-bad-operation", "Kafka answers -1 and its controller resigns; we answer INVALID_REQUEST"),
    ("coordinator-made-internal-topic", "there are no group coordinators yet to make it"),
];

/// Empty partitions.
struct Empty;

impl PartitionFacts for Empty {
    fn start(&self, _: LogId) -> Offset {
        Offset(0)
    }
    fn end(&self, _: LogId) -> Offset {
        Offset(0)
    }
    fn bytes(&self, _: LogId) -> u64 {
        0
    }
    fn epoch(&self, _: LogId) -> Epoch {
        Epoch(0)
    }
}

/// A node as far as its metadata goes.
struct Node {
    metadata: Metadata,
    chance: ChaCha8Rng,
    config: BrokerConfig,
}

impl Node {
    fn new() -> Node {
        let given = [
            ("auto.create.topics.enable", "true"),
            ("num.partitions", "4"),
            ("default.replication.factor", "1"),
            ("min.insync.replicas", "1"),
        ];
        let given = given.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let mut config = BrokerConfig::new(BTreeMap::from(given)).unwrap();
        config.disk_bytes = Some(1 << 40);
        let chance = ChaCha8Rng::from_seed([7; 32]);
        let mut node = Node { metadata: Metadata::new(), chance, config };
        node.admin(|admin| admin.found_cluster());
        node
    }

    fn admin<R>(&mut self, act: impl FnOnce(&mut Admin<'_>) -> R) -> (R, Drafted) {
        let mut admin = Admin {
            draft: Draft::new(&mut self.metadata, &mut self.chance),
            config: &self.config,
            now: Now { disk_free: 1 << 39, ..Now::default() },
            partitions: &Empty,
            partitions_left: 100_000,
            read_only: false,
        };
        let answer = act(&mut admin);
        (answer, admin.draft.finish())
    }

    /// The answer to a case's request as JSON; none for an API that is not an admin's.
    fn ask(&mut self, api: &str, version: i16, request: &Value) -> Option<Value> {
        use requests as r;
        let v = version;
        let show = |answer: &dyn Fn(&mut json::JsonBuilder)| {
            let mut builder = json::JsonBuilder::default();
            answer(&mut builder);
            builder.finish()
        };
        macro_rules! ask {
            ($request:expr, $answer:expr) => {{
                let request = $request;
                let before = self.metadata.clone();
                let (answer, drafted) = self.admin(|admin| $answer(admin, &request));
                replays(before, &self.metadata, &drafted);
                Some(show(&|builder| answer.walk(v, builder)))
            }};
        }
        match api {
            "Metadata" => {
                ask!(r::metadata(request), |a: &mut _, q: &_| api::metadata::answer(a, q, v))
            }
            "CreateTopics" => {
                ask!(r::create_topics(request), |a: &mut _, q: &_| api::create_topics::answer(a, q))
            }
            "DeleteTopics" => ask!(r::delete_topics(request), |a: &mut _, q: &_| {
                api::delete_topics::answer(a, q, v)
            }),
            "CreatePartitions" => ask!(r::create_partitions(request), |a: &mut _, q: &_| {
                api::create_partitions::answer(a, q)
            }),
            "DescribeConfigs" => ask!(r::describe_configs(request), |a: &mut Admin<'_>, q: &_| {
                api::describe_configs::answer(a, q)
            }),
            "AlterConfigs" => {
                ask!(r::alter_configs(request), |a: &mut _, q: &_| api::alter_configs::answer(a, q))
            }
            "IncrementalAlterConfigs" => {
                ask!(r::incremental_alter_configs(request), |a: &mut _, q: &_| {
                    api::incremental_alter_configs::answer(a, q)
                })
            }
            "DescribeCluster" => ask!(r::describe_cluster(request), |a: &mut Admin<'_>, q: &_| {
                api::describe_cluster::answer(a, q)
            }),
            "DescribeTopicPartitions" => {
                ask!(r::describe_topic_partitions(request), |a: &mut Admin<'_>, q: &_| {
                    api::describe_topic_partitions::answer(a, q)
                })
            }
            "DescribeLogDirs" => ask!(r::describe_log_dirs(request), |a: &mut Admin<'_>, q: &_| {
                api::describe_log_dirs::answer(a, q)
            }),
            _ => None,
        }
    }
}

/// What was drafted, read back from its bytes, leads to the same state.
fn replays(mut before: Metadata, after: &Metadata, drafted: &Drafted) {
    for (at, value) in (drafted.base.0..).zip(drafted.values()) {
        before.replay(Offset(at), &value).unwrap();
    }
    assert_eq!(before, *after, "live fold = replayed fold");
    after.invariants();
}

fn lines(text: &str) -> impl Iterator<Item = Value> {
    text.lines().filter(|line| !line.trim().is_empty()).map(|l| serde_json::from_str(l).unwrap())
}

#[test]
fn answers_are_kafkas() {
    let mut answers = String::new();
    let packed: &[u8] = include_bytes!("../data/answers.jsonl.gz");
    GzDecoder::new(packed).read_to_string(&mut answers).unwrap();
    let name = |case: &Value| case["case"].as_str().unwrap().to_owned();
    let answers: BTreeMap<String, Value> = lines(&answers).map(|a| (name(&a), a)).collect();

    let mut node = Node::new();
    let mut saved = BTreeMap::new();
    let mut same = 0;
    let mut wrong = Vec::new();
    let mut different = Vec::new();
    for case in lines(include_str!("../data/cases.jsonl")) {
        let (Some(api), Some(request)) = (case["api"].as_str(), case.get("request")) else {
            continue;
        };
        let version = i16::try_from(case["version"].as_i64().unwrap()).unwrap();
        let request = requests::filled(request, &saved);
        let of_api = |m: &&Descriptor| m.name.strip_suffix("Request") == Some(api);
        if !MESSAGES.iter().find(of_api).is_some_and(|m| m.versions.contains(&version)) {
            continue;
        }
        let Some(got) = node.ask(api, version, &request) else { continue };
        for (variable, pointer) in case["save"].as_object().into_iter().flatten() {
            let value = got.pointer(pointer.as_str().unwrap()).cloned().unwrap_or(Value::Null);
            saved.insert(variable.clone(), value);
        }
        let Some(recorded) = answers.get(&name(&case)) else { continue };
        let recorded = recorded.get("answer").unwrap_or(&Value::Null);
        let differences = compare::differences(recorded, &got);
        let known = DIFFERENT.iter().find(|(different, _)| *different == name(&case));
        match known {
            _ if differences.is_empty() => same += 1,
            Some((known, _)) => different.push(*known),
            None => wrong.push(format!("{}: {}", name(&case), differences.join("; "))),
        }
    }
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(different, DIFFERENT.iter().map(|(case, _)| *case).collect::<Vec<_>>());
    assert_eq!(same, 287, "cases compared and found equal");
}
