//! Where damage to what a disk holds is laid, and what follows: common to all faults that destroy durable bytes.
//!
//! Such damage strikes only what is durable, and of the journal only groups of which a later one, durable too, says that they
//! were: about any other nobody could ever tell damage from a crash. On a node that has nobody to repair from it is over
//! budget all the same: some of what was acknowledged cannot be given any more, and the broker must say so.
//!
//! Parameters of each: `role` ("journal", "segment", "index", "checkpoint", "any", "plate"): what is struck, where a plate is a
//! `partition.metadata`; `spots` (1): how many places;
//! `even` (false): small files are struck as often as large ones; `restart` (false): the process is killed then, so that recovery reads
//! them; `stays` (false): it is not lifted when faults end, and the audit finds it.

use super::Hit;
use crate::chance::Chance;
use crate::heap::MS;
use crate::platter::{NodeId, Platter, Role, Spot};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::collections::BTreeSet;

/// Names of what can be struck.
pub const ROLES: &[&str] = &["journal", "segment", "index", "checkpoint", "any", "plate"];

/// What is struck.
#[derive(Clone, Copy, Debug)]
pub struct Aim {
    files: &'static [Role],
    spots: u32,
    even: bool,
    restart: bool,
    stays: bool,
}

impl Aim {
    /// Reads the parameters.
    pub fn read(params: &Params<'_>) -> Result<Aim, BadInput> {
        Ok(Aim {
            files: files(ROLES[params.choice("role", ROLES)?.unwrap_or(1)]),
            spots: params.number("spots", 1..1001)?.unwrap_or(1) as u32,
            even: params.flag("even")?.unwrap_or(false),
            restart: params.flag("restart")?.unwrap_or(false),
            stays: params.flag("stays")?.unwrap_or(false),
        })
    }

    /// The same on other files.
    pub fn on(self, files: &'static [Role]) -> Aim {
        Aim { files, ..self }
    }

    /// Draws the lines of the parameters.
    pub fn draw(chance: &mut Chance) -> String {
        Aim::draw_of(chance, ROLES)
    }

    /// The same for a fault that needs two places. Plates have a page each, all at the same place.
    pub fn draw_for_two(chance: &mut Chance) -> String {
        Aim::draw_of(chance, &ROLES[..ROLES.len() - 1])
    }

    fn draw_of(chance: &mut Chance, roles: &[&str]) -> String {
        let role = chance.pick(roles);
        let spots = chance.pick(&[1, 1, 3, 10]);
        let [even, restart, stays] = [(); 3].map(|()| chance.odds(1, 2));
        format!(
            "role = \"{role}\"\nspots = {spots}\neven = {even}\nrestart = {restart}\nstays = {stays}\n"
        )
    }

    /// Has `lay` damage as many places as wanted: it is given one, and what it needs, and says whether it could. False
    /// if none was. What was laid stays until all faults end, since a disk does not mend itself.
    pub fn strike(
        &self,
        world: &mut World,
        hit: &mut Hit,
        mut lay: impl FnMut(&mut Platter, &mut Hit, &[Spot], &Spot) -> bool,
    ) -> bool {
        let platter = &mut world.nodes[hit.node as usize].platter;
        let spots: Vec<Spot> = self.files.iter().flat_map(|role| platter.spots(*role)).collect();
        let files: BTreeSet<NodeId> = spots.iter().map(|spot| spot.file).collect();
        let files: Vec<NodeId> = files.into_iter().collect();
        let mut laid = 0;
        for _ in 0..self.spots * TRIES {
            if laid == self.spots || spots.is_empty() {
                break;
            }
            let spot = match self.even {
                true => {
                    let file = *hit.chance.pick(&files);
                    let its: Vec<&Spot> = spots.iter().filter(|spot| spot.file == file).collect();
                    (*hit.chance.pick(&its)).clone()
                }
                false => hit.chance.pick(&spots).clone(),
            };
            laid += u32::from(lay(platter, hit, &spots, &spot));
        }
        hit.until = hit.until.max(world.scenario.span);
        if laid > 0 && self.restart {
            let rest = MS + hit.chance.below(50 * MS);
            world.restart(hit.node, rest);
        }
        laid > 0
    }

    /// Lifts it, unless it stays.
    pub fn mend(&self, world: &mut World, hit: &Hit) {
        if !self.stays {
            world.nodes[hit.node as usize].platter.unveil(hit.n);
        }
    }
}

/// The files that a name stands for.
pub fn files(name: &str) -> &'static [Role] {
    match name {
        "journal" => &[Role::Journal],
        "segment" => &[Role::Segment],
        "index" => &[Role::Index, Role::TimeIndex],
        "checkpoint" => &[Role::Checkpoint],
        "plate" => &[Role::Metadata],
        _ => &[Role::Journal, Role::Segment, Role::Index, Role::TimeIndex, Role::Checkpoint],
    }
}

/// How many places are tried for each that is wanted: some are not durable yet, or damaged already.
const TRIES: u32 = 4;
