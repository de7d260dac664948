//! Sizes of storage and limits: three sets, and single keys on top of them.

use super::{BadInput, Params};
use sordini_core::limits::Limits;
use sordini_log::disk::BLOCK_BYTES;
use sordini_log::journal::JournalConfig;
use sordini_log::storage::StorageConfig;

/// Names of the sets, smallest first.
pub const SIZES: &[&str] = &["tiny", "small", "default"];

/// So small that the journal wraps and the cache overflows within a few hundred operations.
const TINY: StorageConfig = StorageConfig {
    journal: JournalConfig {
        bytes: 128 << 10,
        file_bytes: 48 << 10,
        first_file_bytes: 24 << 10,
        group_bytes_max: 16 << 10,
        queue_bytes_max: 64 << 10,
    },
    cache_bytes_max: 5000,
    write_bytes_min: 1000,
    write_linger_ms: 5,
    piece_bytes_max: 2000,
    piece_grain_bytes: 64,
    sync_bytes_max: 3000,
    backlog_bytes_max: 40_000,
    pieces_max: 2,
    reserve_bytes: 0,
    retry_ms: 5,
};

/// So small that the journal wraps every few seconds.
const SMALL: StorageConfig = StorageConfig {
    journal: JournalConfig {
        bytes: 2 << 20,
        file_bytes: 512 << 10,
        first_file_bytes: 128 << 10,
        group_bytes_max: 128 << 10,
        queue_bytes_max: 512 << 10,
    },
    cache_bytes_max: 256 << 10,
    write_bytes_min: 32 << 10,
    write_linger_ms: 200,
    piece_bytes_max: 64 << 10,
    piece_grain_bytes: 4 << 10,
    sync_bytes_max: 256 << 10,
    backlog_bytes_max: 1 << 20,
    pieces_max: 4,
    reserve_bytes: 1 << 20,
    retry_ms: 50,
};

/// `[storage]`.
pub fn storage(root: &Params<'_>) -> Result<StorageConfig, BadInput> {
    let Some(table) = root.table("storage")? else { return Ok(SMALL) };
    let mut sizes = match table.choice("size", SIZES)? {
        Some(0) => TINY,
        Some(2) => StorageConfig::default(),
        _ => SMALL,
    };
    for (key, field) in [
        ("cache_bytes_max", &mut sizes.cache_bytes_max),
        ("write_bytes_min", &mut sizes.write_bytes_min),
        ("write_linger_ms", &mut sizes.write_linger_ms),
        ("piece_bytes_max", &mut sizes.piece_bytes_max),
        ("sync_bytes_max", &mut sizes.sync_bytes_max),
        ("reserve_bytes", &mut sizes.reserve_bytes),
        ("retry_ms", &mut sizes.retry_ms),
    ] {
        *field = table.number(key, 0..1 << 40)?.unwrap_or(*field);
    }
    // With less than this nothing at all could be done.
    let block = BLOCK_BYTES as u64;
    for (key, least, field) in [
        ("journal_bytes", 2 * block, &mut sizes.journal.bytes),
        ("journal_file_bytes", 2 * block, &mut sizes.journal.file_bytes),
        ("journal_first_file_bytes", 2 * block, &mut sizes.journal.first_file_bytes),
        ("group_bytes_max", block, &mut sizes.journal.group_bytes_max),
        ("queue_bytes_max", block, &mut sizes.journal.queue_bytes_max),
        ("backlog_bytes_max", 1000, &mut sizes.backlog_bytes_max),
    ] {
        *field = table.number(key, least..1 << 31)?.unwrap_or(*field);
    }
    sizes.piece_grain_bytes =
        table.number("piece_grain_bytes", 1..1 << 40)?.unwrap_or(sizes.piece_grain_bytes);
    sizes.pieces_max =
        table.number("pieces_max", 1..1000)?.unwrap_or(u64::from(sizes.pieces_max)) as u32;
    table.finish()?;
    Ok(sizes)
}

/// `[limits]`.
pub fn limits(root: &Params<'_>) -> Result<Limits, BadInput> {
    let mut limits = Limits::default();
    let Some(table) = root.table("limits")? else { return Ok(limits) };
    let number = |key, default: u64| Ok(table.number(key, 1..1 << 31)?.unwrap_or(default));
    limits.request_bytes_max = number("request_bytes_max", limits.request_bytes_max.into())? as u32;
    limits.requests_in_flight_max =
        number("requests_in_flight_max", limits.requests_in_flight_max as u64)? as usize;
    limits.unsent_bytes_max = number("unsent_bytes_max", limits.unsent_bytes_max)?;
    limits.fetch_bytes_max = number("fetch_bytes_max", limits.fetch_bytes_max.into())? as u32;
    limits.fetch_sessions_max =
        number("fetch_sessions_max", limits.fetch_sessions_max as u64)? as usize;
    limits.partitions_max = number("partitions_max", limits.partitions_max as u64)? as usize;
    limits.producers_per_partition_max =
        number("producers_per_partition_max", limits.producers_per_partition_max as u64)? as usize;
    limits.fetch_wait_ms_max = number("fetch_wait_ms_max", limits.fetch_wait_ms_max)?;
    table.finish()?;
    Ok(limits)
}
