//! DescribeConfigs (key 32, versions 1-4): read the configs of topics, brokers and other resources
//! (KIP-133).
//!
//! | version | what it changed |
//! |---|---|
//! | 1 | synonyms and sources (KIP-226) |
//! | 2 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 3 | types and documentation (KIP-569) |
//! | 4 | flexible (KIP-482) |

crate::messages! {
    /// Read the configs of topics, brokers and other resources (KIP-133).
    struct DescribeConfigsRequest: key 32, versions [1-4], flexible [4+] {
        /// The resources.
        resources: Vec<DescribeConfigsResource> [1+];
        /// Whether to list synonyms.
        include_synonyms: bool [1+];
        /// Whether to document each config.
        include_documentation: bool [3+];
    }

    /// What is asked about.
    struct DescribeConfigsResource {
        /// Kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [1+];
        /// Name of the resource.
        resource_name: Str [1+];
        /// Configs wanted; null for all.
        configuration_keys: Option<Vec<Str>> [1+] = Some(Vec::new());
    }

    /// The answer to [`DescribeConfigsRequest`].
    struct DescribeConfigsResponse: key 32, versions [1-4], flexible [4+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [1+];
        /// The results.
        results: Vec<DescribeConfigsResult> [1+];
    }

    /// The configs of one resource.
    struct DescribeConfigsResult {
        /// Kafka's error code; 0 is success.
        error_code: i16 [1+];
        /// Why, for people.
        error_message: Option<Str> [1+] = Some(Str::EMPTY);
        /// Kind of resource: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [1+];
        /// Name of the resource.
        resource_name: Str [1+];
        /// The configs.
        configs: Vec<DescribeConfigsResourceResult> [1+];
    }

    /// One config.
    struct DescribeConfigsResourceResult {
        /// Its name.
        name: Str [1+];
        /// The value.
        value: Option<Str> [1+] = Some(Str::EMPTY);
        /// Whether it cannot be changed.
        read_only: bool [1+];
        /// Where the value comes from.
        config_source: i8 [1+] = -1;
        /// Whether the value is hidden.
        is_sensitive: bool [1+];
        /// Where the value could come from.
        synonyms: Vec<DescribeConfigsSynonym> [1+];
        /// Type of the value.
        config_type: i8 [3+];
        /// What it is for.
        documentation: Option<Str> [3+] = Some(Str::EMPTY);
    }

    /// Where else the value could come from, in order of precedence (KIP-226).
    struct DescribeConfigsSynonym {
        /// Its name.
        name: Str [1+];
        /// The value.
        value: Option<Str> [1+] = Some(Str::EMPTY);
        /// Which source this is.
        source: i8 [1+];
    }
}
