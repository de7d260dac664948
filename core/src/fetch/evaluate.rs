//! Looking at the partitions of a fetch, and deciding whether there is enough to answer.

use super::{Outcome, PartRead, Pending, ReadError, Target, Terms, TopicKey};
use crate::api;
use crate::node::damage::Suspicion;
use crate::node::parts::TopicRef;
use crate::node::{Node, Step, Ticket};
use crate::partition::Partition;
use crate::seam::FileSlice;
use sordini_log::disk::{DiskErrorKind, DiskOk, DiskResult, Found};
use sordini_log::{LogId, Mono, Offset, Read};
use sordini_mutant::mutant;
use sordini_reach::Reach;

/// How far a second look goes beyond what a fetch allows, where its batches could not be located.
const SUSPECT_BYTES: u64 = 16 << 20;

/// What one look came to.
struct Look {
    reads: Vec<PartRead>,
    /// Slots that the disk must locate, with its operation.
    cold: Vec<(usize, sordini_log::disk::OpKind)>,
    /// Bytes out of memory.
    bytes: u64,
    /// Whether something must be told at once, or memory lends no more to one answer.
    urgent: bool,
}

impl Node {
    /// Takes up a fetch: answers it, or keeps it.
    pub fn fetch(&mut self, step: &mut Step<'_>, mut pending: Pending) {
        let number = self.fetches.number();
        let look = self.look(&pending.targets, pending.terms);
        pending.reads = look.reads;
        if !look.cold.is_empty() {
            pending.outstanding = look.cold.len();
            self.fetches.keep(number, pending);
            for (slot, op) in look.cold {
                self.read(step, op, Ticket::Fetch { fetch: number, slot });
            }
            return;
        }
        let over = step.now.mono >= pending.terms.deadline;
        let nothing_to_wait_for = pending.reads.iter().all(|r| r.log.is_none());
        if over || look.urgent || nothing_to_wait_for || look.bytes >= pending.terms.bytes_min {
            api::fetch::answer(self, pending);
        } else {
            self.fetches.keep(number, pending);
        }
    }

    /// The disk has located the batches of a slot, or failed to.
    pub(crate) fn fetch_read(
        &mut self,
        step: &mut Step<'_>,
        fetch: u64,
        slot: usize,
        result: DiskResult,
    ) {
        let Some(pending) = self.fetches.pending(fetch) else { return };
        pending.outstanding -= 1;
        let (log, generation) = pending.reads[slot].log.expect("only a log is located in");
        let Outcome::Locating { segment, allowed } = pending.reads[slot].outcome else {
            panic!("slot {slot} of fetch {fetch} was not being located");
        };
        let alive = self.storage.contains(log) && self.storage.generation(log) == generation;
        let mut failed = None;
        let outcome = match result {
            _ if !alive => Outcome::Error(ReadError::NotLeader),
            Ok(DiskOk::Found(found)) => match (self.storage.cold(log, segment, &found), found) {
                (Some((file, at, len)), Found::Range { base, next, .. }) => {
                    Outcome::Cold { slice: FileSlice { file, at, len, base, next }, allowed }
                }
                // The segment went away between the two, or the log was cut. The client asks again.
                _ => Outcome::Error(ReadError::NotLeader),
            },
            Ok(other) => panic!("a query was answered with {other:?}"),
            Err(e) if matches!(e.kind, DiskErrorKind::NotFound | DiskErrorKind::Stale) => {
                if e.kind == DiskErrorKind::Stale {
                    self.storage.doubt(step.now, log);
                }
                Outcome::Error(ReadError::NotLeader)
            }
            Err(e) => {
                let target = &pending.targets[slot];
                let suspicion = Suspicion {
                    log: (log, generation),
                    segment,
                    from: Offset(target.offset.max(0) as u64),
                    until: pending.reads[slot].high_watermark,
                    bytes: allowed + SUSPECT_BYTES,
                };
                failed = Some((suspicion, e));
                Outcome::Error(ReadError::Storage)
            }
        };
        pending.reads[slot].outcome = outcome;
        let over = pending.outstanding == 0;
        if let Some((suspicion, e)) = failed {
            self.suspect(step, suspicion, e);
        }
        if over {
            let pending = self.fetches.take(fetch).expect("just seen");
            api::fetch::answer(self, pending);
        }
    }

    /// Looks again at the fetches whose logs have moved.
    pub(crate) fn fetches_wake(&mut self, step: &mut Step<'_>) {
        for number in self.fetches.woken() {
            if let Some(pending) = self.fetches.take(number) {
                self.fetch(step, pending);
            }
        }
    }

    /// Answers the fetches whose time has come.
    pub(crate) fn fetches_expire(&mut self, step: &mut Step<'_>) {
        for number in self.fetches.expired(step.now.mono) {
            self.storage.reached.mark(Reach::FetchExpired);
            if let Some(pending) = self.fetches.take(number) {
                self.fetch(step, pending);
            }
        }
    }

    /// Answers every fetch that waits for data with what there is.
    pub(crate) fn fetches_end(&mut self, step: &mut Step<'_>) {
        for number in self.fetches.expired(Mono(u64::MAX)) {
            if let Some(mut pending) = self.fetches.take(number) {
                pending.terms.deadline = step.now.mono;
                self.fetch(step, pending);
            }
        }
    }

    /// Reads each partition in turn.
    fn look(&mut self, targets: &[Target], terms: Terms) -> Look {
        let reads = Vec::with_capacity(targets.len());
        let mut look = Look { reads, cold: Vec::new(), bytes: 0, urgent: false };
        let mut left = terms.bytes_max;
        let mut lent_left = self.limits.unsent_bytes_max;
        for (slot, target) in targets.iter().enumerate() {
            let topic = match &target.topic {
                TopicKey::Name(name) => TopicRef::Name(name),
                TopicKey::Id(id) => TopicRef::Id(*id),
            };
            let Some(log) = self.log_of(&topic, target.partition) else {
                let known = match target.topic {
                    TopicKey::Name(_) => true,
                    TopicKey::Id(id) => self.metadata.topic_by_id(id).is_some(),
                };
                let why =
                    if known { ReadError::UnknownPartition } else { ReadError::UnknownTopicId };
                look.reads.push(PartRead::unknown(why));
                continue;
            };
            let first = left == terms.bytes_max;
            let allowed = left.min(target.bytes_max.max(0) as u64);
            let limit = if first { None } else { Some(allowed) };
            let (read, op, cut) = self.look_at(log, target, terms, limit, lent_left);
            look.urgent |= cut;
            match &read.outcome {
                Outcome::Hot(batches) => {
                    let bytes: u64 = batches.iter().map(|b| b.len() as u64).sum();
                    look.bytes += bytes;
                    left = left.saturating_sub(bytes);
                    lent_left = lent_left.saturating_sub(bytes);
                }
                Outcome::Locating { allowed, .. } => {
                    left = left.saturating_sub((*allowed).max(1));
                    look.cold.push((slot, op.expect("locating takes an operation")));
                }
                Outcome::Error(_) | Outcome::Diverging { .. } => look.urgent = true,
                Outcome::Empty | Outcome::Cold { .. } => {}
            }
            look.reads.push(read);
        }
        look
    }

    /// Reads one partition. `limit`: most bytes, as something was read before; `None`: nothing was, so the first
    /// batch comes however large it is. `lent_max`: most bytes out of memory, but for that first batch; says last whether
    /// there were more.
    fn look_at(
        &mut self,
        log: LogId,
        target: &Target,
        terms: Terms,
        limit: Option<u64>,
        lent_max: u64,
    ) -> (PartRead, Option<sordini_log::disk::OpKind>, bool) {
        let generation = self.storage.generation(log);
        let partition = self.partition(log);
        let mut read = PartRead {
            log: Some((log, generation)),
            high_watermark: partition.high_watermark(),
            last_stable_offset: partition.last_stable_offset(),
            log_start: partition.start(),
            outcome: Outcome::Empty,
        };
        let until = match terms.read_committed {
            true => read.last_stable_offset,
            false => mutant!(B14, read.high_watermark, partition.end()),
        };
        let from = match admit(partition, target) {
            Ok(from) => from,
            Err(outcome) => {
                read.outcome = outcome;
                return (read, None, false);
            }
        };
        if from >= until || limit == Some(0) {
            return (read, None, false);
        }
        let wanted = target.bytes_max.max(0) as u64;
        let allowed = limit.unwrap_or(wanted.min(terms.bytes_max));
        let [bytes_max, lent] = [allowed, lent_max].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let (mut op, mut cut) = (None, false);
        read.outcome = match self.storage.read_lent(log, from, until, bytes_max, lent) {
            Read::Empty => Outcome::Empty,
            Read::Faulty => mutant!(B23, Outcome::Error(ReadError::Storage), {
                let behind = Target { offset: from.0 as i64 + 1, ..target.clone() };
                return self.look_at(log, &behind, terms, limit, lent_max);
            }),
            Read::Hot { batches, next } => {
                cut = lent_max < allowed && next < until;
                let too_large = |l| batches.iter().map(|b| b.len() as u64).sum::<u64>() > l;
                match limit {
                    Some(limit) if too_large(limit.min(lent_max)) => Outcome::Empty,
                    _ => Outcome::Hot(batches),
                }
            }
            Read::Cold { segment, op: kind } => {
                op = Some(kind);
                Outcome::Locating { segment, allowed }
            }
        };
        (read, op, cut)
    }
}

/// Where reading starts, or why it does not.
#[allow(clippy::result_large_err)] // the error is the answer
fn admit(partition: &Partition, target: &Target) -> Result<Offset, Outcome> {
    // A Fetch takes every negative epoch for none; ListOffsets and OffsetForLeaderEpoch do not.
    check_epoch(partition, target.leader_epoch.max(-1)).map_err(Outcome::Error)?;
    let out_of_range = Outcome::Error(ReadError::OutOfRange);
    if target.last_fetched_epoch >= 0 {
        let known = partition.replica.history();
        let end_of = known.end_of(target.last_fetched_epoch as u32, partition.end().0);
        let Some((epoch, end)) = end_of else { return Err(out_of_range) };
        if (epoch as i32) < target.last_fetched_epoch || (end as i64) < target.offset {
            return Err(Outcome::Diverging { epoch: epoch as i32, end: Offset(end) });
        }
    }
    let Ok(from) = u64::try_from(target.offset) else { return Err(out_of_range) };
    if Offset(from) < partition.start() || Offset(from) > partition.end() {
        return Err(out_of_range);
    }
    Ok(Offset(from))
}

/// Compares the leader epoch that a client knows with the leader's (KIP-320); -1 is no epoch, and an epoch that a
/// client made up is an old one.
pub fn check_epoch(partition: &Partition, known: i32) -> Result<(), ReadError> {
    match known.cmp(&partition.epoch().wire()) {
        _ if known == -1 => Ok(()),
        std::cmp::Ordering::Less => Err(ReadError::FencedEpoch),
        std::cmp::Ordering::Greater => Err(ReadError::UnknownEpoch),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

impl PartRead {
    /// A partition that there is not.
    fn unknown(why: ReadError) -> PartRead {
        PartRead {
            log: None,
            high_watermark: Offset(0),
            last_stable_offset: Offset(0),
            log_start: Offset(0),
            outcome: Outcome::Error(why),
        }
    }
}
