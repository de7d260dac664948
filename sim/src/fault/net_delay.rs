//! Everything between clients and a node takes longer: a constant on top, and a long tail.
//!
//! Parameters: `by` ("20ms"), the mean of what is added.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::heap::{MS, Nanos};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "net_delay", about: "the network takes longer, with a long tail", make, draw };

#[derive(Debug)]
struct NetDelay {
    by: Nanos,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(NetDelay { by: params.time("by")?.unwrap_or(20 * MS) }))
}

fn draw(chance: &mut Chance) -> String {
    format!("by = \"{}\"\n", chance.pick(&["2ms", "20ms", "200ms", "1s"]))
}

impl Fault for NetDelay {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].net_delay += self.by;
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].net_delay -= self.by;
    }
}
