//! ApiVersions (key 18, versions 0-4): which APIs and versions the broker has.
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | the first question of nearly every client (KIP-35) |
//! | 1 | throttle time (KIP-124) |
//! | 2 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 3 | flexible, but with response header 0; client software (KIP-511), features (KIP-584) |
//! | 4 | a feature may have 0 as its oldest level (KAFKA-17011) |
//!
//! A version that the broker does not have is answered in version 0, so that the client can try
//! again.

crate::messages! {
    /// Which APIs and versions the broker has.
    struct ApiVersionsRequest: key 18, versions [0-4], flexible [3+] {
        /// Name of the client library.
        client_software_name: Str [3+];
        /// Its version.
        client_software_version: Str [3+];
    }

    /// The answer to [`ApiVersionsRequest`].
    struct ApiVersionsResponse: key 18, versions [0-4], flexible [3+] {
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// The APIs.
        api_keys: Vec<ApiVersion> [0+];
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [1+];
        /// What this broker could run.
        supported_features: Vec<SupportedFeatureKey> [3+] tag 0;
        /// Epoch of the finalized features, or -1.
        finalized_features_epoch: i64 [3+] tag 1 = -1;
        /// What the cluster runs.
        finalized_features: Vec<FinalizedFeatureKey> [3+] tag 2;
        /// Always false without ZooKeeper.
        zk_migration_ready: bool [3+] tag 3;
    }

    /// The versions of one API.
    struct ApiVersion {
        /// Key of the API.
        api_key: i16 [0+];
        /// Oldest version.
        min_version: i16 [0+];
        /// Newest version.
        max_version: i16 [0+];
    }

    /// A feature that this broker could run (KIP-584).
    struct SupportedFeatureKey {
        /// Its name.
        name: Str [3+];
        /// Oldest version.
        min_version: i16 [3+];
        /// Newest version.
        max_version: i16 [3+];
    }

    /// A feature as the whole cluster runs it (KIP-584).
    struct FinalizedFeatureKey {
        /// Its name.
        name: Str [3+];
        /// Newest level in use.
        max_version_level: i16 [3+];
        /// Oldest level in use.
        min_version_level: i16 [3+];
    }
}
