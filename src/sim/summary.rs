//! What a command prints at its end: what was done, how fast, and what was reached.

use sordini_sim::run::Report;
use std::time::Instant;

/// Reports of many runs, and when they began.
pub struct Summary {
    sum: Report,
    begun: Instant,
}

impl Summary {
    /// The runs begin now.
    pub fn begin() -> Summary {
        Summary { sum: Report::default(), begun: Instant::now() }
    }

    /// Another run.
    pub fn add(&mut self, report: &Report) {
        self.sum.add(report);
    }

    /// Everything, in a few lines.
    pub fn show(&self) -> String {
        let wall = self.begun.elapsed().as_secs_f64().max(1e-9);
        let events = self.sum.events as f64 / wall;
        let simulated = self.sum.simulated_s() / wall;
        let seeds = self.sum.runs as f64 * 60.0 / wall;
        format!(
            "{}\nspeed: {events:.0} events/s, {simulated:.0} simulated s per s, {seeds:.0} seeds/min, {wall:.1} s\n",
            self.sum
        )
    }
}
