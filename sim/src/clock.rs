//! A node's clocks as a value: a monotonic one that may run fast or slow, and a wall clock that may be wrong.

use crate::heap::{MS, Nanos};
use sordini_log::{Mono, Wall};

/// What every wall clock showed when the run began, ms since 1970.
pub const EPOCH_MS: i64 = 1_700_000_000_000;

/// The clocks of one node. Both are functions of virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// When its rate was last changed, or this life of the process began ...
    since: Nanos,
    /// ... and what the monotonic clock showed then.
    shown: Mono,
    /// How much too fast it runs, in parts per million.
    drift_ppm: i64,
    /// How far the wall clock is ahead, ms, apart from what drifted since `since`.
    skew_ms: i64,
    /// While it is positive, the wall clock stands still and shows `stands_at`.
    frozen: u32,
    stands_at: Wall,
}

/// The slowest rate, in parts per million: a clock that stands still has no deadlines.
const RATE_MIN: i128 = 50_000;

impl Clock {
    /// Clocks in a world that begins at another moment of the wall clock.
    pub fn beginning(wall_ms: i64) -> Clock {
        Clock { skew_ms: wall_ms - EPOCH_MS, ..Clock::default() }
    }

    /// The process begins at `now`: its monotonic clock shows 0.
    pub fn boot(&mut self, now: Nanos) {
        self.settle(now);
        self.shown = Mono(0);
    }

    /// From `now` on both clocks run faster by `ppm` parts per million, or slower. Nothing jumps.
    pub fn drift(&mut self, now: Nanos, ppm: i64) {
        self.settle(now);
        self.drift_ppm += ppm;
    }

    /// The wall clock jumps by `ms`.
    pub fn step(&mut self, ms: i64) {
        self.skew_ms += ms;
    }

    /// The wall clock stands still, until as many calls of [`Clock::thaw`].
    pub fn freeze(&mut self, now: Nanos) {
        self.stands_at = self.wall(now);
        self.frozen += 1;
    }

    /// It goes on, at the time that it would show had it never stood.
    pub fn thaw(&mut self) {
        self.frozen -= 1;
    }

    /// What the monotonic clock shows at `now`.
    pub fn mono(&self, now: Nanos) -> Mono {
        let shown = i128::from(now - self.since) * self.rate() / 1_000_000;
        Mono(self.shown.0 + u64::try_from(shown).expect("time goes on"))
    }

    /// The first moment at which the monotonic clock shows at least `mono`.
    pub fn when(&self, mono: Mono) -> Nanos {
        let left = mono.0.saturating_sub(self.shown.0);
        if self.drift_ppm == 0 {
            return self.since.saturating_add(left);
        }
        let rate = self.rate();
        let elapsed = (i128::from(left) * 1_000_000 + rate - 1) / rate;
        self.since.saturating_add(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// What the wall clock shows at `now`.
    pub fn wall(&self, now: Nanos) -> Wall {
        match self.frozen {
            0 => Wall(EPOCH_MS + (now / MS) as i64 + self.skew_ms + self.drifted_ms(now)),
            _ => self.stands_at,
        }
    }

    fn rate(&self) -> i128 {
        (1_000_000 + i128::from(self.drift_ppm)).max(RATE_MIN)
    }

    fn drifted_ms(&self, now: Nanos) -> i64 {
        let ahead = i128::from(now - self.since) * (self.rate() - 1_000_000) / 1_000_000;
        (ahead / i128::from(MS)) as i64
    }

    /// What was shown until `now` is kept, whatever the rate is from now on.
    fn settle(&mut self, now: Nanos) {
        let (shown, drifted) = (self.mono(now), self.drifted_ms(now));
        (self.shown, self.since) = (shown, now);
        self.skew_ms += drifted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_come_when_its_moment_has() {
        for drift_ppm in [-2_000_000, -200_000, -3, 0, 7, 500_000] {
            let mut clock = Clock::default();
            clock.boot(12_345);
            clock.drift(20_000, drift_ppm);
            for mono in [0, 1, 999, 9_000, 1_000_000_007] {
                let at = clock.when(Mono(mono)).max(20_000);
                assert!(clock.mono(at).0 >= mono, "{drift_ppm} {mono}");
                assert!(at == 20_000 || clock.mono(at - 1).0 < mono, "{drift_ppm} {mono}");
            }
        }
    }

    #[test]
    fn a_change_of_rate_moves_nothing_that_was_shown() {
        let mut clock = Clock::default();
        clock.boot(0);
        clock.drift(0, 500_000);
        let at = 4 * MS;
        let before = (clock.mono(at), clock.wall(at));
        clock.drift(at, -500_000);
        assert_eq!((clock.mono(at), clock.wall(at)), before);
        assert_eq!(before, (Mono(6 * MS), Wall(EPOCH_MS + 6)));
        assert_eq!(clock.mono(5 * MS), Mono(7 * MS));
    }

    #[test]
    fn a_frozen_wall_clock_stands_and_then_shows_the_time() {
        let mut clock = Clock::default();
        clock.freeze(3 * MS);
        clock.step(5);
        assert_eq!(clock.wall(9 * MS), Wall(EPOCH_MS + 3));
        clock.thaw();
        assert_eq!(clock.wall(9 * MS), Wall(EPOCH_MS + 14));
    }
}
