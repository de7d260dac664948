//! The process is killed (kill -9): what it wrote is in the page cache and stays, what it had queued is gone, and its
//! peers' connections are reset. It starts again when it is mended.

use super::{Fault, Hit, Row};
use crate::scenario::{BadInput, Params};
use crate::world::{Death, World};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "process_crash",
    about: "kill -9: the page cache survives, queues do not",
    make,
    draw: super::no_parameters,
};

#[derive(Debug)]
struct ProcessCrash;

fn make(_: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(ProcessCrash))
}

impl Fault for ProcessCrash {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.down(hit.node, Death::Kill)
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.boot(hit.node);
    }
}
