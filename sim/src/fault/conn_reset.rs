//! Connections are reset, in the middle of whatever is on them: what is on its way in either direction is lost.
//!
//! Parameters: `share` (2): one in so many of the node's connections.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "conn_reset",
    about: "connections are reset with requests and answers on their way",
    make,
    draw,
};

#[derive(Debug)]
struct ConnReset {
    share: u64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(ConnReset { share: params.number("share", 1..100)?.unwrap_or(2) }))
}

fn draw(chance: &mut Chance) -> String {
    format!("share = {}\n", chance.pick(&[1, 2, 4]))
}

impl Fault for ConnReset {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let mut harmed = false;
        for conn in world.conns_of(hit.node) {
            if hit.chance.odds(1, self.share) {
                world.reset(conn);
                harmed = true;
            }
        }
        harmed
    }

    fn mend(&self, _: &mut World, _: &mut Hit) {}
}
