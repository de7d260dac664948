//! Faults: what goes wrong. One file for each, one row in [`FAULTS`].
//!
//! A fault is immutable: what it does when it strikes and when it is mended. When that is, and whom it meets, is a
//! [`Strike`], drawn before the run begins from a stream of its own, so that the whole schedule of a run can be
//! listed, and one strike removed without moving another. What a strike draws while it strikes (which sectors are lost,
//! say) comes from the stream of this one strike.

pub mod aim;
mod bit_rot;
mod client_cut;
mod clock_drift;
mod clock_frozen;
mod clock_step;
mod conn_reset;
mod crash_at;
mod crash_storm;
mod disk_full;
mod disk_slow;
mod disk_stuck;
mod eio;
mod half_open;
mod latent_error;
mod lost_write;
mod misdirected_read;
mod misdirected_write;
mod net_clog;
mod net_delay;
mod net_flip;
mod net_hold;
mod net_slow;
mod net_tiny;
mod pause;
mod power_loss;
mod process_crash;
mod process_stop;
mod stale_lap;
mod sync_lies;
mod timers;
mod torn_tail;

use crate::chance::{Chance, Purpose, Who};
use crate::heap::{MS, Nanos};
use crate::scenario::{BadInput, Params};
use crate::world::World;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// What goes wrong.
pub trait Fault: fmt::Debug + Send + Sync {
    /// It happens now. False if there was nothing to harm: the node was down already, say.
    fn strike(&self, world: &mut World, hit: &mut Hit) -> bool;
    /// It is over; called once for each strike that did harm, with what [`Fault::strike`] left in `hit`.
    fn mend(&self, world: &mut World, hit: &mut Hit);
    /// Whether a strike only lies in wait, for an operation say: then the fault counts when it bites, and not before.
    fn lies_in_wait(&self) -> bool {
        false
    }
}

/// One blow of a fault.
#[derive(Clone, Debug)]
pub struct Hit {
    /// Whom it meets.
    pub node: u32,
    /// When it is over.
    pub until: Nanos,
    /// Number of its strike: tells what overlapping strikes left in the world apart.
    pub n: u32,
    /// Index of the fault in [`FAULTS`].
    pub row: usize,
    /// Chance of this blow alone.
    pub chance: Chance,
    /// Whatever the fault has to remember until it is mended.
    pub memo: u64,
}

/// A blow in the schedule.
#[derive(Clone, Debug)]
pub struct Strike {
    /// When it comes.
    pub at: Nanos,
    /// How long it lasts.
    pub lasts: Nanos,
    /// Whom it meets.
    pub node: u32,
    /// Its stream of chance.
    pub stream: u32,
    /// Index of the fault in the scenario.
    pub spec: usize,
    /// Live between strike and mend.
    pub hit: Option<Hit>,
}

/// A `[[fault]]` of a scenario.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Index in [`FAULTS`].
    pub row: usize,
    /// Number of its first strike in all streams of chance; stays when other faults are removed.
    pub stream: u32,
    /// Which node; drawn for each strike if none.
    pub node: Option<u32>,
    /// When it strikes.
    pub when: Range<Nanos>,
    /// How long it lasts.
    pub mend: Range<Nanos>,
    /// How often it strikes.
    pub times: u32,
    /// What it does.
    pub fault: Arc<dyn Fault>,
}

/// A fault in the table.
pub struct Row {
    /// What a scenario calls it.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Reads its own parameters.
    pub make: fn(&Params<'_>) -> Result<Arc<dyn Fault>, BadInput>,
    /// Draws the lines of its own parameters for a scenario of the swarm.
    pub draw: fn(&mut Chance) -> String,
}

/// Every fault, sorted by name.
pub const FAULTS: &[Row] = &[
    bit_rot::ROW,
    client_cut::ROW,
    clock_drift::ROW,
    clock_frozen::ROW,
    clock_step::ROW,
    conn_reset::ROW,
    crash_at::ROW,
    crash_storm::ROW,
    disk_full::ROW,
    disk_slow::ROW,
    disk_stuck::ROW,
    eio::ROW,
    half_open::ROW,
    latent_error::ROW,
    lost_write::ROW,
    misdirected_read::ROW,
    misdirected_write::ROW,
    net_clog::ROW,
    net_delay::ROW,
    net_flip::ROW,
    net_hold::ROW,
    net_slow::ROW,
    net_tiny::ROW,
    pause::ROW,
    power_loss::ROW,
    process_crash::ROW,
    process_stop::ROW,
    stale_lap::ROW,
    sync_lies::ROW,
    timers::ROW,
    torn_tail::ROW,
];

/// Those that destroy what was durable, which nobody can give back on a single node.
pub const OVER_BUDGET: &[&str] = &[
    "bit_rot",
    "latent_error",
    "lost_write",
    "misdirected_read",
    "misdirected_write",
    "stale_lap",
    "sync_lies",
];

/// Those that wait for something of the disk, and do no harm unless they can wait for a while.
pub const PATIENT: &[&str] = &["crash_at", "eio"];

/// What happens together in the world: a bug needs two of a kind more often than one of each.
pub const KINDS: &[&[&str]] = &[
    &["crash_at", "crash_storm", "power_loss", "process_crash", "torn_tail"],
    &["crash_at", "disk_full", "disk_slow", "disk_stuck", "eio", "process_crash"],
    &["clock_drift", "clock_frozen", "clock_step", "crash_at", "pause", "power_loss", "timers"],
    &["client_cut", "conn_reset", "half_open", "net_clog", "net_delay", "net_flip", "net_hold"],
];

/// Strikes of one fault at most; the streams of the next fault begin so many later.
pub const TIMES_MAX: u32 = 16;

impl Spec {
    /// Reads a `[[fault]]`. `number` is its place in the scenario.
    pub fn read(
        params: &mut Params<'_>,
        number: usize,
        nodes: u32,
        span: Nanos,
    ) -> Result<Spec, BadInput> {
        let kind = params.required("kind")?;
        let row = FAULTS.iter().position(|row| row.name == kind);
        let names = || FAULTS.iter().map(|row| row.name).collect::<Vec<_>>();
        let row = row.ok_or_else(|| params.wrong_choice("kind", &names()))?;
        let node = match params.text("where")?.as_deref() {
            None | Some("any") => None,
            Some(text) => {
                let number = text.strip_prefix("node ").and_then(|n| n.parse().ok());
                let expected = || params.wrong_choice("where", &["any", "node 0 and so on"]);
                Some(number.filter(|n| *n < nodes).ok_or_else(expected)?)
            }
        };
        let when = params.time_range("when")?.unwrap_or(span / 20..span);
        if when.start >= span {
            return Err(params.bad("`when` begins after the scenario's `span`"));
        }
        Ok(Spec {
            row,
            stream: params
                .number("stream", 0..4000)?
                .unwrap_or(u64::from(TIMES_MAX) * number as u64) as u32,
            node,
            when: when.start..when.end.min(span),
            mend: params.time_range("mend")?.unwrap_or(50 * MS..2000 * MS),
            times: params.number("times", 1..u64::from(TIMES_MAX) + 1)?.unwrap_or(1) as u32,
            fault: (FAULTS[row].make)(params)?,
        })
    }

    /// The strikes that a seed draws.
    pub fn strikes(&self, seed: u64, spec: usize, nodes: u32) -> Vec<Strike> {
        let strike = |n| {
            let mut chance = Chance::of(seed, Who::Fault(self.stream + n), Purpose::Timing);
            let node = self.node.unwrap_or(chance.below(u64::from(nodes)) as u32);
            let (at, lasts) = (chance.within(self.when.clone()), chance.within(self.mend.clone()));
            Strike { at, lasts, node, stream: self.stream + n, spec, hit: None }
        };
        (0..self.times).map(strike).collect()
    }

    /// The name that scenarios call it by.
    pub fn name(&self) -> &'static str {
        FAULTS[self.row].name
    }
}

/// For faults without parameters of their own.
fn no_parameters(_: &mut Chance) -> String {
    String::new()
}
