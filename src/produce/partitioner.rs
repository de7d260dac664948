//! Which partition a record goes to: that of its key, as Java's client decides it, or one after the other.

/// Chooses partitions.
#[derive(Clone, Debug)]
pub struct Partitioner {
    partitions: u32,
    /// Where records without a key go until [`Partitioner::turn`].
    current: u32,
}

impl Partitioner {
    /// For so many partitions, at least one.
    pub fn new(partitions: usize) -> Partitioner {
        let partitions = u32::try_from(partitions).expect("a topic has fewer than 2^32 partitions");
        assert!(partitions > 0, "a topic has at least one partition");
        Partitioner { partitions, current: 0 }
    }

    /// The partition of a record. Equal keys go to the same one, whichever client sends them.
    pub fn partition(&self, key: Option<&[u8]>) -> u32 {
        match key {
            Some(key) => (murmur2(key) & 0x7fff_ffff) % self.partitions,
            None => self.current,
        }
    }

    /// Records without a key go to the next partition from now on: called after each batch, so that
    /// batches are full and partitions even (KIP-480).
    pub fn turn(&mut self) {
        self.current = (self.current + 1) % self.partitions;
    }
}

/// MurmurHash2 with the seed that Kafka's clients agreed on.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let mut k = u32::from_le_bytes(word.try_into().expect("four bytes")).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (i, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that Kafka's own UtilsTest names.
    #[test]
    fn keys_hash_as_in_kafkas_java_client() {
        let cases: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in cases {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
    }

    #[test]
    fn records_without_a_key_stay_until_the_turn() {
        let mut partitioner = Partitioner::new(2);
        assert_eq!([partitioner.partition(None), partitioner.partition(None)], [0, 0]);
        partitioner.turn();
        assert_eq!(partitioner.partition(None), 1);
        partitioner.turn();
        assert_eq!(partitioner.partition(None), 0);
    }
}
