//! A random workload on a storage: makes logs, appends, moves starts, deletes and makes again, reads.

use super::Rig;
use super::ledger::{Appended, Deed};
use crate::chance::Chance;
use bytes::Bytes;
use sordini_log::segment::LogConfig;
use sordini_log::{Epoch, LogDir, LogId, Offset};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;

const NAMES: u64 = 3;

/// Draws what is asked of the storage.
#[derive(Clone, Debug)]
pub struct Load {
    chance: Chance,
    log_next: u64,
    /// Values are no longer than this, but for one in fifty, which is `value_bytes_large`.
    value_bytes_max: u64,
    value_bytes_large: u64,
}

impl Load {
    /// A load whose temper is drawn too.
    pub fn new(mut chance: Chance) -> Load {
        let value_bytes_max = [20, 200, 1500][chance.index(3)];
        Load { chance, log_next: 0, value_bytes_max, value_bytes_large: 2500 }
    }

    /// What happens in one turn.
    pub fn act(&mut self, rig: &mut Rig) {
        for _ in 0..self.chance.below(4) {
            match self.chance.below(100) {
                0..=69 => self.append(rig),
                70..=77 => self.create(rig),
                78..=82 => self.delete(rig),
                83..=88 => self.set_start(rig),
                89..=91 => self.hard_state(rig),
                _ => self.read(rig),
            }
        }
    }

    fn pick(&mut self, rig: &Rig) -> Option<LogId> {
        let logs = rig.ledger.newest();
        logs.keys().nth(self.chance.index(logs.len())).copied()
    }

    fn create(&mut self, rig: &mut Rig) {
        let name = format!("t-{}", self.chance.below(NAMES));
        let taken = rig.ledger.newest().values().any(|book| *book.dir.name == *name);
        if taken || !rig.has_room() {
            return;
        }
        self.log_next += 1;
        let dir = LogDir { name: name.into(), log: LogId(self.log_next) };
        let topic_id = [self.log_next as u8; 16];
        let config = LogConfig {
            segment_bytes: 1000 + self.chance.below(6000) as u32,
            index_interval_bytes: 500,
            ..LogConfig::default()
        };
        let seq = rig.storage.create(dir.clone(), topic_id, 7, config);
        rig.put(seq, Deed::Create { dir, topic_id, partition: 7 });
    }

    fn append(&mut self, rig: &mut Rig) {
        let Some(log) = self.pick(rig) else { return self.create(rig) };
        if !rig.has_room() {
            return;
        }
        let base = rig.storage.end(log);
        let mut batch = BatchBuilder::new(Codec::None).base_offset(base.wire()).leader_epoch(1);
        for _ in 0..1 + self.chance.below(3) {
            let long = self.chance.odds(1, 50);
            let max = if long { self.value_bytes_large } else { self.value_bytes_max };
            let value: Vec<u8> =
                (0..self.chance.below(max)).map(|n| (n as u8) ^ base.0 as u8).collect();
            let key = self.chance.bits().to_le_bytes();
            batch.push(rig.now().wall.0, Some(&key), Some(&value), &[]);
        }
        let batch = batch.build_batch();
        let appended = Appended {
            base,
            next: Offset(batch.next_offset() as u64),
            bytes: batch.bytes().clone(),
        };
        let seq = rig.storage.append(rig.now(), log, Epoch(1), batch);
        rig.put(seq, Deed::Append { log, batch: appended });
    }

    fn set_start(&mut self, rig: &mut Rig) {
        let Some(log) = self.pick(rig) else { return };
        let (start, synced) = (rig.storage.start(log), rig.storage.synced(log));
        let to = Offset(start.0 + self.chance.below(synced.0.saturating_sub(start.0) + 1));
        if to > start {
            let seq = rig.storage.set_start(log, to);
            rig.put(seq, Deed::Start { log, start: to });
        }
    }

    fn hard_state(&mut self, rig: &mut Rig) {
        let Some(log) = self.pick(rig) else { return };
        if !rig.has_room() {
            return;
        }
        let state = Bytes::copy_from_slice(&self.chance.bits().to_le_bytes());
        let seq = rig.storage.hard_state(log, state.clone());
        rig.put(seq, Deed::HardState { log, state });
    }

    fn delete(&mut self, rig: &mut Rig) {
        let Some(log) = self.pick(rig) else { return };
        let seq = rig.storage.delete(log);
        rig.put(seq, Deed::Delete { log });
    }

    fn read(&mut self, rig: &mut Rig) {
        let Some(log) = self.pick(rig) else { return };
        let (start, synced) = (rig.storage.start(log), rig.storage.synced(log));
        if start < synced {
            let from = Offset(start.0 + self.chance.below(synced.0 - start.0));
            rig.ask(log, from, synced, 1 + self.chance.below(3000) as u32);
        }
    }
}
