//! Every bound of the machine on one page, each with the reason for its size.
//!
//! Bounds that depend on each other are tied by const-asserts below, so that changing one alone
//! does not compile. Scenarios of the simulator set what is in [`Limits`], and its swarm draws some of them.

/// Bounds that a swarm (or an operator) may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request frame, bytes without its length prefix (Kafka's `socket.request.max.bytes`).
    pub request_bytes_max: u32,
    /// Requests of one connection that may wait for their answer; at the limit reading stops.
    pub requests_in_flight_max: usize,
    /// Bytes of answers that one connection may have waiting to be sent before reading stops; and record bytes of one
    /// answer that are lent from memory, where a reader who sleeps on them would keep them.
    pub unsent_bytes_max: u64,
    /// Largest answer to a Fetch, whatever the request says (Kafka's `fetch.max.bytes`), bytes.
    pub fetch_bytes_max: u32,
    /// Incremental fetch sessions kept (Kafka's `max.incremental.fetch.session.cache.slots`).
    pub fetch_sessions_max: usize,
    /// Partitions that one node may hold.
    pub partitions_max: usize,
    /// Producers remembered per partition; beyond it the longest idle one is forgotten.
    pub producers_per_partition_max: usize,
    /// Longest time a Fetch may wait, milliseconds.
    pub fetch_wait_ms_max: u64,
}

/// What a fresh broker uses.
pub const DEFAULT: Limits = Limits {
    request_bytes_max: 100 * 1024 * 1024,
    requests_in_flight_max: 64,
    unsent_bytes_max: 8 * 1024 * 1024,
    fetch_bytes_max: 55 * 1024 * 1024,
    fetch_sessions_max: 1000,
    partitions_max: 100_000,
    producers_per_partition_max: 100_000,
    fetch_wait_ms_max: 10 * 60 * 1000,
};

impl Default for Limits {
    fn default() -> Limits {
        DEFAULT
    }
}

/// Sequence numbers of the last batches kept per producer: as many as a Kafka client may have in flight.
pub const PRODUCER_BATCHES: usize = 5;

/// Most events of one turn in the simulator: the batch whose replies one sync releases, and the bound on how long a
/// ready completion waits behind socket bytes. In production that is `turn_events_max` of `sordini_net::Options`, about
/// a quarter of this.
pub const EVENTS_PER_TURN_MAX: usize = 1024;

const _: () = {
    // An answer may always be queued when a request was let in, however large the answer.
    assert!(DEFAULT.unsent_bytes_max <= u32::MAX as u64);
    // The answer to a fetch fits the frame length of the protocol.
    assert!(DEFAULT.fetch_bytes_max < i32::MAX as u32 - 1024 * 1024);
    assert!(DEFAULT.request_bytes_max < i32::MAX as u32);
};
