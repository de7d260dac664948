//! The disk is full for a while: something else takes all but a little of what is free.
//!
//! Parameters: `left` (0), bytes that stay free.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "disk_full", about: "something else fills the disk for a while", make, draw };

#[derive(Debug)]
struct DiskFull {
    left: u64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(DiskFull { left: params.number("left", 0..1 << 40)?.unwrap_or(0) }))
}

fn draw(chance: &mut Chance) -> String {
    format!("left = {}\n", chance.pick(&[0, 1000, 50_000]))
}

impl Fault for DiskFull {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let platter = &mut world.nodes[hit.node as usize].platter;
        hit.memo = platter.free().saturating_sub(self.left);
        platter.capacity -= hit.memo;
        hit.memo > 0
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].platter.capacity += hit.memo;
    }
}
