//! Segment and index files in words, for `sordini dump`.

use super::index::{INDEX_ENTRY_BYTES, IndexEntry, TIME_ENTRY_BYTES, TimeEntry};
use bytes::Bytes;
use sordini_wire::batch::{Header, walk};

/// A line for each batch of a segment file, and one for what is no batch.
pub fn dump_log(bytes: Bytes) -> impl Iterator<Item = String> {
    let mut at = 0;
    let mut over = false;
    std::iter::from_fn(move || {
        if over || at == bytes.len() {
            return None;
        }
        match walk(&bytes[at..]).next() {
            Some(Ok(placed)) => {
                let crc = if placed.batch.check_crc().is_ok() { "ok" } else { "WRONG" };
                let line = batch_line(at, &placed.batch.header(), crc);
                at += placed.batch.size();
                Some(line)
            }
            Some(Err(e)) => {
                over = true;
                Some(format!("{at}: not a batch: {e}; {} bytes left", bytes.len() - at))
            }
            None => {
                over = true;
                Some(format!("{at}: a batch that is cut off after {} bytes", bytes.len() - at))
            }
        }
    })
}

fn batch_line(at: usize, b: &Header, crc: &str) -> String {
    let a = b.attributes();
    let codec = a.codec().map_or("unknown".into(), |c| format!("{c:?}").to_lowercase());
    let mut line = format!(
        "{at}: offsets {}..={} epoch {} {} bytes, {} records, codec {codec}, max timestamp {}, crc \
         {:#010x} {crc}",
        b.base_offset(),
        b.last_offset(),
        b.partition_leader_epoch(),
        b.size(),
        b.records_count(),
        b.max_timestamp(),
        b.crc(),
    );
    if b.producer_id() >= 0 {
        let (id, epoch, sequence) = (b.producer_id(), b.producer_epoch(), b.base_sequence());
        line += &format!(", producer {id} epoch {epoch} sequence {sequence}");
    }
    for (set, word) in [
        (a.append_time(), "append time"),
        (a.transactional(), "transactional"),
        (a.control(), "control"),
    ] {
        line += if set { ", " } else { "" };
        line += if set { word } else { "" };
    }
    line
}

/// A line for each entry of an offset index whose segment has this base offset.
pub fn dump_index(bytes: Bytes, base: u64) -> impl Iterator<Item = String> {
    entries(bytes, INDEX_ENTRY_BYTES as usize, move |n, entry| {
        let e = IndexEntry::decode(entry.try_into().expect("as long as an entry"));
        format!("{n}: last offset {} at byte {}", base + u64::from(e.offset_delta), e.position)
    })
}

/// A line for each entry of a time index whose segment has this base offset.
pub fn dump_timeindex(bytes: Bytes, base: u64) -> impl Iterator<Item = String> {
    entries(bytes, TIME_ENTRY_BYTES as usize, move |n, entry| {
        let e = TimeEntry::decode(entry.try_into().expect("as long as an entry"));
        let last = base + u64::from(e.offset_delta);
        format!("{n}: timestamp {} first in the batch that ends with offset {last}", e.timestamp)
    })
}

fn entries(
    bytes: Bytes,
    size: usize,
    line: impl Fn(usize, &[u8]) -> String,
) -> impl Iterator<Item = String> {
    (0..bytes.len().div_ceil(size)).map(move |n| {
        let entry = &bytes[n * size..bytes.len().min((n + 1) * size)];
        match entry.len() == size {
            true => line(n, entry),
            false => format!("{n}: cut off after {} of {size} bytes", entry.len()),
        }
    })
}
