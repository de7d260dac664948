//! Chance: one ChaCha stream per entity and purpose, all from one seed.
//!
//! A shared generator would make every draw depend on all draws before it: removing one fault would
//! shift everything later, and no failing run could be shrunk. So each purpose has its own stream, and
//! each operation of a client too.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A stream of random numbers for one purpose.
#[derive(Clone, Debug)]
pub struct Chance {
    rng: ChaCha8Rng,
}

/// Who draws. Numbers are those of the scenario and stay with an entity when others are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what it is
pub enum Who {
    World,
    Node(u32),
    Client(u32),
    Fault(u32),
    /// One operation of a client: its number.
    Operation(u32, u32),
}

/// What for. New ones are added at the end: their numbers are part of what a seed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what it is
pub enum Purpose {
    Ties = 1,
    Turns,
    Disk,
    Net,
    Seed,
    Arrivals,
    Content,
    Connecting,
    Timing,
    Effect,
    Scenario,
    Audit,
    Fates,
    Timers,
}

impl Chance {
    /// The stream number `stream` of `seed`; the same on every machine, for ever.
    pub fn new(seed: u64, stream: u64) -> Chance {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Chance { rng }
    }

    /// The stream of `who` for `purpose`.
    pub fn of(seed: u64, who: Who, purpose: Purpose) -> Chance {
        let (kind, index, sub) = match who {
            Who::World => (1, 0, 0),
            Who::Node(n) => (2, n, 0),
            Who::Client(n) => (3, n, 0),
            Who::Fault(n) => (4, n, 0),
            Who::Operation(client, n) => (5, client, n),
        };
        let high = (kind << 28 | u64::from(index & 0xfff) << 16) | purpose as u64;
        Chance::new(seed, high << 32 | u64::from(sub))
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The product's upper half: its bias is bound / 2^64, which no test can see.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number of `range`; its start if it is empty.
    pub fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.below(range.end.saturating_sub(range.start))
    }

    /// An index below `len`, for slices.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.index(choices.len())]
    }

    /// True in `n` of `m` cases.
    pub fn odds(&mut self, n: u64, m: u64) -> bool {
        self.below(m) < n
    }

    /// An exponentially distributed number with about this mean: many small ones and a long tail, without floating
    /// point, whose logarithms differ between machines.
    pub fn exponential(&mut self, mean: u64) -> u64 {
        let bits = self.bits() | 1;
        let zeros = bits.leading_zeros();
        // -log2 of bits / 2^64 in 1/65536: whole part from the zeros, the rest linear between powers of two.
        let fraction = (bits << zeros << 1) >> 48;
        let log2 = (u64::from(zeros) << 16) + (65_536 - fraction);
        let ln = (u128::from(log2) * 45_426) >> 16; // ln 2 in 1/65536
        ((ln * u128::from(mean)) >> 16) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |seed, stream| Chance::new(seed, stream).bits();
        assert_eq!(draw(1, 1), draw(1, 1));
        assert_ne!(draw(1, 1), draw(1, 2));
        assert_ne!(draw(1, 1), draw(2, 1));
    }

    #[test]
    fn everybody_has_a_stream_of_its_own_for_everything() {
        let draw = |who, purpose| Chance::of(7, who, purpose).bits();
        let all = [
            draw(Who::World, Purpose::Ties),
            draw(Who::World, Purpose::Net),
            draw(Who::Node(0), Purpose::Net),
            draw(Who::Node(1), Purpose::Net),
            draw(Who::Client(1), Purpose::Net),
            draw(Who::Operation(1, 0), Purpose::Content),
            draw(Who::Operation(1, 1), Purpose::Content),
            draw(Who::Operation(2, 0), Purpose::Content),
        ];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn below_stays_below_and_reaches_every_value() {
        let mut chance = Chance::new(7, 0);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[chance.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(chance.below(0), 0);
    }

    #[test]
    fn exponential_draws_have_their_mean_and_a_tail() {
        let mut chance = Chance::new(7, 0);
        let draws: Vec<u64> = (0..20_000).map(|_| chance.exponential(1000)).collect();
        let mean = draws.iter().sum::<u64>() / 20_000;
        assert!((900..1150).contains(&mean), "{mean}");
        assert!(draws.iter().any(|&d| d > 6000) && draws.iter().any(|&d| d < 20));
    }
}
