//! Nothing arrives any more, in one direction or both; when it is over, everything that was held back comes at once,
//! in another order between connections (each keeps its own).
//!
//! Parameters: `way` ("both", "in", "out"), as seen from the node.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "net_clog",
    about: "nothing arrives, then everything at once, in another order between connections",
    make,
    draw,
};

const WAYS: &[&str] = &["both", "in", "out"];

#[derive(Debug)]
struct NetClog {
    inward: bool,
    outward: bool,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let way = params.choice("way", WAYS)?.unwrap_or(0);
    Ok(Arc::new(NetClog { inward: way != 2, outward: way != 1 }))
}

fn draw(chance: &mut Chance) -> String {
    format!("way = \"{}\"\n", chance.pick(WAYS))
}

impl Fault for NetClog {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let node = &mut world.nodes[hit.node as usize];
        node.clogged_in += u32::from(self.inward);
        node.clogged_out += u32::from(self.outward);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        let node = &mut world.nodes[hit.node as usize];
        node.clogged_in -= u32::from(self.inward);
        node.clogged_out -= u32::from(self.outward);
        world.unclog(hit.node);
    }
}
