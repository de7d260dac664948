//! Verifies a stopped data directory: what `sordini check DIR` prints. Reads everything, writes nothing.
//!
//! Goes the way that recovery goes (checkpoint, journal, replay), and then further: every batch of every
//! segment that the checkpoint vouches for, every index entry, every name.

use super::boot;
use super::replay::rebuild;
use crate::checkpoint::{self, SavedLog};
use crate::disk::{DirEntry, DiskError, DiskErrorKind, ReadAt};
use crate::home;
use crate::id::{GroupSeq, LogDir, LogId};
use crate::journal::recover;
use crate::segment::{INDEX_ENTRY_BYTES, IndexEntry, Segment, TIME_ENTRY_BYTES, TimeEntry};
use crate::time::Wall;
use bytes::Bytes;
use sordini_wire::batch::walk;
use std::collections::BTreeMap;

/// How much of a segment is read at a time, but for a larger batch.
const PIECE_BYTES: u64 = 4 << 20;

/// A data directory at rest. Paths are relative to it and separated by `/`; the empty one is itself.
pub trait Tree {
    /// Entries of a directory.
    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError>;
    /// A file for random access.
    fn open(&self, file: &str) -> Result<Box<dyn ReadAt + '_>, DiskError>;
    /// All bytes of a file.
    fn read(&self, file: &str) -> Result<Bytes, DiskError>;
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Costs time or space at most; the next start puts it right.
    Remark,
    /// Records are lost or cannot be read, or the broker refuses to start.
    Damage,
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// Path of the file or directory.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Logs that exist.
    pub logs: u64,
    /// Segments of the checkpoint.
    pub segments: u64,
    /// Batches in them.
    pub batches: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Journal groups behind the checkpoint.
    pub groups: u64,
    /// Bytes of batches in these.
    pub journal_bytes: u64,
}

/// Checks everything; tells each problem as it is found.
pub fn check(tree: &dyn Tree, tell: &mut dyn FnMut(Problem)) -> Checked {
    let mut check = Check { tree, tell, checked: Checked::default() };
    check.run();
    check.checked
}

struct Check<'a> {
    tree: &'a dyn Tree,
    tell: &'a mut dyn FnMut(Problem),
    checked: Checked,
}

impl Check<'_> {
    fn tell(&mut self, severity: Severity, file: &str, what: impl ToString) {
        (self.tell)(Problem { severity, file: file.into(), what: what.to_string() });
    }

    fn damage(&mut self, file: &str, what: impl ToString) {
        self.tell(Severity::Damage, file, what);
    }

    fn remark(&mut self, file: &str, what: impl ToString) {
        self.tell(Severity::Remark, file, what);
    }

    fn run(&mut self) {
        let files = checkpoint::NAMES.map(|name| {
            let path = format!("checkpoint/{name}");
            self.read(&path).map(Ok)
        });
        let (place, checkpoint) = match checkpoint::choose(files) {
            Ok((chosen, wrong)) => {
                wrong.iter().for_each(|why| self.damage("checkpoint", why));
                chosen.unzip()
            }
            Err(why) => return self.damage("checkpoint", why),
        };
        let saved: BTreeMap<LogId, SavedLog> =
            checkpoint.iter().flat_map(|c| &c.logs).map(|l| (l.dir.log, l.clone())).collect();
        let Some(journal) = self.journal() else { return };
        let from = checkpoint.as_ref().map_or(GroupSeq(1), |c| c.from);
        let image = match recover(journal, from).and_then(|image| boot::whole_for(place, image)) {
            Ok(image) => image,
            Err(e) => return self.damage("journal", e),
        };
        image.findings.iter().for_each(|f| self.damage("journal", f));
        if checkpoint.is_none()
            && image.groups.is_empty()
            && let Ok(root) = self.tree.list("")
            && let Some(orphan) = boot::orphan(&root)
        {
            return self.damage("journal", boot::journal_lost(&orphan));
        }
        let rebuilt = match rebuild(Wall::default(), checkpoint, image) {
            Ok(rebuilt) => rebuilt,
            Err(why) => return self.damage("journal", why),
        };
        self.checked.groups = rebuilt.recovered.groups;
        self.checked.journal_bytes = rebuilt.recovered.bytes;
        self.checked.logs = rebuilt.logs.len() as u64;
        let mut names = BTreeMap::new();
        for log in rebuilt.logs.values() {
            names.insert(log.dir.name.to_string(), log.dir.log);
            for span in log.faulty.iter() {
                self.damage(&log.dir.name, format!("offsets {}..{} are lost", span.from, span.to));
            }
            if let Some(saved) = saved.get(&log.dir.log) {
                // What was cut or dropped since the checkpoint may be gone already.
                let kept = |s: &&Segment| log.segments.iter().any(|l| l.base == s.base);
                let segments: Vec<_> = saved.segments.iter().filter(kept).copied().collect();
                self.log(saved, &segments, log.end.0);
            }
        }
        self.names(&names);
    }

    fn read(&mut self, path: &str) -> Option<Bytes> {
        match self.tree.read(path) {
            Ok(bytes) => Some(bytes),
            Err(e) if e.kind == DiskErrorKind::NotFound => None,
            Err(e) => {
                self.damage(path, e);
                None
            }
        }
    }

    fn journal(&mut self) -> Option<Vec<(u32, Bytes)>> {
        let entries = match self.tree.list("journal") {
            Ok(entries) => entries,
            Err(e) if e.kind == DiskErrorKind::NotFound => return Some(Vec::new()),
            Err(e) => {
                self.damage("journal", e);
                return None;
            }
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = format!("journal/{}", entry.name);
            match entry.name.strip_suffix(".journal").and_then(|n| n.parse().ok()) {
                Some(number) => files.push((number, self.read(&path)?)),
                None => self.remark(&path, "not a journal file"),
            }
        }
        Some(files)
    }

    /// A log's directory as far as the checkpoint speaks of it.
    fn log(&mut self, saved: &SavedLog, segments: &[Segment], end: u64) {
        let LogDir { name, log } = &saved.dir;
        if !saved.made {
            return;
        }
        let path = format!("{name}/partition.metadata");
        match self.tree.read(&path).map(|text| home::log_id(&text)) {
            Ok(Some(found)) if found == *log => {}
            Ok(Some(found)) => {
                return self.damage(&path, format!("expected {log}, it names {found}"));
            }
            Ok(None) => self.damage(&path, "does not name a log"),
            Err(e) => self.damage(&path, e),
        }
        for segment in segments {
            self.segment(name, segment, saved, end);
        }
    }

    fn segment(&mut self, dir: &str, segment: &Segment, saved: &SavedLog, end: u64) {
        self.checked.segments += 1;
        let path = format!("{dir}/{:020}.log", segment.base.0);
        let placed = match self.tree.open(&path) {
            Ok(file) => match self.batches(&path, &*file, segment, saved, end) {
                Some(placed) => placed,
                None => return,
            },
            Err(e) if segment.bytes > 0 => return self.damage(&path, e),
            Err(_) => return,
        };
        self.indexes(dir, segment, &placed);
    }

    /// Every batch up to the length vouched for: last offset, position and largest timestamp of each.
    fn batches(
        &mut self,
        path: &str,
        file: &dyn ReadAt,
        segment: &Segment,
        saved: &SavedLog,
        end: u64,
    ) -> Option<BTreeMap<u64, (u64, i64)>> {
        let mut placed = BTreeMap::new();
        let (mut at, mut next, mut want) = (0, segment.base.0, PIECE_BYTES);
        while at < segment.bytes {
            let mut piece = vec![0; want.min(segment.bytes - at) as usize];
            let got = match file.read_at(at, &mut piece) {
                Ok(got) => got,
                Err(e) => {
                    self.damage(path, e);
                    return None;
                }
            };
            let mut batches = walk(&piece[..got]);
            for batch in batches.by_ref() {
                let at = at + batch.as_ref().map_or(0, |b| b.position as u64);
                let batch = match batch {
                    Ok(placed) => placed.batch,
                    Err(e) => {
                        self.damage(path, format!("byte {at}: {e}"));
                        return None;
                    }
                };
                let (base, after) = (batch.base_offset(), batch.next_offset());
                if let Err(e) = batch.check_crc() {
                    self.damage(path, format!("byte {at}, offsets {base}..{after}: {e}"));
                }
                let lost = |s: &crate::span::Spans| {
                    s.touches(crate::Offset(next), crate::Offset(base as u64))
                };
                if base < 0 || after <= base || (base as u64) < next {
                    self.damage(path, format!("byte {at}: offset {base} where {next} comes"));
                    return None;
                }
                if base as u64 > next && !lost(&saved.faulty) {
                    self.damage(path, format!("byte {at}: offsets {next}..{base} are missing"));
                }
                next = after as u64;
                placed.insert(next - 1, (at, batch.max_timestamp()));
                self.checked.batches += 1;
            }
            let done = batches.position() as u64;
            // One batch may be larger than a piece; what is short twice is cut off.
            if done == 0 && (got as u64) < segment.bytes - at && want < u64::from(u32::MAX) {
                want *= 2;
                continue;
            }
            if done == 0 || got < piece.len() {
                let expected = segment.bytes;
                self.damage(path, format!("cut off at byte {}, expected {expected}", at + done));
                return None;
            }
            (at, want) = (at + done, PIECE_BYTES);
            self.checked.bytes += done;
        }
        // After a cut there may be more in the file than belongs to the log.
        let expected = segment.next.0.min(end);
        if next < expected && !saved.faulty.touches(crate::Offset(next), segment.next) {
            self.damage(path, format!("ends with offset {next}, expected {expected}"));
        }
        Some(placed)
    }

    /// Every entry must lead to the batch that it names.
    fn indexes(&mut self, dir: &str, s: &Segment, placed: &BTreeMap<u64, (u64, i64)>) {
        let base = s.base.0;
        let position = |entry: &[u8]| {
            let e = IndexEntry::decode(entry.try_into().expect("whole entries"));
            let batch = placed.get(&(base + u64::from(e.offset_delta)));
            batch.is_some_and(|(at, _)| *at == u64::from(e.position))
        };
        let time = |entry: &[u8]| {
            let e = TimeEntry::decode(entry.try_into().expect("whole entries"));
            let batch = placed.get(&(base + u64::from(e.offset_delta)));
            batch.is_some_and(|(_, max)| *max == e.timestamp)
        };
        let (index, times) = (s.index_entries as usize, s.time_entries as usize);
        self.entries(&format!("{dir}/{base:020}.index"), INDEX_ENTRY_BYTES, index, &position);
        self.entries(&format!("{dir}/{base:020}.timeindex"), TIME_ENTRY_BYTES, times, &time);
    }

    fn entries(&mut self, path: &str, size: u32, count: usize, good: &dyn Fn(&[u8]) -> bool) {
        let bytes = self.tree.read(path).unwrap_or_default();
        let whole = bytes.chunks_exact(size as usize).take(count);
        let bad = whole.clone().filter(|entry| !good(entry)).count() + count - whole.count();
        if bad > 0 {
            let what = format!("{bad} of {count} entries lead nowhere; reads there take longer");
            self.remark(path, what);
        }
    }

    /// Directories that belong to nobody.
    fn names(&mut self, known: &BTreeMap<String, LogId>) {
        let Ok(entries) = self.tree.list("") else { return };
        for entry in entries.iter().filter(|e| e.is_dir) {
            let ours = ["journal", "checkpoint"].contains(&entry.name.as_str());
            if ours || known.contains_key(&entry.name) {
                continue;
            }
            if super::sweep::deleted(&entry.name).is_some() {
                self.remark(&entry.name, "a deleted log; the next start removes it");
            } else if let Ok(text) = self.tree.read(&format!("{}/partition.metadata", entry.name)) {
                let whose = home::log_id(&text).map_or("no log".into(), |log| log.to_string());
                self.remark(&entry.name, format!("belongs to {whose}, which does not exist"));
            }
        }
    }
}
