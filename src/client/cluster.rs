//! The brokers of a cluster and what they lead, found through any one of them.

use super::request::Request;
use super::{Address, Connection, accepted};
use anyhow::{Context, Result, anyhow};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic,
};
use sordini_wire::primitive::{Str, Uuid};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a topic may be without a leader before that is an error, where the user does not say.
pub const LEADER_WAIT: Duration = Duration::from_secs(30);

/// Pause before asking again.
const RETRY_WAIT: Duration = Duration::from_millis(100);

/// A cluster, and an open connection to each broker that was needed so far.
#[derive(Debug)]
pub struct Cluster {
    /// The broker that the user named.
    first: Address,
    entry: Connection,
    brokers: BTreeMap<i32, Address>,
    controller: i32,
    open: BTreeMap<i32, Connection>,
}

/// A topic as the cluster knows it now.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its name.
    pub name: Str,
    /// Its id; zero from a broker older than Metadata version 10.
    pub id: Uuid,
    /// Its partitions, ascending and dense.
    pub partitions: Vec<Partition>,
}

/// A partition and who leads it.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// Node id of the leader.
    pub leader: i32,
    /// Epoch of the leader, or -1.
    pub leader_epoch: i32,
    /// Nodes with a replica, the preferred leader first.
    pub replicas: Vec<i32>,
    /// Nodes whose replica is in sync.
    pub in_sync: Vec<i32>,
}

impl Cluster {
    /// Connects to one broker of the cluster.
    pub fn connect(first: &Address) -> Result<Cluster> {
        let entry = Connection::open(first)?;
        Ok(Cluster {
            first: first.clone(),
            entry,
            brokers: BTreeMap::new(),
            controller: -1,
            open: BTreeMap::new(),
        })
    }

    /// Asks the broker that the user named.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Answer> {
        self.entry.call(request)
    }

    /// Asks the controller; brokers forward what it must decide, so any broker will do where none is known.
    pub fn call_controller<R: Request>(&mut self, request: &R) -> Result<R::Answer> {
        self.metadata(Some(Vec::new()), false)?;
        match self.brokers.contains_key(&self.controller) {
            true => self.broker(self.controller)?.call(request),
            false => self.entry.call(request),
        }
    }

    /// The connection to a broker, opened if need be.
    pub fn broker(&mut self, node: i32) -> Result<&mut Connection> {
        if !self.open.contains_key(&node) {
            let address = self.brokers.get(&node).ok_or_else(|| {
                anyhow!("the cluster names node {node} as a leader but not among its brokers")
            })?;
            let opened = Connection::open(address).with_context(|| {
                format!(
                    "{} says that node {node} is reached at {address}; if it is not, set its --advertise \
                     (advertised.listeners)",
                    self.first
                )
            })?;
            self.open.insert(node, opened);
        }
        Ok(self.open.get_mut(&node).expect("it was just opened"))
    }

    /// Forgets the connections, to open new ones: after one was lost.
    pub fn reconnect(&mut self) -> Result<()> {
        self.open.clear();
        let known = std::iter::once(&self.first).chain(self.brokers.values());
        let mut last = None;
        for address in known {
            match Connection::open(address) {
                Ok(entry) => {
                    self.entry = entry;
                    return Ok(());
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("there is at least the first address"))
    }

    /// What the cluster says of these topics, or of all.
    pub fn metadata(&mut self, topics: Option<Vec<Str>>, create: bool) -> Result<MetadataResponse> {
        let topics = topics.map(|names| {
            let topic = |name| MetadataRequestTopic { name: Some(name), ..Default::default() };
            names.into_iter().map(topic).collect()
        });
        let request =
            MetadataRequest { topics, allow_auto_topic_creation: create, ..Default::default() };
        let answer = self.entry.call(&request)?;
        accepted(answer.error_code, None, || "read the cluster's metadata".into())?;
        self.controller = answer.controller_id;
        self.brokers.clear();
        for broker in &answer.brokers {
            let port = u16::try_from(broker.port).unwrap_or_default();
            self.brokers.insert(broker.node_id, Address { host: broker.host.to_string(), port });
        }
        // A broker that moved is another broker.
        let brokers = &self.brokers;
        self.open.retain(|node, link| brokers.get(node) == Some(link.address()));
        Ok(answer)
    }

    /// A topic all of whose partitions have a leader; waits so long until they do. `create` lets the
    /// broker create it, if it does so for others.
    pub fn topic(&mut self, name: &str, create: bool, wait: Duration) -> Result<Topic> {
        self.find(name, create, create, wait)
    }

    /// A topic that was just created, which the brokers may not all know yet.
    pub fn new_topic(&mut self, name: &str) -> Result<Topic> {
        self.find(name, false, true, LEADER_WAIT)
    }

    fn find(&mut self, name: &str, create: bool, coming: bool, wait: Duration) -> Result<Topic> {
        let deadline = Instant::now() + wait;
        loop {
            let mut answer = self.metadata(Some(vec![Str::from(name)]), create)?;
            let found =
                answer.topics.pop().context("the broker left the topic out of its answer")?;
            match ready(found, name) {
                Ok(topic) => return Ok(topic),
                Err(error) if !worth_waiting(&error, coming) => return Err(error),
                Err(error) if Instant::now() >= deadline => {
                    let waited = format!("gave up after {} s", wait.as_secs());
                    return Err(error.context(waited));
                }
                Err(_) => sleep(RETRY_WAIT),
            }
        }
    }
}

/// The topic, if it can be used now.
fn ready(found: MetadataResponseTopic, name: &str) -> Result<Topic> {
    accepted(found.error_code, None, || format!("use the topic {name}"))?;
    let mut partitions = Vec::with_capacity(found.partitions.len());
    for p in found.partitions {
        let leaderless = p.leader_id < 0;
        let code = if leaderless { ErrorCode::LEADER_NOT_AVAILABLE.0 } else { p.error_code };
        // A replica that is away does not stop a leader.
        if code != ErrorCode::REPLICA_NOT_AVAILABLE.0 {
            accepted(code, None, || format!("use partition {} of {name}", p.partition_index))?;
        }
        partitions.push(Partition {
            index: p.partition_index,
            leader: p.leader_id,
            leader_epoch: p.leader_epoch,
            replicas: p.replica_nodes,
            in_sync: p.isr_nodes,
        });
    }
    partitions.sort_by_key(|p| p.index);
    Ok(Topic { name: Str::from(name), id: found.topic_id, partitions })
}

/// Whether the error passes by itself. A topic that does not exist will not come, unless it is just
/// being created.
fn worth_waiting(error: &anyhow::Error, coming: bool) -> bool {
    error.downcast_ref::<super::Refusal>().is_some_and(|refusal| match refusal.code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => coming,
        code => code.is_retriable(),
    })
}
