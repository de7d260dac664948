//! A storage that reaches everything quickly.

use sordini_log::journal::JournalConfig;
use sordini_log::storage::StorageConfig;
use sordini_sim::chance::Chance;

/// Sizes so small that the journal wraps, segments roll and the cache overflows within a hundred operations.
pub fn tiny(seed: u64) -> StorageConfig {
    let mut chance = Chance::new(seed, 9);
    let file_bytes = [16 << 10, 24 << 10, 32 << 10][chance.index(3)];
    StorageConfig {
        journal: JournalConfig {
            bytes: file_bytes * (2 + chance.below(4)),
            file_bytes,
            first_file_bytes: [file_bytes / 2, file_bytes][chance.index(2)],
            group_bytes_max: 8 << 10,
            queue_bytes_max: 16 << 10,
        },
        cache_bytes_max: 2000 + chance.below(6000),
        write_bytes_min: 1 + chance.below(2000),
        write_linger_ms: 1 + chance.below(10),
        piece_bytes_max: 500 + chance.below(3000),
        piece_grain_bytes: 1 + chance.below(300),
        sync_bytes_max: 500 + chance.below(6000),
        backlog_bytes_max: 4000 + chance.below(60_000),
        pieces_max: 1 + chance.below(3) as u32,
        reserve_bytes: 0,
        retry_ms: 5,
    }
}
