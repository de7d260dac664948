//! Stories of one broker on a simulated disk, told operation by operation.

mod broker;
mod damage;
mod halves;
mod relaxed;
mod stuck;

use sordini_log::journal::JournalConfig;
use sordini_log::storage::StorageConfig;

/// Everything is written at once and kept in memory for nobody, so that what is read comes from files.
fn cold() -> StorageConfig {
    StorageConfig {
        journal: JournalConfig {
            first_file_bytes: 1 << 20,
            bytes: 2 << 20,
            file_bytes: 1 << 20,
            ..JournalConfig::default()
        },
        cache_bytes_max: 0,
        write_bytes_min: 1,
        write_linger_ms: 1,
        reserve_bytes: 0,
        retry_ms: 5,
        ..StorageConfig::default()
    }
}
