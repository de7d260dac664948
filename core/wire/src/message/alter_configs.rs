//! AlterConfigs (key 33, versions 0-2): replace all configs of a resource (KIP-133).
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | the first |
//! | 1 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 2 | flexible (KIP-482) |
//!
//! What is not named goes back to its default; IncrementalAlterConfigs has taken its place.

crate::messages! {
    /// Replace all configs of a resource (KIP-133).
    struct AlterConfigsRequest: key 33, versions [0-2], flexible [2+] {
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
        /// The value.
        value: Option<Str> [0+] = Some(Str::EMPTY);
    }

    /// The answer to [`AlterConfigsRequest`].
    struct AlterConfigsResponse: key 33, versions [0-2], flexible [2+] {
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
