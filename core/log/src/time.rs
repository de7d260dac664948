//! The only clocks that the pure rooms ever see: values that arrive with an event.
//!
//! Two of them, never mixed: [`Mono`] orders what happened within one life of a process and drives
//! every timeout; [`Wall`] is what users call time and may jump in both directions.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Nanoseconds of a monotonic clock since the process (or the simulated node) started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// The moment `ms` milliseconds later; saturates.
    pub fn after_ms(self, ms: u64) -> Mono {
        Mono(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Whole milliseconds since `earlier`; 0 if `earlier` is later.
    pub fn ms_since(self, earlier: Mono) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Mono {
    type Output = Duration;
    fn sub(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds since the Unix epoch, as Kafka counts timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

/// What the outside world says with every event: both clocks, and how full the disk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time; never smaller than that of the event before.
    pub mono: Mono,
    /// Wall-clock time; may jump.
    pub wall: Wall,
    /// Bytes that the data directory's file system can still take.
    pub disk_free: u64,
}
