//! How a shard's storage behaves: sizes and delays, with the values that production uses.

use crate::disk::BLOCK_BYTES;
use crate::journal::JournalConfig;

/// Configuration of [`super::Storage`].
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// The journal's own.
    pub journal: JournalConfig,
    /// Bytes of batches kept in memory for readers, as soon as they are written. More than `backlog_bytes_max`, or
    /// what waits for its segment is written early.
    pub cache_bytes_max: u64,
    /// A log is written once so many durable bytes wait ...
    pub write_bytes_min: u64,
    /// ... or the first of them has waited so long.
    pub write_linger_ms: u64,
    /// Bytes of a piece.
    pub piece_bytes_max: u64,
    /// A piece of at least four times so many bytes ends at a multiple of them in its file, unless a checkpoint or the
    /// end of the segment wants more: whole blocks go past the page cache, where a block that the next piece completes
    /// is written twice. Not 0.
    pub piece_grain_bytes: u64,
    /// A segment is synced once so many bytes of it are not. The disk starts their way out much earlier, or a sync
    /// would hold up the journal's.
    pub sync_bytes_max: u64,
    /// Bytes appended that are not in segments: at five sixths of it nothing lingers any more, at all of it nothing is
    /// appended. So a journal that outruns the segments is slowed a little at a time, where a ring that fills up
    /// would stop everybody until a whole checkpoint is done.
    pub backlog_bytes_max: u64,
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
            cache_bytes_max: 168 << 20,
            write_bytes_min: 256 << 10,
            write_linger_ms: 1000,
            piece_bytes_max: 512 << 10,
            piece_grain_bytes: BLOCK_BYTES as u64,
            sync_bytes_max: 8 << 20,
            backlog_bytes_max: 128 << 20,
            pieces_max: 16,
            reserve_bytes: 128 << 20,
            retry_ms: 500,
        }
    }
}
