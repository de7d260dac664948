//! Looking offsets up by time, segment by segment, where the answer may need the disk.
//!
//! A lookup has one slot per partition. What lies in memory is answered at once; a cold segment is asked where
//! its bytes are, and if nothing there fits, the next one is.

use crate::fetch::ReadError;
use crate::gather::{Call, Gather};
use crate::node::{Node, Step, Ticket};
use crate::seam::{ConnId, Fact};
use sordini_log::disk::{DiskErrorKind, DiskOk, DiskResult, Found};
use sordini_log::{Generation, LogId, Lookup, Offset, TimeQuery};
use std::collections::BTreeMap;

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp, ms.
    pub timestamp: i64,
}

/// What a slot came to: a record, nothing, or an error.
pub type Answer = Result<Option<Timed>, ReadError>;

/// A search through one log.
#[derive(Clone, Debug)]
pub struct Search {
    /// The log.
    pub log: LogId,
    /// Its generation when the search began.
    pub generation: Generation,
    /// What is looked for, and what was found so far.
    pub query: TimeQuery,
    /// Where the search goes on.
    pub from: Offset,
    /// Where it ends.
    pub until: Offset,
}

/// Lookups under way.
#[derive(Clone, Debug, Default)]
pub struct OffsetLookups {
    pending: BTreeMap<u64, PendingLookup>,
    number_next: u64,
}

/// A ListOffsets under way: slot by slot what was asked, and the answers.
#[derive(Clone, Debug)]
pub struct PendingLookup {
    /// Slots and their answers.
    pub gather: Gather<Answer>,
    searches: Vec<Search>,
    /// The request's shape, for the answer.
    pub shape: crate::api::list_offsets::Shape,
}

impl PendingLookup {
    /// The log of each slot.
    pub fn logs(&self) -> Vec<LogId> {
        self.searches.iter().map(|s| s.log).collect()
    }
}

impl OffsetLookups {
    /// A connection is gone, and with it whoever waits there.
    pub fn forget(&mut self, conn: ConnId) {
        self.pending.retain(|_, p| p.gather.call.id.conn != conn);
    }

    /// How many are under way.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }
}

impl Node {
    /// Starts the searches of a request, one per slot.
    pub fn look_up(
        &mut self,
        step: &mut Step<'_>,
        call: Call,
        shape: crate::api::list_offsets::Shape,
        searches: Vec<Search>,
    ) {
        self.offsets.number_next += 1;
        let number = self.offsets.number_next;
        let gather = Gather::new(call, searches.len());
        let mut pending = PendingLookup { gather, searches: searches.clone(), shape };
        for (slot, search) in searches.into_iter().enumerate() {
            self.search(step, &mut pending, number, slot, search);
        }
        self.settle(number, pending);
    }

    /// Takes a search a step further: to its end, or to the next segment that the disk must look through.
    fn search(
        &mut self,
        step: &mut Step<'_>,
        pending: &mut PendingLookup,
        number: u64,
        slot: usize,
        mut search: Search,
    ) {
        let Search { log, query, from, until, .. } = &search;
        if from >= until {
            pending.gather.fill(slot, Ok(None), None);
            return;
        }
        match self.storage.find_time(*log, query.clone(), *from, *until) {
            Lookup::Faulty => pending.gather.fill(slot, Err(ReadError::Storage), None),
            Lookup::Hot(found) => pending.gather.fill(slot, Ok(timed(&found)), None),
            Lookup::Cold { op, query, next } => {
                (search.query, search.from) = (query, next);
                pending.searches[slot] = search;
                self.read(step, op, Ticket::Offsets { lookup: number, slot });
            }
        }
    }

    /// The disk has looked through a segment.
    pub(crate) fn offsets_read(
        &mut self,
        step: &mut Step<'_>,
        lookup: u64,
        slot: usize,
        result: DiskResult,
    ) {
        let Some(mut pending) = self.offsets.pending.remove(&lookup) else { return };
        let mut search = pending.searches[slot].clone();
        let log = search.log;
        let alive = self.storage.contains(log) && self.storage.generation(log) == search.generation;
        match result {
            _ if !alive => pending.gather.fill(slot, Err(ReadError::NotLeader), None),
            Ok(DiskOk::Found(found)) => {
                let answer = timed(&found);
                if search.query.found(found) {
                    pending.gather.fill(slot, Ok(answer), None);
                } else {
                    self.search(step, &mut pending, lookup, slot, search);
                }
            }
            Err(e) if !matches!(e.kind, DiskErrorKind::NotFound | DiskErrorKind::Stale) => {
                step.facts.push(Fact::Warning(e.detail));
                pending.gather.fill(slot, Err(ReadError::Storage), None);
            }
            // The segment went away between the two: the client asks again.
            result => {
                if result.is_err_and(|e| e.kind == DiskErrorKind::Stale) {
                    self.storage.doubt(step.now, log);
                }
                pending.gather.fill(slot, Err(ReadError::NotLeader), None);
            }
        }
        self.settle(lookup, pending);
    }

    /// Answers a lookup that is complete, keeps one that is not.
    fn settle(&mut self, number: u64, pending: PendingLookup) {
        if pending.gather.is_complete() {
            crate::api::list_offsets::answer(self, pending);
        } else {
            self.offsets.pending.insert(number, pending);
        }
    }
}

fn timed(found: &Found) -> Option<Timed> {
    match *found {
        Found::Record { offset, timestamp, .. } => Some(Timed { offset, timestamp }),
        _ => None,
    }
}
