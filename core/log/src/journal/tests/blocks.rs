//! Blocks: what they say, and what they are to somebody who expects something.

use crate::disk::{BLOCK_BYTES, Block};
use crate::journal::block::{
    self, Class, Found, Head, PAYLOAD_BYTES, SECTOR_BYTES, class_of_tags, tags,
};
use crate::{GroupSeq, Lsn};
use proptest::prelude::*;

const HEAD: Head =
    Head { lap: 7, lsn: Lsn(40960), group: GroupSeq(12), index: 1, blocks: 3, file: 4, at: 9 };

fn sealed(payload: &[u8]) -> Block {
    let mut blocks = vec![];
    block::stripe(&mut blocks, 0, payload);
    block::seal(&mut blocks[0], &HEAD);
    blocks.remove(0)
}

#[test]
fn a_block_says_what_was_sealed_and_any_wrong_bit_but_a_tags_makes_it_bad() {
    let mut block = sealed(&[0x5a; PAYLOAD_BYTES]);
    assert_eq!(block::read(&block.0), Found::Valid(HEAD));
    assert_eq!(tags(&block.0), [7; 16]);
    for bit in 0..BLOCK_BYTES * 8 {
        block.0[bit / 8] ^= 1 << (bit % 8);
        let in_sector = bit / 8 % SECTOR_BYTES;
        let front = if bit / 8 < SECTOR_BYTES { 4..8 } else { 0..4 };
        let tag = front.contains(&in_sector) || in_sector >= SECTOR_BYTES - 4;
        let want = if tag { Found::Valid(HEAD) } else { Found::Bad };
        assert_eq!(block::read(&block.0), want, "bit {bit}");
        block.0[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(block::read(&Block::default().0), Found::Zero);
}

#[test]
fn numbers_that_contradict_each_other_are_not_believed() {
    let wrong = [
        Head { lap: 0, ..HEAD },
        Head { group: GroupSeq(0), ..HEAD },
        Head { index: 3, ..HEAD },
        Head { at: 1, ..HEAD },
        Head { at: u32::MAX, ..HEAD },
        Head { lsn: Lsn(40961), ..HEAD },
        Head { lsn: Lsn(0), ..HEAD },
        Head { lsn: Lsn(u64::MAX - 4095), ..HEAD },
    ];
    for head in wrong {
        let mut block = Block::default();
        block::seal(&mut block, &head);
        assert_eq!(block::read(&block.0), Found::Bad, "{head:?}");
    }
}

#[test]
fn tags_tell_old_torn_and_rotten_apart() {
    let mixed = |n: usize, a: u32, b: u32| std::array::from_fn(|i| if i < n { a } else { b });
    for n in 1..16 {
        assert_eq!(class_of_tags(&mixed(n, 7, 0), 7), Class::Torn);
        assert_eq!(class_of_tags(&mixed(n, 3, 7), 7), Class::Torn);
        assert_eq!(class_of_tags(&mixed(n, 8, 7), 7), Class::Torn, "a later life tore it again");
        assert_eq!(class_of_tags(&mixed(n, 6, 3), 7), Class::Old, "torn long ago");
    }
    assert_eq!(class_of_tags(&[6; 16], 7), Class::Old);
    assert_eq!(class_of_tags(&[0; 16], 7), Class::Old);
    assert_eq!(class_of_tags(&[7; 16], 7), Class::Rotten);
    assert_eq!(class_of_tags(&[9; 16], 7), Class::Rotten);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn payload_comes_back_however_it_was_cut(
        bytes in prop::collection::vec(any::<u8>(), 1..20_000),
        cuts in prop::collection::vec(0..20_000usize, 0..20),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % bytes.len()).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        // Memory of an earlier group, with anything in it.
        let mut blocks = vec![Block([0xee; BLOCK_BYTES]); 2];
        for w in cuts.windows(2) {
            prop_assert_eq!(block::stripe(&mut blocks, w[0], &bytes[w[0]..w[1]]), w[1]);
        }
        let count = blocks.len().min(bytes.len().div_ceil(PAYLOAD_BYTES));
        block::blank(&mut blocks, bytes.len(), count * PAYLOAD_BYTES);
        let mut flat: Vec<u8> = vec![];
        for (i, b) in blocks[..count].iter_mut().enumerate() {
            let (index, at) = (i as u32, 1 + i as u32);
            let lsn = Lsn(i as u64 * BLOCK_BYTES as u64);
            let head = Head { index, at, lsn, blocks: count as u32, ..HEAD };
            block::seal(b, &head);
            prop_assert_eq!(block::read(&b.0), Found::Valid(head));
            flat.extend(b.0);
        }
        let mut back = vec![];
        for b in flat.chunks(BLOCK_BYTES) {
            block::unstripe(b, &mut back);
        }
        prop_assert_eq!(&back[..bytes.len()], &bytes[..]);
        prop_assert!(back[bytes.len()..].iter().all(|&b| b == 0));
        for i in 0..count {
            block::pack(&mut flat, i * BLOCK_BYTES, i * PAYLOAD_BYTES);
        }
        prop_assert_eq!(&flat[..bytes.len()], &bytes[..]);
    }
}
