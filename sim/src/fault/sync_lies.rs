//! Syncs succeed, and nothing is on the device: it is in a cache that the next power failure empties. What was there before shows then.
//!
//! Of the journal, what is lost is only what a later group, which is durable, says was synced before: about the last group nobody could
//! ever tell this from a crash in front of its sync.
//!
//! Parameters: `role` ("journal", "segment", "index", "checkpoint", "any"): of which files; `spare` (0): how many such
//! syncs are honest before; `syncs` (1): how many then lie; `forgets` (false): pages are marked clean, so that an honest
//! sync later does not save them either; `power` (0): with another number, the power fails after so many more disk operations;
//! `stays` (false): what was lost is not given back when faults end.

use super::aim::{ROLES, files};
use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::heap::MS;
use crate::platter::{self, Harm};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use crate::world::doom::{End, Trap};
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "sync_lies",
    about: "syncs succeed and make nothing durable; the next power failure shows it",
    make,
    draw,
};

#[derive(Debug)]
struct SyncLies {
    role: &'static str,
    spare: u64,
    syncs: u64,
    forgets: bool,
    power: u64,
    stays: bool,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(SyncLies {
        role: ROLES[params.choice("role", ROLES)?.unwrap_or(0)],
        spare: params.number("spare", 0..1 << 32)?.unwrap_or(0),
        syncs: params.number("syncs", 1..1 << 32)?.unwrap_or(1),
        forgets: params.flag("forgets")?.unwrap_or(false),
        power: params.number("power", 0..1 << 32)?.unwrap_or(0),
        stays: params.flag("stays")?.unwrap_or(false),
    }))
}

fn draw(chance: &mut Chance) -> String {
    let (forgets, stays) = (chance.odds(1, 2), chance.odds(1, 2));
    format!(
        "role = \"{}\"\nspare = {}\nsyncs = {}\npower = {}\nforgets = {forgets}\nstays = {stays}\n",
        chance.pick(ROLES),
        chance.below(10),
        chance.pick(&[1, 3, 30, 1000]),
        1 + chance.below(40),
    )
}

impl Fault for SyncLies {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let harm = Harm::SyncLies { forgets: self.forgets };
        let node = &mut world.nodes[hit.node as usize];
        for role in files(self.role) {
            // A checkpoint is synced under another name.
            let role = if *role == platter::Role::Checkpoint {
                platter::Role::CheckpointNext
            } else {
                *role
            };
            node.platter.faults.push(platter::Fault {
                role: Some(role),
                verb: None,
                spare: self.spare,
                times: self.syncs,
                harm,
                owner: hit.n,
            });
        }
        if self.power > 0 {
            node.traps.push(Trap {
                n: hit.n,
                row: hit.row,
                role: None,
                verb: None,
                spare: self.spare + self.power,
                end: End::Power,
                rest: MS..50 * MS,
                then: None,
                chance: Chance::new(hit.chance.bits(), 4),
            });
        }
        hit.until = hit.until.max(world.scenario.span);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        let node = &mut world.nodes[hit.node as usize];
        node.traps.retain(|trap| trap.n != hit.n);
        node.platter.faults.retain(|fault| fault.owner != hit.n);
        if !self.stays {
            node.platter.unveil(hit.n);
        }
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
