//! A whole group of the journal is gone, and what an earlier lap had written in its place is there again: blocks with good CRCs
//! that say they are something else.
//!
//! Parameters: `spots` (1): how many groups; `restart` and `stays` as of all damage ([`super::aim`]).

use super::aim::Aim;
use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::platter::Role;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "stale_lap",
    about: "a group of the journal is what an earlier lap left in its place",
    make,
    draw,
};

#[derive(Debug)]
struct StaleLap {
    aim: Aim,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(StaleLap { aim: Aim::read(params)?.on(&[Role::Journal]) }))
}

fn draw(chance: &mut Chance) -> String {
    let (restart, stays) = (chance.odds(3, 4), chance.odds(1, 2));
    format!("spots = {}\nrestart = {restart}\nstays = {stays}\n", chance.pick(&[1, 1, 3]))
}

impl Fault for StaleLap {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        self.aim.strike(world, hit, |platter, hit, _, spot| {
            let Some(group) = platter.group_of(spot) else { return false };
            let mut blocks = group.clone().step_by(8);
            blocks.all(|block| platter.is_superseded_block(spot.file, block))
                && platter.supersede(spot.file, group, hit.n)
        })
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        self.aim.mend(world, hit);
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
