//! All messages as one list, for code that treats them alike: printers, generators, tests.

use super::*;
use crate::table::schema::{Struct, Type};

/// A message without its type: what can be done with any of them.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// Kafka's name for it.
    pub name: &'static str,
    /// Key of its API; -1 for headers.
    pub api_key: i16,
    /// Versions that the table has.
    pub versions: RangeInclusive<i16>,
    /// The first flexible version; [`i16::MAX`] if none is.
    pub flexible: i16,
    /// The table.
    pub schema: &'static Struct,
    /// Reads a message of a version and shows it.
    pub show: fn(&mut Reader, i16, &mut dyn Visitor) -> Result<(), DecodeError>,
    /// Reads a message of one version and writes it in another.
    pub copy: fn(&mut Reader, i16, &mut Writer, i16) -> Result<(), DecodeError>,
}

impl Descriptor {
    const fn of<M: Message>() -> Descriptor {
        let Type::Struct(schema) = M::TYPE else { panic!("a message is a struct") };
        Descriptor {
            name: M::NAME,
            api_key: M::API_KEY,
            versions: M::VERSIONS,
            flexible: M::FLEXIBLE,
            schema,
            show: |r, version, visitor| {
                M::decode(r, version).map(|message| message.walk(version, visitor))
            },
            copy: |r, from, w, to| M::decode(r, from).map(|message| message.encode(w, to)),
        }
    }
}

/// Every message that has a table: headers first, then request and response by key.
pub static MESSAGES: &[Descriptor] = &[
    Descriptor::of::<header::RequestHeader>(),
    Descriptor::of::<header::ResponseHeader>(),
    Descriptor::of::<produce::ProduceRequest>(),
    Descriptor::of::<produce::ProduceResponse>(),
    Descriptor::of::<fetch::FetchRequest>(),
    Descriptor::of::<fetch::FetchResponse>(),
    Descriptor::of::<list_offsets::ListOffsetsRequest>(),
    Descriptor::of::<list_offsets::ListOffsetsResponse>(),
    Descriptor::of::<metadata::MetadataRequest>(),
    Descriptor::of::<metadata::MetadataResponse>(),
    Descriptor::of::<api_versions::ApiVersionsRequest>(),
    Descriptor::of::<api_versions::ApiVersionsResponse>(),
    Descriptor::of::<create_topics::CreateTopicsRequest>(),
    Descriptor::of::<create_topics::CreateTopicsResponse>(),
    Descriptor::of::<delete_topics::DeleteTopicsRequest>(),
    Descriptor::of::<delete_topics::DeleteTopicsResponse>(),
    Descriptor::of::<delete_records::DeleteRecordsRequest>(),
    Descriptor::of::<delete_records::DeleteRecordsResponse>(),
    Descriptor::of::<init_producer_id::InitProducerIdRequest>(),
    Descriptor::of::<init_producer_id::InitProducerIdResponse>(),
    Descriptor::of::<offset_for_leader_epoch::OffsetForLeaderEpochRequest>(),
    Descriptor::of::<offset_for_leader_epoch::OffsetForLeaderEpochResponse>(),
    Descriptor::of::<describe_configs::DescribeConfigsRequest>(),
    Descriptor::of::<describe_configs::DescribeConfigsResponse>(),
    Descriptor::of::<alter_configs::AlterConfigsRequest>(),
    Descriptor::of::<alter_configs::AlterConfigsResponse>(),
    Descriptor::of::<incremental_alter_configs::IncrementalAlterConfigsRequest>(),
    Descriptor::of::<incremental_alter_configs::IncrementalAlterConfigsResponse>(),
    Descriptor::of::<describe_log_dirs::DescribeLogDirsRequest>(),
    Descriptor::of::<describe_log_dirs::DescribeLogDirsResponse>(),
    Descriptor::of::<create_partitions::CreatePartitionsRequest>(),
    Descriptor::of::<create_partitions::CreatePartitionsResponse>(),
    Descriptor::of::<describe_cluster::DescribeClusterRequest>(),
    Descriptor::of::<describe_cluster::DescribeClusterResponse>(),
    Descriptor::of::<describe_topic_partitions::DescribeTopicPartitionsRequest>(),
    Descriptor::of::<describe_topic_partitions::DescribeTopicPartitionsResponse>(),
];
