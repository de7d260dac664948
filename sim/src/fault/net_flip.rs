//! A bit of a record flips on its way to the broker, behind the backs of all checksums of the network.
//!
//! It must be found by the batch's own checksum: the broker says CORRUPT_MESSAGE, appends nothing, and the producer sends
//! it again. (A bit outside of record batches nobody could notice: nothing in Kafka's protocol protects those.)
//!
//! Parameters: `count` (3), how many requests.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::sync::Arc;

/// Its row.
pub const ROW: Row =
    Row { name: "net_flip", about: "bits of records flip on their way to the broker", make, draw };

#[derive(Debug)]
struct NetFlip {
    count: u32,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    Ok(Arc::new(NetFlip { count: params.number("count", 1..1000)?.unwrap_or(3) as u32 }))
}

fn draw(chance: &mut Chance) -> String {
    format!("count = {}\n", chance.pick(&[1, 3, 20]))
}

impl Fault for NetFlip {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        world.nodes[hit.node as usize].flips += self.count;
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.nodes[hit.node as usize].flips = 0;
    }
}
