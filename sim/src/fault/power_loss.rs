//! The power fails: the process is gone, and of everything that was not synced each sector, length and name meets a
//! fate of its own. What is in flight may be half done. Clients hear nothing. When the power comes back, the process
//! starts again.
//!
//! Parameters: `torn` (false): sectors may tear inside, which no device that Sordini is meant for does.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::platter::Fates;
use crate::scenario::{BadInput, Params};
use crate::world::{Death, World};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "power_loss",
    about: "the power fails: each unsynced sector, length and name is kept, lost or older",
    make,
    draw: super::no_parameters,
};

#[derive(Debug)]
struct PowerLoss {
    torn: bool,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(PowerLoss { torn: params.flag("torn")?.unwrap_or(false) }))
}

impl Fault for PowerLoss {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let midway = hit.chance.odds(1, 2);
        let mut fates = Fates::draw(Chance::new(hit.chance.bits(), 4), self.torn);
        world.down(hit.node, Death::Power { midway, fate: &mut |what| fates.fate(what) })
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.boot(hit.node);
    }
}
