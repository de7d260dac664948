//! A write went to another place: that place holds its bytes now, and its own place holds what was there before.
//!
//! Two pages that are at the same place of their files are not exchanged: batches do not say of which log they are, so that one at the
//! same byte with the same offset is believed, and nothing in Kafka's format could tell.
//!
//! Parameters: those of all damage ([`super::aim`]); each place is struck together with another one.

use super::aim::Aim;
use super::{Fault, Hit, Row};
use crate::platter::Shown;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "misdirected_write",
    about: "a synced write is found in another place, over what was there",
    make,
    draw: Aim::draw_for_two,
};

#[derive(Debug)]
struct MisdirectedWrite {
    aim: Aim,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(MisdirectedWrite { aim: Aim::read(params)? }))
}

impl Fault for MisdirectedWrite {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        self.aim.strike(world, hit, |platter, hit, spots, meant| {
            let met = hit.chance.pick(spots);
            if met.sectors == meant.sectors {
                return false;
            }
            let mut laid = false;
            for (to, from) in met.sectors.clone().zip(meant.sectors.clone()) {
                let written = platter.pristine(meant.file, from);
                let old = platter.superseded(meant.file, from);
                laid |= platter.veil(met.file, to, Shown::Bytes(Arc::new(written)), hit.n);
                laid |= platter.veil(meant.file, from, Shown::Bytes(Arc::new(old)), hit.n);
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
