//! gzip: one member or several behind each other, as Java reads them.

use std::io::{ErrorKind, Read, Write};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Codec, CodecError, first_capacity};

pub fn compress(input: &[u8], level: Option<i32>, out: &mut Vec<u8>) {
    let level = match level {
        Some(level) => Compression::new(level.clamp(1, 9) as u32),
        None => Compression::default(),
    };
    let mut encoder = GzEncoder::new(out, level);
    encoder.write_all(input).and_then(|()| encoder.try_finish()).expect("a Vec takes all bytes");
}

/// Inflates into a buffer that doubles up to the cap; beside it lives zlib's window of 32 KiB.
pub fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, CodecError> {
    let mut decoder = MultiGzDecoder::new(input);
    let mut out = vec![0; first_capacity(input.len(), bytes_max)];
    let mut filled = 0;
    loop {
        if filled == out.len() {
            if filled == bytes_max {
                break;
            }
            let doubled = (filled * 2).clamp(1, bytes_max);
            out.reserve_exact(doubled - filled);
            out.resize(doubled, 0);
        }
        match read(&mut decoder, &mut out[filled..])? {
            0 => {
                out.truncate(filled);
                return Ok(out);
            }
            n => filled += n,
        }
    }
    // The buffer is as large as it may get: there must be nothing more.
    match read(&mut decoder, &mut [0])? {
        0 => Ok(out),
        _ => Err(Codec::Gzip.too_large(bytes_max)),
    }
}

fn read(decoder: &mut impl Read, out: &mut [u8]) -> Result<usize, CodecError> {
    loop {
        match decoder.read(out) {
            Ok(n) => return Ok(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Codec::Gzip.malformed(error)),
        }
    }
}
