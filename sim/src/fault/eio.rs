//! One disk operation fails with EIO. A sync that fails marks its dirty pages clean, as Linux does: what the process
//! then reads is not what the device holds.
//!
//! Parameters: `verb` ("write", "sync", "name"), `role` ("journal", "checkpoint", "segment"), `spare` (0):
//! how many such operations pass before.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::platter::{self, Harm, Role, Verb};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "eio",
    about: "one write, sync or change of names fails; a failed sync forgets its dirty pages",
    make,
    draw,
};

const VERBS: &[&str] = &["write", "sync", "name"];
const ROLES: &[&str] = &["journal", "checkpoint", "segment"];

#[derive(Debug)]
struct Eio {
    fault: platter::Fault,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let verb = params.choice("verb", VERBS)?.unwrap_or(0);
    let role = params.choice("role", ROLES)?.unwrap_or(0);
    let (verb, harm) = match (verb, role) {
        (0, _) => (Verb::Write, Harm::Io),
        // The journal's syncs are part of its writes.
        (1, 0) => (Verb::Write, Harm::SyncFails),
        (1, 1) => (Verb::Write, Harm::SyncFails),
        (1, _) => (Verb::Sync, Harm::SyncFails),
        (_, 1) => (Verb::Rename, Harm::Io),
        _ => (Verb::SyncDir, Harm::Io),
    };
    let role = match (verb, role) {
        (_, 0) => Role::Journal,
        (Verb::Write, 1) => Role::CheckpointNext,
        (_, 1) => Role::Checkpoint,
        (Verb::SyncDir, _) => Role::LogDir,
        _ => Role::Segment,
    };
    let spare = params.number("spare", 0..1 << 32)?.unwrap_or(0);
    let fault = platter::Fault { role: Some(role), verb: Some(verb), spare, times: 1, harm };
    Ok(Arc::new(Eio { fault }))
}

fn draw(chance: &mut Chance) -> String {
    let (verb, role) = (chance.pick(VERBS), chance.pick(ROLES));
    format!("verb = \"{verb}\"\nrole = \"{role}\"\nspare = {}\n", chance.below(4))
}

impl Fault for Eio {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].platter.faults.push(self.fault.clone());
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        // What did not strike until now does not strike any more.
        let same = |f: &platter::Fault| {
            (f.role, f.verb, f.harm) == (self.fault.role, self.fault.verb, self.fault.harm)
        };
        world.nodes[hit.node as usize].platter.faults.retain(|f| !same(f));
    }
}
