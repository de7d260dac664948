//! How the ring comes by its files: the first at once, the others in the background as the ring is used, and one
//! more than it should have where it could never turn otherwise.
//!
//! A start reads the whole ring, so a broker with little to do keeps a little one. What is used three times over is kept free,
//! so that a load which begins finds the files made before it comes to them.

use super::files::{self, FileState, RingFile};
use super::{FULL_RETRY_MS, Journal, blocks_of};
use crate::disk::{BLOCK_BYTES, Data, DirName, DiskOp, Done, FileName, OpKind};
use crate::time::{Mono, Now};
use std::sync::Arc;

impl Journal {
    /// A step of making a file is done (`Done::JournalFile(number)` came back well).
    pub fn file_made(&mut self, number: u32, out: &mut Vec<DiskOp>) {
        let file = self.ring.files.iter_mut().find(|f| f.number == number);
        let file = file.expect("the file was asked for");
        let name = FileName::Journal(number);
        match file.state {
            FileState::Filling => {
                file.state = FileState::Heading;
                let data = Data::Blocks(Arc::new(vec![files::header(number, file.blocks)]));
                let kind = OpKind::Write { file: name, at: 0, data, sync: true };
                out.push(DiskOp { kind, done: Done::JournalFile(number) });
            }
            FileState::Heading => {
                file.state = FileState::Naming;
                let kind = OpKind::SyncDir { dir: DirName::Journal };
                out.push(DiskOp { kind, done: Done::JournalFile(number) });
            }
            FileState::Naming => {
                file.state = FileState::Ready;
                self.refused.file = false;
                self.make_file(out);
                self.write_closed(out);
            }
            FileState::Ready => {
                let asked = self.resync.take_if(|r| r.asked);
                assert!(asked.is_some(), "{} was made already", name.path());
                self.refused.group = false;
                self.write_next(out);
            }
        }
        self.invariants();
    }

    /// The disk was too full for a step of making a file. It is tried again later.
    pub fn file_refused(&mut self, now: Now, number: u32) {
        let later = Some(now.mono.after_ms(FULL_RETRY_MS));
        let making = |f: &RingFile| f.number == number && f.state != FileState::Ready;
        if self.ring.files.iter().any(making) {
            self.ring.files.retain(|f| !making(f));
            (self.refused.file, self.files_rest) = (true, later);
        } else if let Some(resync) = &mut self.resync {
            resync.asked = false;
            (self.refused.group, self.again) = (true, later);
        }
    }

    /// Whether there is something that the disk was too full for when it was last tried.
    pub fn is_refused(&self) -> bool {
        self.refused.file || self.refused.group
    }

    /// Asks for the next file of the ring unless the last attempt failed a moment ago.
    pub(super) fn grow(&mut self, now: Mono, out: &mut Vec<DiskOp>) {
        if self.files_rest.is_none_or(|at| now >= at) {
            self.files_rest = None;
            self.make_file(out);
        }
    }

    /// Asks for the next file of the ring, one at a time.
    fn make_file(&mut self, out: &mut Vec<DiskOp>) {
        if self.ring.files.iter().any(|f| f.state != FileState::Ready) {
            return;
        }
        let bytes = if self.ring.files.is_empty() {
            self.config.first_file_bytes
        } else {
            self.config.file_bytes
        };
        // A ring could never turn whose other files, all of them free, had no room: the file that is being
        // written stays. And a group that is put without asking for room (a boot's, say), or is longer than any file of
        // a former configuration, may find no place, while the checkpoint that would free one waits
        // for just this group: then the ring grows beyond its size.
        let turns = self.ring.files.len() >= 3 || self.can_turn();
        let enough = turns && self.size() + bytes > self.config.bytes;
        if (enough || !self.is_in_use()) && !self.is_starved() {
            self.refused.file = false;
            return;
        }
        let number = self.ring.files.iter().map(|f| f.number).max().unwrap_or(0) + 1;
        let blocks = u32::try_from(blocks_of(bytes)).expect("files are smaller than 16 TiB");
        self.ring.files.push(RingFile { number, blocks, state: FileState::Filling, last: None });
        let len = u64::from(blocks) * BLOCK_BYTES as u64;
        let kind = OpKind::Create { file: FileName::Journal(number), len };
        out.push(DiskOp { kind, done: Done::JournalFile(number) });
    }

    /// Whether so much of the ring is used that more of it should be there.
    fn is_in_use(&self) -> bool {
        let (used, size) = (self.used(), self.size());
        let begun = used > self.config.first_file_bytes / 64;
        size == 0 || begun && size - used < (3 * used).max(2 * self.config.file_bytes)
    }

    /// Whether there is room once a checkpoint has covered everything, wherever the writer stands: in the files
    /// but the largest, when all of them are free.
    fn can_turn(&self) -> bool {
        let group = self.group_blocks_max();
        let blocks = || self.ring.files.iter().map(|f| f.blocks as usize);
        let room = |blocks: usize| blocks.saturating_sub(group);
        let others = blocks().map(room).sum::<usize>() - blocks().map(room).max().unwrap_or(0);
        others as u64 * BLOCK_BYTES as u64 > self.reserve()
    }

    /// Bytes that [`Journal::room`] keeps back: seals, boots and hard state are put without asking.
    pub(super) fn reserve(&self) -> u64 {
        let total: u64 = self.ring.files.iter().map(|f| u64::from(f.blocks)).sum();
        (total * BLOCK_BYTES as u64 / 16).min(1 << 20)
    }

    /// Whether the next group waits for a place that only a checkpoint, or another file, can give.
    fn is_starved(&self) -> bool {
        let next = self.queue.front().unwrap_or(&self.open);
        let blocks = next.blocks(self.echo.entries.len(), 0);
        !next.is_empty() && self.flight.is_none() && self.ring.place(blocks).is_none()
    }
}
