//! Processes at rest die, and others begin on their disks: what each of them knows is written down for a check.
//!
//! Twice a process is killed and the next one recovers. Then one ends within its recovery: it is killed, or the power fails.

use super::{Death, World};
use crate::chance::{Chance, Purpose, Who};
use crate::failure::Failure;
use crate::ledger::Births;
use crate::platter::Fates;
use sordini_core::census::Census;

/// Every start reads the whole ring: with a larger one these would take longer than the run.
const RING_BYTES_MAX: u64 = 32 << 20;

impl World {
    /// Every process that is up is followed by others.
    pub(super) fn be_reborn(&mut self) -> Result<(), Failure> {
        // What happens here says nothing of where the run went.
        let marks = self.marks;
        self.ledger.births.clear();
        for id in 0..self.nodes.len() as u32 {
            let node = &self.nodes[id as usize];
            let ring =
                node.platter.list().into_iter().filter(|(path, _)| path.starts_with("journal/"));
            if node.up && ring.map(|(_, bytes)| bytes).sum::<u64>() <= RING_BYTES_MAX {
                let births = self.births(id)?;
                self.ledger.births.push(births);
            }
        }
        self.marks = marks;
        Ok(())
    }

    fn births(&mut self, id: u32) -> Result<Births, Failure> {
        let mut chance = Chance::of(self.seed, Who::Node(id), Purpose::Audit);
        let node = &self.nodes[id as usize];
        let mut lives = vec![(Births::AT_REST, node.shard.census())];
        let met = node.platter.counts.bites;
        let mut ops = 0;
        for how in ["the next process", "the one after it"] {
            let before = self.nodes[id as usize].platter.counts.ops;
            self.down(id, Death::Kill);
            lives.extend(self.born(id)?.map(|census| (how, census)));
            ops = self.nodes[id as usize].platter.counts.ops - before;
        }
        self.down(id, Death::Kill);
        self.boot(id);
        let end = self.nodes[id as usize].platter.counts.ops + chance.below(ops + 1);
        let done = |world: &World| {
            let node = &world.nodes[id as usize];
            node.platter.counts.ops >= end || node.listening || !node.up
        };
        self.run_until(super::audit::PATIENCE, "liveness", "recovery", done)?;
        // A power failure would show what lying syncs have done, which is no business of this check.
        let power = chance.odds(1, 2) && !self.nodes[id as usize].platter.has_lies();
        let (midway, mut fates) = (chance.odds(1, 2), Fates::draw(chance, false));
        let fate = &mut |what| fates.fate(what);
        self.down(id, if power { Death::Power { midway, fate } } else { Death::Kill });
        let how = match power {
            true => "the one after a power failure within a recovery",
            false => "the one after an end within a recovery",
        };
        lives.extend(self.born(id)?.map(|census| (how, census)));
        let bites = self.nodes[id as usize].platter.counts.bites;
        Ok(Births { node: id, harmed: bites > 0, misread: bites > met, lives })
    }

    /// What a process knows when it begins to listen; none if it refuses to, on a disk that is damaged.
    fn born(&mut self, id: u32) -> Result<Option<Census>, Failure> {
        self.boot(id);
        let done = |world: &World| {
            let node = &world.nodes[id as usize];
            node.listening || node.is_lost()
        };
        self.run_until(super::audit::PATIENCE, "liveness", "recovery", done)?;
        let node = &self.nodes[id as usize];
        Ok(node.listening.then(|| node.shard.census()))
    }
}
