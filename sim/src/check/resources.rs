//! Check 18: once everybody has gone, nothing of them is left, and what is held is within its bounds.
//!
//! No connection, no answer that waits for somebody, no batch without its segment. On the disk lie the journal, the checkpoint, and
//! the files of logs that exist; a file that nobody names is a leak.

use super::Check;
use crate::ledger::{Ledger, Remains, Views};

/// Its row.
pub const ROW: Check = Check {
    number: 18,
    name: "resources",
    demands: "nothing is left of those who have gone, in memory or on the disk",
    check,
};

/// A cache drops what is too much when something is added, and the last that was added stays.
const CACHE_BYTES_MORE: u64 = 1 << 20;

/// How many times larger than it should be the journal may be.
const JOURNAL_GROWTH_MAX: u64 = 8;

/// Smaller rings than this, in the largest groups, are for tests, and grow with every start that finds many logs.
const GROUPS_MIN: u64 = 16;

/// Whether what is left of every broker is what must be.
fn check(ledger: &Ledger, _: &Views) -> Result<(), String> {
    ledger.remains.iter().try_for_each(|remains| {
        memory(remains)
            .and_then(|()| disk(remains))
            .map_err(|what| format!("node {}: {what}", remains.node))
    })
}

fn memory(remains: &Remains) -> Result<(), String> {
    let census = &remains.census;
    for (what, count) in [
        ("connections", census.connections),
        ("connections that wait for room", census.stalled),
        ("bytes of answers", census.unsent_bytes as usize),
        ("answers that wait for durability", census.parked),
        ("fetches", census.fetches),
        ("lookups", census.lookups),
        ("reads", census.reads),
        ("bytes without their segment", census.storage.unwritten_bytes as usize),
        ("directories to be removed", census.storage.removals),
    ] {
        if count > 0 {
            return Err(format!("everybody has gone, and there are {count} {what}"));
        }
    }
    let (there, known) = (census.storage.logs, census.logs.len());
    if there != known {
        return Err(format!(
            "the storage has {there} logs, and {known} of them are some partition's"
        ));
    }
    let (held, most) = (census.storage.cached_bytes, remains.sizes.cache_bytes_max);
    if held > most + CACHE_BYTES_MORE {
        return Err(format!("the caches hold {held} bytes, expected {most} at most"));
    }
    Ok(())
}

fn disk(remains: &Remains) -> Result<(), String> {
    let mut journal_bytes = 0;
    for (path, bytes) in &remains.files {
        let known = match path.split_once('/') {
            Some(("journal", _)) => {
                journal_bytes += bytes;
                true
            }
            Some(("checkpoint", name)) => ["current", "next", "previous"].contains(&name),
            Some((dir, _)) => {
                let files = remains.census.storage.files.get(dir);
                files.is_some_and(|files| files.contains(path))
            }
            None => false,
        };
        if !known {
            return Err(format!("nobody names the file {path}, {bytes} bytes"));
        }
    }
    // What is put without asking for room, such as the hard state of many logs at a start, may find no place while the
    // checkpoint that would make one waits for just that: then the ring grows beyond its size, and stays so.
    let sizes = &remains.sizes.journal;
    // A process that ends before its first checkpoint is there has freed nothing, and the next one writes before it can.
    let lives = u64::from(remains.lives) * sizes.file_bytes;
    let most =
        remains.journal_before + JOURNAL_GROWTH_MAX * (sizes.bytes + sizes.file_bytes) + lives;
    let is_tiny = sizes.bytes < GROUPS_MIN * sizes.group_bytes_max;
    if journal_bytes > most && !is_tiny {
        return Err(format!("the journal has {journal_bytes} bytes, expected {most} at most"));
    }
    Ok(())
}
