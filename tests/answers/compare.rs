//! Two answers, compared but for what may rightly differ between brokers and runs.
//!
//! Made equal first: ids, epochs, addresses, the words of messages and documentation, sizes of disks, times that the
//! broker made, and the order of lists that have none. An ApiVersions may list fewer APIs and versions than Kafka's.

use serde_json::Value;

const ZERO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
/// The times in the cases are before this, all clocks after; ms.
const MADE_BY_BROKER: i64 = 1_750_000_000_000;
const NODES: [&str; 5] =
    ["replicaNodes", "isrNodes", "offlineReplicas", "eligibleLeaderReplicas", "lastKnownElr"];
const IN_ORDER: [&str; 4] = ["records", "synonyms", "recordErrors", "headers"];

/// Where what a broker did differs from what is recorded, as `/path recorded got`. Both are an `answer`, or say that
/// none came.
pub fn differences(recorded: &Value, got: &Value) -> Vec<String> {
    let mut all = Vec::new();
    match (recorded.get("answer"), got.get("answer")) {
        (Some(a), Some(b)) if a.get("apiKeys").is_some() => api_versions(a, b, &mut all),
        (Some(a), Some(b)) => {
            let paged = a.get("nextCursor").is_some();
            compare(&normal("", a, paged), &normal("", b, paged), "", &mut all);
        }
        (a, _) if a.is_some() || recorded != got => {
            all.push(format!("{} got {}", short(recorded), short(got)));
        }
        _ => {}
    }
    all
}

/// The error code counts, and each API must have a range of versions inside Kafka's.
fn api_versions(recorded: &Value, got: &Value, all: &mut Vec<String>) {
    compare(&recorded["errorCode"], &got["errorCode"], "/errorCode", all);
    let list = |v: &Value| v["apiKeys"].as_array().cloned().unwrap_or_default();
    for api in list(got) {
        let kafkas = list(recorded).into_iter().find(|k| k["apiKey"] == api["apiKey"]);
        let version = |v: &Value, end: &str| v[end].as_i64();
        let inside = kafkas.as_ref().is_some_and(|k| {
            version(k, "minVersion") <= version(&api, "minVersion")
                && version(&api, "minVersion") <= version(&api, "maxVersion")
                && version(&api, "maxVersion") <= version(k, "maxVersion")
        });
        if !inside {
            all.push(format!("/apiKeys {} got {}", short(&kafkas.into()), short(&api)));
        }
    }
}

/// A value with what may differ made equal. Where an answer has pages, the order of its lists counts.
fn normal(key: &str, value: &Value, paged: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let brokers = value["resourceType"] == 4 || value["resourceType"] == 8;
            let field = |(k, v): (&String, &Value)| match (brokers, k.as_str(), v.as_str()) {
                (true, "resourceName", Some(name)) => (k.clone(), broker_name(name)),
                _ => (k.clone(), normal(k, v, paged)),
            };
            fields.iter().map(field).collect()
        }
        Value::Array(list) if key == "records" && list.iter().all(Value::is_array) => {
            list.iter().map(record).collect()
        }
        Value::Array(list) => {
            let element = if NODES.contains(&key) { "nodeId" } else { "" };
            let mut list: Vec<Value> = list.iter().map(|v| normal(element, v, paged)).collect();
            if !paged && !IN_ORDER.contains(&key) {
                list.sort_by_key(identity);
            }
            list.into()
        }
        _ => scalar(key, value),
    }
}

/// A record: offset, timestamp, key, value, headers.
fn record(record: &Value) -> Value {
    let mut record = record.clone();
    record[1] = scalar("timestamp", &record[1]);
    record
}

fn broker_name(name: &str) -> Value {
    let id = name != "99999" && !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit());
    if id { "any nodeId".into() } else { name.into() }
}

/// What sorts structs: their names first.
fn identity(value: &Value) -> String {
    let names = ["name", "topic", "topicId", "resourceType", "resourceName", "partition"];
    let numbers = ["partitionIndex", "index", "errorCode"];
    let name = |n: &&str| format!("{:>6}", value.get(*n).unwrap_or(&Value::Null));
    names.iter().chain(&numbers).map(name).chain([value.to_string()]).collect()
}

fn scalar(key: &str, value: &Value) -> Value {
    let at_least = |least: i64| value.as_i64().is_some_and(|n| n >= least);
    let text = |t: &str| !t.is_empty();
    let equal = match key {
        "throttleTimeMs"
        | "nodeId"
        | "controllerId"
        | "leaderId"
        | "brokerId"
        | "replicaId"
        | "port"
        | "leaderEpoch"
        | "partitionLeaderEpoch"
        | "epoch"
        | "producerId" => at_least(0),
        "partitionSize" | "totalBytes" | "usableBytes" | "sessionId" => at_least(1),
        "timestamp" | "maxTimestamp" | "logAppendTimeMs" => at_least(MADE_BY_BROKER),
        "errorMessage"
        | "batchIndexErrorMessage"
        | "documentation"
        | "host"
        | "clusterId"
        | "logDir" => value.as_str().is_some_and(text),
        "rack" => true,
        "topicId" => value.as_str().is_some_and(|id| id != ZERO_ID),
        _ => false,
    };
    if equal { format!("any {key}").into() } else { value.clone() }
}

fn compare(recorded: &Value, got: &Value, at: &str, all: &mut Vec<String>) {
    match (recorded, got) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let absent = Value::from("(absent)");
                let (x, y) = (a.get(key).unwrap_or(&absent), b.get(key).unwrap_or(&absent));
                compare(x, y, &format!("{at}/{key}"), all);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (i, (x, y)) in a.iter().zip(b).enumerate() {
                compare(x, y, &format!("{at}/{i}"), all);
            }
        }
        _ if recorded == got => {}
        _ => all.push(format!("{at} {} got {}", short(recorded), short(got))),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(300).collect()
}
