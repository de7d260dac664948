//! From a checkpoint and the journal behind it to logs in memory.
//!
//! Pure and total: every frame either makes sense on top of what came before or recovery refuses to go
//! on and says where. What was replayed is durable, and nothing of it is believed to be in segments:
//! these are cut at the checkpoint and refilled.

use super::Recovered;
use super::notes::{RecoveredLog, Replay, Replayed};
use super::remove::Removal;
use crate::checkpoint::{Checkpoint, SavedLog};
use crate::id::{GroupSeq, LogId, Offset};
use crate::journal::{Finding, Frame, FrameKind, Identity, JournalImage};
use crate::log::Log;
use crate::segment::{Head, LogConfig};
use crate::span::Spans;
use crate::time::Wall;
use crate::writer::{Home, Plate, Stale};
use sordini_mutant::mutant;
use sordini_wire::batch::Batch;
use std::collections::BTreeMap;

/// What recovery built.
#[derive(Clone, Debug)]
pub(super) struct Rebuilt {
    /// The last boot that is known.
    pub boot: u64,
    pub logs: BTreeMap<LogId, Log>,
    pub removals: BTreeMap<LogId, Removal>,
    /// Ranges found lost by this recovery, of logs that are there. What the rest of the journal takes away of a log is
    /// taken out: a mark that is written for it would not be understood by the next recovery.
    pub marks: BTreeMap<LogId, Spans>,
    pub recovered: Box<Recovered>,
    /// When the group at hand was written.
    pub(super) wall: Wall,
    /// Frames of the group at hand may have been seen by the checkpoint.
    again: bool,
    /// Appends of that group of which only a mark is left.
    lost: Vec<Identity>,
}

/// Builds the logs; the text of an error says what does not fit and where.
///
/// # Parameters
/// - `seen`: the time as this process has seen it.
pub(super) fn rebuild(
    seen: Wall,
    checkpoint: Option<Checkpoint>,
    image: JournalImage,
) -> Result<Rebuilt, String> {
    let checkpoint = checkpoint.unwrap_or_default();
    // The newest time that somebody vouches for.
    let segments = checkpoint.logs.iter().filter_map(|l| l.segments.last());
    let known = image.wall_before.or(image.groups.iter().find_map(|group| group.wall));
    let known = known.or(segments.map(|s| s.created).max());
    let wall = mutant!(B19, known.unwrap_or(seen), seen);
    let starts = starts_of(&image);
    let restored = |l: SavedLog| (l.dir.log, restore(l, &starts));
    let mut rebuilt = Rebuilt {
        boot: checkpoint.boot,
        logs: checkpoint.logs.into_iter().map(restored).collect(),
        removals: checkpoint.removals.into_iter().map(|d| (d.log, Removal::found(d))).collect(),
        marks: BTreeMap::new(),
        wall,
        again: false,
        lost: Vec::new(),
        recovered: Box::new(Recovered { sections: checkpoint.sections, ..Recovered::default() }),
    };
    refuse_losses(&image.findings)?;
    for group in image.groups {
        // The checkpoint saw the first frames of its group. If that group is damaged they cannot be
        // counted, but each can be told by what it says.
        let damaged = image.findings.iter().find_map(|f| match f {
            Finding::Faulty { seq, lost, .. } if *seq == group.seq => Some(lost),
            _ => None,
        });
        let first = group.seq == checkpoint.from;
        let seen = if first && damaged.is_none() { checkpoint.skip as usize } else { 0 };
        rebuilt.again = first && damaged.is_some() && checkpoint.skip > 0;
        rebuilt.lost = damaged.filter(|_| rebuilt.again).cloned().unwrap_or_default();
        rebuilt.recovered.groups += 1;
        rebuilt.wall = mutant!(B19, group.wall.unwrap_or(rebuilt.wall), rebuilt.wall);
        for frame in group.frames.into_iter().skip(seen) {
            rebuilt.frame(group.seq, frame).map_err(|why| {
                format!(
                    "journal group {}: {why}; checkpoint and journal do not belong together: were \
                     files restored from different times?",
                    group.seq.0
                )
            })?;
        }
    }
    // A mark would make lasting what a misread may have been; and without these records nobody knows which logs there are.
    if rebuilt.marks.get(&LogId::METADATA).is_some_and(|spans| !spans.is_empty()) {
        return Err("the journal has lost metadata records: start again, and if it stays so restore the data directory".into());
    }
    for finding in &image.findings {
        rebuilt.recovered.findings.push(finding.to_string());
    }
    rebuilt.finish();
    Ok(rebuilt)
}

/// Lost records can be marked; a lost statement about a log would change what the log is. And where nothing names what is lost, offsets
/// that were acknowledged would be given out again.
fn refuse_losses(findings: &[Finding]) -> Result<(), String> {
    const REMEDY: &str = "restore the data directory from a replica or a backup";
    for finding in findings {
        let Finding::Faulty { seq, lost, unknown, .. } = finding else { continue };
        let kinds = [
            FrameKind::HardState,
            FrameKind::LogCreate,
            FrameKind::LogDelete,
            FrameKind::Truncate,
            FrameKind::Repair,
        ];
        if let Some(id) = lost.iter().find(|id| kinds.contains(&id.kind)) {
            return Err(format!(
                "the journal has lost {id}, which was durable, and nothing else says it: {REMEDY}"
            ));
        }
        if *unknown {
            return Err(format!(
                "group {} of the journal was durable and is damaged, and nothing that is left says all that it \
                 held: offsets that were acknowledged would be given out again. {REMEDY}",
                seq.0
            ));
        }
    }
    Ok(())
}

/// The last start of each log that the journal says something of.
fn starts_of(image: &JournalImage) -> BTreeMap<LogId, Offset> {
    let frames = image.groups.iter().flat_map(|group| &group.frames);
    let mut starts = BTreeMap::new();
    for frame in frames {
        if let Frame::LogStart { log, start } = frame {
            let last = starts.entry(*log).or_insert(*start);
            *last = (*last).max(*start);
        }
    }
    starts
}

/// A log as the checkpoint knows it. The life that moved its start to where `starts` says may have begun other segments than this
/// one will, and removed the one that the checkpoint ends with.
fn restore(saved: SavedLog, starts: &BTreeMap<LogId, Offset>) -> Log {
    let mut log = Log::new(saved.dir, saved.topic_id, saved.partition, saved.config);
    log.start = saved.start;
    log.durable_start = saved.start;
    (log.checkpointed, log.file_synced, log.written) = (saved.end, saved.end, saved.end);
    (log.synced, log.end) = (saved.end, saved.end);
    log.hard_state = saved.hard_state;
    log.faulty = saved.faulty;
    if saved.made {
        let plate = mutant!(B25, Plate::Unread, Plate::Good);
        (log.writer.home, log.writer.plate) = (Home::Made, plate);
    }
    log.writer.closed = saved.closed;
    log.writer.unswept = true;
    log.writer.stale = saved.segments.last().map(Stale::of);
    log.segments = saved.segments;
    let start = starts.get(&log.dir.log).map_or(log.start, |start| log.start.max(*start));
    leave_emptied(&mut log, start);
    log
}

/// The files of a segment that ends where the log starts may be gone by now, or go at any moment: nothing
/// continues it.
fn leave_emptied(log: &mut Log, start: Offset) {
    let emptied = log.segments.last().is_some_and(|s| s.next <= start);
    if mutant!(B18, emptied, false) {
        log.writer.closed = true;
        log.writer.stale = None;
    }
}

impl Rebuilt {
    fn frame(&mut self, seq: GroupSeq, frame: Frame) -> Result<(), String> {
        // The checkpoint saw the log deleted: what is said of it here was said before.
        if self.again && self.removals.contains_key(&frame.log()) {
            return Ok(());
        }
        let at = self.wall;
        let (log, what) = match frame {
            Frame::Append { log: id, epoch, base, last, bytes, .. } => {
                let batch = Batch::parse(bytes).map_err(|e| format!("a batch of {id}: {e}"))?;
                let head = Head::of(&batch).filter(|h| h.base == base && h.last() == last);
                let head =
                    head.ok_or(format!("a batch of {id} has other offsets than its frame"))?;
                let again = self.again;
                let end = self.log(id)?.end;
                if again && last < end {
                    return Ok(());
                }
                let log = self.log(id)?;
                if base != log.end {
                    return Err(format!("{id} ends at {} and goes on at {base}", log.end));
                }
                log.append(at, seq, head, batch.clone());
                self.recovered.bytes += u64::from(head.bytes);
                (id, Replayed::Batch { epoch, batch })
            }
            Frame::Truncate { log: id, to } => {
                let log = self.log(id)?;
                if to < log.start || to > log.end {
                    return Err(format!(
                        "{id} reaches from {} to {} and was cut at {to}",
                        log.start, log.end
                    ));
                }
                log.truncate(seq, to);
                self.unmark(id, to, Offset(u64::MAX));
                (id, Replayed::Truncate(to))
            }
            Frame::LogStart { log: id, start } => {
                let log = self.log(id)?;
                if start > log.end {
                    return Err(format!("{id} ends at {} and starts at {start}", log.end));
                }
                log.start = log.start.max(start);
                log.durable_start = log.start;
                log.faulty.remove(Offset(0), start);
                leave_emptied(log, start);
                self.unmark(id, Offset(0), start);
                (id, Replayed::Start(start))
            }
            Frame::HardState { log: id, state } => {
                self.log(id)?.hard_state = state.clone();
                (id, Replayed::HardState(state))
            }
            Frame::LogCreate { dir, .. } if self.again && self.logs.contains_key(&dir.log) => {
                return Ok(());
            }
            Frame::LogCreate { dir, topic_id, partition } => {
                let id = dir.log;
                let mut log = Log::new(dir, topic_id, partition, LogConfig::default());
                log.writer.unswept = true;
                if self.removals.contains_key(&id) || self.logs.insert(id, log).is_some() {
                    return Err(format!("{id} was created twice"));
                }
                (id, Replayed::Create)
            }
            Frame::LogDelete { log: id } => {
                let log =
                    self.logs.remove(&id).ok_or(format!("{id} was deleted and is not there"))?;
                self.removals.insert(id, Removal::found(log.dir));
                self.marks.remove(&id);
                (id, Replayed::Delete)
            }
            Frame::FaultyMark { log: id, from, to } => {
                let end = self.log(id)?.end;
                if to > end {
                    // In place of an append that is lost.
                    return self.lost(seq, id, end, to);
                }
                let is_seen = |l: &Identity| (l.log, l.base, l.last + 1) == (id, from.0, to.0);
                if self.lost.iter().any(is_seen) {
                    return Ok(()); // the checkpoint vouches for the segment that has it
                }
                self.log(id)?.faulty.add(from, to);
                self.unmark(id, from, to);
                return Ok(());
            }
            Frame::Repair { log: id, from, to } => {
                self.log(id)?.faulty.remove(from, to);
                self.unmark(id, from, to);
                return Ok(());
            }
            Frame::Boot { boot } => {
                self.boot = self.boot.max(boot);
                return Ok(());
            }
            Frame::Seal => return Ok(()),
        };
        self.recovered.replay.push(Replay { log, wall: self.wall, what });
        Ok(())
    }

    /// An append whose bytes are lost: the log holds the offsets, and says so for good.
    fn lost(&mut self, seq: GroupSeq, id: LogId, from: Offset, to: Offset) -> Result<(), String> {
        let wall = self.wall;
        self.log(id)?.append_lost(wall, seq, from, to);
        self.marks.entry(id).or_default().add(from, to);
        self.recovered.replay.push(Replay { log: id, wall, what: Replayed::Lost { from, to } });
        Ok(())
    }

    /// No mark is needed for this range any more.
    fn unmark(&mut self, id: LogId, from: Offset, to: Offset) {
        if let Some(spans) = self.marks.get_mut(&id) {
            spans.remove(from, to);
        }
    }

    fn log(&mut self, id: LogId) -> Result<&mut Log, String> {
        self.logs.get_mut(&id).ok_or(format!("{id} is not known"))
    }

    /// Everything replayed is durable.
    fn finish(&mut self) {
        for log in self.logs.values_mut() {
            log.durable(GroupSeq(u64::MAX));
            mutant!(B03, (), {
                (log.written, log.written_bytes) = (log.synced, log.appended_bytes);
                log.marks.clear();
            });
            // The sweep removes what there is of their files.
            log.skip_below_start();
            log.drop_below_start();
            log.writer.laid = log.end;
            log.invariants();
            self.recovered.logs.push(RecoveredLog {
                dir: log.dir.clone(),
                topic_id: log.topic_id,
                partition: log.partition,
                start: log.start,
                end: log.end,
                hard_state: log.hard_state.clone(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Lsn;

    #[test]
    fn a_loss_that_nothing_names_is_refused() {
        let found = |unknown| {
            let (seq, lsn, lost, at) = (GroupSeq(3), Lsn(4096), vec![], Some((1, 2)));
            let damage = Default::default();
            refuse_losses(&[Finding::Faulty { seq, lsn, at, damage, lost, unknown }])
        };
        assert_eq!(found(false), Ok(()));
        let why = found(true).expect_err("offsets would be given out again");
        assert!(why.starts_with("group 3 of the journal") && why.contains("restore"), "{why}");
    }
}
