//! What must hold of a recovered storage and of everything it serves.

use super::ledger::{Books, LogBook};
use super::{Harmed, Rig, refold};
use crate::failure::Failure;
use sordini_log::disk::{Completion, Disk, DiskOk, DiskOp, Done, OpKind};
use sordini_log::storage::{Read, Recovered};
use sordini_log::{LogId, Offset};
use sordini_wire::batch::BatchView;

/// The recovered logs are the ledger's at one of its cuts, and the folds come back. Returns those books.
pub fn recovered(rig: &Rig, recovered: &Recovered) -> Result<Books, Failure> {
    let cuts = rig.ledger.cuts();
    let mut whys = Vec::new();
    for books in cuts {
        match differs(recovered, &books) {
            None => {
                folds(recovered, &books)?;
                return Ok(books);
            }
            Some(why) => whys.push(why),
        }
    }
    let what = format!(
        "recovery found {:?}, findings {:?}; against what is durable: {}; against later groups: {:?}",
        summary(recovered),
        recovered.findings,
        whys[0],
        &whys[1..]
    );
    Err(Failure::new("acked durability", what))
}

fn summary(recovered: &Recovered) -> Vec<String> {
    let line =
        |l: &sordini_log::storage::RecoveredLog| format!("{} {}..{}", l.dir.log, l.start, l.end);
    recovered.logs.iter().map(line).collect()
}

fn differs(recovered: &Recovered, books: &Books) -> Option<String> {
    let ids: Vec<LogId> = recovered.logs.iter().map(|l| l.dir.log).collect();
    let expected: Vec<LogId> = books.keys().copied().collect();
    if ids != expected {
        return Some(format!("logs are {ids:?}, expected {expected:?}"));
    }
    recovered.logs.iter().zip(books.values()).find_map(|(log, book)| {
        let same = log.dir == book.dir
            && log.topic_id == book.topic_id
            && log.partition == book.partition
            && log.hard_state == book.hard_state
            && (log.start, log.end) == (book.start, book.end());
        (!same).then(|| {
            format!(
                "{} is {}..{} with hard state {:?}, expected {}..{} with {:?}",
                log.dir.log,
                log.start,
                log.end,
                log.hard_state,
                book.start,
                book.end(),
                book.hard_state
            )
        })
    })
}

fn folds(recovered: &Recovered, books: &Books) -> Result<(), Failure> {
    let found = refold(recovered, books);
    let expected = books.iter().map(|(log, book)| (*log, book.fold)).collect();
    match found == expected {
        true => Ok(()),
        false => Err(Failure::new(
            "sections and replay make the whole",
            format!("folds are {found:?}, expected {expected:?}"),
        )),
    }
}

/// Every byte of every log reads back as it was appended, offset by offset.
pub fn contents(rig: &mut Rig) -> Result<(), Failure> {
    let books: Vec<(LogId, LogBook)> =
        rig.ledger.settled().iter().map(|(id, book)| (*id, book.clone())).collect();
    for (log, book) in books {
        if !rig.storage.contains(log) {
            return Err(Failure::new("acked durability", format!("{log} is not there")));
        }
        let mut at = book.start;
        while at < book.end() {
            at = content_at(rig, log, &book, at)?;
        }
    }
    Ok(())
}

/// Checks what is served at `at`; returns the offset after it.
fn content_at(rig: &mut Rig, log: LogId, book: &LogBook, at: Offset) -> Result<Offset, Failure> {
    let wrong = |what: String| Failure::new("acked durability", format!("{log} at {at}: {what}"));
    let bytes = match rig.storage.read(log, at, book.end(), 10_000) {
        Read::Hot { batches, .. } => batches.iter().flat_map(|b| b.iter().copied()).collect(),
        Read::Cold { op, segment } => match cold(rig, log, op, segment) {
            Ok(bytes) => bytes,
            Err(_) if rig.harmed == Harmed::Rot => return Ok(after(book, at)),
            Err(why) => return Err(wrong(why)),
        },
        Read::Faulty if rig.harmed == Harmed::Rot => return Ok(after(book, at)),
        other => return Err(wrong(format!("nothing is served: {other:?}"))),
    };
    served(rig, log, at, &bytes)
}

/// The offset after the batch that holds `at`.
fn after(book: &LogBook, at: Offset) -> Offset {
    book.batches
        .iter()
        .map(|batch| batch.next)
        .find(|next| *next > at)
        .expect("at is below the end")
}

/// Reads cold bytes as a server would: query, read, check every batch. The storage must be at rest.
fn cold(rig: &mut Rig, log: LogId, op: OpKind, segment: Offset) -> Result<Vec<u8>, String> {
    let run = |rig: &mut Rig, kind: OpKind| -> Completion {
        let mut platter = rig.platter.clone();
        platter.kill();
        platter.submit(&mut vec![DiskOp { kind, done: Done::Nothing }], false);
        platter.step(0).expect("it was submitted")
    };
    let found = match run(rig, op).result {
        Ok(DiskOk::Found(found)) => found,
        other => return Err(format!("the query brought {other:?}")),
    };
    let Some((file, at, len)) = rig.storage.cold(log, segment, &found) else {
        return Err(format!("the query found {found:?}"));
    };
    match run(rig, OpKind::Read { file, at, len: u64::from(len) }).result {
        Ok(DiskOk::Bytes(bytes)) if bytes.len() == len as usize => {
            crcs_hold(&bytes)?;
            Ok(bytes.to_vec())
        }
        other => Err(format!("the read brought {other:?}")),
    }
}

/// Every batch passes its CRC, as who sends it would check.
fn crcs_hold(mut bytes: &[u8]) -> Result<(), String> {
    while !bytes.is_empty() {
        let batch = BatchView::parse(bytes).map_err(|e| format!("served bytes: {e}"))?;
        batch.check_crc().map_err(|e| format!("served bytes: {e}"))?;
        bytes = &bytes[batch.bytes().len()..];
    }
    Ok(())
}

/// `bytes` are whole batches of the log, from the one that holds `from` on; returns the offset after them.
pub fn served(rig: &Rig, log: LogId, from: Offset, bytes: &[u8]) -> Result<Offset, Failure> {
    let wrong =
        |what: String| Failure::new("served bytes are true", format!("{log} at {from}: {what}"));
    let Some(book) = rig.ledger.newest().get(&log) else { return Ok(from) };
    let first = book.batches.partition_point(|batch| batch.next <= from);
    let mut rest = bytes;
    let mut next = from;
    for batch in &book.batches[first..] {
        if rest.is_empty() {
            break;
        }
        if let Some(at) = other_byte(rig, rest, &batch.bytes) {
            let what = format!("byte {at} of {}..{} is another", batch.base, batch.next);
            return Err(wrong(what));
        }
        rest = &rest[batch.bytes.len()..];
        next = batch.next;
    }
    if !rest.is_empty() || next == from {
        return Err(wrong(format!("{} bytes were served, {} too many", bytes.len(), rest.len())));
    }
    Ok(next)
}

/// Where `bytes` do not begin with `batch`. Rot of the leader epoch is excused: it lies outside of the
/// batch's CRC, and a segment holds nothing else that could prove it.
fn other_byte(rig: &Rig, bytes: &[u8], batch: &[u8]) -> Option<usize> {
    const LEADER_EPOCH: std::ops::Range<usize> = 12..16;
    let excused = |at| rig.harmed == Harmed::Rot && LEADER_EPOCH.contains(&at);
    (0..batch.len()).find(|&at| bytes.get(at) != Some(&batch[at]) && !excused(at))
}

/// `bytes` are the batches `base .. next` of the log, no more and no less; with rot, or their CRC says no.
pub fn served_exactly(
    rig: &Rig,
    log: LogId,
    base: Offset,
    next: Offset,
    bytes: &[u8],
) -> Result<(), Failure> {
    if rig.harmed == Harmed::Rot && crcs_hold(bytes).is_err() {
        return Ok(());
    }
    match served(rig, log, base, bytes)? {
        end if end == next => Ok(()),
        end => Err(Failure::new(
            "served bytes are true",
            format!("{log}: the query said {base}..{next}, the bytes are {base}..{end}"),
        )),
    }
}
