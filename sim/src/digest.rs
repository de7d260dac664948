//! A fast 64-bit digest of simulated state and of traces, to count distinct states and to compare two runs.
//!
//! Not a checksum of any format and not safe against malice: it only has to be the same on every
//! machine and different where states differ. Bytes go through four lanes side by side, because a chain of
//! multiplications waits for itself.

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Collects bytes and numbers into 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0x5bd1_e995_0bad_cafe)
    }
}

impl Digest {
    /// Adds a number.
    #[inline]
    pub fn number(&mut self, n: u64) {
        self.0 = mix(self.0, n);
    }

    /// Adds bytes, and how many they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (blocks, rest) = bytes.as_chunks::<32>();
        if !blocks.is_empty() {
            let mut lanes = [1, 2, 3, 4];
            for block in blocks {
                let (words, _) = block.as_chunks::<8>();
                for (lane, word) in lanes.iter_mut().zip(words) {
                    *lane = mix(*lane, u64::from_le_bytes(*word));
                }
            }
            lanes.into_iter().for_each(|lane| self.number(lane));
        }
        let (words, rest) = rest.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        let tail = rest.iter().fold(1, |tail, &byte| tail << 8 | u64::from(byte));
        self.number(tail);
    }

    /// What has been collected.
    pub fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(MULTIPLIER);
        mixed ^ (mixed >> 32)
    }
}

#[inline]
fn mix(state: u64, n: u64) -> u64 {
    let mixed = (state ^ n).wrapping_mul(MULTIPLIER);
    mixed ^ (mixed >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_shows_wherever_it_is() {
        let bytes: Vec<u8> = (0..77).collect();
        let of = |bytes: &[u8]| {
            let mut digest = Digest::default();
            digest.bytes(bytes);
            digest.finish()
        };
        for at in 0..bytes.len() {
            let mut other = bytes.clone();
            other[at] ^= 1;
            assert_ne!(of(&bytes), of(&other), "byte {at}");
            assert_ne!(of(&bytes), of(&bytes[..at]), "length {at}");
        }
    }
}
