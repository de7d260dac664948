//! The disk takes many times as long for everything.
//!
//! Parameters: `factor` (20).

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "disk_slow", about: "every disk operation takes many times as long", make, draw };

#[derive(Debug)]
struct DiskSlow {
    factor: u64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(DiskSlow { factor: params.number("factor", 2..100_000)?.unwrap_or(20) }))
}

fn draw(chance: &mut Chance) -> String {
    format!("factor = {}\n", chance.pick(&[5, 20, 200, 2000]))
}

impl Fault for DiskSlow {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].disk_factor += self.factor;
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].disk_factor -= self.factor;
    }
}
