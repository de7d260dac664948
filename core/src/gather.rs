//! Requests that name partitions, and their answers put together again.
//!
//! Such a request becomes a [`Gather`] with one slot per partition; a slot may be filled at once or by a later
//! event. A request changes a partition by a [`PartOp`] and in no other way, so that partitions can live on other
//! shards than the session that asks. What only reads looks at the partition, which it cannot change.

use crate::partition::produce::{Appended, Refusal};
use crate::session::RequestId;
use sordini_log::{GroupSeq, LogId, Offset};
use sordini_wire::batch::Batch;

/// What identifies a request and shapes its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whose answer it is.
    pub id: RequestId,
    /// The API.
    pub key: i16,
    /// The request's version: the answer has the same.
    pub version: i16,
    /// Echoed in the answer.
    pub correlation: i32,
}

/// A change of one partition that a request asks for.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum PartOp {
    /// Append a batch whose CRC was checked.
    Append { log: LogId, batch: Batch },
    /// Let the log start at `to`; `None` means at the high watermark.
    DeleteRecords { log: LogId, to: Option<Offset> },
}

/// What a [`PartOp`] came to.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum PartDone {
    /// Appended (or known already), with the log's start offset.
    Appended { done: Appended, log_start: Offset },
    /// The batch was refused, with the log's start offset.
    Refused { why: Refusal, log_start: Offset },
    /// The log starts at this offset once the group is durable.
    Trimmed { low_watermark: Offset, group: Option<GroupSeq> },
    /// The offset lies outside the log.
    OutOfRange,
}

/// An answer in the making.
#[derive(Clone, Debug)]
pub struct Gather<T> {
    /// The request.
    pub call: Call,
    slots: Vec<Option<T>>,
    missing: usize,
    /// What all slots together wait for.
    group: Option<GroupSeq>,
}

impl<T> Gather<T> {
    /// An answer with so many slots, all empty.
    pub fn new(call: Call, slots: usize) -> Gather<T> {
        let mut empty = Vec::with_capacity(slots);
        empty.resize_with(slots, || None);
        Gather { call, slots: empty, missing: slots, group: None }
    }

    /// Fills a slot. `group`: the answer may leave once this is durable.
    pub fn fill(&mut self, slot: usize, value: T, group: Option<GroupSeq>) {
        assert!(self.slots[slot].replace(value).is_none(), "slot {slot} was filled before");
        self.missing -= 1;
        self.group = self.group.max(group);
    }

    /// Whether every slot is filled.
    pub fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// The slots in order, and the group that the answer waits for.
    pub fn finish(self) -> (Vec<T>, Option<GroupSeq>) {
        assert!(self.missing == 0, "{} slots are empty", self.missing);
        (self.slots.into_iter().map(|s| s.expect("filled")).collect(), self.group)
    }
}
