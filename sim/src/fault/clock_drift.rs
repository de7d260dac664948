//! A node's clocks run too fast or too slow, the monotonic one too: nothing jumps, but every wait is too short or too long. What the
//! wall clock has gained meanwhile stays: that is a skew.
//!
//! Parameters: `ppm` (1000), parts per million; negative is too slow.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "clock_drift", about: "both clocks run too fast or too slow", make, draw };

#[derive(Debug)]
struct ClockDrift {
    ppm: i64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(ClockDrift { ppm: params.signed("ppm", 20_000_000)?.unwrap_or(1000) }))
}

fn draw(chance: &mut Chance) -> String {
    format!("ppm = {}\n", chance.pick(&[-800_000, -100_000, -200, 200, 100_000, 2_000_000]))
}

impl Fault for ClockDrift {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let now = world.now;
        world.nodes[hit.node as usize].clock.drift(now, self.ppm);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        let now = world.now;
        world.nodes[hit.node as usize].clock.drift(now, -self.ppm);
    }
}
