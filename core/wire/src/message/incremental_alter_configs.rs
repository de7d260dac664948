//! IncrementalAlterConfigs (key 44, versions 0-1): change single configs of a resource (KIP-339).
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | the first |
//! | 1 | flexible (KIP-482) |

crate::messages! {
    /// Change single configs of a resource (KIP-339).
    struct IncrementalAlterConfigsRequest: key 44, versions [0-1], flexible [1+] {
        /// The resources.
        resources: Vec<AlterConfigsResource> [0+];
        /// Whether to check everything and change nothing.
        validate_only: bool [0+];
    }

    /// A resource and its changes.
    struct AlterConfigsResource {
        /// Kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [0+];
        /// Name of the resource.
        resource_name: Str [0+];
        /// The configs.
        configs: Vec<AlterableConfig> [0+];
    }

    /// One config.
    struct AlterableConfig {
        /// Its name.
        name: Str [0+];
        /// 0 set, 1 delete, 2 append, 3 subtract.
        config_operation: i8 [0+];
        /// The value.
        value: Option<Str> [0+] = Some(Str::EMPTY);
    }

    /// The answer to [`IncrementalAlterConfigsRequest`].
    struct IncrementalAlterConfigsResponse: key 44, versions [0-1], flexible [1+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [0+];
        /// One per topic.
        responses: Vec<AlterConfigsResourceResponse> [0+];
    }

    /// What became of one resource.
    struct AlterConfigsResourceResponse {
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// Why, for people.
        error_message: Option<Str> [0+] = Some(Str::EMPTY);
        /// Kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [0+];
        /// Name of the resource.
        resource_name: Str [0+];
    }
}
