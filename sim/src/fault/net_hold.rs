//! Swizzle-clog: connections stand still one by one, and come back one by one, each when it likes.
//!
//! Parameters: `share` (2), one in so many connections.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "net_hold",
    about: "single connections stand still, and come back in any order",
    make,
    draw,
};

#[derive(Debug)]
struct NetHold {
    share: u64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(NetHold { share: params.number("share", 1..100)?.unwrap_or(2) }))
}

fn draw(chance: &mut Chance) -> String {
    format!("share = {}\n", chance.pick(&[1, 2, 4]))
}

impl Fault for NetHold {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let mut harmed = false;
        for conn in world.conns_of(hit.node) {
            if hit.chance.odds(1, self.share) {
                let until = hit.chance.within(world.now..hit.until);
                world.hold(conn, until);
                harmed = true;
            }
        }
        harmed
    }

    // Each connection comes back at its own moment, which lies before this one.
    fn mend(&self, _: &mut World, _: &mut Hit) {}
}
