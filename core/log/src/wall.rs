//! Whether the wall clock may be believed.
//!
//! What is old is deleted, so a wall clock that jumps ahead would delete everything. Therefore a forward step beyond the
//! monotonic clock of more than an hour changes nothing until it has held for an hour: a wrong time is usually put right
//! before that. A process that begins has no monotonic time to compare with, and a machine often begins with a wrong clock;
//! there the step is counted from when the journal's last group was written, which every group's footer says, also one that a checkpoint covers: what was
//! dated while the clock was behind must not look old to the next process. After a
//! longer absence that costs an hour and nothing else. Where there is no journal yet, the first thing that the process saw
//! counts. Back is always believed: it makes things younger.
//!
//! Everything that is stored and later compared with the time is stored as this guard tells it, so that a wrong time, once
//! doubted, vouches for itself in no later life.

use crate::time::{Mono, Now, Wall};

/// A forward step of the wall clock that is doubted, and how long it must hold to be believed, ms.
pub const DOUBT_MS: i64 = 60 * 60 * 1000;

/// Compares the wall clock with the monotonic one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WallGuard {
    /// Both clocks when last believed; live after the first look.
    believed: Option<(Mono, Wall)>,
    /// Since when the wall clock has been ahead of what the monotonic one would allow.
    doubted: Option<Mono>,
}

impl WallGuard {
    /// A guard that knows that it was `known` at the latest when the monotonic clock showed `mono`.
    pub fn since(mono: Mono, known: Wall) -> WallGuard {
        WallGuard { believed: Some((mono, known)), doubted: None }
    }

    /// The time that may be counted with; never later than the wall clock says.
    pub fn look(&mut self, now: Now) -> Wall {
        let (mono, wall) = *self.believed.get_or_insert((now.mono, now.wall));
        let expected = wall.0.saturating_add(now.mono.ms_since(mono) as i64);
        let ahead = now.wall.0 > expected.saturating_add(DOUBT_MS);
        if ahead {
            let since = *self.doubted.get_or_insert(now.mono);
            if (now.mono.ms_since(since) as i64) < DOUBT_MS {
                return Wall(expected);
            }
        }
        (self.believed, self.doubted) = (Some((now.mono, now.wall)), None);
        now.wall
    }

    /// The time as of the last look; 0 before the first.
    pub fn last(&self) -> Wall {
        self.believed.map_or(Wall(0), |(_, wall)| wall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64, wall: i64) -> Now {
        Now { mono: Mono(s * 1_000_000_000), wall: Wall(wall), disk_free: 0 }
    }

    const YEAR: i64 = 365 * 24 * DOUBT_MS;

    #[test]
    fn a_jump_of_the_wall_clock_is_believed_only_after_an_hour() {
        let mut guard = WallGuard::default();
        let mut look = |now| guard.look(now);
        assert_eq!(look(at(0, 0)), Wall(0));
        assert_eq!(look(at(10, 10_000)), Wall(10_000));
        assert_eq!(look(at(20, YEAR)), Wall(20_000));
        assert_eq!(look(at(3600, YEAR + 1)), Wall(3_600_000));
        assert_eq!(look(at(3620, YEAR + 2)), Wall(YEAR + 2));
        assert_eq!(look(at(3630, 5)), Wall(5), "back is always believed");
    }

    #[test]
    fn a_process_that_begins_with_a_clock_ahead_doubts_it_too() {
        let known = || WallGuard::since(Mono(0), Wall(7));
        let mut guard = known();
        assert_eq!(guard.look(at(1, YEAR)), Wall(1007));
        assert_eq!(guard.look(at(3602, YEAR + 1)), Wall(YEAR + 1));
        assert_eq!(known().look(at(1, DOUBT_MS)), Wall(DOUBT_MS), "less than an hour");
    }
}
