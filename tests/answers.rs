//! What Apache Kafka 4.3.1 answered to some seven hundred requests, good and bad, asked again of the real program.
//!
//! The cases run in their order against one empty broker, each on the connection that it names, as they did against
//! Kafka: `tests/data/cases.jsonl` says what is asked, `frames.jsonl.gz` holds the bytes that Kafka's own codec makes
//! of it, `answers.jsonl.gz` what Kafka answered. Where we differ stands in docs/differences.md, case by case: a
//! difference that is not there fails, and so does a row that is no longer true.

mod compare;
mod frames;
mod known;
mod show;

use crate::broker::Broker;
use crate::wire::Wire;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};
use sordini_wire::message::{
    Message, api_versions::ApiVersionsRequest, describe_configs::*, metadata::*,
};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The settings that the cases assume.
const SETTINGS: [&str; 8] = [
    "--set",
    "auto.create.topics.enable=true",
    "--set",
    "num.partitions=4",
    "--set",
    "default.replication.factor=1",
    "--set",
    "min.insync.replicas=1",
];
/// Of the cases that need no more than what is there, so many in a hundred are answered as Kafka does.
const SAME_PERCENT_MIN: f64 = 97.0;
const PATIENCE: Duration = Duration::from_secs(5);
/// How long half a request may lie there before it counts as unanswered.
const SILENCE: Duration = Duration::from_millis(500);
/// Between two requests: times that the broker makes must differ, as they did when Kafka was asked.
const PAUSE: Duration = Duration::from_millis(2);
/// Asked behind a request that Kafka left unanswered: if this is answered first, so did we.
const PROBE: i32 = -77;

/// A run through the cases.
struct Run {
    addr: SocketAddr,
    conns: BTreeMap<String, Wire>,
    variables: frames::Variables,
    /// The times that requests held, as they are written in the cases.
    times: BTreeMap<i64, String>,
    /// `${now}`: ten minutes before the start, so that no time that the broker makes equals it; ms.
    now: i64,
}

impl Run {
    fn new(addr: SocketAddr) -> Run {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let now = since.as_millis() as i64 - 600_000;
        let variables = BTreeMap::from([("now".to_string(), now.into())]);
        Run { addr, conns: BTreeMap::new(), variables, times: BTreeMap::new(), now }
    }

    /// Sends a case's request and says what came: `answer`, `closed` or `silent`, or `error`.
    fn ask(&mut self, case: &Value, template: &str, recorded: &Value) -> Value {
        self.note_times(&case["request"].to_string());
        let frame = match frames::filled(template, &self.variables) {
            Ok(frame) => frame,
            Err(why) => return json!({ "error": why }),
        };
        let conn = case["conn"].as_str().unwrap_or("a").to_string();
        let mut wire = self.conns.remove(&conn).unwrap_or_else(|| {
            Wire::connect(self.addr, PATIENCE).expect("the broker takes connections")
        });
        let whole = !case["unframed"].as_bool().unwrap_or(false);
        let got = match (recorded.get("silent").is_some(), whole) {
            (true, true) => answer_before_probe(&mut wire, &frame),
            (true, false) => answer_within(&mut wire, &frame, SILENCE),
            _ => answer_within(&mut wire, &frame, Duration::from_secs(20)),
        };
        let answer = match got {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                if whole {
                    self.conns.insert(conn, wire);
                }
                return json!({ "silent": true });
            }
            Err(e) => return ended(&e),
        };
        self.conns.insert(conn, wire);
        if answer.get(..4) != frame.get(8..12) {
            return json!({ "error": "the answer to another request" });
        }
        let Some(api) = case["api"].as_str() else { return json!({ "error": "an answer" }) };
        match show::answer(api, version(case), answer.into()) {
            Ok(answer) => {
                self.save(case, &answer);
                json!({ "answer": show::named_times(answer, &self.times) })
            }
            Err(why) => json!({ "error": why }),
        }
    }

    /// Keeps the values of an answer that later requests need.
    fn save(&mut self, case: &Value, answer: &Value) {
        for (variable, pointer) in case["save"].as_object().into_iter().flatten() {
            if let Some(value) = answer.pointer(pointer.as_str().expect("a JSON pointer")) {
                self.variables.insert(variable.clone(), value.clone());
            }
        }
    }

    fn note_times(&mut self, request: &str) {
        self.times.insert(self.now, "now".to_string());
        for rest in request.split("${now").skip(1) {
            let plus = rest.split('}').next().unwrap_or_default();
            if let Ok(ms) = plus.parse::<i64>() {
                self.times.insert(self.now + ms, format!("now{plus}"));
            }
        }
    }
}

fn answer_within(wire: &mut Wire, frame: &[u8], patience: Duration) -> io::Result<Option<Vec<u8>>> {
    wire.wait_at_most(patience)?;
    wire.send_raw(frame)?;
    match wire.receive_raw() {
        Ok(answer) => Ok(Some(answer.into())),
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Answers come in the order of the requests, so no clock is needed to know that one never comes.
fn answer_before_probe(wire: &mut Wire, frame: &[u8]) -> io::Result<Option<Vec<u8>>> {
    wire.send_raw(frame)?;
    wire.send_raw(&Wire::frame(PROBE, &ApiVersionsRequest::default(), 0))?;
    let first = wire.receive_raw()?;
    if first.starts_with(&PROBE.to_be_bytes()) {
        return Ok(None);
    }
    wire.receive_raw()?;
    Ok(Some(first.into()))
}

/// A broker that hangs up may do so before or after all was sent.
fn ended(e: &io::Error) -> Value {
    use io::ErrorKind::*;
    match e.kind() {
        UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => {
            json!({ "closed": true })
        }
        _ => json!({ "error": e.to_string() }),
    }
}

fn name(case: &Value) -> &str {
    case["case"].as_str().expect("a case has a name")
}

fn version(case: &Value) -> i16 {
    case["version"].as_i64().and_then(|v| v.try_into().ok()).unwrap_or(0)
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|l| serde_json::from_str(l).expect("a JSON object in each line")).collect()
}

/// The lines of a packed file, by the case that each belongs to.
fn packed(bytes: &[u8]) -> BTreeMap<String, Value> {
    let mut text = String::new();
    MultiGzDecoder::new(bytes).read_to_string(&mut text).expect("gzip");
    lines(&text).into_iter().map(|line| (name(&line).to_string(), line)).collect()
}

/// What the cases came to.
#[derive(Default)]
struct Tally {
    same: usize,
    on_purpose: usize,
    /// Of cases that need what is not there yet: equal all the same, and different.
    later_same: usize,
    later: usize,
    unexplained: Vec<String>,
    /// The cases that differ.
    different: Vec<String>,
}

impl Tally {
    fn count(&mut self, case: &str, differences: &[String], known: &[known::Known]) {
        let listed = known.iter().find(|k| k.lists(case));
        let later = listed.is_some_and(known::Known::is_later);
        let (same, different) = match later {
            true => (&mut self.later_same, &mut self.later),
            false => (&mut self.same, &mut self.on_purpose),
        };
        if differences.is_empty() {
            *same += 1;
            return;
        }
        self.different.push(case.to_string());
        match listed {
            Some(_) => *different += 1,
            None => self.unexplained.push(format!("{case}: {}", differences.join("; "))),
        }
    }

    fn percent(&self) -> f64 {
        let all = self.same + self.on_purpose + self.unexplained.len();
        self.same as f64 * 100.0 / all as f64
    }
}

#[test]
fn answers_are_kafkas() {
    let cases = lines(include_str!("data/cases.jsonl"));
    let answers = packed(include_bytes!("data/answers.jsonl.gz"));
    let templates = packed(include_bytes!("data/frames.jsonl.gz"));
    let known = known::read(include_str!("../docs/differences.md"));
    let data = tempfile::tempdir().expect("a scratch directory");
    let broker = Broker::start(data.path(), &SETTINGS);

    let mut run = Run::new(broker.addr);
    let mut tally = Tally::default();
    let mut compared = 0;
    for case in &cases {
        let recorded = answers.get(name(case)).cloned().map(|mut line| {
            line.as_object_mut().expect("an object").remove("case");
            line
        });
        let template = templates[name(case)]["frame"].as_str().expect("a frame");
        std::thread::sleep(PAUSE);
        let got = run.ask(case, template, recorded.as_ref().unwrap_or(&Value::Null));
        if let Some(recorded) = recorded {
            tally.count(name(case), &compare::differences(&recorded, &got), &known);
            compared += 1;
        }
    }
    assert_eq!(compared, answers.len(), "every answer belongs to a case");

    let Tally { same, on_purpose, later_same, later, .. } = tally;
    println!(
        "{same} same ({:.1} %), {on_purpose} different on purpose, {} unexplained; \
         of those that need what is not there yet {later_same} same, {later} different",
        tally.percent(),
        tally.unexplained.len()
    );
    let wrong = tally.unexplained;
    assert!(wrong.is_empty(), "{} answers differ unexplained:\n{}", wrong.len(), wrong.join("\n"));
    let stale = known.iter().filter(|k| !tally.different.iter().any(|case| k.lists(case)));
    let stale: Vec<_> = stale.map(known::Known::pattern).collect();
    assert!(stale.is_empty(), "docs/differences.md lists what is equal: {stale:?}");
    let percent = same as f64 * 100.0 / (same + on_purpose) as f64;
    assert!(percent >= SAME_PERCENT_MIN, "{percent:.1} % of the answers are Kafka's");

    survives_a_restart(broker, data.path());
}

/// What the cases left behind is told in the same words by a broker that reads it back.
fn survives_a_restart(broker: Broker, data: &std::path::Path) {
    let (addr, before) = (broker.addr, told(broker.addr));
    broker.stop();
    let broker = Broker::start_at(&addr.to_string(), data, &SETTINGS);
    let wrong = compare::differences(&before, &told(broker.addr));
    broker.stop();
    assert!(wrong.is_empty(), "told differently after a restart:\n{}", wrong.join("\n"));
}

/// All topics, and all settings of them, of the broker and of its cluster.
fn told(addr: SocketAddr) -> Value {
    let mut wire = Wire::connect(addr, PATIENCE).expect("a connection");
    let version = *MetadataRequest::VERSIONS.end();
    let request = MetadataRequest { topics: None, ..Default::default() };
    let topics: MetadataResponse = wire.ask(&request, version).expect("an answer");
    let resource = |resource_type, name: &str| DescribeConfigsResource {
        resource_type,
        resource_name: name.into(),
        configuration_keys: None,
        ..Default::default()
    };
    let broker = topics.brokers[0].node_id.to_string();
    let mut resources = vec![resource(4, ""), resource(4, &broker)];
    let names = topics.topics.iter().filter_map(|t| t.name.clone());
    resources.extend(names.map(|name| resource(2, &name)));
    let request =
        DescribeConfigsRequest { resources, include_synonyms: true, ..Default::default() };
    wire.send(&request, *DescribeConfigsRequest::VERSIONS.end()).expect("sent");
    let configs = wire.receive_raw().expect("an answer");
    let configs = show::answer("DescribeConfigs", *DescribeConfigsRequest::VERSIONS.end(), configs);
    let partitions: BTreeMap<String, usize> = topics
        .topics
        .iter()
        .map(|t| (t.name.clone().expect("a name").to_string(), t.partitions.len()))
        .collect();
    json!({ "answer": { "topics": partitions, "configs": configs.expect("a right answer") } })
}
