//! A write that was synced is lost: what was there before comes back. In a journal that is a block of an earlier lap, or zeroes.
//!
//! Parameters: those of all damage ([`super::aim`]), and `sector` (false): not a whole page is lost but one sector of it.

use super::aim::Aim;
use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "lost_write",
    about: "a synced write is lost: the old bytes come back",
    make,
    draw,
};

#[derive(Debug)]
struct LostWrite {
    aim: Aim,
    sector: bool,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let sector = params.flag("sector")?.unwrap_or(false);
    Ok(Arc::new(LostWrite { aim: Aim::read(params)?, sector }))
}

fn draw(chance: &mut Chance) -> String {
    format!("{}sector = {}\n", Aim::draw(chance), chance.odds(1, 3))
}

impl Fault for LostWrite {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        self.aim.strike(world, hit, |platter, hit, _, spot| {
            let one = hit.chance.within(spot.sectors.clone());
            let lost = if self.sector { one..one + 1 } else { spot.sectors.clone() };
            platter.supersede(spot.file, lost, hit.n)
        })
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        self.aim.mend(world, hit);
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
