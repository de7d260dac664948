//! Chance: one ChaCha stream per entity and purpose, all from one seed.
//!
//! A shared generator would make every draw depend on all draws before it: removing one fault would
//! shift everything later, and no failing run could be shrunk. So each purpose has its own stream.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A stream of random numbers for one purpose.
#[derive(Clone, Debug)]
pub struct Chance {
    rng: ChaCha8Rng,
}

impl Chance {
    /// The stream number `stream` of `seed`; the same on every machine, for ever.
    pub fn new(seed: u64, stream: u64) -> Chance {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Chance { rng }
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

    /// An index below `len`, for slices.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True in `n` of `m` cases.
    pub fn odds(&mut self, n: u64, m: u64) -> bool {
        self.below(m) < n
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
    fn below_stays_below_and_reaches_every_value() {
        let mut chance = Chance::new(7, 0);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[chance.below(5) as usize] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!(chance.below(0), 0);
    }
}
