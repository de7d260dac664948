//! What a command prints at its end: what was done, how fast, and what was reached.

use super::evidence::{Evidence, Spreads};
use crate::cpu;
use sordini_sim::run::Report;
use std::time::{Duration, Instant};

/// Reports of many runs, and when they began.
pub struct Summary {
    sum: Report,
    spreads: Spreads,
    begun: Instant,
    /// CPU time that this process had used by then.
    cpu_before: Duration,
}

impl Summary {
    /// The runs begin now.
    pub fn begin() -> Summary {
        let (sum, spreads) = (Report::default(), Spreads::default());
        Summary { sum, spreads, begun: Instant::now(), cpu_before: cpu_time() }
    }

    /// Another run.
    pub fn add(&mut self, report: &Report) {
        self.sum.add(report);
        self.spreads.add(report);
    }

    /// What these runs, of seeds from `from` on, add to a night.
    pub fn evidence(&self, from: u64, failed: bool) -> Evidence {
        Evidence::of(
            &self.sum,
            &self.spreads,
            from,
            failed,
            cpu_time().saturating_sub(self.cpu_before),
        )
    }

    /// All of it together.
    pub fn report(&self) -> &Report {
        &self.sum
    }

    /// Everything, in a few lines.
    pub fn show(&self) -> String {
        let wall = self.begun.elapsed().as_secs_f64().max(1e-9);
        let events = self.sum.events as f64 / wall;
        let simulated = self.sum.simulated_s() / wall;
        let seeds = self.sum.runs as f64 * 60.0 / wall;
        let Spreads { events: each, acked, struck } = &self.spreads;
        let (each, acked, struck) = (each.median(), acked.median(), struck.median());
        format!(
            "{}\nmedian run: {each} events, {acked} operations acknowledged, {struck} faults\n\
             speed: {events:.0} events/s, {simulated:.0} simulated s per s, {seeds:.0} seeds/min, {wall:.1} s\n",
            self.sum
        )
    }
}

/// CPU time of this process so far, all its threads together; nothing where the kernel does not tell.
fn cpu_time() -> Duration {
    cpu::used(std::process::id()).unwrap_or_default()
}
