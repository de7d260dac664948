//! What goes from a log's cache to its segment files, piece by piece.
//!
//! A log has at most one *piece* under way: a handful of operations that run in order and are counted
//! off as they come back. If one of them found the disk full the whole piece is done again later, with
//! the same bytes at the same places. A piece never leaves a segment, so the sync at its end covers it.
//! A long one ends with a whole block, if need be inside a batch, whose other bytes come first in the next one:
//! whole blocks go past the page cache, and none is written twice.
//!
//! The first piece of a life reads whose the directory says it is, and so does the one after any that was refused because the
//! directory does not say so. If the disk does not give that any more it is written again, to a new file: nobody else can be the owner of a directory that was made durably for this log, and whose name is
//! free for another one only when it is gone.
//!
//! What the order of operations guarantees: the directory and its name are durable before the first
//! piece; a new file's name is durable before `file_synced` passes its base, and so before a checkpoint
//! names it; a segment is synced when it closes, its indexes then and now and then. Leftovers of an earlier life are cut off before the
//! first piece: recovery believes a segment only up to the checkpoint.

use crate::disk::{Data, DirName, DiskOp, Done, FileName, LogFile, OpKind, SegmentStep};
use crate::id::{Generation, Offset};
use crate::log::Log;
use crate::segment::{INDEX_ENTRY_BYTES, Segment, TIME_ENTRY_BYTES};
use crate::storage::StorageConfig;
use crate::time::Mono;
use bytes::Bytes;
use smallvec::SmallVec;
use sordini_mutant::mutant;

/// After so many bytes of batches the indexes are synced although their segment goes on.
const INDEX_SYNC_BYTES: u64 = 16 << 20;

/// State of the directory a log lives in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Home {
    /// Not there yet, as far as we know.
    #[default]
    Missing,
    /// Directory, `partition.metadata` and both names are durable.
    Made,
}

/// What `partition.metadata` in a directory that is made says, as far as we know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Plate {
    /// Whose the directory is.
    #[default]
    Good,
    /// A former life made it, and this one has not looked.
    Unread,
    /// Nothing that can be read.
    Lost,
}

/// File lengths that a checkpoint vouches for; what lies beyond them is from an earlier life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    pub segment: Offset,
    pub bytes: u64,
    pub index_bytes: u64,
    pub time_bytes: u64,
}

impl Stale {
    /// What the log says of a segment.
    pub fn of(segment: &Segment) -> Stale {
        Stale {
            segment: segment.base,
            bytes: segment.bytes,
            index_bytes: u64::from(segment.index_entries) * u64::from(INDEX_ENTRY_BYTES),
            time_bytes: u64::from(segment.time_entries) * u64::from(TIME_ENTRY_BYTES),
        }
    }
}

/// Operations under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    step: SegmentStep,
    /// Operations not answered yet.
    left: u32,
    /// Bytes of batches in it.
    bytes: u64,
    /// Bytes behind them of the batch that follows.
    ahead: u64,
    /// Whether it syncs indexes.
    indexes: bool,
    /// Whether the disk was too full for one of them.
    refused: bool,
}

/// Batches of one segment that a piece writes.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    /// Behind the last of them.
    next: Offset,
    /// Byte of the segment where the piece ends.
    end: u64,
    /// Their bytes.
    bytes: u64,
    /// Bytes behind them of the batch that follows, before `end`.
    ahead: u64,
    /// Whether it ends early, with a whole block.
    early: bool,
}

/// A piece that would have fewer whole blocks does not end with one: little is gained.
const WHOLE_BLOCKS_MIN: u64 = 4;

/// How far the files are, beside the cursors of the log itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer {
    pub home: Home,
    pub plate: Plate,
    pub piece: Option<Piece>,
    /// What was durable when its turn came: it goes on until this is written.
    pub goal: Offset,
    /// Bytes of the first batch that is not written which its segment has already: the last piece filled its block.
    ahead: u64,
    /// Bytes written to the current segment since its last sync.
    unsynced_bytes: u64,
    /// The same since the last sync of its indexes.
    unsynced_index_bytes: u64,
    /// Where this life found the last segment of the checkpoint.
    pub stale: Option<Stale>,
    /// Whether the last segment takes no more: it ends with a lost batch, or it is not known where it ends.
    pub closed: bool,
    /// Whether files of an earlier life may lie about in the directory.
    pub unswept: bool,
    /// Whether the sweep found a directory that a former life had made, or a full disk left one half made.
    pub found: bool,
    /// Segments with a base below this may have files: what a former life left, and what this one began.
    pub laid: Offset,
    /// A checkpoint waits until `file_synced` is here.
    pub target: Option<Offset>,
    /// Whether it stands in the storage's queue of logs that should be written now.
    pub ready: bool,
    /// Until when it may wait, if it stands in the queue of those that may wait a little.
    pub due: Option<Mono>,
}

/// How a completed piece ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Some of its operations are still out, or it was not ours.
    Waiting,
    /// It is done; so many bytes of batches came to the segment.
    Done { bytes: u64 },
    /// The disk was full: try again later.
    Full,
}

impl Writer {
    pub fn busy(&self) -> bool {
        self.piece.is_some()
    }

    /// What the directory says whose it is may not be there any more.
    pub fn doubt(&mut self) {
        if (self.home, self.plate) == (Home::Made, Plate::Good) {
            self.plate = Plate::Unread;
        }
    }

    /// There may be files of the segment with this base.
    pub fn lays(&mut self, base: Offset) {
        self.laid = self.laid.max(Offset(base.0 + 1));
    }

    /// Whether its segment may have bytes behind what is written.
    pub fn overshoots(&self) -> bool {
        self.busy() || self.ahead > 0
    }

    /// Whether the piece under way ends inside a batch.
    pub fn splits_a_batch(&self) -> bool {
        self.piece.is_some_and(|piece| piece.ahead > 0)
    }

    /// The batch whose first bytes its segment has is gone.
    pub fn fall_back(&mut self) {
        self.ahead = 0;
    }

    /// Whether the disk was too full for something of the piece under way.
    pub fn is_refused(&self) -> bool {
        self.piece.is_some_and(|piece| piece.refused)
    }
}

impl Log {
    /// Whether there is anything that a piece could do now.
    pub fn wants_piece(&self) -> bool {
        let unsynced = self.writer.target.is_some_and(|t| self.file_synced < t);
        !self.writer.busy()
            && (self.writer.plate != Plate::Good
                || self.written < self.synced
                || unsynced && self.written > self.file_synced)
    }

    /// Starts the next piece, if there is anything to do.
    pub fn start_piece(
        &mut self,
        generation: Generation,
        config: &StorageConfig,
        out: &mut Vec<DiskOp>,
    ) -> bool {
        if !self.wants_piece() {
            return false;
        }
        let mut ops = Vec::with_capacity(8);
        let (step, run) = match (self.writer.home, self.writer.plate) {
            (Home::Missing, _) if !self.writer.unswept => {
                (self.make_home(&mut ops), Run::default())
            }
            (Home::Made, Plate::Unread) => {
                let file = self.file(LogFile::Metadata);
                ops.push(OpKind::Read { file, at: 0, len: crate::home::BYTES_MAX });
                (SegmentStep::Looked, Run::default())
            }
            // To a new file: a sector that cannot be read cannot be written in part either. A former life may have left one, too.
            (Home::Missing, _) | (Home::Made, Plate::Lost) => {
                ops.push(OpKind::Unlink { file: self.file(LogFile::Metadata) });
                (self.make_home(&mut ops), Run::default())
            }
            (Home::Made, Plate::Good) if self.written == self.synced || self.leaves_a_file() => {
                (self.sync_piece(&mut ops), Run::default())
            }
            (Home::Made, Plate::Good) => {
                let first = self.cache.from(self.written).next();
                self.writer.lays(first.expect("the cache holds what is not written").segment);
                self.write_piece(config, &mut ops)
            }
        };
        if run.early {
            self.writer.goal = run.next; // what is left over may wait for what completes its block
        }
        // Only an index is written with a sync of its own; that of a new home comes before any index.
        let indexes = ops.iter().any(|op| matches!(op, OpKind::Write { sync: true, .. }));
        let left = ops.len() as u32;
        let Run { bytes, ahead, .. } = run;
        self.writer.piece = Some(Piece { step, left, bytes, ahead, indexes, refused: false });
        let done = Done::Segment { log: self.dir.log, generation, step };
        out.extend(ops.into_iter().map(|kind| DiskOp { kind, done }));
        true
    }

    /// Whether the next batch goes to a new file while the one before is not synced: it seemed to go
    /// on when it was last written.
    fn leaves_a_file(&self) -> bool {
        self.file_synced < self.written
            && self.segments.iter().rev().any(|s| s.base == self.written)
    }

    fn make_home(&self, ops: &mut Vec<OpKind>) -> SegmentStep {
        let dir = DirName::Log(self.dir.clone());
        let text = crate::home::encode(&self.dir, &self.topic_id);
        ops.extend([
            OpKind::MakeDir { dir: dir.clone() },
            OpKind::Write {
                file: self.file(LogFile::Metadata),
                at: 0,
                data: Data::Slices(SmallVec::from_iter([Bytes::from(text)])),
                sync: true,
            },
            OpKind::SyncDir { dir },
            OpKind::SyncDir { dir: DirName::Root },
        ]);
        SegmentStep::Made
    }

    /// Batches of one segment from `written` on.
    fn write_piece(&self, config: &StorageConfig, ops: &mut Vec<OpKind>) -> (SegmentStep, Run) {
        let first =
            self.cache.from(self.written).next().expect("the cache holds what is not written");
        let (segment, at) = (first.segment, first.at + self.writer.ahead);
        let mut run = self.run(config);
        let info = self.segments[self.segment_of(segment).expect("its batches are cached")];
        let closes =
            run.next == info.next && self.segments.last().is_some_and(|s| s.base > segment);
        let target = self.writer.target.filter(|t| self.file_synced < *t && *t <= run.next);
        let full = self.writer.unsynced_bytes + run.bytes >= config.sync_bytes_max;
        let syncs = closes || target.is_some() || full;
        let whole = self.whole_blocks(run, config.piece_grain_bytes);
        let gains = whole.end >= at + WHOLE_BLOCKS_MIN * config.piece_grain_bytes;
        let wanted = target.unwrap_or(Offset(self.written.0 + 1));
        if gains && !closes && wanted <= whole.next {
            run = whole;
        }
        self.cut_leftovers(segment, at, ops);
        ops.push(OpKind::Write {
            file: self.file(LogFile::Segment(segment)),
            at,
            data: Data::Slices(self.slices(segment, at, run.end)),
            sync: false,
        });
        self.write_indexes(segment, run.next, at == 0, ops);
        if mutant!(S07, at == 0, false) {
            ops.push(OpKind::SyncDir { dir: DirName::Log(self.dir.clone()) });
        }
        if syncs {
            self.sync_files(&info, closes || self.indexes_due(run.bytes), ops);
            return (SegmentStep::Synced { next: run.next }, run);
        }
        (SegmentStep::Written { next: run.next }, run)
    }

    /// The durable batches of one segment from `written` on, as many as a piece holds.
    fn run(&self, config: &StorageConfig) -> Run {
        let mut run = Run { next: self.written, ..Run::default() };
        let mut segment = None;
        for entry in self.cache.from(self.written) {
            let len = entry.bytes.len() as u64;
            let fits = run.bytes == 0 || run.bytes + len <= config.piece_bytes_max;
            if entry.next > self.synced
                || entry.segment != *segment.get_or_insert(entry.segment)
                || !fits
            {
                break;
            }
            let (next, end, bytes) = (entry.next, entry.at + len, run.bytes + len);
            run = Run { next, end, bytes, ..run };
        }
        run
    }

    /// The run, ended at the last multiple of `grain` bytes of its file. It may hold no whole batch then.
    fn whole_blocks(&self, run: Run, grain: u64) -> Run {
        let end = run.end - run.end % grain;
        let mut whole = Run { next: self.written, end, early: true, ..Run::default() };
        for entry in self.cache.from(self.written).take_while(|e| e.next <= run.next) {
            let len = entry.bytes.len() as u64;
            if entry.at + len > end {
                whole.ahead = end.saturating_sub(entry.at);
                break;
            }
            (whole.next, whole.bytes) = (entry.next, whole.bytes + len);
        }
        whole
    }

    /// The bytes `at .. end` of a segment, which are in the cache and not before `written`.
    fn slices(&self, segment: Offset, at: u64, end: u64) -> SmallVec<[Bytes; 2]> {
        let mut slices = SmallVec::new();
        let entries = self.cache.from(self.written);
        for entry in entries.take_while(|e| e.segment == segment && e.at < end) {
            let from = at.saturating_sub(entry.at) as usize;
            let to = entry.bytes.len().min((end - entry.at) as usize);
            if from < to {
                slices.push(entry.bytes.slice(from..to));
            }
        }
        slices
    }

    /// Syncs the segment that `written` is in; those before it were synced when they closed.
    fn sync_piece(&self, ops: &mut Vec<OpKind>) -> SegmentStep {
        let last = Offset(self.written.0 - 1);
        let segment = self.segments[self.segment_of(last).expect("something was written")];
        let closed = self.segments.last().is_some_and(|s| s.base > segment.base);
        self.sync_files(&segment, closed || self.indexes_due(0), ops);
        SegmentStep::Synced { next: self.written }
    }

    /// Whether the indexes go with the next sync: when the segment closes, and now and then, so that a loss of
    /// power costs lookups no more than a walk over so many bytes.
    fn indexes_due(&self, bytes: u64) -> bool {
        self.writer.unsynced_index_bytes + bytes >= INDEX_SYNC_BYTES
    }

    fn sync_files(&self, segment: &Segment, indexes: bool, ops: &mut Vec<OpKind>) {
        let base = segment.base;
        ops.push(OpKind::Sync { file: self.file(LogFile::Segment(base)) });
        if indexes {
            for file in [LogFile::Index(base), LogFile::TimeIndex(base)] {
                // Somebody may have deleted it while the broker was stopped: a write makes it again.
                let (file, data) = (self.file(file), Data::Slices(SmallVec::new()));
                ops.push(OpKind::Write { file, at: 0, data, sync: true });
            }
        }
    }

    fn cut_leftovers(&self, segment: Offset, at: u64, ops: &mut Vec<OpKind>) {
        if let Some(stale) = self.writer.stale {
            self.cut_files(&stale, ops);
        }
        if at == 0 && self.writer.unswept {
            self.cut_files(&Stale { segment, bytes: 0, index_bytes: 0, time_bytes: 0 }, ops);
        }
    }

    /// Cuts the three files of a segment to what is vouched for.
    pub fn cut_files(&self, stale: &Stale, ops: &mut Vec<OpKind>) {
        let base = stale.segment;
        let lens = [
            (LogFile::Segment(base), stale.bytes),
            (LogFile::Index(base), stale.index_bytes),
            (LogFile::TimeIndex(base), stale.time_bytes),
        ];
        ops.extend(lens.map(|(file, len)| OpKind::Truncate { file: self.file(file), len }));
    }

    /// Entries of batches below `next`. A new segment gets its index files even without entries, for
    /// Kafka's tools expect them.
    fn write_indexes(&self, segment: Offset, next: Offset, new: bool, ops: &mut Vec<OpKind>) {
        let (mut index, mut time) = (Vec::new(), Vec::new());
        let (mut slot, mut time_slot) = (0, 0);
        for mark in self.marks.iter().take_while(|m| m.segment == segment && m.last() < next) {
            if index.is_empty() {
                slot = mark.slot;
            }
            index.extend(mark.entry.encode());
            if let Some((n, entry)) = mark.time {
                if time.is_empty() {
                    time_slot = n;
                }
                time.extend(entry.encode());
            }
        }
        let mut write = |file, slot: u32, entry_bytes: u32, bytes: Vec<u8>| {
            if new || !bytes.is_empty() {
                ops.push(OpKind::Write {
                    file: self.file(file),
                    at: u64::from(slot) * u64::from(entry_bytes),
                    data: Data::Slices(SmallVec::from_iter([Bytes::from(bytes)])),
                    sync: false,
                });
            }
        };
        write(LogFile::Index(segment), slot, INDEX_ENTRY_BYTES, index);
        write(LogFile::TimeIndex(segment), time_slot, TIME_ENTRY_BYTES, time);
    }

    pub fn file(&self, file: LogFile) -> FileName {
        FileName::Log(self.dir.clone(), file)
    }

    /// One operation of the piece came back; `refused` if the disk was full.
    pub fn piece_done(&mut self, step: SegmentStep, refused: bool) -> Progress {
        let Some(piece) = self.writer.piece.as_mut().filter(|p| p.step == step) else {
            return Progress::Waiting;
        };
        piece.left -= 1;
        piece.refused |= refused;
        if piece.left > 0 {
            return Progress::Waiting;
        }
        let piece = self.writer.piece.take().expect("it was just looked at");
        if piece.refused {
            self.writer.found |= step == SegmentStep::Made;
            return Progress::Full;
        }
        match step {
            // Whoever was given what it read has said what it is.
            SegmentStep::Looked => {}
            SegmentStep::Made => (self.writer.home, self.writer.plate) = (Home::Made, Plate::Good),
            SegmentStep::Written { next } => self.advance(next, &piece),
            SegmentStep::Synced { next } => {
                self.advance(next, &piece);
                self.file_synced = self.file_synced.max(next);
                self.writer.unsynced_bytes = 0;
                if piece.indexes {
                    self.writer.unsynced_index_bytes = 0;
                }
            }
        }
        Progress::Done { bytes: piece.bytes }
    }

    /// Passes over batches that are not in files yet and lie in segments below the durable start: nobody needs them there. How
    /// many bytes that is. The segments go next ([`Log::drop_below_start`]), and no piece may be under way.
    pub fn skip_below_start(&mut self) -> u64 {
        assert!(!self.writer.busy(), "{}: a piece is under way", self.dir.log);
        let goes = |s: &&Segment| s.next <= self.durable_start && s.next <= self.synced;
        let Some(last) = self.segments.iter().take_while(goes).last() else { return 0 };
        let next = last.next;
        if next <= self.written {
            return 0;
        }
        let passed = self.cache.from(self.written).take_while(|batch| batch.next <= next);
        let bytes = passed.map(|batch| batch.bytes.len() as u64).sum();
        self.reach(next, bytes);
        // What waited for a sync was in the same segments.
        (self.writer.unsynced_bytes, self.writer.unsynced_index_bytes) = (0, 0);
        bytes
    }

    fn advance(&mut self, next: Offset, piece: &Piece) {
        self.reach(next, piece.bytes);
        self.writer.ahead = piece.ahead;
        self.writer.unsynced_bytes += piece.bytes;
        self.writer.unsynced_index_bytes += piece.bytes;
    }

    fn reach(&mut self, next: Offset, bytes: u64) {
        if next > self.written {
            self.writer.stale = None;
        }
        (self.written, self.writer.ahead) = (next, 0);
        self.written_bytes += bytes;
        while self.marks.front().is_some_and(|m| m.last() < next) {
            self.marks.pop_front();
        }
    }
}
