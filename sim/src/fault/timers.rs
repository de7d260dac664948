//! Timers come at the wrong time: too late, as on a loaded machine, or too early and then again, as when a wait is cut short.
//!
//! Parameters: `late` ("5ms"), the mean of what is added; or `early` (false).

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::heap::{MS, Nanos};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "timers", about: "timers come too late, or too early", make, draw };

#[derive(Debug)]
struct Timers {
    late: Nanos,
    early: bool,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let early = params.flag("early")?.unwrap_or(false);
    let late = params.time("late")?.unwrap_or(if early { 0 } else { 5 * MS });
    Ok(Arc::new(Timers { late, early }))
}

fn draw(chance: &mut Chance) -> String {
    match chance.odds(1, 3) {
        true => "early = true\n".into(),
        false => format!("late = \"{}\"\n", chance.pick(&["100us", "5ms", "200ms", "2s"])),
    }
}

impl Fault for Timers {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let node = &mut world.nodes[hit.node as usize];
        node.timers_late += self.late;
        node.timers_early += u32::from(self.early);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        let node = &mut world.nodes[hit.node as usize];
        node.timers_late -= self.late;
        node.timers_early -= u32::from(self.early);
    }
}
