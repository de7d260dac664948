//! The codecs that may compress the records of a batch: gzip, snappy, lz4, zstd.
//!
//! A broker hands compressed records on as they came; only those who open a batch decompress it.
//! Then the bytes are foreign: every decoder takes a cap on its output, fails with
//! [`CodecError::TooLarge`] instead of passing it, and keeps the memory and time that it spends
//! within a small multiple of the cap and of the input, whatever the input promises.
//!
//! The batch's CRC covers the compressed bytes, so the checksums inside the formats are not
//! relied on (gzip's and zstd's are checked anyway, lz4's are skipped).

mod gzip;
mod lz4;
mod snappy;
mod zstd;

use std::fmt;
use std::str::FromStr;

#[cfg(test)]
mod tests;

/// How the records of a batch are compressed; the low three bits of its attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// gzip (RFC 1952), levels 1 to 9.
    Gzip,
    /// snappy in the framing of Java's xerial library; bare blocks are read too. No levels.
    Snappy,
    /// The lz4 frame format with independent blocks. No levels.
    Lz4,
    /// zstd (RFC 8878), levels -131072 to 22; Produce and Fetch allow it from version 7 and 10.
    Zstd,
}

/// Why bytes cannot be decompressed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// There is more in them than the caller wants to hold.
    #[error("{codec}: expected at most {bytes_max} bytes decompressed, came more")]
    TooLarge {
        /// Codec of the batch.
        codec: Codec,
        /// The caller's cap.
        bytes_max: usize,
    },
    /// They are not what the codec writes.
    #[error("expected {codec} data: {why}")]
    Malformed {
        /// Codec of the batch.
        codec: Codec,
        /// What the decoder stumbled over.
        why: String,
    },
}

impl Codec {
    /// All of them, by id.
    pub const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    /// The codec with this id in the attributes of a batch.
    pub fn from_id(id: u8) -> Option<Codec> {
        Codec::ALL.get(usize::from(id)).copied()
    }

    /// Its id in the attributes of a batch.
    pub fn id(self) -> u8 {
        self as u8
    }

    /// Its name in Kafka's configuration (`compression.type`).
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }

    /// Appends `input`, compressed, to `out`. `level` is clamped to the codec's range; without
    /// one its own default is taken.
    pub fn compress(self, input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
        match self {
            Codec::None => out.extend_from_slice(input),
            Codec::Gzip => gzip::compress(input, level, out),
            Codec::Snappy => snappy::compress(input, out),
            Codec::Lz4 => lz4::compress(input, out),
            Codec::Zstd => zstd::compress(input, level, out),
        }
    }

    /// Decompresses all of `input` into at most `bytes_max` bytes.
    pub fn decompress(self, input: &[u8], bytes_max: usize) -> Result<Vec<u8>, CodecError> {
        match self {
            Codec::None if input.len() <= bytes_max => Ok(input.to_vec()),
            Codec::None => Err(self.too_large(bytes_max)),
            Codec::Gzip => gzip::decompress(input, bytes_max),
            Codec::Snappy => snappy::decompress(input, bytes_max),
            Codec::Lz4 => lz4::decompress(input, bytes_max),
            Codec::Zstd => zstd::decompress(input, bytes_max),
        }
    }

    fn too_large(self, bytes_max: usize) -> CodecError {
        CodecError::TooLarge { codec: self, bytes_max }
    }

    fn malformed(self, why: impl fmt::Display) -> CodecError {
        CodecError::Malformed { codec: self, why: why.to_string() }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no codec's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a codec: none, gzip, snappy, lz4 or zstd; came {0:?}")]
pub struct UnknownCodec(pub String);

impl FromStr for Codec {
    type Err = UnknownCodec;
    fn from_str(name: &str) -> Result<Codec, UnknownCodec> {
        let codec = Codec::ALL.into_iter().find(|codec| codec.name() == name);
        codec.ok_or_else(|| UnknownCodec(name.to_owned()))
    }
}

/// Lengthens `out` by `more` zeroes, within `bytes_max`: doubles its memory, but not beyond that.
fn lengthen(out: &mut Vec<u8>, more: usize, bytes_max: usize) {
    let length = out.len() + more;
    if length > out.capacity() {
        let capacity = (out.capacity() * 2).min(bytes_max).max(length);
        out.reserve_exact(capacity - out.len());
    }
    out.resize(length, 0);
}

/// Capacity with which to start decompressing `input_len` bytes: what compression usually gains,
/// so that a short input cannot ask for much.
fn first_capacity(input_len: usize, bytes_max: usize) -> usize {
    input_len.saturating_mul(4).clamp(1 << 10, 1 << 20).min(bytes_max)
}
