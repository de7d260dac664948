//! Disk operations of a lane do not come back, until it is over; or those on one kind of file, and with them all that must
//! wait behind them.
//!
//! Parameters: `lane` ("all", "journal", "store", "reads"), or `file` ("journal", "checkpoint", "segment", "index").

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::platter::Role;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use sordini_log::disk::Lane;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "disk_stuck", about: "disk operations of a lane do not come back", make, draw };

const ALL: [Lane; 3] = [Lane::Journal, Lane::Store, Lane::Reads];
const FILES: &[&str] = &["journal", "checkpoint", "segment", "index"];
const LANES: &[&str] = &["all", "journal", "store", "reads"];

#[derive(Debug)]
struct DiskStuck {
    lanes: Vec<Lane>,
    file: Option<Role>,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let lanes = match params.choice("lane", LANES)? {
        Some(1) => vec![Lane::Journal],
        Some(2) => vec![Lane::Store],
        Some(3) => vec![Lane::Reads],
        _ => ALL.to_vec(),
    };
    let file = params.choice("file", FILES)?.map(|n| match n {
        0 => Role::Journal,
        1 => Role::CheckpointNext,
        2 => Role::Segment,
        _ => Role::Index,
    });
    Ok(Arc::new(DiskStuck { lanes: if file.is_none() { lanes } else { Vec::new() }, file }))
}

fn draw(chance: &mut Chance) -> String {
    match chance.odds(1, 3) {
        true => format!("file = \"{}\"\n", chance.pick(FILES)),
        false => format!("lane = \"{}\"\n", chance.pick(LANES)),
    }
}

impl Fault for DiskStuck {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let node = &mut world.nodes[hit.node as usize];
        self.lanes.iter().for_each(|lane| node.stuck[*lane as usize] += 1);
        node.stuck_roles.extend(self.file);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        let node = &mut world.nodes[hit.node as usize];
        self.lanes.iter().for_each(|lane| node.stuck[*lane as usize] -= 1);
        if let Some(file) = self.file {
            let at = node.stuck_roles.iter().position(|role| *role == file);
            node.stuck_roles.remove(at.expect("struck before"));
        }
        ALL.iter().for_each(|lane| world.unstick(hit.node, *lane));
    }
}
