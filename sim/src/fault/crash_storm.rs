//! One life after another ends early, most of them before recovery is over: a machine that fails while it starts, or whatever
//! watches over the process and kills it again and again.
//!
//! Parameters: `operations` ("0..60"), how many disk operations each life has (the first are those of recovery); or `every`
//! ("5ms..1s"), how long it lasts; `power` (8), in how many of 16 cases the power fails, while else the process is
//! killed; `rest` ("1ms..50ms"), how long until the next life begins.

use super::{Fault, Hit, Row};
use crate::chance::Chance;
use crate::heap::{MS, Nanos};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use crate::world::doom::{Lasts, Storm};
use std::ops::Range;
use std::sync::Arc;

/// Its row.
pub const ROW: Row = Row {
    name: "crash_storm",
    about: "one life after another ends early, also within recovery",
    make,
    draw,
};

#[derive(Debug)]
struct CrashStorm {
    lasts: Lasts,
    power_of_16: u64,
    rest: Range<Nanos>,
}

fn make(params: &Params<'_>) -> Result<Arc<dyn Fault>, BadInput> {
    let operations = params.count_range("operations")?.unwrap_or(0..60);
    let lasts = match params.time_range("every")? {
        Some(every) => Lasts::Time(every),
        None => Lasts::Operations(operations),
    };
    Ok(Arc::new(CrashStorm {
        lasts,
        power_of_16: params.number("power", 0..17)?.unwrap_or(8),
        rest: params.time_range("rest")?.unwrap_or(MS..50 * MS),
    }))
}

fn draw(chance: &mut Chance) -> String {
    let lasts = chance.pick(&[
        "operations = \"0..20\"",
        "operations = \"0..60\"",
        "operations = \"0..300\"",
        "every = \"1ms..20ms\"",
        "every = \"50ms..2s\"",
    ]);
    let rest = chance.pick(&["1ms..50ms", "1ms..50ms", "100ms..1s"]);
    format!("{lasts}\npower = {}\nrest = \"{rest}\"\n", chance.pick(&[0, 8, 16]))
}

impl Fault for CrashStorm {
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool {
        let storm = Storm {
            n: hit.n,
            row: hit.row,
            lasts: self.lasts.clone(),
            power_of_16: self.power_of_16,
            rest: self.rest.clone(),
            chance: Chance::new(hit.chance.bits(), 4),
        };
        world.storm(hit.node, storm);
        true
    }

    fn mend(&self, world: &mut World, hit: &mut Hit) {
        world.calm(hit.node, hit.n);
    }

    fn lies_in_wait(&self) -> bool {
        true
    }
}
