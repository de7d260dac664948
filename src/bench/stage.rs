//! What a load needs before it can run: topics of its own, which it deletes in the end.

use crate::client::connection::Connection;
use crate::client::{Address, Cluster, Refusal, Topic, accepted};
use crate::consume::offsets;
use anyhow::{Context, Result};
use sordini_wire::message::create_topics::{CreatableTopic, CreateTopicsRequest};
use sordini_wire::message::delete_topics::{DeleteTopicState, DeleteTopicsRequest};
use sordini_wire::message::fetch::FetchRequest;
use sordini_wire::message::produce::ProduceRequest;
use sordini_wire::primitive::Str;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Milliseconds that the cluster may take for a change.
const CHANGE_MS_MAX: i32 = 60_000;
/// How long a new partition may be without its leader.
const LEADER_WAIT: Duration = Duration::from_secs(30);
/// Pause before asking again.
const RETRY_WAIT: Duration = Duration::from_millis(50);
/// Produce and Fetch up to these versions name topics instead of their ids.
const BY_NAME: i16 = 12;

/// Topics, and how to talk about them.
pub struct Stage {
    cluster: Cluster,
    broker: Address,
    /// The topics, all with the same number of partitions.
    pub topics: Vec<Topic>,
    /// Version of Produce that is spoken.
    pub produce_version: i16,
    /// Version of Fetch that is spoken.
    pub fetch_version: i16,
}

impl Stage {
    /// Creates the topics.
    pub fn set(broker: &Address, topics: usize, partitions: i32) -> Result<Stage> {
        let mut cluster = Cluster::connect(broker)?;
        let pid = std::process::id();
        let names: Vec<Str> = (0..topics).map(|n| format!("bench-{pid}-{n}").into()).collect();
        let topic = |name: &Str| CreatableTopic {
            name: name.clone(),
            num_partitions: partitions,
            replication_factor: -1,
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: names.iter().map(topic).collect(),
            timeout_ms: CHANGE_MS_MAX,
            ..Default::default()
        };
        let answer = cluster.call_controller(&request)?;
        for result in &answer.topics {
            accepted(result.error_code, result.error_message.as_deref(), || {
                format!("create the topic {}", result.name)
            })?;
        }
        let found = names.iter().map(|name| cluster.new_topic(name)).collect::<Result<_>>()?;
        for topic in &found {
            await_leaders(&mut cluster, topic)?;
        }
        let link = Connection::open(broker)?;
        let mut stage = Stage {
            cluster,
            broker: broker.clone(),
            topics: found,
            produce_version: 0,
            fetch_version: 0,
        };
        let newest = if stage.topics[0].id.is_zero() { BY_NAME } else { i16::MAX };
        stage.produce_version = link.version::<ProduceRequest>(newest)?;
        stage.fetch_version = link.version::<FetchRequest>(newest)?;
        Ok(stage)
    }

    /// So many sockets to the broker, all of whose partitions it must lead.
    pub fn sockets(&self, count: usize) -> Result<Vec<TcpStream>> {
        (0..count).map(|_| self.broker.connect()).collect()
    }

    /// Deletes the topics.
    pub fn strike(mut self) -> Result<()> {
        let names: Vec<Str> = self.topics.iter().map(|t| t.name.clone()).collect();
        let state =
            |name: &Str| DeleteTopicState { name: Some(name.clone()), ..Default::default() };
        let request = DeleteTopicsRequest {
            topics: names.iter().map(state).collect(),
            topic_names: names,
            timeout_ms: CHANGE_MS_MAX,
            ..Default::default()
        };
        let answer = self.cluster.call_controller(&request)?;
        for result in &answer.responses {
            accepted(result.error_code, result.error_message.as_deref(), || {
                "delete the topics of the load".into()
            })
            .context("the load is measured, but its topics remain")?;
        }
        Ok(())
    }
}

/// Waits until every leader knows that it is one: metadata may run ahead of that.
fn await_leaders(cluster: &mut Cluster, topic: &Topic) -> Result<()> {
    let indexes: Vec<i32> = topic.partitions.iter().map(|p| p.index).collect();
    let deadline = Instant::now() + LEADER_WAIT;
    loop {
        match offsets::list(cluster, topic, &indexes, offsets::LATEST) {
            Ok(_) => return Ok(()),
            Err(error) => match error.downcast_ref::<Refusal>() {
                Some(refusal) if refusal.code.is_retriable() && Instant::now() < deadline => {
                    sleep(RETRY_WAIT);
                }
                _ => return Err(error),
            },
        }
    }
}
