//! The process ends exactly before or within a certain operation of its disk: between any two operations of one step, and
//! between a change of names and the directory's sync.
//!
//! Parameters: `verb` ("rename", "create", "unlink", "sync", "write", "sync_dir", "truncate", "make_dir", "any"), `role`
//! ("any", "journal", "checkpoint", "segment", "index", "dir"), `spare` (0): how many such operations pass before;
//! `end` ("power", "kill", "names", "data", "nothing"): the power fails with drawn fates for what was not synced, or
//! the process is killed, or the power fails and only names, only data, or nothing unsynced survives; `rest` ("1ms..50ms"), how long
//! until the next life; `then` (none): how long each next life lasts until the power fails, for as long as the fault does. An end
//! seldom comes alone, and what one life believes of another is found out by a third. With `verb` "drawn" each blow draws all of these for
//! itself.

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

const VERBS: &[&str] = &[
    "rename", "create", "unlink", "sync", "write", "sync_dir", "truncate", "make_dir", "any",
    "drawn",
];
const ROLES: &[&str] = &["any", "journal", "checkpoint", "segment", "index", "dir"];
const ENDS: &[&str] = &["power", "kill", "names", "data", "nothing"];

/// An end that is chosen to hurt.
#[derive(Clone, Debug)]
struct Moment {
    verb: Option<Verb>,
    role: Option<Role>,
    spare: u64,
    end: End,
    rest: Range<Nanos>,
    then: Option<Range<Nanos>>,
}

/// With none, each blow draws its own.
#[derive(Debug)]
struct CrashAt(Option<Moment>);

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let verb = VERBS[params.choice("verb", VERBS)?.unwrap_or(0)];
    let role = ROLES[params.choice("role", ROLES)?.unwrap_or(0)];
    let end = ENDS[params.choice("end", ENDS)?.unwrap_or(0)];
    let spare = params.number("spare", 0..1 << 32)?.unwrap_or(0);
    let rest = params.time_range("rest")?.unwrap_or(MS..50 * MS);
    let then = params.time_range("then")?;
    if verb == "drawn" {
        return Ok(Arc::new(CrashAt(None)));
    }
    let (verb, role) = place(verb, role);
    let end = ending(end);
    Ok(Arc::new(CrashAt(Some(Moment { verb, role, spare, end, rest, then }))))
}

/// What the names of a verb and a role stand for.
fn place(verb: &str, role: &str) -> (Option<Verb>, Option<Role>) {
    let verb = match verb {
        "rename" => Some(Verb::Rename),
        "create" => Some(Verb::Create),
        "unlink" => Some(Verb::Unlink),
        "sync" => Some(Verb::Sync),
        "write" => Some(Verb::Write),
        "sync_dir" => Some(Verb::SyncDir),
        "truncate" => Some(Verb::Truncate),
        "make_dir" => Some(Verb::MakeDir),
        _ => None,
    };
    let role = match role {
        "journal" => Some(Role::Journal),
        "checkpoint" if verb == Some(Verb::Write) => Some(Role::CheckpointNext),
        "checkpoint" => Some(Role::Checkpoint),
        "segment" => Some(Role::Segment),
        "index" => Some(Role::Index),
        "dir" => Some(Role::LogDir),
        _ => None,
    };
    (verb, role)
}

fn ending(name: &str) -> End {
    match name {
        "kill" => End::Kill,
        "names" => End::Extreme { names: true, data: false },
        "data" => End::Extreme { names: false, data: true },
        "nothing" => End::Extreme { names: false, data: false },
        _ => End::Power,
    }
}

/// Where an end hurts: between what is written, what it is called, and what makes either durable.
const SENSITIVE: &[(&str, &str)] = &[
    ("write", "journal"),
    ("write", "journal"),
    ("write", "journal"),
    ("write", "journal"),
    ("write", "checkpoint"),
    ("rename", "checkpoint"),
    ("sync_dir", "checkpoint"),
    ("sync_dir", "checkpoint"),
    ("write", "segment"),
    ("sync", "segment"),
    ("write", "index"),
    ("unlink", "any"),
    ("unlink", "any"),
    ("create", "any"),
    ("sync_dir", "dir"),
    ("truncate", "any"),
    ("make_dir", "any"),
    ("any", "any"),
];

/// A process that is killed leaves what it wrote in the page cache, to be believed: what that is worth the next end shows.
const CRUEL: &[&str] = &["power", "power", "kill", "kill", "kill", "names", "data", "nothing"];

impl Moment {
    fn drawn(chance: &mut Chance) -> Moment {
        let &(verb, role) = chance.pick(SENSITIVE);
        let (verb, role) = place(verb, role);
        let spare = if chance.odds(2, 3) { 0 } else { chance.below(10) };
        let how = *chance.pick(CRUEL);
        let end = ending(how);
        let rest = chance.pick(&[1000..MS, MS..50 * MS]).clone();
        let then = match chance.odds(2, 3) {
            true => Some(chance.pick(&[MS..20 * MS, 2 * MS..80 * MS, 50 * MS..1000 * MS]).clone()),
            false => None,
        };
        Moment { verb, role, spare, end, rest, then }
    }
}

fn draw(chance: &mut Chance) -> String {
    if chance.odds(1, 2) {
        return "verb = \"drawn\"\n".into();
    }
    // Only what there is: else most would wait for ever.
    let (verb, role) = chance.pick(SENSITIVE);
    let spare = if chance.odds(1, 2) { 0 } else { chance.below(40) };
    let then = chance.pick(&["", "", "then = \"2ms..80ms\"\n", "then = \"50ms..1s\"\n"]);
    format!(
        "verb = \"{verb}\"\nrole = \"{role}\"\nspare = {spare}\nend = \"{}\"\n{then}",
        chance.pick(CRUEL)
    )
}

impl Fault for CrashAt {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let drawn = || Moment::drawn(&mut hit.chance);
        let Moment { verb, role, spare, end, rest, then } = self.0.clone().unwrap_or_else(drawn);
        let chance = Chance::new(hit.chance.bits(), 4);
        let (n, row) = (hit.n, hit.row);
        let trap = Trap { n, row, role, verb, spare, end, rest, then, chance };
        world.nodes[hit.node as usize].traps.push(trap);
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
