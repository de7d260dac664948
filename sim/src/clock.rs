//! A node's clocks as a value: a monotonic one that may run fast or slow, and a wall clock that may be wrong.

use crate::heap::{MS, Nanos};
use sordini_log::{Mono, Wall};

/// What every wall clock showed when the run began, ms since 1970.
pub const EPOCH_MS: i64 = 1_700_000_000_000;

/// The clocks of one node. Both are functions of virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// When this life of the process began: its monotonic clock showed 0.
    pub booted: Nanos,
    /// How much too fast the monotonic clock runs, in parts per million.
    pub drift_ppm: i64,
    /// How far the wall clock is ahead, ms.
    pub skew_ms: i64,
    /// With `Some`, the wall clock stands still and shows this.
    pub frozen: Option<Wall>,
}

impl Clock {
    /// What the monotonic clock shows at `now`.
    pub fn mono(&self, now: Nanos) -> Mono {
        let elapsed = i128::from(now - self.booted);
        let shown = elapsed * i128::from(1_000_000 + self.drift_ppm) / 1_000_000;
        Mono(u64::try_from(shown).expect("a clock slower than standing still"))
    }

    /// The first moment at which the monotonic clock shows at least `mono`.
    pub fn when(&self, mono: Mono) -> Nanos {
        if self.drift_ppm == 0 {
            return self.booted.saturating_add(mono.0);
        }
        let rate = i128::from(1_000_000 + self.drift_ppm);
        let elapsed = (i128::from(mono.0) * 1_000_000 + rate - 1) / rate;
        self.booted.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// What the wall clock shows at `now`.
    pub fn wall(&self, now: Nanos) -> Wall {
        self.frozen.unwrap_or(Wall(EPOCH_MS + (now / MS) as i64 + self.skew_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_come_when_its_moment_has() {
        for drift_ppm in [-200_000, -3, 0, 7, 500_000] {
            let clock = Clock { booted: 12_345, drift_ppm, ..Clock::default() };
            for mono in [0, 1, 999, 1_000_000_007] {
                let at = clock.when(Mono(mono));
                assert!(clock.mono(at).0 >= mono, "{drift_ppm} {mono}");
                assert!(at == 12_345 || clock.mono(at - 1).0 < mono, "{drift_ppm} {mono}");
            }
        }
    }
}
