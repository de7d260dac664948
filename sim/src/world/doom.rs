//! Ends that wait for a process: a storm ends one life after another, a trap ends the process at a certain operation of its
//! disk.
//!
//! Both lie between strike and mend of their fault, outlive processes, and count each time that they bite.

use super::trace::{Actor, Kind};
use super::{Death, Happening, World};
use crate::chance::Chance;
use crate::heap::Nanos;
use crate::platter::{Fates, Role, Verb};
use std::ops::Range;

/// What ends one life after another.
#[derive(Clone, Debug)]
pub struct Storm {
    /// Number of the strike that brought it.
    pub n: u32,
    /// Index of its fault, which counts each end.
    pub row: usize,
    /// How long each life lasts.
    pub lasts: Lasts,
    /// In how many of 16 cases the power fails; else the process is killed.
    pub power_of_16: u64,
    /// How long until the next life begins.
    pub rest: Range<Nanos>,
    /// Its own chance.
    pub chance: Chance,
}

/// How long a life lasts in a storm.
#[derive(Clone, Debug)]
pub enum Lasts {
    /// So many disk operations: those of recovery come first.
    Operations(Range<u64>),
    /// So long.
    Time(Range<Nanos>),
}

/// What ends the process at an operation of its disk.
#[derive(Clone, Debug)]
pub struct Trap {
    /// Number of the strike that brought it.
    pub n: u32,
    /// Index of its fault, which counts the end.
    pub row: usize,
    /// On files and directories of this role; any if none.
    pub role: Option<Role>,
    /// At this kind of operation; any if none.
    pub verb: Option<Verb>,
    /// How many of them pass before.
    pub spare: u64,
    /// How it ends.
    pub end: End,
    /// How long until the next life begins.
    pub rest: Range<Nanos>,
    /// With `Some`, how long each life after it lasts until the power fails.
    pub then: Option<Range<Nanos>>,
    /// Its own chance.
    pub chance: Chance,
}

/// How a trap ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process is killed.
    Kill,
    /// The power fails; what was not synced meets drawn fates.
    Power,
    /// The power fails; of what was not synced, names or data are kept, or not.
    Extreme {
        /// Whether changes of names are kept.
        names: bool,
        /// Whether data is kept.
        data: bool,
    },
}

impl World {
    /// What a storm holds for the life that has begun.
    pub(super) fn threaten(&mut self, id: u32) {
        let node = &mut self.nodes[id as usize];
        node.ops_left = None;
        let Some(storm) = node.storms.last_mut() else { return };
        match &storm.lasts {
            Lasts::Operations(range) => node.ops_left = Some(storm.chance.within(range.clone())),
            Lasts::Time(range) => {
                let lasts = storm.chance.within(range.clone());
                let what = Happening::Doom { node: id, life: node.life };
                self.heap.push(self.now + lasts, what);
            }
        }
    }

    /// A storm begins.
    pub fn storm(&mut self, id: u32, storm: Storm) {
        self.nodes[id as usize].storms.push(storm);
        if self.nodes[id as usize].up {
            self.threaten(id);
        }
    }

    /// The storm of this strike is over; whoever is down comes back by itself.
    pub fn calm(&mut self, id: u32, n: u32) {
        let node = &mut self.nodes[id as usize];
        node.storms.retain(|storm| storm.n != n);
        node.ops_left = node.ops_left.filter(|_| !node.storms.is_empty());
    }

    /// A disk operation more is done in this life.
    pub(super) fn wear(&mut self, id: u32) {
        let node = &mut self.nodes[id as usize];
        let Some(left) = &mut node.ops_left else { return };
        match left.checked_sub(1) {
            Some(less) => *left = less,
            None => self.doom(id, self.nodes[id as usize].life),
        }
    }

    /// The end that a storm holds for this life has come.
    pub(super) fn doom(&mut self, id: u32, life: u32) {
        let node = &mut self.nodes[id as usize];
        if !node.up || node.life != life {
            return;
        }
        let Some(storm) = node.storms.last_mut() else { return };
        let end = if storm.chance.odds(storm.power_of_16, 16) { End::Power } else { End::Kill };
        let rest = storm.chance.within(storm.rest.clone());
        let (row, chance) = (storm.row, Chance::new(storm.chance.bits(), 4));
        self.end(id, (row, "a storm"), end, rest, chance);
    }

    /// Whether a trap ends the process at this operation, which is next.
    pub(super) fn is_trapped(&mut self, id: u32, role: Role, verb: Verb) -> bool {
        let node = &mut self.nodes[id as usize];
        let sprung = node.traps.iter_mut().position(|trap| {
            let meant = trap.role.is_none_or(|r| r == role) && trap.verb.is_none_or(|v| v == verb);
            let sprung = meant && trap.spare == 0;
            trap.spare -= u64::from(meant && !sprung);
            sprung
        });
        let Some(sprung) = sprung else { return false };
        let mut trap = node.traps.remove(sprung);
        let rest = trap.chance.within(trap.rest.clone());
        let chance = Chance::new(trap.chance.bits(), 4);
        self.end(id, (trap.row, "a trap"), trap.end, rest, chance);
        if let Some(lasts) = trap.then {
            let (n, row, rest) = (trap.n, trap.row, trap.rest);
            let lasts = Lasts::Time(lasts);
            self.storm(id, Storm { n, row, lasts, power_of_16: 16, rest, chance: trap.chance });
        }
        true
    }

    /// The process is killed, and begins again after a while.
    pub fn restart(&mut self, id: u32, rest: Nanos) {
        if self.down(id, Death::Kill) {
            let life = self.nodes[id as usize].life;
            self.heap.push(self.now + rest, Happening::Restart { node: id, life });
        }
    }

    fn end(&mut self, id: u32, what: (usize, &str), end: End, rest: Nanos, mut chance: Chance) {
        let (row, what) = what;
        self.tell_as(Kind::Fault, Actor::Node(id), || {
            format!("FAULT {what} ends the process: {end:?}")
        });
        let midway = chance.odds(1, 2);
        let mut fates = match end {
            End::Extreme { names, data } => Fates::extreme(chance, names, data),
            End::Kill | End::Power => Fates::draw(chance, false),
        };
        let fate = &mut |unsynced| fates.fate(unsynced);
        let death = if end == End::Kill { Death::Kill } else { Death::Power { midway, fate } };
        if self.down(id, death) {
            self.struck[row] += 1;
            let life = self.nodes[id as usize].life;
            self.heap.push(self.now + rest, Happening::Restart { node: id, life });
        }
    }
}
