//! The power fails, and files that were growing have their new length without their new bytes: where data should be there are zeroes, or
//! whatever the device held there before. File systems that do not order data before lengths leave such tails.
//!
//! It is a crash and destroys nothing that was synced: every promise must hold.
//!
//! Parameters: `garbage` (true): what the device held before, else zeroes; `over` (false): garbage also where the journal was being written
//! over when the power failed.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::platter::{Fates, Tail};
use crate::scenario::{BadInput, Params};
use crate::world::{Death, World};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "torn_tail",
    about: "the power fails; files are longer than their data, with garbage or zeroes behind it",
    make,
    draw,
};

#[derive(Debug)]
struct TornTail {
    tail: Tail,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let garbage = params.flag("garbage")?.unwrap_or(true);
    let over = params.flag("over")?.unwrap_or(false);
    let tail = match (garbage, over) {
        (false, _) => Tail::Zeroes,
        (true, false) => Tail::Garbage,
        (true, true) => Tail::GarbageAnywhere,
    };
    Ok(Arc::new(TornTail { tail }))
}

fn draw(chance: &mut Chance) -> String {
    format!("garbage = {}\nover = {}\n", chance.odds(2, 3), chance.odds(1, 2))
}

impl Fault for TornTail {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let midway = hit.chance.odds(1, 2);
        let mut fates = Fates::tail(Chance::new(hit.chance.bits(), 4), self.tail);
        world.down(hit.node, Death::Power { midway, fate: &mut |what| fates.fate(what) })
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.boot(hit.node);
    }
}
