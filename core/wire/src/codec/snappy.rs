//! snappy: written in the framing of the xerial library that Java clients use, read in it or as
//! one bare block, which is what librdkafka and others write.
//!
//! ```text
//! 82 'SNAPPY' 00 | version i32 | compatible with i32 | blocks: length i32, bare snappy block
//! ```

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{Codec, CodecError, lengthen};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_SIZE: usize = 16;
/// Bytes that a block holds uncompressed; xerial's default, which Kafka keeps.
const BLOCK_BYTES: usize = 32 << 10;
/// A copy element of 3 bytes yields at most 64: no block grows more than this.
const GROWTH_MAX: usize = 22;

pub fn compress(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    let mut encoder = Encoder::new();
    for block in input.chunks(BLOCK_BYTES) {
        let start = out.len();
        out.resize(start + 4 + max_compress_len(block.len()), 0);
        let size = encoder.compress(block, &mut out[start + 4..]).expect("there is room for it");
        out[start..start + 4].copy_from_slice(&(size as u32).to_be_bytes());
        out.truncate(start + 4 + size);
    }
}

pub fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    if !input.starts_with(&MAGIC) {
        block(input, bytes_max, &mut out)?;
        return Ok(out);
    }
    let mut rest = input;
    while !rest.is_empty() {
        // Streams may be put behind each other, header and all.
        if rest.starts_with(&MAGIC) {
            rest = rest.get(HEADER_SIZE..).ok_or_else(|| Codec::Snappy.malformed("cut header"))?;
            continue;
        }
        let Some((length, behind)) = rest.split_first_chunk::<4>() else {
            return Err(Codec::Snappy.malformed("cut off in the length of a block"));
        };
        let length = u32::from_be_bytes(*length) as usize;
        let Some((bare, behind)) = behind.split_at_checked(length) else {
            let why = format!("block of {length} bytes, {} remain", behind.len());
            return Err(Codec::Snappy.malformed(why));
        };
        block(bare, bytes_max, &mut out)?;
        rest = behind;
    }
    Ok(out)
}

/// Appends one bare block. Its length is its own word, believed only as far as the format's best
/// ratio goes.
fn block(bare: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let size = decompress_len(bare).map_err(|error| Codec::Snappy.malformed(error))?;
    if size > bytes_max - out.len() {
        return Err(Codec::Snappy.too_large(bytes_max));
    }
    if size > bare.len().saturating_mul(GROWTH_MAX) {
        let why = format!("{size} bytes cannot come out of {}", bare.len());
        return Err(Codec::Snappy.malformed(why));
    }
    let start = out.len();
    lengthen(out, size, bytes_max);
    let written = Decoder::new()
        .decompress(bare, &mut out[start..])
        .map_err(|error| Codec::Snappy.malformed(error))?;
    out.truncate(start + written);
    Ok(())
}
