//! The storage as something to explore: crashes at every disk operation, and rot on a disk at rest.

use super::{Harmed, Rig, Tally, check};
use crate::chance::Chance;
pub use crate::explore::Plan;
use crate::explore::Subject;
use crate::failure::Failure;
use crate::platter::{Fate, Platter, Unsynced};

/// What was explored.
pub type Explored = crate::explore::Explored<Rig>;

impl Subject for Rig {
    type Tally = Tally;

    fn platter(&self) -> &Platter {
        &self.platter
    }

    fn begin(&mut self) -> Result<(), Failure> {
        self.restart();
        Ok(())
    }

    fn advance(&mut self, chance: &mut Chance) -> Result<bool, Failure> {
        if self.platter.ready() == 0 || chance.odds(1, 3) {
            self.turn()?;
        }
        Ok(self.platter.ready() > 0)
    }

    fn perform(&mut self) -> Result<(), Failure> {
        self.step().map(|_| ())
    }

    fn crash(&mut self, midway: bool, fate: &mut dyn FnMut(Unsynced) -> Fate) {
        Rig::crash(self, midway, fate);
    }

    fn is_recovered(&self) -> bool {
        self.is_serving() || self.fatal.is_some()
    }

    fn recover_on(&mut self) -> Result<bool, Failure> {
        self.idle_turn()
    }

    fn check(&mut self) -> Result<(), Failure> {
        if self.fatal.is_some() { Ok(()) } else { check::contents(self) }
    }

    fn idle(&mut self) -> Result<(), Failure> {
        if self.fatal.is_none() {
            self.idle_turn()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn tally(&self, into: &mut Tally) {
        into.acked += self.tally.acked;
        into.checkpoints += self.tally.checkpoints;
        into.deleted += self.tally.deleted;
        into.reads += self.tally.reads;
    }

    fn take_story(&mut self) -> Vec<String> {
        self.story.take().unwrap_or_default()
    }
}

/// One byte of a disk at rest rots; the next life must tell the truth or say that it cannot.
pub fn rot(rig: &Rig, chance: &mut Chance) -> Result<(), Failure> {
    let mut fork = rig.clone();
    let files: Vec<(String, u64)> =
        fork.platter.list().into_iter().filter(|(_, len)| *len > 0).collect();
    let (path, len) = &files[chance.index(files.len())];
    let at = chance.below(*len);
    fork.platter.rot(path, at, 1 << chance.below(8));
    fork.harmed = Harmed::Rot;
    let placed = |f: Failure| Failure::new(f.check, format!("rot of {path} at {at}: {}", f.what));
    fork.restart();
    fork.recover().map_err(placed)?;
    if fork.fatal.is_none() {
        check::contents(&mut fork).map_err(placed)?;
        fork.settle().map_err(placed)?;
        check::contents(&mut fork).map_err(placed)?;
    }
    Ok(())
}
