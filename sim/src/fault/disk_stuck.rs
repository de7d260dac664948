//! Disk operations of a lane do not come back, until it is over.
//!
//! Parameters: `lane` ("all", "journal", "store", "reads").

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use sordini_log::disk::Lane;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "disk_stuck", about: "disk operations of a lane do not come back", make, draw };

const LANES: &[&str] = &["all", "journal", "store", "reads"];

#[derive(Debug)]
struct DiskStuck {
    lanes: Vec<Lane>,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let lanes = match params.choice("lane", LANES)? {
        Some(1) => vec![Lane::Journal],
        Some(2) => vec![Lane::Store],
        Some(3) => vec![Lane::Reads],
        _ => vec![Lane::Journal, Lane::Store, Lane::Reads],
    };
    Ok(Arc::new(DiskStuck { lanes }))
}

fn draw(chance: &mut Chance) -> String {
    format!("lane = \"{}\"\n", chance.pick(LANES))
}

impl Fault for DiskStuck {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let node = &mut world.nodes[hit.node as usize];
        self.lanes.iter().for_each(|lane| node.stuck[*lane as usize] += 1);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        for lane in &self.lanes {
            world.nodes[hit.node as usize].stuck[*lane as usize] -= 1;
            world.unstick(hit.node, *lane);
        }
    }
}
