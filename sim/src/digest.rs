//! A fast 64-bit digest of simulated state, to count distinct states and to compare two of them.
//!
//! Not a checksum of any format and not safe against malice: it only has to be the same on every
//! machine and different where states differ.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Collects bytes and numbers into 64 bits.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0x5bd1_e995_0bad_cafe)
    }
}

impl Digest {
    /// Adds a number.
    pub fn number(&mut self, n: u64) {
        let mixed = (self.0 ^ n).wrapping_mul(MULTIPLIER);
        self.0 = mixed ^ (mixed >> 29);
    }

    /// Adds bytes, and how many they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        for &byte in rest {
            self.number(u64::from(byte));
        }
    }

    /// What has been collected.
    pub fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(MULTIPLIER);
        mixed ^ (mixed >> 32)
    }
}
