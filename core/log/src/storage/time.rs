//! Looking a record up by its time: cold segments one by one where their bytes are, then what is in memory.

use super::{Lookup, Storage, TimeQuery};
use crate::disk::{Found, OpKind, Query};
use crate::id::{LogId, Offset};
use sordini_wire::batch::{Batch, TimedOffset, latest_record, offset_for_time};

/// Most bytes that the records of one batch may decompress to for the sake of a lookup.
pub(crate) const OPENED_BYTES_MAX: usize = 64 << 20;

impl Storage {
    /// The next step of a search through `from .. until`: an answer, or a segment to be asked first.
    pub fn find_time(&self, log: LogId, wanted: TimeQuery, from: Offset, until: Offset) -> Lookup {
        let entry = self.log(log);
        let from = from.max(entry.start);
        if from >= until.min(entry.end) {
            return Lookup::Hot(Found::Nothing);
        }
        if entry.faulty.first_from(from).is_some_and(|bad| bad.from < until) {
            return Lookup::Faulty;
        }
        if from >= entry.written {
            return self.find_hot(log, wanted, from, until);
        }
        let index = entry.segment_of(from).expect("segments reach from start to end");
        let segment = &entry.segments[index];
        let next = segment.next.min(entry.written);
        let until = until.min(next);
        let query = match wanted {
            TimeQuery::At(timestamp) => Query::Time { timestamp, from, until },
            TimeQuery::Max => Query::TimeMax { until },
        };
        let (dir, len) = (entry.dir.clone(), entry.believed_bytes(segment));
        Lookup::Cold { op: OpKind::Find { dir, segment: segment.base, len, query }, next }
    }

    /// Searches the batches in memory.
    fn find_hot(&self, log: LogId, wanted: TimeQuery, from: Offset, until: Offset) -> Lookup {
        let mut best: Option<(TimedOffset, i32)> = None;
        for cached in self.log(log).cache.from(from).take_while(|c| c.base < until) {
            let Ok(batch) = Batch::parse(cached.bytes.clone()) else { return Lookup::Faulty };
            let found = match wanted {
                TimeQuery::At(t) => offset_for_time(&batch, t, from.wire(), OPENED_BYTES_MAX),
                TimeQuery::Max => latest_record(&batch, OPENED_BYTES_MAX),
            };
            // A batch that cannot be opened holds no record that anybody could read.
            let Ok(Some(found)) = found else { continue };
            if best.is_none_or(|(b, _)| b.timestamp < found.timestamp) {
                best = Some((found, batch.header().partition_leader_epoch()));
            }
            if matches!(wanted, TimeQuery::At(_)) {
                break;
            }
        }
        Lookup::Hot(match best.filter(|(b, _)| b.offset < until.wire()) {
            None => Found::Nothing,
            Some((TimedOffset { offset, timestamp }, leader_epoch)) => {
                Found::Record { offset: Offset(offset as u64), timestamp, leader_epoch }
            }
        })
    }
}
