//! A codec written by others, from Kafka's own schema files, agrees with our tables.
//!
//! `kafka-protocol` 0.18 knows most of our versions. It must never see bytes that may be wrong,
//! since it takes capacities from the wire; here it sees only what we generated.

use crate::generate::Generator;
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, Message as _};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sordini_wire::message::{self as ours, Descriptor, MESSAGES, Message};
use sordini_wire::primitive::Writer;
use sordini_wire::table::{At, Wire};
use std::collections::BTreeSet;

/// What the other codec can do with one message.
struct Oracle {
    name: &'static str,
    versions: std::ops::RangeInclusive<i16>,
    /// Reads and writes again.
    copy: fn(Bytes, i16) -> Result<Bytes, String>,
    /// Its default message, and ours.
    defaults: fn(i16) -> Result<(Bytes, Bytes), String>,
}

macro_rules! oracles {
    ($($module:ident: $($name:ident)*;)*) => { vec![$($(
        Oracle {
            name: stringify!($name),
            versions: theirs::$name::VERSIONS.min..=theirs::$name::VERSIONS.max,
            copy: |bytes, version| {
                let mut rest = bytes;
                let message = theirs::$name::decode(&mut rest, version).map_err(|e| e.to_string())?;
                if !rest.is_empty() {
                    return Err(format!("{} bytes are left over", rest.len()));
                }
                encoded(&message, version)
            },
            defaults: |version| {
                let theirs = encoded(&theirs::$name::default(), version)?;
                Ok((theirs, ours::$module::$name::default().to_bytes(version)))
            },
        },
    )*)*] };
}

fn encoded(message: &impl Encodable, version: i16) -> Result<Bytes, String> {
    let mut buffer = BytesMut::new();
    message.encode(&mut buffer, version).map_err(|e| e.to_string())?;
    Ok(buffer.freeze())
}

fn oracles() -> Vec<Oracle> {
    oracles! {
        header: RequestHeader ResponseHeader;
        produce: ProduceRequest ProduceResponse;
        fetch: FetchRequest FetchResponse;
        list_offsets: ListOffsetsRequest ListOffsetsResponse;
        metadata: MetadataRequest MetadataResponse;
        api_versions: ApiVersionsRequest ApiVersionsResponse;
        create_topics: CreateTopicsRequest CreateTopicsResponse;
        delete_topics: DeleteTopicsRequest DeleteTopicsResponse;
        delete_records: DeleteRecordsRequest DeleteRecordsResponse;
        init_producer_id: InitProducerIdRequest InitProducerIdResponse;
        offset_for_leader_epoch: OffsetForLeaderEpochRequest OffsetForLeaderEpochResponse;
        describe_configs: DescribeConfigsRequest DescribeConfigsResponse;
        alter_configs: AlterConfigsRequest AlterConfigsResponse;
        incremental_alter_configs: IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse;
        describe_log_dirs: DescribeLogDirsRequest DescribeLogDirsResponse;
        create_partitions: CreatePartitionsRequest CreatePartitionsResponse;
        describe_cluster: DescribeClusterRequest DescribeClusterResponse;
        describe_topic_partitions: DescribeTopicPartitionsRequest DescribeTopicPartitionsResponse;
    }
}

macro_rules! nested {
    ($different:ident; $($module:ident $message:ident, $theirs:ident: $($name:ident)*;)*) => { $(
        let ours = ours::$module::$message::VERSIONS;
        let theirs = theirs::$message::VERSIONS;
        for version in *ours.start().max(&theirs.min)..=*ours.end().min(&theirs.max) {
            let at = At::new(version, ours::$module::$message::FLEXIBLE);
            $(
                let mut w = Writer::new();
                ours::$module::$name::default().write(&mut w, at);
                let theirs = encoded(&theirs::$theirs::$name::default(), version);
                if Ok(w.finish_joined()) != theirs {
                    $different.insert(stringify!($name));
                }
            )*
        }
    )* };
}

/// Every version of a message that both know.
fn common() -> Vec<(&'static Descriptor, Oracle, Vec<i16>)> {
    let oracles = oracles();
    assert_eq!(oracles.len(), MESSAGES.len(), "every message has an oracle");
    let with_versions = |oracle: Oracle| {
        let message = MESSAGES.iter().find(|m| m.name == oracle.name).expect("it has a table");
        let versions = message.versions.clone().filter(|v| oracle.versions.contains(v)).collect();
        (message, oracle, versions)
    };
    oracles.into_iter().map(with_versions).collect()
}

#[test]
fn a_published_codec_reads_and_writes_the_same_bytes() {
    for (message, oracle, versions) in common() {
        for version in versions {
            let mut config = ProptestConfig::with_cases(32);
            config.failure_persistence = None;
            let choices = prop::collection::vec(any::<u8>(), 0..600);
            TestRunner::new(config)
                .run(&choices, |choices| {
                    let bytes = Generator::new(&choices, false).message(message, version);
                    prop_assert_eq!((oracle.copy)(bytes.clone(), version), Ok(bytes));
                    Ok(())
                })
                .unwrap_or_else(|e| panic!("{} v{version}: {e}", message.name));
        }
    }
}

#[test]
fn a_published_codec_has_the_same_defaults() {
    for (message, oracle, versions) in common() {
        for version in versions {
            let (theirs, ours) = (oracle.defaults)(version)
                .unwrap_or_else(|e| panic!("{} v{version}: {e}", message.name));
            assert_eq!(ours, theirs, "{} v{version}", message.name);
        }
    }
}

#[test]
fn a_published_codec_has_the_same_defaults_inside() {
    let mut different = BTreeSet::new();
    nested! {
        different;
        produce ProduceRequest, produce_request: TopicProduceData PartitionProduceData;
        produce ProduceResponse, produce_response: TopicProduceResponse PartitionProduceResponse BatchIndexAndErrorMessage LeaderIdAndEpoch NodeEndpoint;
        fetch FetchRequest, fetch_request: ReplicaState FetchTopic FetchPartition ForgottenTopic;
        fetch FetchResponse, fetch_response: FetchableTopicResponse PartitionData EpochEndOffset LeaderIdAndEpoch SnapshotId AbortedTransaction NodeEndpoint;
        list_offsets ListOffsetsRequest, list_offsets_request: ListOffsetsTopic ListOffsetsPartition;
        list_offsets ListOffsetsResponse, list_offsets_response: ListOffsetsTopicResponse ListOffsetsPartitionResponse;
        metadata MetadataRequest, metadata_request: MetadataRequestTopic;
        metadata MetadataResponse, metadata_response: MetadataResponseBroker MetadataResponseTopic MetadataResponsePartition;
        api_versions ApiVersionsResponse, api_versions_response: ApiVersion SupportedFeatureKey FinalizedFeatureKey;
        create_topics CreateTopicsRequest, create_topics_request: CreatableTopic CreatableReplicaAssignment CreatableTopicConfig;
        create_topics CreateTopicsResponse, create_topics_response: CreatableTopicResult CreatableTopicConfigs;
        delete_topics DeleteTopicsRequest, delete_topics_request: DeleteTopicState;
        delete_topics DeleteTopicsResponse, delete_topics_response: DeletableTopicResult;
        delete_records DeleteRecordsRequest, delete_records_request: DeleteRecordsTopic DeleteRecordsPartition;
        delete_records DeleteRecordsResponse, delete_records_response: DeleteRecordsTopicResult DeleteRecordsPartitionResult;
        offset_for_leader_epoch OffsetForLeaderEpochRequest, offset_for_leader_epoch_request: OffsetForLeaderTopic OffsetForLeaderPartition;
        offset_for_leader_epoch OffsetForLeaderEpochResponse, offset_for_leader_epoch_response: OffsetForLeaderTopicResult EpochEndOffset;
        describe_configs DescribeConfigsRequest, describe_configs_request: DescribeConfigsResource;
        describe_configs DescribeConfigsResponse, describe_configs_response: DescribeConfigsResult DescribeConfigsResourceResult DescribeConfigsSynonym;
        alter_configs AlterConfigsRequest, alter_configs_request: AlterConfigsResource AlterableConfig;
        alter_configs AlterConfigsResponse, alter_configs_response: AlterConfigsResourceResponse;
        incremental_alter_configs IncrementalAlterConfigsRequest, incremental_alter_configs_request: AlterConfigsResource AlterableConfig;
        incremental_alter_configs IncrementalAlterConfigsResponse, incremental_alter_configs_response: AlterConfigsResourceResponse;
        describe_log_dirs DescribeLogDirsRequest, describe_log_dirs_request: DescribableLogDirTopic;
        describe_log_dirs DescribeLogDirsResponse, describe_log_dirs_response: DescribeLogDirsResult DescribeLogDirsTopic DescribeLogDirsPartition;
        create_partitions CreatePartitionsRequest, create_partitions_request: CreatePartitionsTopic CreatePartitionsAssignment;
        create_partitions CreatePartitionsResponse, create_partitions_response: CreatePartitionsTopicResult;
        describe_cluster DescribeClusterResponse, describe_cluster_response: DescribeClusterBroker;
        describe_topic_partitions DescribeTopicPartitionsRequest, describe_topic_partitions_request: TopicRequest Cursor;
        describe_topic_partitions DescribeTopicPartitionsResponse, describe_topic_partitions_response: DescribeTopicPartitionsResponseTopic DescribeTopicPartitionsResponsePartition Cursor;
    }
    // Kafka's default for records is null, theirs is empty. A snapshot id never stands in a version
    // below 12, but they would write it there.
    let known = BTreeSet::from(["PartitionData", "PartitionProduceData", "SnapshotId"]);
    assert_eq!(different, known);
    assert_eq!(ours::produce::PartitionProduceData::default().records, None);
    assert_eq!(ours::fetch::PartitionData::default().records, None);
}

/// So that the comparison is not empty: of 163 versions, most are common.
#[test]
fn most_versions_are_compared() {
    let count = |messages: &mut dyn Iterator<Item = usize>| messages.sum::<usize>();
    let all = count(&mut MESSAGES.iter().map(|m| m.versions.clone().count()));
    let compared = count(&mut common().iter().map(|(_, _, versions)| versions.len()));
    println!("{compared} of {all} versions");
    assert!(compared * 10 >= all * 9, "{compared} of {all}");
}
