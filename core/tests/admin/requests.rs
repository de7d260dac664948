//! The cases' requests as messages. A field that a case leaves out has Kafka's default.

use serde_json::Value;
use sordini_wire::message::alter_configs as alter;
use sordini_wire::message::create_partitions as grow;
use sordini_wire::message::create_topics as create;
use sordini_wire::message::delete_topics as delete;
use sordini_wire::message::describe_cluster as cluster;
use sordini_wire::message::describe_configs as configs;
use sordini_wire::message::describe_log_dirs as dirs;
use sordini_wire::message::describe_topic_partitions as pages;
use sordini_wire::message::incremental_alter_configs as incremental;
use sordini_wire::message::metadata as meta;
use sordini_wire::primitive::{Str, Uuid};
use std::collections::BTreeMap;

/// A request with `${variable}` replaced by what an earlier answer had there.
pub fn filled(value: &Value, saved: &BTreeMap<String, Value>) -> Value {
    match value {
        Value::String(text) => {
            let name = text.strip_prefix("${").and_then(|t| t.strip_suffix('}'));
            name.and_then(|name| saved.get(name)).unwrap_or(value).clone()
        }
        Value::Array(list) => list.iter().map(|v| filled(v, saved)).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, v)| (key.clone(), filled(v, saved))).collect()
        }
        _ => value.clone(),
    }
}

fn str(value: &Value) -> Str {
    match value {
        Value::String(text) => text.as_str().into(),
        Value::Null => Str::EMPTY,
        number => number.to_string().into(),
    }
}

/// A string that may be null; one that is left out is empty.
fn str_or_null(object: &Value, key: &str) -> Option<Str> {
    match object.get(key) {
        Some(Value::Null) => None,
        value => Some(str(value.unwrap_or(&Value::Null))),
    }
}

fn int<T: TryFrom<i64>>(object: &Value, key: &str, default: T) -> T {
    let n = object[key].as_i64().and_then(|n| T::try_from(n).ok());
    n.unwrap_or(default)
}

fn flag(object: &Value, key: &str, default: bool) -> bool {
    object[key].as_bool().unwrap_or(default)
}

fn id(object: &Value) -> Uuid {
    object["topicId"].as_str().map_or(Uuid::ZERO, |text| text.parse().unwrap())
}

fn list<T>(value: &Value, each: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().into_iter().flatten().map(each).collect()
}

fn list_or_null<T>(value: &Value, each: impl Fn(&Value) -> T) -> Option<Vec<T>> {
    (!value.is_null()).then(|| list(value, each))
}

fn number(value: &Value) -> i32 {
    i32::try_from(value.as_i64().unwrap()).unwrap()
}

pub fn metadata(q: &Value) -> meta::MetadataRequest {
    let topic = |t: &Value| meta::MetadataRequestTopic {
        topic_id: id(t),
        name: str_or_null(t, "name"),
        ..Default::default()
    };
    meta::MetadataRequest {
        topics: list_or_null(&q["topics"], topic),
        allow_auto_topic_creation: flag(q, "allowAutoTopicCreation", true),
        include_cluster_authorized_operations: flag(q, "includeClusterAuthorizedOperations", false),
        include_topic_authorized_operations: flag(q, "includeTopicAuthorizedOperations", false),
        ..Default::default()
    }
}

pub fn create_topics(q: &Value) -> create::CreateTopicsRequest {
    let assignment = |a: &Value| create::CreatableReplicaAssignment {
        partition_index: int(a, "partitionIndex", 0),
        broker_ids: list(&a["brokerIds"], number),
        ..Default::default()
    };
    let config = |c: &Value| create::CreatableTopicConfig {
        name: str(&c["name"]),
        value: str_or_null(c, "value"),
        ..Default::default()
    };
    let topic = |t: &Value| create::CreatableTopic {
        name: str(&t["name"]),
        num_partitions: int(t, "numPartitions", 0),
        replication_factor: int(t, "replicationFactor", 0),
        assignments: list(&t["assignments"], assignment),
        configs: list(&t["configs"], config),
        ..Default::default()
    };
    create::CreateTopicsRequest {
        topics: list(&q["topics"], topic),
        validate_only: flag(q, "validateOnly", false),
        ..Default::default()
    }
}

pub fn delete_topics(q: &Value) -> delete::DeleteTopicsRequest {
    let topic = |t: &Value| delete::DeleteTopicState {
        name: t["name"].as_str().map(Str::from),
        topic_id: id(t),
        ..Default::default()
    };
    delete::DeleteTopicsRequest {
        topics: list(&q["topics"], topic),
        topic_names: list(&q["topicNames"], str),
        ..Default::default()
    }
}

pub fn create_partitions(q: &Value) -> grow::CreatePartitionsRequest {
    let assignment = |a: &Value| grow::CreatePartitionsAssignment {
        broker_ids: list(&a["brokerIds"], number),
        ..Default::default()
    };
    let topic = |t: &Value| grow::CreatePartitionsTopic {
        name: str(&t["name"]),
        count: int(t, "count", 0),
        assignments: list_or_null(&t["assignments"], assignment),
        ..Default::default()
    };
    grow::CreatePartitionsRequest {
        topics: list(&q["topics"], topic),
        validate_only: flag(q, "validateOnly", false),
        ..Default::default()
    }
}

pub fn describe_configs(q: &Value) -> configs::DescribeConfigsRequest {
    let resource = |r: &Value| configs::DescribeConfigsResource {
        resource_type: int(r, "resourceType", 0),
        resource_name: str(&r["resourceName"]),
        configuration_keys: list_or_null(&r["configurationKeys"], str),
        ..Default::default()
    };
    configs::DescribeConfigsRequest {
        resources: list(&q["resources"], resource),
        include_synonyms: flag(q, "includeSynonyms", false),
        include_documentation: flag(q, "includeDocumentation", false),
        ..Default::default()
    }
}

pub fn alter_configs(q: &Value) -> alter::AlterConfigsRequest {
    let config = |c: &Value| alter::AlterableConfig {
        name: str(&c["name"]),
        value: str_or_null(c, "value"),
        ..Default::default()
    };
    let resource = |r: &Value| alter::AlterConfigsResource {
        resource_type: int(r, "resourceType", 0),
        resource_name: str(&r["resourceName"]),
        configs: list(&r["configs"], config),
        ..Default::default()
    };
    alter::AlterConfigsRequest {
        resources: list(&q["resources"], resource),
        validate_only: flag(q, "validateOnly", false),
        ..Default::default()
    }
}

pub fn incremental_alter_configs(q: &Value) -> incremental::IncrementalAlterConfigsRequest {
    let config = |c: &Value| incremental::AlterableConfig {
        name: str(&c["name"]),
        config_operation: int(c, "configOperation", 0),
        value: str_or_null(c, "value"),
        ..Default::default()
    };
    let resource = |r: &Value| incremental::AlterConfigsResource {
        resource_type: int(r, "resourceType", 0),
        resource_name: str(&r["resourceName"]),
        configs: list(&r["configs"], config),
        ..Default::default()
    };
    incremental::IncrementalAlterConfigsRequest {
        resources: list(&q["resources"], resource),
        validate_only: flag(q, "validateOnly", false),
        ..Default::default()
    }
}

pub fn describe_cluster(q: &Value) -> cluster::DescribeClusterRequest {
    let operations = "includeClusterAuthorizedOperations";
    cluster::DescribeClusterRequest {
        include_cluster_authorized_operations: flag(q, operations, false),
        endpoint_type: int(q, "endpointType", 1),
        include_fenced_brokers: flag(q, "includeFencedBrokers", false),
        ..Default::default()
    }
}

pub fn describe_topic_partitions(q: &Value) -> pages::DescribeTopicPartitionsRequest {
    let topic = |t: &Value| pages::TopicRequest { name: str(&t["name"]), ..Default::default() };
    let cursor = |c: &Value| pages::Cursor {
        topic_name: str(&c["topicName"]),
        partition_index: int(c, "partitionIndex", 0),
        ..Default::default()
    };
    pages::DescribeTopicPartitionsRequest {
        topics: list(&q["topics"], topic),
        response_partition_limit: int(q, "responsePartitionLimit", 2000),
        cursor: q.get("cursor").filter(|c| !c.is_null()).map(cursor),
        ..Default::default()
    }
}

pub fn describe_log_dirs(q: &Value) -> dirs::DescribeLogDirsRequest {
    let topic = |t: &Value| dirs::DescribableLogDirTopic {
        topic: str(&t["topic"]),
        partitions: list(&t["partitions"], number),
        ..Default::default()
    };
    dirs::DescribeLogDirsRequest { topics: list_or_null(&q["topics"], topic), ..Default::default() }
}
