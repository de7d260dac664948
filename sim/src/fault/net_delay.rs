//! Everything between clients and a node takes longer.
//!
//! Parameters: `by` ("20ms"), about how much is added; `shape`: "constant", the same for every piece; "exponential" with that mean;
//! "tail", nothing for most, and ten times as much for one in fifty.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::heap::{MS, Nanos};
use crate::scenario::{BadInput, Params};
use crate::world::{Node, World};
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "net_delay", about: "the network takes longer, with a long tail", make, draw };

const SHAPES: &[&str] = &["constant", "exponential", "tail"];

#[derive(Debug)]
struct NetDelay {
    by: Nanos,
    shape: usize,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let shape = params.choice("shape", SHAPES)?.unwrap_or(1);
    Ok(Arc::new(NetDelay { by: params.time("by")?.unwrap_or(20 * MS), shape }))
}

fn draw(chance: &mut Chance) -> String {
    let by = chance.pick(&["2ms", "20ms", "200ms", "1s"]);
    format!("by = \"{by}\"\nshape = \"{}\"\n", chance.pick(SHAPES))
}

impl NetDelay {
    /// What is added, and how much.
    fn place<'a>(&self, node: &'a mut Node) -> (&'a mut Nanos, Nanos) {
        match self.shape {
            0 => (&mut node.net_more, self.by),
            1 => (&mut node.net_delay, self.by),
            _ => (&mut node.net_tail, 10 * self.by),
        }
    }
}

impl Fault for NetDelay {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let (sum, by) = self.place(&mut world.nodes[hit.node as usize]);
        *sum += by;
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        let (sum, by) = self.place(&mut world.nodes[hit.node as usize]);
        *sum -= by;
    }
}
