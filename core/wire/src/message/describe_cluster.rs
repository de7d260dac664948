//! DescribeCluster (key 60, versions 0-2): which cluster this is, and of which brokers (KIP-700).
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | the first, flexible |
//! | 1 | brokers or controllers (KIP-919) |
//! | 2 | fenced brokers may be listed (KIP-1073) |

crate::messages! {
    /// Which cluster this is, and of which brokers (KIP-700).
    struct DescribeClusterRequest: key 60, versions [0-2], flexible [0+] {
        /// Whether to list what the asker may do with the cluster.
        include_cluster_authorized_operations: bool [0+];
        /// 1 brokers, 2 controllers (KIP-919).
        endpoint_type: i8 [1+] = 1;
        /// Whether to list fenced brokers too.
        include_fenced_brokers: bool [2+];
    }

    /// The answer to [`DescribeClusterRequest`].
    struct DescribeClusterResponse: key 60, versions [0-2], flexible [0+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [0+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// Why, for people.
        error_message: Option<Str> [0+];
        /// 1 brokers, 2 controllers (KIP-919).
        endpoint_type: i8 [1+] = 1;
        /// The cluster's id.
        cluster_id: Str [0+];
        /// Node id of the controller, or -1.
        controller_id: i32 [0+] = -1;
        /// The brokers.
        brokers: Vec<DescribeClusterBroker> [0+];
        /// Bits of the operations allowed, or the smallest integer.
        cluster_authorized_operations: i32 [0+] = i32::MIN;
    }

    /// A broker and where it is reached.
    struct DescribeClusterBroker {
        /// Node id.
        broker_id: i32 [0+];
        /// Host name or address.
        host: Str [0+];
        /// TCP port.
        port: i32 [0+];
        /// Rack, or null.
        rack: Option<Str> [0+];
        /// Whether it is fenced.
        is_fenced: bool [2+];
    }
}
