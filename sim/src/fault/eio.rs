//! Operations of the disk fail: once, or for as long as it lasts. A sync that fails marks its dirty pages clean, as Linux does: what
//! the process then reads is not what the device holds.
//!
//! Parameters: `verb` ("write", "sync", "name", "create", "cut", "read", "find", "any"), `role` ("journal", "checkpoint",
//! "segment", "index", "any"), `error` ("io", "full"), `spare` (0): how many such operations pass before, `lasting`
//! (false): not one fails but all, until it is mended. With `verb` "drawn" each blow draws all of these for itself.

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

const VERBS: &[&str] = &["write", "sync", "name", "create", "cut", "read", "find", "any", "drawn"];
const ROLES: &[&str] = &["journal", "checkpoint", "segment", "index", "any"];
const ERRORS: &[&str] = &["io", "full"];

/// With none, each blow draws its own.
#[derive(Debug)]
struct Eio(Option<platter::Fault>);

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let verb = VERBS[params.choice("verb", VERBS)?.unwrap_or(0)];
    let role = ROLES[params.choice("role", ROLES)?.unwrap_or(0)];
    let full = params.choice("error", ERRORS)? == Some(1);
    let spare = params.number("spare", 0..1 << 32)?.unwrap_or(0);
    let lasting = params.flag("lasting")?.unwrap_or(false);
    let drawn = verb == "drawn";
    Ok(Arc::new(Eio((!drawn).then(|| failure(verb, role, full, spare, lasting)))))
}

fn failure(verb: &str, role: &str, full: bool, spare: u64, lasting: bool) -> platter::Fault {
    let harm = match (full, verb) {
        (true, _) => Harm::Full,
        (false, "sync") => Harm::SyncFails,
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
    let times = if lasting { u64::MAX } else { 1 };
    platter::Fault { role, verb, spare, times, harm, owner: platter::NOBODY }
}

/// What is asked of a disk most often, and what it costs most to be wrong about.
const OFTEN: &[(&str, &str)] = &[
    ("write", "journal"),
    ("sync", "journal"),
    ("sync", "journal"),
    ("write", "segment"),
    ("sync", "segment"),
    ("write", "checkpoint"),
    ("name", "checkpoint"),
    ("read", "segment"),
];

fn place(chance: &mut Chance) -> (&'static str, &'static str) {
    match chance.odds(1, 2) {
        true => *chance.pick(OFTEN),
        // The last one is not for a single blow.
        false => (*chance.pick(&VERBS[..VERBS.len() - 1]), *chance.pick(ROLES)),
    }
}

fn draw(chance: &mut Chance) -> String {
    if chance.odds(1, 2) {
        return "verb = \"drawn\"\n".into();
    }
    let (verb, role) = place(chance);
    let error = if chance.odds(1, 4) { "full" } else { "io" };
    format!(
        "verb = \"{verb}\"\nrole = \"{role}\"\nerror = \"{error}\"\nspare = {}\nlasting = {}\n",
        chance.below(4),
        chance.odds(1, 3)
    )
}

impl Fault for Eio {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let chance = &mut hit.chance;
        let fault = self.0.clone().unwrap_or_else(|| {
            let (verb, role) = place(chance);
            failure(verb, role, chance.odds(1, 4), chance.below(4), chance.odds(1, 4))
        });
        let fault = platter::Fault { owner: hit.n, ..fault };
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
