//! The process stands still (a suspended machine, a stopped container): its disk and the network go on, and it wakes with full
//! queues and old timers.

use super::{Fault, Hit, Row};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "pause",
    about: "the process stands still, then wakes with full queues and old timers",
    make,
    draw: super::no_parameters,
};

#[derive(Debug)]
struct Pause;

fn make(_: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(Pause))
}

impl Fault for Pause {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].paused += 1;
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].paused -= 1;
        world.wake(hit.node);
    }
}
