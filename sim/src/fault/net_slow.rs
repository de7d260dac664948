//! The link to a node is slow: every byte takes its time, in both directions, and less is on its way at once.
//!
//! Parameters: `rate` (20000), bytes a second.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::heap::SECOND;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "net_slow", about: "every byte takes its time, both ways", make, draw };

#[derive(Debug)]
struct NetSlow {
    byte_ns: u64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let rate = params.number("rate", 1..1 << 32)?.unwrap_or(20_000);
    Ok(Arc::new(NetSlow { byte_ns: SECOND / rate }))
}

fn draw(chance: &mut Chance) -> String {
    format!("rate = {}\n", chance.pick(&[2_000, 20_000, 200_000]))
}

impl Fault for NetSlow {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].byte_ns += self.byte_ns;
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].byte_ns -= self.byte_ns;
    }
}
