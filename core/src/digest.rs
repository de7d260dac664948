//! A number that tells two states apart, for tests and tools: what `Debug` shows of a state, hashed.
//!
//! A new field is in it without anybody thinking of it. What shows less than it holds is this: memory that is kept for reuse
//! and decides nothing; payload of journal groups, for which the checksums of their frames and blocks stand; and a generator of
//! random numbers, whose seed and position [`Shard::digest`](crate::Shard::digest) adds. The same in every process of one
//! build, and slow: it looks at every cached byte.

use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hasher};

/// A hasher that is written to like text.
#[derive(Default)]
struct Digest(DefaultHasher);

impl Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// Digest of a state, or of any part of one.
pub fn of(state: &impl Debug) -> u64 {
    let mut digest = Digest::default();
    write!(digest, "{state:?}").expect("a digest takes everything");
    digest.0.finish()
}
