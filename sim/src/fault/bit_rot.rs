//! Bits flip in what the disk holds, in one sector of each place, and it says nothing.
//!
//! Parameters: those of all damage ([`super::aim`]), and `bits` (3): how many flip in a sector at most.

use super::aim::Aim;
use super::{Fault, Hit, Row};
use crate::platter::{SECTOR_BYTES, Shown};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "bit_rot", about: "bits of durable sectors flip", make, draw: Aim::draw };

#[derive(Debug)]
struct BitRot {
    aim: Aim,
    bits: u64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let bits = params.number("bits", 1..4097)?.unwrap_or(3);
    Ok(Arc::new(BitRot { aim: Aim::read(params)?, bits }))
}

impl Fault for BitRot {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        self.aim.strike(world, hit, |platter, hit, _, spot| {
            let Hit { chance, n, .. } = hit;
            let sector = chance.within(spot.sectors.clone());
            let mut bytes = platter.pristine(spot.file, sector);
            // Beyond the end of the file nobody would see it.
            let len = platter.len_within(spot.file, sector);
            if len == 0 {
                return false;
            }
            for _ in 0..1 + chance.below(self.bits) {
                bytes[chance.below(len) as usize] ^= 1 << chance.below(8);
            }
            debug_assert!(len <= SECTOR_BYTES);
            platter.veil(spot.file, sector, Shown::Bytes(Arc::new(bytes)), *n)
        })
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        self.aim.mend(world, hit);
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
