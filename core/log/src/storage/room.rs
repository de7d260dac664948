//! Whether there is room for new data: the reserve on disk, the journal, and how far segments are behind.
//!
//! An acknowledged batch must always find room in its segment. So appends stop while free space, less
//! what is journalled and not yet in segments, is below a reserve, and go on again a quarter of the
//! reserve above it. A disk that said "full" counts as below until what it refused succeeds.

use super::remove::Removal;
use super::{Note, Room, Storage};
use crate::time::{Mono, Now};
use sordini_mutant::mutant;
use sordini_reach::Reach;

/// What is known about space on disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Space {
    /// Bytes of batches appended and not in their segments.
    pub unwritten_bytes: u64,
    read_only: bool,
    /// The disk said that it is full; try again then.
    retry_at: Option<Mono>,
    /// Free space comes with events: there must be one then.
    look_at: Option<Mono>,
    /// The store lane has not taken anything since it said so.
    pub full: bool,
    told: Room,
}

impl Space {
    /// The disk refused something.
    pub fn disk_full(&mut self, now: Now, retry_ms: u64) {
        self.retry_at = Some(now.mono.after_ms(mutant!(B24, retry_ms, retry_ms << 20)));
        self.full = true;
    }

    /// The disk took something.
    pub fn taken(&mut self) {
        self.full = false;
    }

    /// Whether to leave a full disk alone for now.
    pub fn must_wait(&mut self, now: Now) -> bool {
        self.retry_at.take_if(|at| *at <= now.mono);
        self.retry_at.is_some()
    }

    /// Whether a full disk is being left alone.
    pub fn waits(&self) -> bool {
        self.retry_at.is_some()
    }

    pub fn deadline(&self) -> Option<Mono> {
        [self.retry_at, self.look_at].into_iter().flatten().min()
    }
}

impl Storage {
    /// Whether new data may be appended.
    pub fn room(&self) -> Room {
        match () {
            () if self.space.read_only => Room::ReadOnly,
            () if self.journal.room() == 0 => Room::Full,
            () if self.space.unwritten_bytes >= self.backlog_bytes_max() => Room::Full,
            () => Room::Free,
        }
    }

    /// How far segments may be behind. Less and less as the ring fills up: a checkpoint that would empty it waits
    /// for what they are behind.
    fn backlog_bytes_max(&self) -> u64 {
        let most = self.config.backlog_bytes_max;
        let free = self.journal.size().saturating_sub(self.journal.used());
        most.min(most / 3 + free / 2)
    }

    /// Whether so much waits for its segment that nothing may linger.
    pub(super) fn is_behind(&self) -> bool {
        self.space.unwritten_bytes >= self.backlog_bytes_max() / 6 * 5
    }

    /// Whether nothing is under way in the store lane that could find the disk full.
    fn store_rests(&self) -> bool {
        let removing = self.removals.values().any(Removal::is_under_way);
        self.writes.rest() && !self.checkpoint_writes() && !removing
    }

    /// Looks at the free space and says if the room changed.
    pub(super) fn assess(&mut self, now: Now, notes: &mut Vec<Note>) {
        let free = now.disk_free.saturating_sub(self.space.unwritten_bytes);
        let reserve = self.config.reserve_bytes;
        let wanted = if self.space.read_only { reserve + reserve / 4 } else { reserve };
        // Whoever was refused may have gone meanwhile, and nobody is left to find out that there is space.
        self.space.full &= self.space.waits() || !self.store_rests();
        let refused = self.space.full || self.journal.is_refused();
        self.space.read_only = free < wanted || refused;
        self.space.look_at.take_if(|at| *at <= now.mono || !self.space.read_only);
        if self.space.read_only {
            self.space.look_at.get_or_insert(now.mono.after_ms(self.config.retry_ms));
        }
        let room = self.room();
        if std::mem::replace(&mut self.space.told, room) != room {
            self.reached.mark_if(Reach::BacklogFull, room == Room::Full);
            notes.push(Note::Room(room));
        }
    }
}
