//! `sordini topic`: create, list, describe, alter and delete topics.

use crate::cli::BrokerArg;
use crate::client::{Cluster, LEADER_WAIT, Refusal, accepted};
use crate::output::{count, print, story, table};
use anyhow::{Result, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use sordini_wire::error::ErrorCode;
use sordini_wire::message::create_partitions::{CreatePartitionsRequest, CreatePartitionsTopic};
use sordini_wire::message::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use sordini_wire::message::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use sordini_wire::message::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
};
use sordini_wire::message::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use sordini_wire::primitive::Str;

/// Milliseconds that the cluster may take for a change.
const CHANGE_MS_MAX: i32 = 30_000;

/// Resource type of a topic in the config APIs.
const RESOURCE_TOPIC: i8 = 2;

/// Config source of a value that was set on the topic itself.
const SOURCE_TOPIC: i8 = 1;

/// The key, of our brokers only, that says what an acknowledgement promises.
const FLUSH: &str = "flush";

/// Operations of IncrementalAlterConfigs.
const OPERATION_SET: i8 = 0;
const OPERATION_DELETE: i8 = 1;

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub enum TopicCommand {
    /// Create a topic
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List the topics
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show partitions, leaders, offsets and configs of a topic, and what a crash could lose of it
    #[command(after_help = DESCRIBE_EXAMPLES)]
    Describe(DescribeArgs),
    /// Add partitions to a topic, set or unset its configs
    #[command(after_help = ALTER_EXAMPLES)]
    Alter(AlterArgs),
    /// Delete topics and everything in them
    #[command(after_help = DELETE_EXAMPLES)]
    Delete(DeleteArgs),
}

/// `sordini topic create`
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// Name of the topic: letters, digits, '.', '_', '-', at most 249 of them
    name: String,
    /// Number of partitions; without it the broker's num.partitions
    #[arg(long, short)]
    partitions: Option<i32>,
    /// Number of replicas; without it the broker's default.replication.factor
    #[arg(long, value_name = "N")]
    replicas: Option<i16>,
    /// A config of the topic, such as retention.ms=60000; may be repeated
    #[arg(long = "config", value_name = "KEY=VALUE", value_parser = pair)]
    configs: Vec<(String, String)>,
    /// Do nothing if the topic exists
    #[arg(long)]
    if_not_exists: bool,
    #[command(flatten)]
    broker: BrokerArg,
}

/// `sordini topic list`
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Internal topics too
    #[arg(long)]
    all: bool,
    /// A JSON array
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArg,
}

/// `sordini topic describe`
#[derive(Args, Debug)]
pub struct DescribeArgs {
    /// Name of the topic
    name: String,
    /// All configs, not only those that were set on the topic
    #[arg(long)]
    all: bool,
    /// A JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    broker: BrokerArg,
}

/// `sordini topic alter`
#[derive(Args, Debug)]
pub struct AlterArgs {
    /// Name of the topic
    name: String,
    /// Number of partitions that there shall be; more than now
    #[arg(long, short, value_name = "N")]
    partitions: Option<i32>,
    /// Set a config; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Return a config to the broker's default; may be repeated
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    #[command(flatten)]
    broker: BrokerArg,
}

/// `sordini topic delete`
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// Names of the topics
    #[arg(required = true)]
    names: Vec<String>,
    /// Do nothing for a topic that does not exist
    #[arg(long)]
    if_exists: bool,
    #[command(flatten)]
    broker: BrokerArg,
}

/// KEY=VALUE; the value may hold more equal signs.
pub fn pair(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => bail!("expected KEY=VALUE, got {text:?}"),
    }
}

/// Runs a command on topics.
pub fn run(command: TopicCommand) -> Result<()> {
    match command {
        TopicCommand::Create(args) => create(args),
        TopicCommand::List(args) => list(args),
        TopicCommand::Describe(args) => describe(args),
        TopicCommand::Alter(args) => alter(args),
        TopicCommand::Delete(args) => delete(args),
    }
}

fn create(args: CreateArgs) -> Result<()> {
    let mut cluster = Cluster::connect(&args.broker.broker)?;
    let config = |(name, value): (String, String)| CreatableTopicConfig {
        name: name.into(),
        value: Some(value.into()),
        ..Default::default()
    };
    let topic = CreatableTopic {
        name: Str::from(args.name.as_str()),
        num_partitions: args.partitions.unwrap_or(-1),
        replication_factor: args.replicas.unwrap_or(-1),
        configs: args.configs.into_iter().map(config).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: vec![topic],
        timeout_ms: CHANGE_MS_MAX,
        ..Default::default()
    };
    let answer = cluster.call_controller(&request)?;
    ensure!(answer.topics.len() == 1, "expected one result, {} came", answer.topics.len());
    let result = &answer.topics[0];
    if args.if_not_exists && result.error_code == ErrorCode::TOPIC_ALREADY_EXISTS.0 {
        return Ok(print(&format!("topic {} exists already\n", args.name))?);
    }
    accepted(result.error_code, result.error_message.as_deref(), || {
        format!("create the topic {}", args.name)
    })?;
    let partitions = match result.num_partitions {
        -1 => String::new(),
        n => format!(" with {}", count(n as u64, "partition")),
    };
    Ok(print(&format!("created topic {}{partitions}\n", args.name))?)
}

fn list(args: ListArgs) -> Result<()> {
    let mut cluster = Cluster::connect(&args.broker.broker)?;
    let mut topics = cluster.metadata(None, false)?.topics;
    topics.retain(|topic| args.all || !topic.is_internal);
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    if args.json {
        let topics: Vec<_> = topics
            .iter()
            .map(|t| {
                let name = t.name.as_deref().unwrap_or_default();
                json!({ "name": name, "id": t.topic_id.to_string(),
                        "partitions": t.partitions.len(), "internal": t.is_internal })
            })
            .collect();
        return Ok(print(&format!("{}\n", serde_json::to_string_pretty(&topics)?))?);
    }
    if topics.is_empty() {
        eprintln!("there are no topics; `sordini topic create NAME` makes one");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = topics
        .iter()
        .map(|t| {
            let replicas = t.partitions.first().map_or(0, |p| p.replica_nodes.len());
            let name = t.name.as_deref().unwrap_or_default().to_owned();
            vec![name, t.partitions.len().to_string(), replicas.to_string()]
        })
        .collect();
    Ok(print(&table(&["topic", "partitions", "replicas"], &rows))?)
}

fn describe(args: DescribeArgs) -> Result<()> {
    let mut cluster = Cluster::connect(&args.broker.broker)?;
    let topic = cluster.topic(&args.name, false, LEADER_WAIT)?;
    let indexes: Vec<i32> = topic.partitions.iter().map(|p| p.index).collect();
    let starts = crate::consume::offsets::list(&mut cluster, &topic, &indexes, -2)?;
    let ends = crate::consume::offsets::list(&mut cluster, &topic, &indexes, -1)?;
    let value = |c: &DescribeConfigsResourceResult| match (c.is_sensitive, &c.value) {
        (true, _) => "(hidden)".to_owned(),
        (false, value) => value.as_deref().unwrap_or_default().to_owned(),
    };
    let mut configs = all_configs(&mut cluster, &args.name)?;
    let flush = configs.iter().find(|c| c.name == *FLUSH).map(value);
    configs.retain(|c| args.all || c.config_source == SOURCE_TOPIC);
    if args.json {
        let partitions: Vec<_> = topic
            .partitions
            .iter()
            .map(|p| {
                json!({ "partition": p.index, "leader": p.leader, "epoch": p.leader_epoch,
                        "replicas": p.replicas, "in_sync": p.in_sync,
                        "first_offset": starts[&p.index].offset, "next_offset": ends[&p.index].offset })
            })
            .collect();
        let configs: serde_json::Map<_, _> =
            configs.iter().map(|c| (c.name.to_string(), json!(value(c)))).collect();
        let all = json!({ "name": args.name, "id": topic.id.to_string(),
                          "flush": flush, "partitions": partitions, "configs": configs });
        return Ok(print(&format!("{}\n", serde_json::to_string_pretty(&all)?))?);
    }
    let nodes = |ids: &[i32]| ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let rows: Vec<Vec<String>> = topic
        .partitions
        .iter()
        .map(|p| {
            vec![
                p.index.to_string(),
                p.leader.to_string(),
                p.leader_epoch.to_string(),
                nodes(&p.replicas),
                nodes(&p.in_sync),
                starts[&p.index].offset.to_string(),
                ends[&p.index].offset.to_string(),
            ]
        })
        .collect();
    let mut text = format!("topic {}, id {}\n\n", args.name, topic.id);
    let headings =
        ["partition", "leader", "epoch", "replicas", "in sync", "first offset", "next offset"];
    text += &table(&headings, &rows);
    if !configs.is_empty() {
        let rows: Vec<Vec<String>> =
            configs.iter().map(|c| vec![c.name.to_string(), value(c)]).collect();
        text += "\n";
        text += &table(&["config", "value"], &rows);
    }
    if let Some(loss) = flush.as_deref().and_then(loss) {
        text += &format!("\n{loss}\n");
    }
    Ok(print(&text)?)
}

/// What a crash may take of a topic; nothing is known of another broker's.
fn loss(flush: &str) -> Option<&'static str> {
    match flush {
        "durable" => Some(
            "a crash loses nothing that was acknowledged: it is on disk by then (flush=durable)",
        ),
        "relaxed" => Some(
            "a crash of the process or a power loss takes the last records that were acknowledged, as far as they \
             were not on disk yet (flush=relaxed)",
        ),
        _ => None,
    }
}

/// All configs of a topic, by name. Ours is not among those that a Kafka tool sees and is asked for by name.
fn all_configs(cluster: &mut Cluster, name: &str) -> Result<Vec<DescribeConfigsResourceResult>> {
    let mut all = configs(cluster, name, None)?;
    if all.iter().all(|c| c.name != *FLUSH) {
        all.extend(configs(cluster, name, Some(vec![Str::of(FLUSH)]))?);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// These configs of a topic, or all that the broker shows.
fn configs(
    cluster: &mut Cluster,
    name: &str,
    keys: Option<Vec<Str>>,
) -> Result<Vec<DescribeConfigsResourceResult>> {
    let resource = DescribeConfigsResource {
        resource_type: RESOURCE_TOPIC,
        resource_name: Str::from(name),
        configuration_keys: keys,
        ..Default::default()
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..Default::default() };
    let mut answer = cluster.call(&request)?;
    let Some(result) = answer.results.pop() else {
        bail!("expected the configs of {name}, the broker sent none");
    };
    accepted(result.error_code, result.error_message.as_deref(), || {
        format!("read the configs of {name}")
    })?;
    Ok(result.configs)
}

fn alter(args: AlterArgs) -> Result<()> {
    let changes = args.set.len() + args.unset.len();
    ensure!(
        changes > 0 || args.partitions.is_some(),
        "nothing to alter; give --partitions N, --set KEY=VALUE or --unset KEY"
    );
    let mut cluster = Cluster::connect(&args.broker.broker)?;
    // Two requests: what may refuse the second is asked before the first, so that a refusal changes nothing.
    if let Some(partitions) = args.partitions.filter(|_| changes > 0) {
        add_partitions(&mut cluster, &args.name, partitions, true)?;
    }
    if changes > 0 {
        alter_configs(&mut cluster, &args)?;
        print(&format!("topic {}: {} changed\n", args.name, count(changes as u64, "config")))?;
    }
    if let Some(partitions) = args.partitions {
        add_partitions(&mut cluster, &args.name, partitions, false)?;
        print(&format!("topic {} has {} now\n", args.name, count(partitions as u64, "partition")))?;
    }
    Ok(())
}

fn alter_configs(cluster: &mut Cluster, args: &AlterArgs) -> Result<()> {
    let set = args.set.iter().map(|(name, value)| AlterableConfig {
        name: Str::from(name.as_str()),
        config_operation: OPERATION_SET,
        value: Some(Str::from(value.as_str())),
        ..Default::default()
    });
    let unset = args.unset.iter().map(|name| AlterableConfig {
        name: Str::from(name.as_str()),
        config_operation: OPERATION_DELETE,
        value: None,
        ..Default::default()
    });
    let resource = AlterConfigsResource {
        resource_type: RESOURCE_TOPIC,
        resource_name: Str::from(args.name.as_str()),
        configs: set.chain(unset).collect(),
        ..Default::default()
    };
    let request =
        IncrementalAlterConfigsRequest { resources: vec![resource], ..Default::default() };
    let answer = cluster.call_controller(&request)?;
    for result in &answer.responses {
        accepted(result.error_code, result.error_message.as_deref(), || {
            format!("alter the configs of {}", args.name)
        })?;
    }
    Ok(())
}

fn add_partitions(
    cluster: &mut Cluster,
    name: &str,
    partitions: i32,
    validate_only: bool,
) -> Result<()> {
    let topic = CreatePartitionsTopic {
        name: Str::from(name),
        count: partitions,
        assignments: None,
        ..Default::default()
    };
    let request = CreatePartitionsRequest {
        topics: vec![topic],
        timeout_ms: CHANGE_MS_MAX,
        validate_only,
        ..Default::default()
    };
    let answer = cluster.call_controller(&request)?;
    for result in &answer.results {
        accepted(result.error_code, result.error_message.as_deref(), || {
            format!("give {name} {partitions} partitions")
        })?;
    }
    Ok(())
}

fn delete(args: DeleteArgs) -> Result<()> {
    let mut cluster = Cluster::connect(&args.broker.broker)?;
    let names: Vec<Str> = args.names.iter().map(|name| Str::from(name.as_str())).collect();
    let state = |name: &Str| DeleteTopicState { name: Some(name.clone()), ..Default::default() };
    // Versions below 6 read the names, the others the states.
    let request = DeleteTopicsRequest {
        topics: names.iter().map(state).collect(),
        topic_names: names,
        timeout_ms: CHANGE_MS_MAX,
        ..Default::default()
    };
    let answer = cluster.call_controller(&request)?;
    let mut refused: Vec<anyhow::Error> = Vec::new();
    for result in &answer.responses {
        let name = result.name.as_deref().unwrap_or_default();
        let done = accepted(result.error_code, result.error_message.as_deref(), || {
            format!("delete the topic {name}")
        });
        match done {
            Ok(()) => print(&format!("deleted topic {name}\n"))?,
            Err(error) if args.if_exists && is_missing(&error) => {
                print(&format!("topic {name} does not exist\n"))?;
            }
            Err(error) => refused.push(error),
        }
    }
    match refused.len() {
        0 => Ok(()),
        1 => Err(refused.remove(0)),
        _ => bail!("{}", refused.iter().map(|e| format!("\n  {}", story(e))).collect::<String>()),
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Refusal>()
        .is_some_and(|refusal| refusal.code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
}

const CREATE_EXAMPLES: &str = "\
Examples:
  sordini topic create orders
  sordini topic create orders --partitions 12 --config retention.ms=604800000 --config max.message.bytes=2000000
  sordini topic create orders --if-not-exists --broker broker1.example:9092";

const LIST_EXAMPLES: &str = "\
Examples:
  sordini topic list
  sordini topic list --json --broker broker1.example:9092";

const DESCRIBE_EXAMPLES: &str = "\
Examples:
  sordini topic describe orders
  sordini topic describe orders --all                      the configs that were not set on it, too
  sordini topic describe orders --json";

const ALTER_EXAMPLES: &str = "\
Examples:
  sordini topic alter orders --partitions 24               more than now; records stay where they are
  sordini topic alter orders --set retention.ms=3600000 --set flush=relaxed
  sordini topic alter orders --unset retention.ms";

const DELETE_EXAMPLES: &str = "\
Examples:
  sordini topic delete orders
  sordini topic delete orders payments --if-exists";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_cut_at_its_first_equal_sign() {
        assert_eq!(pair("a=b=c").unwrap(), ("a".into(), "b=c".into()));
        assert_eq!(pair("a=").unwrap(), ("a".into(), String::new()));
        for wrong in ["a", "=b", ""] {
            assert!(pair(wrong).is_err(), "{wrong:?}");
        }
    }
}
