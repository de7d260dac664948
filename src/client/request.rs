//! Which answer belongs to which request.

use sordini_wire::message::Message;
use sordini_wire::message::{
    api_versions, create_partitions, create_topics, delete_topics, describe_cluster,
    describe_configs, fetch, incremental_alter_configs, init_producer_id, list_offsets, metadata,
    produce,
};

/// A message that a client sends, and the one that comes back in the same version.
pub trait Request: Message {
    /// What comes back.
    type Answer: Message;
}

macro_rules! pairs {
    ($($module:ident: $request:ident => $answer:ident;)*) => { $(
        impl Request for $module::$request {
            type Answer = $module::$answer;
        }
    )* };
}

pairs! {
    api_versions: ApiVersionsRequest => ApiVersionsResponse;
    create_partitions: CreatePartitionsRequest => CreatePartitionsResponse;
    create_topics: CreateTopicsRequest => CreateTopicsResponse;
    delete_topics: DeleteTopicsRequest => DeleteTopicsResponse;
    describe_cluster: DescribeClusterRequest => DescribeClusterResponse;
    describe_configs: DescribeConfigsRequest => DescribeConfigsResponse;
    fetch: FetchRequest => FetchResponse;
    incremental_alter_configs: IncrementalAlterConfigsRequest => IncrementalAlterConfigsResponse;
    init_producer_id: InitProducerIdRequest => InitProducerIdResponse;
    list_offsets: ListOffsetsRequest => ListOffsetsResponse;
    metadata: MetadataRequest => MetadataResponse;
    produce: ProduceRequest => ProduceResponse;
}
