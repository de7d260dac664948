//! Kernels have next to no room: answers leave in many small writes, each when the one before has arrived.
//!
//! It has no parameters of its own.

use super::{Fault, Hit, Row, no_parameters};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "net_tiny",
    about: "tiny buffers: answers leave in many short writes",
    make,
    draw: no_parameters,
};

#[derive(Debug)]
struct NetTiny;

fn make(_: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(NetTiny))
}

impl Fault for NetTiny {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].tiny += 1;
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].tiny -= 1;
        world.conns_of(hit.node).into_iter().for_each(|conn| world.take_soon(conn));
    }
}
