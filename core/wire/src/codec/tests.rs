//! What goes in comes out, the cap holds, and hostile bytes cost little.

use proptest::prelude::*;

use super::*;

const COMPRESSING: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

fn compressed(codec: Codec, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec.compress(input, None, &mut out);
    out
}

/// Text that compresses, in pieces larger and smaller than any block.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..300),
        (any::<u8>(), 0usize..200_000).prop_map(|(byte, n)| vec![byte; n]),
        (0usize..4000).prop_map(|n| b"the castle ".repeat(n)),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_goes_in_comes_out(input in payload(), level in proptest::option::of(-5i32..25)) {
        for codec in Codec::ALL {
            let mut bytes = b"before".to_vec();
            codec.compress(&input, level, &mut bytes);
            prop_assert!(bytes.starts_with(b"before"));
            let bytes = &bytes[6..];
            let out = codec.decompress(bytes, input.len()).unwrap();
            prop_assert!(out == input, "{codec}");
            if let Some(less) = input.len().checked_sub(1) {
                let too_large = CodecError::TooLarge { codec, bytes_max: less };
                prop_assert_eq!(codec.decompress(bytes, less), Err(too_large));
            }
        }
    }

    #[test]
    fn random_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for codec in COMPRESSING {
            if let Ok(out) = codec.decompress(&bytes, 5000) {
                prop_assert!(out.len() <= 5000 && out.capacity() <= 5000);
            }
        }
    }
}

#[test]
fn every_prefix_and_every_changed_byte_is_survived_within_the_cap() {
    let input =
        [&b"the castle ".repeat(60)[..], &[7; 500], &(0..=255).collect::<Vec<u8>>()].concat();
    for codec in COMPRESSING {
        let good = compressed(codec, &input);
        for end in 0..good.len() {
            if let Ok(out) = codec.decompress(&good[..end], input.len()) {
                assert!(out.len() < input.len() || out == input, "{codec} cut at {end}");
            }
        }
        for at in 0..good.len() {
            for xor in [1, 0x80, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= xor;
                if let Ok(out) = codec.decompress(&bad, input.len()) {
                    assert!(out.capacity() <= input.len(), "{codec} byte {at}");
                }
            }
        }
    }
}

#[test]
fn a_bomb_is_refused_at_the_cap() {
    let zeroes = vec![0; 64 << 20];
    for codec in COMPRESSING {
        let bomb = compressed(codec, &zeroes);
        let refused = codec.decompress(&bomb, 1 << 20).unwrap_err();
        assert_eq!(refused, CodecError::TooLarge { codec, bytes_max: 1 << 20 });
        assert!(refused.to_string().contains("at most 1048576 bytes"), "{refused}");
    }
}

#[test]
fn a_promise_of_gigabytes_allocates_nothing() {
    // A bare snappy block that says it holds 2^32 - 1 bytes, and one of 15 MiB in 9 bytes.
    let huge = Codec::Snappy.decompress(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0], usize::MAX);
    assert!(matches!(huge, Err(CodecError::Malformed { .. })), "{huge:?}");
    // A zstd frame that says its content is 2^40 bytes.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0];
    let huge = Codec::Zstd.decompress(&frame, 1 << 20);
    assert!(huge.is_err(), "{huge:?}");
}

#[test]
fn snappy_is_read_bare_and_in_concatenated_streams() {
    let input = b"the castle ".repeat(10_000);
    let bare = snap::raw::Encoder::new().compress_vec(&input).unwrap();
    assert_eq!(Codec::Snappy.decompress(&bare, input.len()).unwrap(), input);
    let framed = compressed(Codec::Snappy, &input);
    let twice = Codec::Snappy.decompress(&[&framed[..], &framed[..]].concat(), 2 * input.len());
    assert_eq!(twice.unwrap(), [&input[..], &input[..]].concat());
}

#[test]
fn lz4_is_read_with_linked_blocks_and_checksums() {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;
    let input: Vec<u8> = (0..400_000u32).flat_map(|n| (n % 1000 * 7).to_le_bytes()).collect();
    for (mode, size) in [
        (BlockMode::Linked, BlockSize::Max64KB),
        (BlockMode::Independent, BlockSize::Max256KB),
        (BlockMode::Linked, BlockSize::Max4MB),
    ] {
        let info = FrameInfo::new()
            .block_mode(mode)
            .block_size(size)
            .block_checksums(true)
            .content_checksum(true)
            .content_size(Some(input.len() as u64));
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&input).unwrap();
        let frame = encoder.finish().unwrap();
        assert!(Codec::Lz4.decompress(&frame, input.len()).unwrap() == input);
    }
}

#[test]
fn what_we_write_as_lz4_others_read() {
    use std::io::Read;
    let input = b"the castle ".repeat(20_000);
    let frame = compressed(Codec::Lz4, &input);
    let mut out = Vec::new();
    lz4_flex::frame::FrameDecoder::new(&frame[..]).read_to_end(&mut out).unwrap();
    assert!(out == input);
}

#[test]
fn gzip_members_behind_each_other_are_one_stream() {
    let both = [compressed(Codec::Gzip, b"the "), compressed(Codec::Gzip, b"castle")].concat();
    assert_eq!(Codec::Gzip.decompress(&both, 10).unwrap(), b"the castle");
}

#[test]
fn names_and_ids_agree() {
    for codec in Codec::ALL {
        assert_eq!(codec.name().parse(), Ok(codec));
        assert_eq!(Codec::from_id(codec.id()), Some(codec));
    }
    assert_eq!(Codec::from_id(5), None);
    let unknown = "lzma".parse::<Codec>().unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "expected a codec: none, gzip, snappy, lz4 or zstd; came \"lzma\""
    );
}
