//! The process ends exactly before or within a certain operation of its disk: between any two operations of one step, and
//! between a change of names and the directory's sync.
//!
//! Parameters: `verb` ("rename", "create", "unlink", "sync", "write", "sync_dir", "truncate", "make_dir", "any"), `role`
//! ("any", "journal", "checkpoint", "segment", "index", "dir"), `spare` (0): how many such operations pass before;
//! `end` ("power", "kill", "names", "data", "nothing"): the power fails with drawn fates for what was not synced, or
//! the process is killed, or the power fails and only names, only data, or nothing unsynced survives; `rest` ("1ms..50ms"), how long
//! until the next life; `then` (none): how long each next life lasts until the power fails, for as long as the fault does. An end
//! seldom comes alone, and what one life believes of another is found out by a third.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::heap::{MS, Nanos};
use crate::platter::{Role, Verb};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use crate::world::doom::{End, Trap};
use std::ops::Range;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "crash_at",
    about: "the process ends at a certain disk operation; names or data may survive each other",
    make,
    draw,
};

const VERBS: &[&str] =
    &["rename", "create", "unlink", "sync", "write", "sync_dir", "truncate", "make_dir", "any"];
const ROLES: &[&str] = &["any", "journal", "checkpoint", "segment", "index", "dir"];
const ENDS: &[&str] = &["power", "kill", "names", "data", "nothing"];

#[derive(Debug)]
struct CrashAt {
    verb: Option<Verb>,
    role: Option<Role>,
    spare: u64,
    end: End,
    rest: Range<Nanos>,
    then: Option<Range<Nanos>>,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let verb = match params.choice("verb", VERBS)?.unwrap_or(0) {
        0 => Some(Verb::Rename),
        1 => Some(Verb::Create),
        2 => Some(Verb::Unlink),
        3 => Some(Verb::Sync),
        4 => Some(Verb::Write),
        5 => Some(Verb::SyncDir),
        6 => Some(Verb::Truncate),
        7 => Some(Verb::MakeDir),
        _ => None,
    };
    let role = match params.choice("role", ROLES)?.unwrap_or(0) {
        1 => Some(Role::Journal),
        2 if verb == Some(Verb::Write) => Some(Role::CheckpointNext),
        2 => Some(Role::Checkpoint),
        3 => Some(Role::Segment),
        4 => Some(Role::Index),
        5 => Some(Role::LogDir),
        _ => None,
    };
    let end = match params.choice("end", ENDS)?.unwrap_or(0) {
        0 => End::Power,
        1 => End::Kill,
        2 => End::Extreme { names: true, data: false },
        3 => End::Extreme { names: false, data: true },
        _ => End::Extreme { names: false, data: false },
    };
    let spare = params.number("spare", 0..1 << 32)?.unwrap_or(0);
    let rest = params.time_range("rest")?.unwrap_or(MS..50 * MS);
    let then = params.time_range("then")?;
    Ok(Arc::new(CrashAt { verb, role, spare, end, rest, then }))
}

fn draw(chance: &mut Chance) -> String {
    let verb = *chance.pick(VERBS);
    // Only what there is: else most would wait for ever.
    let role = match verb {
        "sync" => "segment",
        "rename" => chance.pick(&["any", "checkpoint"]),
        "write" => chance.pick(&["any", "journal", "checkpoint", "segment", "index"]),
        "sync_dir" => chance.pick(&["any", "checkpoint", "dir"]),
        _ => "any",
    };
    let spare = if chance.odds(1, 2) { 0 } else { chance.below(40) };
    let then = chance.pick(&["", "", "then = \"2ms..80ms\"\n", "then = \"50ms..1s\"\n"]);
    format!(
        "verb = \"{verb}\"\nrole = \"{role}\"\nspare = {spare}\nend = \"{}\"\n{then}",
        chance.pick(ENDS)
    )
}

impl Fault for CrashAt {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].traps.push(Trap {
            n: hit.n,
            row: hit.row,
            role: self.role,
            verb: self.verb,
            spare: self.spare,
            end: self.end,
            rest: self.rest.clone(),
            then: self.then.clone(),
            chance: Chance::new(hit.chance.bits(), 4),
        });
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].traps.retain(|trap| trap.n != hit.n);
        world.calm(hit.node, hit.n);
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
