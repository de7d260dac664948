//! Operations of the disk fail: once, or for as long as it lasts. A sync that fails marks its dirty pages clean, as Linux does: what
//! the process then reads is not what the device holds.
//!
//! Parameters: `verb` ("write", "sync", "name", "create", "cut", "read", "find", "any"), `role` ("journal", "checkpoint",
//! "segment", "index", "any"), `error` ("io", "full"), `spare` (0): how many such operations pass before, `lasting`
//! (false): not one fails but all, until it is mended.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::platter::{self, Harm, Role, Verb};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "eio",
    about: "disk operations fail, once or lastingly; a failed sync forgets its dirty pages",
    make,
    draw,
};

const VERBS: &[&str] = &["write", "sync", "name", "create", "cut", "read", "find", "any"];
const ROLES: &[&str] = &["journal", "checkpoint", "segment", "index", "any"];
const ERRORS: &[&str] = &["io", "full"];

#[derive(Debug)]
struct Eio {
    fault: platter::Fault,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let verb = VERBS[params.choice("verb", VERBS)?.unwrap_or(0)];
    let role = ROLES[params.choice("role", ROLES)?.unwrap_or(0)];
    let harm = match params.choice("error", ERRORS)? {
        Some(1) => Harm::Full,
        _ if verb == "sync" => Harm::SyncFails,
        _ => Harm::Io,
    };
    let file = match role {
        "journal" => Some(Role::Journal),
        "checkpoint" => Some(Role::Checkpoint),
        "segment" => Some(Role::Segment),
        "index" => Some(Role::Index),
        _ => None,
    };
    let (verb, role) = match (verb, role) {
        // The journal's and the checkpoint's syncs are part of their writes.
        ("write", "checkpoint") | ("sync", "checkpoint") => {
            (Some(Verb::Write), Some(Role::CheckpointNext))
        }
        ("write", _) | ("sync", "journal") => (Some(Verb::Write), file),
        ("sync", _) => (Some(Verb::Sync), file),
        ("name", "checkpoint") => (Some(Verb::Rename), file),
        ("name", "segment") => (Some(Verb::SyncDir), Some(Role::LogDir)),
        ("name", _) => (Some(Verb::SyncDir), None),
        ("create", _) => (Some(Verb::Create), None),
        ("cut", _) => (Some(Verb::Truncate), file),
        ("read", _) => (Some(Verb::Read), file),
        ("find", _) => (Some(Verb::Find), None),
        _ => (None, file),
    };
    let spare = params.number("spare", 0..1 << 32)?.unwrap_or(0);
    let times = if params.flag("lasting")?.unwrap_or(false) { u64::MAX } else { 1 };
    Ok(Arc::new(Eio {
        fault: platter::Fault { role, verb, spare, times, harm, owner: platter::NOBODY },
    }))
}

fn draw(chance: &mut Chance) -> String {
    let (verb, role) = (chance.pick(VERBS), chance.pick(ROLES));
    let error = if chance.odds(1, 4) { "full" } else { "io" };
    format!(
        "verb = \"{verb}\"\nrole = \"{role}\"\nerror = \"{error}\"\nspare = {}\nlasting = {}\n",
        chance.below(4),
        chance.odds(1, 3)
    )
}

impl Fault for Eio {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let fault = platter::Fault { owner: hit.n, ..self.fault.clone() };
        world.nodes[hit.node as usize].platter.faults.push(fault);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        // What did not strike until now does not strike any more.
        world.nodes[hit.node as usize].platter.faults.retain(|fault| fault.owner != hit.n);
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
