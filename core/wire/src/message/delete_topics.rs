//! DeleteTopics (key 20, versions 1-6): delete topics.
//!
//! | version | what it changed |
//! |---|---|
//! | 1 | throttle time (KIP-124) |
//! | 2 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 3 | TOPIC_DELETION_DISABLED may be answered (KIP-322) |
//! | 4 | flexible (KIP-482) |
//! | 5 | an explanation in the answer (KIP-599) |
//! | 6 | topics by id (KIP-516) |

crate::messages! {
    /// Delete topics.
    struct DeleteTopicsRequest: key 20, versions [1-6], flexible [4+] {
        /// The topics.
        topics: Vec<DeleteTopicState> [6+];
        /// Names of the topics.
        topic_names: Vec<Str> [1-5];
        /// How long the broker may take, in milliseconds.
        timeout_ms: i32 [1+];
    }

    /// A topic to delete, by name or by id.
    struct DeleteTopicState {
        /// Its name.
        name: Option<Str> [6+];
        /// Id of the topic.
        topic_id: Uuid [6+];
    }

    /// The answer to [`DeleteTopicsRequest`].
    struct DeleteTopicsResponse: key 20, versions [1-6], flexible [4+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [1+];
        /// One per topic.
        responses: Vec<DeletableTopicResult> [1+];
    }

    /// What became of one topic.
    struct DeletableTopicResult {
        /// Its name.
        name: Option<Str> [1+] null [6+] = Some(Str::EMPTY);
        /// Id of the topic.
        topic_id: Uuid [6+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [1+];
        /// Why, for people.
        error_message: Option<Str> [5+];
    }
}
