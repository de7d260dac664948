//! Lines for people: what happened between a storage and its platter.

use crate::storage::ledger::Deed;
use sordini_log::disk::{DiskOk, DiskOp, DiskResult, OpKind};

/// An operation in one line.
pub fn operation(op: &DiskOp) -> String {
    let done = &op.done;
    match &op.kind {
        OpKind::Create { file, len } => format!("create {} {len} [{done:?}]", file.path()),
        OpKind::Write { file, at, data, sync } => {
            let sync = if *sync { " synced" } else { "" };
            format!("write {} {at}+{}{sync} [{done:?}]", file.path(), data.len())
        }
        OpKind::Sync { file } => format!("sync {} [{done:?}]", file.path()),
        OpKind::Truncate { file, len } => format!("truncate {} {len} [{done:?}]", file.path()),
        OpKind::Rename { from, to } => format!("rename {} {}", from.path(), to.path()),
        OpKind::RenameDir { from, to } => format!("rename directory {} {}", from.path(), to.path()),
        OpKind::Unlink { file } => format!("unlink {}", file.path()),
        OpKind::MakeDir { dir } => format!("make directory {}", dir.path()),
        OpKind::RemoveDir { dir } => format!("remove directory {}", dir.path()),
        OpKind::SyncDir { dir } => format!("sync directory \"{}\"", dir.path()),
        OpKind::List { dir } => format!("list \"{}\"", dir.path()),
        OpKind::Read { file, at, len } => format!("read {} {at}+{len} [{done:?}]", file.path()),
        OpKind::Find { dir, segment, len, query } => {
            format!("find {query:?} in {}/{segment} of {} ({len} bytes)", dir.name, dir.log)
        }
    }
}

/// A result in one line.
pub fn result(result: &DiskResult) -> String {
    match result {
        Ok(DiskOk::Unit) => "done".into(),
        Ok(DiskOk::Bytes(bytes)) => format!("{} bytes", bytes.len()),
        Ok(DiskOk::Entries(entries)) => format!("{} entries", entries.len()),
        Ok(DiskOk::Found(found)) => format!("{found:?}"),
        Err(e) => format!("{:?}: {e}", e.kind),
    }
}

/// What was put into the journal, in one line.
pub fn deed(deed: &Deed) -> String {
    match deed {
        Deed::Create { dir, .. } => format!("create {} as {}", dir.name, dir.log),
        Deed::Append { log, batch } => {
            format!("append to {log}: {}..{}, {} bytes", batch.base, batch.next, batch.bytes.len())
        }
        Deed::Start { log, start } => format!("{log} starts at {start}"),
        Deed::HardState { log, .. } => format!("hard state of {log}"),
        Deed::Delete { log } => format!("delete {log}"),
    }
}
