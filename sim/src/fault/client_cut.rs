//! One client is cut off while the broker is fine: what it sends waits, what it is sent waits, and so does whatever it tries anew.
//!
//! It has no parameters of its own.

use super::{Fault, Hit, Row, no_parameters};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "client_cut",
    about: "one client is cut off, whatever it tries",
    make,
    draw: no_parameters,
};

#[derive(Debug)]
struct ClientCut;

fn make(_: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(ClientCut))
}

impl Fault for ClientCut {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        if world.clients.is_empty() {
            return false;
        }
        let client = hit.chance.index(world.clients.len());
        world.clients[client].cut_until = world.clients[client].cut_until.max(hit.until);
        let mine = world.links.iter().filter(|link| link.client == Some(client as u32));
        let mine: Vec<_> = mine.map(|link| link.conn).collect();
        mine.into_iter().for_each(|conn| world.hold(conn, hit.until));
        true
    }

    // The end of the cut was said when it began.
    fn mend(&self, _: &mut World, _: &mut Hit) {}
}
