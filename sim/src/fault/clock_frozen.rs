//! A node's wall clock stands still for a while, then shows the time again. The monotonic clock goes on.
//!
//! No parameters.

use super::{Fault, Hit, Row};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "clock_frozen",
    about: "the wall clock stands still, then jumps to the time",
    make,
    draw: super::no_parameters,
};

#[derive(Debug)]
struct ClockFrozen;

fn make(_: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(ClockFrozen))
}

impl Fault for ClockFrozen {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let now = world.now;
        world.nodes[hit.node as usize].clock.freeze(now);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].clock.thaw();
    }
}
