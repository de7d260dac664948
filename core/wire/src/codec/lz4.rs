//! The lz4 frame format. Written as Java writes it: independent blocks of 64 KiB, no content
//! size, no checksums. Read in all of version 1: linked blocks, any block size, checksums (which
//! are skipped: the batch's CRC covers the same bytes). Dictionaries are refused.
//!
//! ```text
//! 04 22 4d 18 | FLG BD [content size 8] [dictionary id 4] header checksum 1
//! blocks: size u32 le, top bit set if stored uncompressed | data | [checksum 4]
//! end: size 0 | [content checksum 4]
//! ```
//!
//! We walk the frame ourselves so that blocks go straight into the output and a frame of twenty
//! bytes cannot have us allocate the 4 MiB that its descriptor may name.

use lz4_flex::block::{
    CompressTable, DecompressError, compress_into_with_table, decompress_into_with_dict,
    get_maximum_output_size,
};

use super::{Codec, CodecError, first_capacity, lengthen};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Version 1, independent blocks; blocks of at most 64 KiB; the checksum of these two bytes.
const DESCRIPTOR: [u8; 3] = [0x60, 0x40, 0x82];
const BLOCK_BYTES: usize = 64 << 10;
/// How far back a match may reach.
const WINDOW_BYTES: usize = 64 << 10;
/// A length byte of a match stands for at most 255 bytes: no block grows more than this.
const GROWTH_MAX: usize = 255;
/// Top bit of a block's size: the block is stored as it is.
const STORED: u32 = 1 << 31;

pub fn compress(input: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&DESCRIPTOR);
    let mut table = CompressTable::default();
    for block in input.chunks(BLOCK_BYTES) {
        let start = out.len();
        out.resize(start + 4 + get_maximum_output_size(block.len()), 0);
        let size = compress_into_with_table(block, &mut out[start + 4..], &mut table)
            .expect("there is room for it");
        let word = if size < block.len() {
            out.truncate(start + 4 + size);
            size as u32
        } else {
            out.truncate(start + 4);
            out.extend_from_slice(block);
            block.len() as u32 | STORED
        };
        out[start..start + 4].copy_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&[0; 4]);
}

pub fn decompress(input: &[u8], bytes_max: usize) -> Result<Vec<u8>, CodecError> {
    let mut rest = input;
    let frame = Frame::read(&mut rest)?;
    let mut out = Vec::with_capacity(first_capacity(input.len(), bytes_max));
    loop {
        let word = u32::from_le_bytes(*take(&mut rest, "size of a block")?);
        let (size, stored) = ((word & !STORED) as usize, word & STORED != 0);
        if word == 0 {
            return Ok(out);
        }
        if size > frame.block_bytes_max || size > rest.len() {
            let why = format!("block of {size} bytes, {} remain", rest.len());
            return Err(Codec::Lz4.malformed(why));
        }
        let (block, behind) = rest.split_at(size);
        rest = behind;
        if frame.block_checksums {
            take::<4>(&mut rest, "checksum of a block")?;
        }
        if !stored {
            frame.inflate(block, bytes_max, &mut out)?;
        } else if size > bytes_max - out.len() {
            return Err(Codec::Lz4.too_large(bytes_max));
        } else {
            let start = out.len();
            lengthen(&mut out, size, bytes_max);
            out[start..].copy_from_slice(block);
        }
    }
}

/// What a frame's descriptor says about its blocks.
struct Frame {
    block_bytes_max: usize,
    linked: bool,
    block_checksums: bool,
}

impl Frame {
    fn read(rest: &mut &[u8]) -> Result<Frame, CodecError> {
        if *take::<4>(rest, "magic")? != MAGIC {
            return Err(Codec::Lz4.malformed("no lz4 frame"));
        }
        let &[flags, sizes] = take(rest, "descriptor")?;
        if flags >> 6 != 1 {
            return Err(Codec::Lz4.malformed(format!("frame version {}, not 1", flags >> 6)));
        }
        if flags & 1 != 0 {
            return Err(Codec::Lz4.malformed("needs a dictionary"));
        }
        if flags & 1 << 3 != 0 {
            take::<8>(rest, "content size")?;
        }
        take::<1>(rest, "header checksum")?;
        let block_bytes_max = match sizes >> 4 & 7 {
            id @ 4..=7 => 1 << (8 + 2 * id),
            id => return Err(Codec::Lz4.malformed(format!("block size id {id}, not 4 to 7"))),
        };
        let (linked, block_checksums) = (flags & 1 << 5 == 0, flags & 1 << 4 != 0);
        Ok(Frame { block_bytes_max, linked, block_checksums })
    }

    /// Appends one compressed block to `out`, of which the end is its dictionary if blocks are
    /// linked.
    fn inflate(&self, block: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let start = out.len();
        let room = (block.len() * GROWTH_MAX).min(self.block_bytes_max);
        let capped = room.min(bytes_max - start);
        lengthen(out, capped, bytes_max);
        let (before, target) = out.split_at_mut(start);
        let dictionary = match self.linked {
            true => &before[start.saturating_sub(WINDOW_BYTES)..],
            false => &[],
        };
        match decompress_into_with_dict(block, target, dictionary) {
            Ok(size) => {
                out.truncate(start + size);
                Ok(())
            }
            Err(DecompressError::OutputTooSmall { .. }) if capped < room => {
                Err(Codec::Lz4.too_large(bytes_max))
            }
            Err(error) => Err(Codec::Lz4.malformed(error)),
        }
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8], what: &str) -> Result<&'a [u8; N], CodecError> {
    let Some((taken, behind)) = rest.split_first_chunk() else {
        return Err(Codec::Lz4.malformed(format!("cut off in its {what}")));
    };
    *rest = behind;
    Ok(taken)
}
