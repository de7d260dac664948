//! The wall clock jumps, ahead or back, and jumps back when it is mended: a wrong clock that somebody sets, a machine that
//! resumes with the time of when it was suspended. The monotonic clock goes on.
//!
//! Parameters: `by` ("1h"), `back` (false): it jumps back first.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::heap::{MS, SECOND};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "clock_step", about: "the wall clock jumps, and later jumps back", make, draw };

#[derive(Debug)]
struct ClockStep {
    by_ms: i64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let by = (params.time("by")?.unwrap_or(3600 * SECOND) / MS) as i64;
    let back = params.flag("back")?.unwrap_or(false);
    Ok(Arc::new(ClockStep { by_ms: if back { -by } else { by } }))
}

fn draw(chance: &mut Chance) -> String {
    let by = chance.pick(&["1ms", "2s", "10m", "59m", "2h", "200h", "200h", "9000h"]);
    format!("by = \"{by}\"\nback = {}\n", chance.odds(1, 2))
}

impl Fault for ClockStep {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].clock.step(self.by_ms);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].clock.step(-self.by_ms);
    }
}
