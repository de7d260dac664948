//! Connections of which one end has gone without a word: the other believes in it until it tries, waits in vain, or keepalive
//! tells (when the fault is mended).
//!
//! Parameters: `gone` ("client", "node"), which end; `share` (2), one in so many of the node's connections.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "half_open",
    about: "one end of a connection is gone, the other does not know",
    make,
    draw,
};

const ENDS: &[&str] = &["client", "node"];

#[derive(Debug)]
struct HalfOpen {
    client: bool,
    share: u64,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let client = params.choice("gone", ENDS)?.unwrap_or(0) == 0;
    Ok(Arc::new(HalfOpen { client, share: params.number("share", 1..100)?.unwrap_or(2) }))
}

fn draw(chance: &mut Chance) -> String {
    format!("gone = \"{}\"\nshare = {}\n", chance.pick(ENDS), chance.pick(&[1, 2, 4]))
}

impl Fault for HalfOpen {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        // What it struck is known by the moment.
        hit.memo = world.now;
        let mut harmed = false;
        for conn in world.conns_of(hit.node) {
            if hit.chance.odds(1, self.share) {
                harmed |= match self.client {
                    true => world.vanish_client(conn, hit.memo),
                    false => world.vanish_node(conn),
                };
            }
        }
        harmed
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.keepalive(hit.node, hit.memo);
    }
}
