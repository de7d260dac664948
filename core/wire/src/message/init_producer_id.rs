//! InitProducerId (key 22, versions 0-6): give a producer its id and epoch (KIP-98).
//!
//! | version | what it changed |
//! |---|---|
//! | 0 | the first |
//! | 1 | the throttle time is told after the answer, the client waits by itself (KIP-219) |
//! | 2 | flexible (KIP-482) |
//! | 3 | a producer may bring the id and epoch it has, to have the epoch bumped (KIP-360) |
//! | 4 | PRODUCER_FENCED may be answered (KIP-588) |
//! | 5 | TRANSACTION_ABORTABLE may be answered (KIP-890) |
//! | 6 | two-phase commit by an external coordinator (KIP-939); not released in Kafka 4.3 |

crate::messages! {
    /// Give a producer its id and epoch (KIP-98).
    struct InitProducerIdRequest: key 22, versions [0-6], flexible [2+] {
        /// Whose transaction this belongs to, or null.
        transactional_id: Option<Str> [0+] = Some(Str::EMPTY);
        /// When an idle transaction is aborted, in milliseconds.
        transaction_timeout_ms: i32 [0+];
        /// Producer id that the producer has, or -1 (KIP-360).
        producer_id: i64 [3+] = -1;
        /// Its epoch, or -1.
        producer_epoch: i16 [3+] = -1;
        /// Whether an external coordinator decides (KIP-939).
        enable2_pc: bool [6+];
        /// Whether a prepared transaction is kept (KIP-939).
        keep_prepared_txn: bool [6+];
    }

    /// The answer to [`InitProducerIdRequest`].
    struct InitProducerIdResponse: key 22, versions [0-6], flexible [2+] {
        /// How long the client was throttled by a quota, in milliseconds.
        throttle_time_ms: i32 [0+];
        /// Kafka's error code; 0 is success.
        error_code: i16 [0+];
        /// Producer id.
        producer_id: i64 [0+] = -1;
        /// Producer epoch.
        producer_epoch: i16 [0+];
        /// Producer id of the transaction that is kept.
        ongoing_txn_producer_id: i64 [6+] = -1;
        /// Its producer epoch.
        ongoing_txn_producer_epoch: i16 [6+] = -1;
    }
}
