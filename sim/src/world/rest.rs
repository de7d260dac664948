//! Everybody leaves, everything comes to rest, and what is left is written down for a check.

use super::{World, held};
use crate::failure::Failure;
use crate::heap::{MS, Nanos, SECOND};
use crate::ledger::Remains;
use crate::link::Piece;
use sordini_core::seam::{CloseReason, ConnId};

/// After so long nothing is under way any more: what a full disk could not remove is looked for again after half of it.
const REST: Nanos = 12 * SECOND;

/// A disk that had something to do within this time is not at rest. What a full disk refuses is tried again less often.
const QUIET: Nanos = 2 * SECOND;

/// The longest time that a closed connection may go on for what is on its way.
const LINGER: Nanos = 3600 * SECOND;

impl World {
    /// Every connection ends, those too of which only the broker still knows: its kernel finds out.
    pub(super) fn come_to_rest(&mut self) -> Result<(), Failure> {
        let conns: Vec<ConnId> = self.links.iter().map(|link| link.conn).collect();
        for conn in conns {
            match self.links.find(conn).is_some_and(|link| link.held_by_client) {
                true => self.hang_up(conn),
                false => self.send_inward(conn, Piece::Close(CloseReason::Peer)),
            }
        }
        // A slow link has much on its way.
        let ended = |world: &World| world.links.iter().next().is_none();
        self.run_until(LINGER, "resources", "the end of every connection", ended)?;
        self.settle()?;
        self.ledger.remains.clear();
        let image = self.scenario.image.as_ref().map_or(0, |image| image.bytes_below("journal"));
        for node in self.nodes.iter().filter(|node| node.up) {
            self.ledger.remains.push(Remains {
                node: node.id,
                census: node.shard.census(),
                sizes: self.scenario.storage.clone(),
                files: node.platter.list(),
                journal_before: if node.id == held::NODE { image } else { 0 },
                lives: node.life,
            });
        }
        Ok(())
    }

    /// Time passes until nothing is under way. After a start that found thousands of deleted logs the disk may need longer than
    /// [`REST`], and what waits behind them in its queue is not written before.
    fn settle(&mut self) -> Result<(), Failure> {
        let last = self.now + LINGER;
        let mut end = self.now + REST;
        while self.next().is_some_and(|(at, _)| at <= end) {
            self.step()?;
            if self.nodes.iter().any(|node| node.platter.ready() > 0) {
                end = end.max(self.now + QUIET);
            }
            if end > last {
                let what = format!("a disk is still asked for something at {} ms", self.now / MS);
                return Err(Failure::new("resources", what));
            }
        }
        Ok(())
    }
}
