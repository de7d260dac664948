//! A read brings the bytes of another place, once: whoever reads again is given the right ones.
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
    name: "misdirected_read",
    about: "a read brings the bytes of another place, once",
    make,
    draw: Aim::draw_for_two,
};

#[derive(Debug)]
struct MisdirectedRead {
    aim: Aim,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(MisdirectedRead { aim: Aim::read(params)? }))
}

impl Fault for MisdirectedRead {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        self.aim.strike(world, hit, |platter, hit, spots, spot| {
            let other = hit.chance.pick(spots);
            if other.sectors == spot.sectors {
                return false; // see `misdirected_write`
            }
            let mut laid = false;
            for (meant, brought) in spot.sectors.clone().zip(other.sectors.clone()) {
                let bytes = platter.pristine(other.file, brought);
                laid |= platter.veil_once(spot.file, meant, Shown::Bytes(Arc::new(bytes)), hit.n);
            }
            laid
        })
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        self.aim.mend(world, hit);
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
