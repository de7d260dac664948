//! zstd: one frame or several behind each other.
//!
//! Decompressed in one go, into the output itself: a streaming decoder would allocate the window
//! that the frame names, up to 128 MiB on the word of ten bytes. Frames from streaming encoders
//! (Java's) do not say their size, so the output starts small and grows fourfold, which costs at
//! most a third of the work again.

use zstd::zstd_safe::{self, CompressionLevel};

use super::{Codec, CodecError, first_capacity};

/// zstd's code for an output buffer that is too small, as its C interface returns it.
const DST_SIZE_TOO_SMALL: usize = 0usize.wrapping_sub(70);

pub fn compress(input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
    let level = match level {
        Some(level) => level.clamp(zstd_safe::min_c_level(), zstd_safe::max_c_level()),
        None => zstd_safe::CLEVEL_DEFAULT as CompressionLevel,
    };
    let mut compressed = Vec::with_capacity(zstd_safe::compress_bound(input.len()));
    zstd_safe::compress(&mut compressed, input, level).expect("there is room for it");
    out.extend_from_slice(&compressed);
}

pub fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, CodecError> {
    let mut capacity = first_capacity(input.len(), bytes_max);
    loop {
        let mut out = Vec::with_capacity(capacity);
        match zstd_safe::decompress(&mut out, input) {
            Ok(_) if out.len() <= bytes_max => return Ok(out),
            Ok(_) => return Err(Codec::Zstd.too_large(bytes_max)),
            Err(DST_SIZE_TOO_SMALL) if capacity < bytes_max => {
                capacity = capacity.saturating_mul(4).min(bytes_max);
            }
            Err(DST_SIZE_TOO_SMALL) => return Err(Codec::Zstd.too_large(bytes_max)),
            Err(code) => return Err(Codec::Zstd.malformed(zstd_safe::get_error_name(code))),
        }
    }
}
