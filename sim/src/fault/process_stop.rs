//! The process is asked to end (SIGTERM): it takes no more, answers what it has, and ends when nothing is owed and all that
//! was acknowledged is durable, whatever a topic's `flush` says. If it has not come to that by the time that the fault is mended
//! it is killed. It starts again then.

use super::{Fault, Hit, Row};
use crate::scenario::{BadInput, Params};
use crate::world::{Death, World};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "process_stop",
    about: "SIGTERM: the process ends in order, and loses nothing that was acknowledged",
    make,
    draw: super::no_parameters,
};

#[derive(Debug)]
struct ProcessStop;

fn make(_: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(ProcessStop))
}

impl Fault for ProcessStop {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let life = world.shut_down(hit.node);
        hit.memo = life.unwrap_or(0).into();
        life.is_some()
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        if u64::from(world.nodes[hit.node as usize].life) == hit.memo {
            world.down(hit.node, Death::Kill);
        }
        world.boot(hit.node);
    }
}
