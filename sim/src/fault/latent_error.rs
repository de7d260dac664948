//! A sector cannot be read any more: EIO for whoever reads a byte of its page, since nothing is read in smaller pieces, until
//! the page is written again or the fault is lifted.
//!
//! Parameters: those of all damage ([`super::aim`]).

use super::aim::Aim;
use super::{Fault, Hit, Row};
use crate::platter::Shown;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "latent_error",
    about: "durable sectors cannot be read until they are written again",
    make,
    draw: Aim::draw,
};

#[derive(Debug)]
struct LatentError {
    aim: Aim,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(LatentError { aim: Aim::read(params)? }))
}

impl Fault for LatentError {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        self.aim.strike(world, hit, |platter, hit, _, spot| {
            let mut sectors = spot.sectors.clone();
            if !platter.is_settled(spot) {
                return false; // it is in the page cache, or will be written again
            }
            sectors.all(|sector| platter.veil(spot.file, sector, Shown::Unreadable, hit.n))
        })
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        self.aim.mend(world, hit);
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
