//! How a shard's storage behaves: sizes and delays, with the values that production uses.

use crate::journal::JournalConfig;

/// Configuration of [`super::Storage`].
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// The journal's own.
    pub journal: JournalConfig,
    /// Bytes of batches kept in memory for readers, as soon as they are written.
    pub cache_bytes_max: u64,
    /// A log is written once so many durable bytes wait ...
    pub write_bytes_min: u64,
    /// ... or the first of them has waited so long.
    pub write_linger_ms: u64,
    /// Bytes of a piece, which is also how much of a file is unsynced at most.
    pub piece_bytes_max: u64,
    /// Pieces under way at the same time, of different logs.
    pub pieces_max: u32,
    /// Below so many free bytes, less what is on its way to segments, nothing is appended.
    pub reserve_bytes: u64,
    /// How long to wait before trying again on a full disk.
    pub retry_ms: u64,
}

impl Default for StorageConfig {
    fn default() -> StorageConfig {
        StorageConfig {
            journal: JournalConfig::default(),
            cache_bytes_max: 64 << 20,
            write_bytes_min: 256 << 10,
            write_linger_ms: 1000,
            piece_bytes_max: 512 << 10,
            pieces_max: 4,
            reserve_bytes: 128 << 20,
            retry_ms: 500,
        }
    }
}
