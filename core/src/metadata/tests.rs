use super::settings::AlterError;
use super::topics::{METADATA_TOPIC, Size, TopicError};
use super::*;
use crate::config::broker::BrokerConfig;
use crate::config::lookup::Lookup;
use crate::config::topic::TopicConfig;
use expect_test::expect;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use sordini_log::{Epoch, Now};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use std::collections::BTreeSet;

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

/// A node as far as its metadata goes, with everything that it ever wrote.
struct Node {
    metadata: Metadata,
    chance: ChaCha8Rng,
    config: BrokerConfig,
    log: Vec<MetadataRecord>,
    effects: Vec<Effect>,
    read_only: bool,
    batch_bytes_max: usize,
}

impl Node {
    fn new() -> Node {
        Node {
            metadata: Metadata::new(),
            chance: ChaCha8Rng::from_seed([3; 32]),
            config: BrokerConfig { cluster_id: Some("castle".into()), ..BrokerConfig::default() },
            log: Vec::new(),
            effects: Vec::new(),
            read_only: false,
            batch_bytes_max: 1 << 20,
        }
    }

    fn admin<R>(&mut self, act: impl FnOnce(&mut Admin<'_>) -> R) -> R {
        let mut admin = Admin {
            draft: Draft::new(&mut self.metadata, &mut self.chance, self.batch_bytes_max),
            config: &self.config,
            now: Now::default(),
            partitions: &Empty,
            partitions_left: 100_000,
            read_only: self.read_only,
        };
        let result = act(&mut admin);
        let drafted = admin.draft.finish();
        assert_eq!(drafted.base.0, self.log.len() as u64);
        self.log.extend(drafted.records);
        self.effects.extend(drafted.effects);
        self.metadata.invariants();
        result
    }

    fn create(&mut self, name: &str, partitions: i32, set: &[(&str, &str)]) -> TopicId {
        let set = set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        self.admin(|admin| {
            admin.check_new_name(name).unwrap();
            let size = Size { partitions: Some(partitions), replicas: None };
            let placement = admin.place(size).unwrap();
            admin.create_topic(name, set, placement)
        })
    }

    fn set(&mut self, resource: &Resource, set: &[(&str, &str)]) {
        let set = set.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        self.admin(|admin| {
            admin.check_resource(resource).unwrap();
            admin.check_settings(resource, &set).unwrap();
            admin.replace_settings(resource, &set);
        });
    }

    fn name_refused(&mut self, name: &str) -> TopicError {
        self.admin(|admin| admin.check_new_name(name).unwrap_err())
    }

    fn config(&self, topic: &str) -> TopicConfig {
        TopicConfig::resolve(&self.metadata, &self.config, topic)
    }
}

/// The state after these records, read back from their bytes.
fn replayed(mut metadata: Metadata, log: &[MetadataRecord]) -> Metadata {
    for (at, record) in (0..).zip(log) {
        metadata.replay(Offset(at), &record.encode()).unwrap();
    }
    metadata
}

#[derive(Clone, Debug)]
enum Act {
    Create(u8, i32),
    Delete(u8),
    Grow(u8, i32),
    Set(u8, u64),
    Reset(u8),
    Cluster(u64),
    Ids,
}

fn act() -> impl Strategy<Value = Act> {
    let topic = 0..4u8;
    prop_oneof![
        3 => (topic.clone(), 1..4i32).prop_map(|(t, n)| Act::Create(t, n)),
        2 => topic.clone().prop_map(Act::Delete),
        2 => (topic.clone(), 1..3i32).prop_map(|(t, n)| Act::Grow(t, n)),
        2 => (topic.clone(), any::<u64>()).prop_map(|(t, n)| Act::Set(t, n)),
        1 => topic.prop_map(Act::Reset),
        1 => any::<u64>().prop_map(Act::Cluster),
        1 => Just(Act::Ids),
    ]
}

impl Node {
    /// Does it if it can be done.
    fn act(&mut self, act: Act) {
        let name = |t: u8| format!("topic-{t}");
        let id = |node: &Node, t: u8| node.metadata.topic(&name(t)).map(|topic| topic.id);
        match act {
            Act::Create(t, n) if id(self, t).is_none() => {
                self.create(&name(t), n, &[("retention.ms", "77")]);
            }
            Act::Delete(t) => {
                if let Some(id) = id(self, t) {
                    self.admin(|admin| admin.delete_topic(id));
                }
            }
            Act::Grow(t, n) => {
                if let Some(id) = id(self, t) {
                    self.admin(|admin| {
                        let placement = vec![vec![admin.node()]; n as usize];
                        admin.grow_topic(id, placement);
                    });
                }
            }
            Act::Set(t, n) if id(self, t).is_some() => {
                let n = (n >> 1).to_string();
                self.set(&Resource::topic(&name(t)), &[("retention.ms", &n), ("flush.ms", "1")]);
            }
            Act::Reset(t) if id(self, t).is_some() => self.set(&Resource::topic(&name(t)), &[]),
            Act::Cluster(n) => {
                let n = (n >> 1).to_string();
                self.set(&Resource::broker(None), &[("log.retention.ms", &n)]);
            }
            Act::Ids => {
                let next = self.metadata.producer_id_next() + 1000;
                self.admin(|admin| admin.draft.put(MetadataRecord::ProducerIdBlock { next }));
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn live_fold_is_replayed_fold_is_checkpoint_and_the_rest(
        acts in prop::collection::vec(act(), 0..40),
        checkpoint in any::<prop::sample::Index>(),
    ) {
        let mut node = Node::new();
        let when = checkpoint.index(acts.len() + 1);
        let mut saved = node.metadata.save();
        for (i, act) in acts.into_iter().enumerate() {
            node.act(act);
            if i + 1 == when {
                saved = node.metadata.save();
            }
        }
        prop_assert_eq!(&replayed(Metadata::new(), &node.log), &node.metadata);
        let loaded = Metadata::load(&saved).unwrap();
        prop_assert_eq!(loaded.save(), saved);
        let rest = replayed(loaded, &node.log);
        prop_assert_eq!(&rest, &node.metadata);
        prop_assert_eq!(rest.digest(), node.metadata.digest());

        // Storage that carries out the effects has exactly the logs that the metadata names, each once.
        let (mut made, mut alive) = (BTreeSet::new(), BTreeMap::new());
        for effect in &node.effects {
            match effect {
                Effect::CreateLog { dir, config, .. } => {
                    prop_assert!(made.insert(dir.log), "a log id was given out twice");
                    alive.insert(dir.log, config.clone());
                }
                Effect::DeleteLog { dir, .. } => prop_assert!(alive.remove(&dir.log).is_some()),
                Effect::Reconfigure { log, config } => {
                    prop_assert!(alive.insert(*log, config.clone()).is_some());
                }
            }
        }
        let mut named = BTreeMap::new();
        for topic in node.metadata.topics() {
            let config = node.config(&topic.name);
            named.extend(topic.partitions.iter().map(|p| (p.log, config.clone())));
        }
        prop_assert_eq!(alive, named);
    }

    #[test]
    fn bytes_that_are_no_record_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(record) = MetadataRecord::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes.clone());
        }
        prop_assert!(Metadata::load(&bytes).is_err());
    }
}

fn one_of_each() -> Vec<MetadataRecord> {
    let topic = TopicId([9; 16]);
    let resource = Resource::topic("orders");
    let (key, value) = ("retention.ms".to_owned(), "1".to_owned());
    vec![
        MetadataRecord::ClusterId { id: "castle".into() },
        MetadataRecord::TopicCreated { topic, name: "orders".into() },
        MetadataRecord::PartitionCreated {
            topic,
            partition: 0,
            log: LogId(1),
            replicas: vec![NodeId(1)],
        },
        MetadataRecord::ConfigSet { resource: resource.clone(), key: key.clone(), value },
        MetadataRecord::ConfigRemoved { resource, key },
        MetadataRecord::ProducerIdBlock { next: 1000 },
        MetadataRecord::TopicDeleted { topic },
    ]
}

#[test]
fn a_record_that_is_cut_or_has_more_behind_it_is_refused() {
    for record in one_of_each() {
        let bytes = record.encode();
        assert_eq!(MetadataRecord::decode(&bytes).unwrap(), record);
        for len in 0..bytes.len() {
            let error = MetadataRecord::decode(&bytes[..len]).unwrap_err();
            assert!(
                matches!(error, RecordError::Damaged { .. }),
                "{record:?} cut at {len}: {error}"
            );
        }
        assert!(MetadataRecord::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
}

#[test]
fn a_record_of_a_newer_program_is_refused_by_name() {
    let error = MetadataRecord::decode(&[0, 99, 0, 0]).unwrap_err();
    assert_eq!(error, RecordError::Unknown { kind: 99, version: 0 });
    let error = MetadataRecord::decode(&[0, 1, 0, 7]).unwrap_err();
    assert_eq!(error, RecordError::Unknown { kind: 1, version: 7 });
    let error = Metadata::load(&[0, 2]).unwrap_err();
    assert_eq!(error, RecordError::UnknownSave { version: 2 });
}

#[test]
fn a_record_that_contradicts_the_state_is_refused_and_changes_nothing() {
    let mut metadata = Metadata::new();
    for (at, record) in (0..).zip(one_of_each()) {
        let before = metadata.clone();
        let early = metadata.apply(Offset(at + 1), &record);
        assert!(
            matches!(early, Err(RecordError::Contradiction(_))),
            "{record:?} beside its offset"
        );
        assert_eq!(metadata, before);
        metadata.apply(Offset(at), &record).unwrap();
        let before = metadata.clone();
        if !matches!(record, MetadataRecord::ConfigSet { .. }) {
            assert!(metadata.apply(Offset(at + 1), &record).is_err(), "{record:?} twice");
        }
        assert_eq!(metadata, before);
    }
}

#[test]
fn a_saved_state_has_these_bytes() {
    let mut metadata = Metadata::new();
    for (at, record) in (0..).zip(&one_of_each()[..4]) {
        metadata.apply(Offset(at), record).unwrap();
    }
    let saved = metadata.save();
    let hex: Vec<String> = saved
        .chunks(16)
        .map(|line| line.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" "))
        .collect();
    expect![[r#"
        00 01 00 00 00 00 00 00 00 04 00 00 00 00 00 00
        00 02 00 00 00 00 00 00 00 00 01 00 06 63 61 73
        74 6c 65 00 00 00 01 09 09 09 09 09 09 09 09 09
        09 09 09 09 09 09 09 00 06 6f 72 64 65 72 73 00
        00 00 01 00 00 00 00 00 00 00 01 00 00 00 01 00
        00 00 01 00 00 00 01 02 00 06 6f 72 64 65 72 73
        00 00 00 01 00 0c 72 65 74 65 6e 74 69 6f 6e 2e
        6d 73 00 00 00 01 31
    "#]]
    .assert_eq(&(hex.join("\n") + "\n"));
    assert_eq!(Metadata::load(&saved).unwrap(), metadata);
}

#[test]
fn a_new_cluster_gets_its_id_and_keeps_the_number_of_insync_replicas_as_a_setting() {
    let mut node = Node::new();
    node.admin(|admin| admin.found_cluster());
    assert_eq!(node.metadata.cluster_id(), Some("castle"));
    let cluster = Resource::broker(None);
    assert_eq!(node.metadata.configs(&cluster)["min.insync.replicas"], "1");
    let gone = node.admin(|admin| admin.check_settings(&cluster, &BTreeMap::new()));
    assert!(gone.is_err(), "the setting stays");
}

#[test]
fn a_recreated_topic_has_another_id_and_other_logs() {
    let mut node = Node::new();
    let first = node.create("orders", 2, &[("retention.ms", "1")]);
    let logs: Vec<LogId> =
        node.metadata.topic("orders").unwrap().partitions.iter().map(|p| p.log).collect();
    node.admin(|admin| admin.delete_topic(first));
    assert_eq!(node.metadata.topic_by_id(first), None);
    let second = node.create("orders", 1, &[]);
    assert_ne!(first, second);
    let topic = node.metadata.topic("orders").unwrap();
    assert!(!logs.contains(&topic.partitions[0].log));
    assert_eq!(&*topic.dir(0).name, "orders-0");
    assert!(node.metadata.configs(&Resource::topic("orders")).is_empty(), "settings went with it");
}

#[test]
fn names_that_differ_in_dots_and_underscores_only_collide() {
    let mut node = Node::new();
    node.create("a.b_c", 1, &[]);
    assert_eq!(
        node.name_refused("a_b.c"),
        TopicError::Collision { name: "a_b.c".into(), other: "a.b_c".into() }
    );
    assert_eq!(node.name_refused("a.b_c"), TopicError::Exists("a.b_c".into()));
    assert_eq!(node.name_refused(METADATA_TOPIC), TopicError::Reserved(METADATA_TOPIC.into()));
    node.create("a-b-c", 1, &[]);
}

#[test]
fn a_full_disk_refuses_creation_and_allows_deletion() {
    let mut node = Node::new();
    let id = node.create("old", 1, &[]);
    node.read_only = true;
    assert_eq!(node.name_refused("new"), TopicError::DiskFull);
    let grown = node.admin(|admin| {
        let topic = admin.metadata().topic("old").unwrap();
        admin.place_growth(topic, 2, None::<std::iter::Empty<&[i32]>>)
    });
    assert_eq!(grown, Err(TopicError::DiskFull));
    node.admin(|admin| admin.delete_topic(id));
    assert_eq!(node.metadata.topics().count(), 0);
}

#[test]
fn more_than_ten_thousand_partitions_are_refused_before_anything_is_allocated() {
    let mut node = Node::new();
    let size = Size { partitions: Some(i32::MAX), replicas: None };
    assert_eq!(node.admin(|admin| admin.place(size)), Err(TopicError::TooManyPartitions));
}

#[test]
fn one_request_creates_no_more_than_ten_thousand_partitions_in_all() {
    let mut node = Node::new();
    let size = Size { partitions: Some(6000), replicas: None };
    node.admin(|admin| {
        let placement = admin.place(size).unwrap();
        admin.create_topic("first", BTreeMap::new(), placement);
        assert_eq!(admin.place(size), Err(TopicError::TooManyPartitions));
    });
    assert!(node.admin(|admin| admin.place(size)).is_ok(), "the next request does");
}

/// What a request changes goes to the journal as one batch, which has to fit one of its files.
#[test]
fn a_request_changes_no_more_than_one_batch_holds() {
    let mut node = Node::new();
    node.batch_bytes_max = 4096;
    let size = |n| Size { partitions: Some(n), replicas: None };
    node.admin(|admin| {
        assert_eq!(admin.place(size(100)), Err(TopicError::TooMuch));
        let set = BTreeMap::from([("k".to_owned(), "v".repeat(4000))]);
        let placement = admin.place(size(1)).unwrap();
        assert_eq!(admin.check_new_topic("t", &set, &placement), Err(TopicError::TooMuch));
    });
    let made = node.admin(|admin| {
        let none = BTreeMap::new();
        let mut made = 0;
        while let Ok(placement) = admin.place(size(1)) {
            let name = format!("t{made}");
            if admin.check_new_topic(&name, &none, &placement).is_err() {
                break;
            }
            admin.create_topic(&name, none.clone(), placement);
            made += 1;
        }
        made
    });
    assert!(made > 10, "{made}");
    let mut builder = BatchBuilder::new(Codec::None);
    node.log.iter().for_each(|record| builder.push(0, None, Some(&record.encode()), &[]));
    assert!(builder.build_batch().bytes().len() <= 4096);
    let replicas: Vec<String> = (100..600).map(|n| format!("{n}:0")).collect();
    let (topic, long) = (Resource::topic("t0"), replicas.join(","));
    node.admin(|admin| {
        let new = BTreeMap::from([(THROTTLED.to_owned(), long.clone())]);
        assert_eq!(admin.check_settings(&topic, &new), Ok(()));
        admin.replace_settings(&topic, &new);
        let other = Resource::topic("t1");
        assert_eq!(admin.check_settings(&other, &new), Err(AlterError::TooMuch));
    });
    node.batch_bytes_max = 100;
    node.admin(|admin| assert_eq!(admin.check_deletion(), Err(TopicError::TooMuch)));
}

const THROTTLED: &str = "follower.replication.throttled.replicas";

#[test]
fn a_list_does_not_grow_beyond_what_an_answer_can_show() {
    let mut node = Node::new();
    node.create("t", 1, &[]);
    let long = (0..9000).map(|n| format!("{n}:1")).collect::<Vec<_>>().join(",");
    let set = BTreeMap::from([("leader.replication.throttled.replicas".to_owned(), long)]);
    let checked = node.admin(|admin| admin.check_settings(&Resource::topic("t"), &set));
    assert_eq!(checked, Err(super::settings::AlterError::Long));
}

#[test]
fn a_topic_says_more_than_the_broker_the_broker_more_than_the_cluster() {
    let mut node = Node::new();
    let pair = ("log.retention.hours".to_owned(), "2".to_owned());
    node.config = BrokerConfig::new(BTreeMap::from([pair])).unwrap();
    node.create("t", 2, &[]);
    assert_eq!(node.config("t").retention_ms, Some(7_200_000), "given in hours");
    let (cluster, broker) = (Resource::broker(None), Resource::broker(Some(NodeId(1))));
    node.set(&cluster, &[("log.retention.ms", "3")]);
    assert_eq!(node.config("t").retention_ms, Some(3));
    node.set(&broker, &[("log.retention.ms", "-1")]);
    assert_eq!(node.config("t").retention_ms, None, "for ever");
    node.set(&Resource::topic("t"), &[("retention.ms", "5")]);
    assert_eq!(node.config("t").retention_ms, Some(5));
    node.effects.clear();
    node.set(&broker, &[]);
    assert_eq!(node.effects, [], "the topic does not notice");
    node.set(&Resource::topic("t"), &[]);
    assert_eq!(node.effects.len(), 2, "both its logs do");
}

#[test]
fn dynamic_keys_of_the_broker_hold_at_once() {
    let mut node = Node::new();
    let key = "producer.id.expiration.ms";
    let of = |node: &Node| Lookup { metadata: &node.metadata, config: &node.config }.number(key);
    assert_eq!(of(&node), 86_400_000);
    node.set(&Resource::broker(None), &[(key, "10")]);
    assert_eq!(of(&node), 10);
}

#[test]
fn topic_ids_are_random_uuids_that_tools_can_take_as_arguments() {
    assert_eq!(TopicId::from_random([0xf8; 16]), None, "its base64 starts with a dash");
    let id = TopicId::from_random([0; 16]).unwrap();
    assert_eq!(id.0[6], 0x40, "version 4");
    assert_eq!(id.0[8], 0x80, "RFC 4122");
    assert_eq!(id.to_string(), "AAAAAAAAQACAAAAAAAAAAA");
}
