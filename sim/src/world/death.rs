//! How processes end: killed, with the machine's power, or in order when they are asked to; and what that excuses.

use super::World;
use super::trace::{Actor, Kind};
use crate::ledger::relaxed;
use crate::marks::Mark;
use crate::platter::{Fate, Unsynced};
use sordini_core::seam::Event;
use sordini_log::LogId;
use std::collections::BTreeMap;

/// How a process ends.
pub enum Death<'a> {
    /// Only the process.
    Kill,
    /// The same, when it has said that nothing is owed to anybody and all that was acknowledged is durable.
    Stop,
    /// With the machine's power; `midway`, in the middle of the disk operations that were next.
    Power {
        /// Whether operations under way are half done.
        midway: bool,
        /// What becomes of each unsynced thing.
        fate: &'a mut dyn FnMut(Unsynced) -> Fate,
    },
}

impl World {
    /// The process ends. False if there was none.
    pub fn down(&mut self, id: u32, death: Death<'_>) -> bool {
        let node = &mut self.nodes[id as usize];
        if !node.up {
            return false;
        }
        // Who ends in order has nothing left to lose: that excuses nothing.
        if !matches!(death, Death::Stop) {
            self.note_death(id);
        }
        let node = &mut self.nodes[id as usize];
        self.reached.add(&node.shard.reached());
        let power = matches!(death, Death::Power { .. });
        self.marks.count(Mark::CrashInRecovery, !node.listening && !node.stopping);
        match death {
            Death::Kill | Death::Stop => node.platter.kill(),
            Death::Power { midway, fate } => {
                if midway {
                    self.marks.count(Mark::CrashMidOperation, node.platter.ready() > 0);
                    node.platter.start();
                }
                node.platter.crash(fate);
            }
        }
        (node.up, node.powered, node.listening) = (false, !power, false);
        node.inbox.clear();
        node.life += 1;
        self.tell_as(Kind::Down, Actor::Node(id), || match power {
            true => "the power fails".to_owned(),
            false => "the process is gone".to_owned(),
        });
        for conn in self.conns_of(id) {
            self.orphan(conn, !power);
        }
        true
    }

    /// The process is asked to end; the life that it does so in. None if there is no process, or it was asked before.
    pub fn shut_down(&mut self, id: u32) -> Option<u32> {
        let node = &mut self.nodes[id as usize];
        if !node.up || node.stopping {
            return None;
        }
        node.stopping = true;
        let life = node.life;
        self.deliver(id, Event::Shutdown);
        Some(life)
    }

    /// What was durable when a process ended.
    fn note_death(&mut self, id: u32) {
        let mut durable = BTreeMap::new();
        for ((_, log), part) in self.logs.range((id, LogId(0))..=(id, LogId(u64::MAX))) {
            let offset = self.watermarks.get(&(id, *log)).copied().unwrap_or(0);
            let least = durable.entry(part.clone()).or_insert(offset);
            *least = offset.min(*least);
        }
        let (at, lives) = (self.now, self.ledger.lives(id));
        let death = relaxed::Death { at, syncs: lives.syncs, durable };
        lives.deaths.push(death);
    }
}
