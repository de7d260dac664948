//! Two answers, compared but for what may rightly differ between brokers and runs: ids, epochs, addresses, the
//! words of messages and documentation, sizes of disks, and the order of lists that have none.

use serde_json::Value;

const ZERO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";
const NODES: [&str; 5] =
    ["replicaNodes", "isrNodes", "offlineReplicas", "eligibleLeaderReplicas", "lastKnownElr"];

/// Where two answers differ, as `/path recorded got`.
pub fn differences(recorded: &Value, got: &Value) -> Vec<String> {
    let paged = recorded.get("nextCursor").is_some();
    let mut all = Vec::new();
    compare(&normal("", recorded, paged), &normal("", got, paged), "", &mut all);
    all
}

/// A value with what may differ made equal.
fn normal(key: &str, value: &Value, paged: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(k, v): (&String, &Value)| (k.clone(), normal(k, v, paged));
            fields.iter().map(field).collect()
        }
        Value::Array(list) => {
            let element = if NODES.contains(&key) { "nodeId" } else { "" };
            let mut list: Vec<Value> = list.iter().map(|v| normal(element, v, paged)).collect();
            if !paged && key != "synonyms" {
                list.sort_by_key(identity);
            }
            list.into()
        }
        _ => scalar(key, value),
    }
}

/// What sorts structs: their names first.
fn identity(value: &Value) -> String {
    let names = ["name", "topic", "topicId", "resourceType", "resourceName", "partitionIndex"];
    let name = |n: &&str| format!("{:>6}", value.get(*n).unwrap_or(&Value::Null));
    names.iter().map(name).chain([value.to_string()]).collect()
}

fn scalar(key: &str, value: &Value) -> Value {
    let at_least = |least: i64| value.as_i64().is_some_and(|n| n >= least);
    let text = |t: &str| !t.is_empty();
    let equal = match key {
        "throttleTimeMs" | "nodeId" | "controllerId" | "leaderId" | "brokerId" | "port"
        | "leaderEpoch" => at_least(0),
        "totalBytes" | "usableBytes" => at_least(1),
        "errorMessage" | "documentation" | "host" | "clusterId" | "logDir" => {
            value.as_str().is_some_and(text)
        }
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
