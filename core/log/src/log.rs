//! One log: an ordered chain of cursors over its segments and the tail in memory.
//!
//! ```text
//! first segment's base <= checkpointed <= file_synced <= written <= synced <= end
//!                         a checkpoint    segment file   segment   journal  appended
//!                         believes it     is synced      has it    has it
//! ```
//!
//! `start` runs beside the chain: DeleteRecords and retention move it within `synced`, and whole
//! segments below it go. Batches from `written` on are in the cache, all of them. What the log wants
//! written is in [`crate::writer`]; who gives it its turn is the storage.

use crate::cache::{Cache, Cached};
use crate::disk::Query;
use crate::id::{Generation, GroupSeq, LogDir, Offset};
use crate::segment::{Head, LogConfig, Mark, Segment};
use crate::span::Spans;
use crate::time::Wall;
use crate::writer::{Stale, Writer};
use bytes::Bytes;
use smallvec::SmallVec;
use sordini_mutant::mutant;
use sordini_wire::batch::Batch;
use std::collections::VecDeque;

/// A log of this shard.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub dir: LogDir,
    pub topic_id: [u8; 16],
    pub partition: u32,
    pub config: LogConfig,
    /// First offset that exists; what lies below is deleted.
    pub start: Offset,
    /// `start` as far as it is durable; segments below it go.
    pub durable_start: Offset,
    /// The newest durable checkpoint names the segments up to here; recovery believes them that far.
    pub checkpointed: Offset,
    /// Segment files are durable up to here, contents and names.
    pub file_synced: Offset,
    /// Segment files hold everything up to here.
    pub written: Offset,
    /// The journal is durable up to here.
    pub synced: Offset,
    /// Offset of the next record.
    pub end: Offset,
    /// How often it was truncated in this boot.
    pub cut: u32,
    /// Oldest first; the batches of the last reach to `end`, unless there are none.
    pub segments: Vec<Segment>,
    pub cache: Cache,
    /// What becomes `synced` with a group: that in flight and the open one.
    pub pending: SmallVec<[Pending; 2]>,
    /// Bytes of batches appended, synced and written in this life, for the differences.
    pub appended_bytes: u64,
    pub synced_bytes: u64,
    pub written_bytes: u64,
    /// Index entries of batches from `written` on.
    pub marks: VecDeque<Mark>,
    /// What cannot be read.
    pub faulty: Spans,
    /// The last hard state put, opaque; empty if none was.
    pub hard_state: Bytes,
    pub writer: Writer,
}

/// How far a log is when a group is durable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    seq: GroupSeq,
    end: Offset,
    appended_bytes: u64,
}

/// What a cut took away.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truncated {
    pub cached_bytes: u64,
    pub unwritten_bytes: u64,
    pub segments: Vec<Segment>,
    /// Whether the cut is the log's first news in its group.
    pub joined: bool,
}

/// What a range of a log is answered from.
#[derive(Clone, Debug)]
pub(crate) enum LogRead {
    Hot {
        batches: SmallVec<[Bytes; 4]>,
        next: Offset,
    },
    /// Ask this of so many bytes of a segment file.
    Cold {
        segment: Offset,
        len: u64,
        query: Query,
    },
    Faulty,
    Empty,
}

impl Log {
    pub fn new(dir: LogDir, topic_id: [u8; 16], partition: u32, config: LogConfig) -> Log {
        Log {
            dir,
            topic_id,
            partition,
            config,
            start: Offset(0),
            durable_start: Offset(0),
            checkpointed: Offset(0),
            file_synced: Offset(0),
            written: Offset(0),
            synced: Offset(0),
            end: Offset(0),
            cut: 0,
            segments: Vec::new(),
            cache: Cache::default(),
            pending: SmallVec::new(),
            appended_bytes: 0,
            synced_bytes: 0,
            written_bytes: 0,
            marks: VecDeque::new(),
            faulty: Spans::default(),
            hard_state: Bytes::new(),
            writer: Writer::default(),
        }
    }

    pub fn generation(&self, boot: u64) -> Generation {
        Generation { boot, cut: self.cut }
    }

    /// Takes a stamped batch at its end. Returns whether this is its first in group `seq`.
    pub fn append(&mut self, wall: Wall, seq: GroupSeq, head: Head, batch: Batch) -> bool {
        assert!(
            head.base == self.end,
            "{}: appended {} at end {}",
            self.dir.log,
            head.base,
            self.end
        );
        let full = |s: &Segment| s.is_full_for(&head, &self.config, wall);
        if self.writer.closed || self.segments.last().is_none_or(full) {
            self.writer.closed = false;
            self.segments.push(Segment::new(self.end, wall));
        }
        let segment = self.segments.last_mut().expect("one was pushed if there was none");
        let (base, at) = (segment.base, segment.bytes);
        self.marks.extend(segment.add(&head, &self.config));
        self.cache.push(Cached {
            base: head.base,
            next: head.next,
            segment: base,
            at,
            bytes: batch.into_bytes(),
        });
        self.end = head.next;
        self.appended_bytes += u64::from(head.bytes);
        self.join(seq)
    }

    /// Takes a batch whose bytes are lost but whose offsets are known: it is held and cannot be read.
    pub fn append_lost(&mut self, wall: Wall, seq: GroupSeq, base: Offset, next: Offset) -> bool {
        assert!(base == self.end && next > base, "{}: lost {base} at {}", self.dir.log, self.end);
        let apart = |s: &Segment| next.0 - s.base.0 > i32::MAX as u64;
        if self.segments.last().is_none_or(apart) {
            self.segments.push(Segment::new(self.end, wall));
        }
        let segment = self.segments.last_mut().expect("one was pushed if there was none");
        let at = segment.bytes;
        segment.skip(next);
        let segment = segment.base;
        self.cache.push(Cached { base, next, segment, at, bytes: Bytes::new() });
        self.faulty.add(base, next);
        // Batches of a file are dense, which is how a changed base offset is noticed.
        self.writer.closed = true;
        self.end = next;
        self.join(seq)
    }

    /// Remembers that everything up to `end` is durable with group `seq`; true if it is news that the
    /// log has something in that group.
    fn join(&mut self, seq: GroupSeq) -> bool {
        let news = Pending { seq, end: self.end, appended_bytes: self.appended_bytes };
        match self.pending.last_mut() {
            Some(last) if last.seq == seq => {
                *last = news;
                false
            }
            _ => {
                self.pending.push(news);
                true
            }
        }
    }

    /// Group `through` and all before it are durable.
    pub fn durable(&mut self, through: GroupSeq) {
        let done = self.pending.iter().take_while(|p| p.seq <= through).count();
        if let Some(last) = self.pending.drain(..done).next_back() {
            self.synced = self.synced.max(last.end);
            self.synced_bytes = last.appended_bytes;
        }
    }

    /// Bytes that are durable in the journal and not in their segment.
    pub fn waiting_bytes(&self) -> u64 {
        self.synced_bytes - self.written_bytes
    }

    /// Bytes of all its batches, in files or on their way.
    pub fn size(&self) -> u64 {
        self.segments.iter().map(|s| s.bytes).sum()
    }

    /// Bytes of `segment`'s file that hold its batches up to `written`.
    pub fn believed_bytes(&self, segment: &Segment) -> u64 {
        if segment.next <= self.written {
            return segment.bytes;
        }
        match self.cache.from(self.written).next() {
            Some(first) if first.segment == segment.base => first.at,
            _ => 0,
        }
    }

    /// The segment that holds `offset`, or would.
    pub fn segment_of(&self, offset: Offset) -> Option<usize> {
        self.segments.partition_point(|s| s.base <= offset).checked_sub(1)
    }

    pub fn read(&self, from: Offset, until: Offset, bytes_max: u32, lent_max: u32) -> LogRead {
        let mut until = until.min(self.end);
        if from < self.start || from >= until {
            return LogRead::Empty;
        }
        if let Some(bad) = self.faulty.first_from(from) {
            if bad.from <= from {
                return LogRead::Faulty;
            }
            until = until.min(bad.from);
        }
        if let Some((batches, next)) = self.cache.read(from, until, bytes_max.min(lent_max)) {
            if batches.is_empty() {
                return LogRead::Empty;
            }
            return LogRead::Hot { batches, next };
        }
        let segment =
            &self.segments[self.segment_of(from).expect("segments reach from start to end")];
        let until = until.min(self.written);
        LogRead::Cold {
            segment: segment.base,
            len: self.believed_bytes(segment),
            query: Query::Range { offset: from, until, bytes_max },
        }
    }

    /// Removes everything from `to` on, which is where a batch begins, and returns the bytes that the cache
    /// lost, the bytes of them that were not written, and the segments that are gone. Files are cut by the
    /// next piece: it carries what was appended behind the cut, so the cut is durable before it.
    pub fn truncate(&mut self, seq: GroupSeq, to: Offset) -> Truncated {
        assert!(self.start <= to && to <= self.end, "{}: cut at {to}", self.dir.log);
        let mut gone = Truncated::default();
        let at = match self.cache.from(to).next() {
            _ if to == self.end => None,
            Some(first) if first.base == to => Some((first.segment, first.at)),
            _ => None,
        };
        for entry in self.cache.cut(to) {
            let bytes = entry.bytes.len() as u64;
            gone.cached_bytes += bytes;
            if entry.base >= self.written {
                gone.unwritten_bytes += bytes;
            }
        }
        self.appended_bytes -= gone.unwritten_bytes;
        if self.synced >= to {
            self.synced_bytes = self.appended_bytes;
        }
        for p in &mut self.pending {
            (p.end, p.appended_bytes) = (p.end.min(to), p.appended_bytes.min(self.appended_bytes));
        }
        let kept = self.segments.partition_point(|s| s.base < to);
        gone.segments = self.segments.drain(kept..).collect();
        self.cut_last_segment(to, at);
        self.cut_marks(to);
        self.end = to;
        for cursor in
            [&mut self.synced, &mut self.written, &mut self.file_synced, &mut self.checkpointed]
        {
            *cursor = (*cursor).min(to);
        }
        self.faulty.remove(to, Offset(u64::MAX));
        self.writer.target = self.writer.target.map(|t| t.min(to));
        if self.written == to {
            self.writer.fall_back();
        }
        self.writer.goal = self.writer.goal.min(to);
        // Completions of the life before are dropped, so nothing is under way in this one.
        self.writer.piece = None;
        self.cut += 1;
        gone.joined = self.join(seq);
        gone
    }

    /// Ends the last segment at `to`, whose place is `at` if the cache knew it. If not, the segment closes: its
    /// file keeps bytes that nobody asks for, and what is appended next begins a new one.
    fn cut_last_segment(&mut self, to: Offset, at: Option<(Offset, u64)>) {
        let written = self.written;
        let Some(last) = self.segments.last_mut().filter(|s| s.next > to) else { return };
        last.next = to;
        match at {
            Some((segment, at)) if segment == last.base => {
                last.bytes = at;
                if written > to || self.writer.overshoots() {
                    self.writer.stale = Some(Stale::of(last));
                }
            }
            _ => self.writer.closed = true,
        }
        if last.max_timestamp_last >= to {
            last.max_timestamp_last = Offset(to.0 - 1);
        }
    }

    /// Forgets index entries of batches that are gone. Those in the files lead nowhere, which is found out
    /// by whoever follows them.
    fn cut_marks(&mut self, to: Offset) {
        while let Some(mark) = self.marks.pop_back_if(|m| m.last() >= to) {
            if let Some(s) = self.segments.last_mut().filter(|s| s.base == mark.segment) {
                s.index_entries = mark.slot;
                s.time_entries = mark.time.map_or(s.time_entries, |(slot, _)| slot);
            }
        }
    }

    /// Takes out the segments that lie below the durable start and are written: nobody needs them.
    pub fn drop_below_start(&mut self) -> Vec<Segment> {
        let goes = |s: &&Segment| s.next <= self.durable_start && s.next <= self.written;
        let count = self.segments.iter().take_while(goes).count();
        if count == 0 {
            return Vec::new();
        }
        let gone = self.segments.drain(..count).collect();
        let first = self.segments.first().map_or(self.end, |s| s.base).min(self.written);
        self.file_synced = self.file_synced.max(first);
        gone
    }

    /// Drops cached batches that end at or below `upto` and are written. Returns the bytes freed.
    pub fn forget(&mut self, upto: Offset) -> u64 {
        let (mut freed, limit) = (0, upto.min(mutant!(B04, self.written, self.synced)));
        while self.cache.front().is_some_and(|first| first.next <= limit) {
            freed += self.cache.pop_front();
        }
        freed
    }

    /// What must hold whenever nobody is inside.
    pub fn invariants(&self) {
        let first = self.segments.first().map_or(self.end, |s| s.base);
        let log = self.dir.log;
        assert!(
            self.segments.is_empty() || first <= self.checkpointed.max(self.start),
            "{log}: base"
        );
        assert!(self.checkpointed <= self.file_synced, "{log}: checkpointed beyond file_synced");
        assert!(self.file_synced <= self.written, "{log}: file_synced beyond written");
        assert!(self.written <= self.synced, "{log}: written beyond synced");
        assert!(self.synced <= self.end, "{log}: synced beyond end");
        assert!(self.durable_start <= self.start, "{log}: durable start beyond start");
        assert!(self.start <= self.end, "{log}: start beyond end");
        let last = self.segments.last().map_or(self.end, |s| s.next);
        assert!(last == self.end, "{log}: segments reach {last}, end {}", self.end);
        let cached = self.cache.front().map_or(self.end, |c| c.base);
        assert!(cached <= self.written, "{log}: cache starts at {cached} beyond written");
        let news = self.pending.last().map_or(self.synced, |p| p.end);
        assert!(news == self.end, "{log}: nobody waits for {news}..{}", self.end);
    }
}
