//! Bit rot, lost and misdirected writes, and bytes that nobody wrote.

use super::rig::{Platter, Rig, append, cases, recovered, small};
use crate::disk::BLOCK_BYTES;
use crate::journal::block::{SECTOR_BYTES, TAG_BYTES};
use crate::journal::files::MAGIC;
use crate::journal::frame::Frame;
use crate::journal::{Finding, FrameKind, JournalError, JournalImage, dump, recover};
use crate::{GroupSeq, LogId, Offset};
use bytes::Bytes;
use proptest::prelude::*;

/// Five groups, each of another shape, and a seal that covers them.
fn sealed() -> Rig {
    let log = LogId(5);
    let mut rig = Rig::new(small());
    rig.group([Frame::Boot { boot: 1 }, append(1, 0, 3, 200)]);
    rig.group([append(1, 4, 9, 6000), append(2, 0, 0, 61), append(1, 10, 10, 3000)]);
    rig.group([append(2, 1, 7, 900), append(1, 11, 12, 300), append(2, 8, 8, 700)]);
    rig.group([
        Frame::HardState { log, state: Bytes::from_static(&[7; 500]) },
        append(1, 13, 20, 61),
    ]);
    rig.group([Frame::Truncate { log: LogId(2), to: Offset(5) }, append(2, 5, 6, 2000)]);
    rig.seal();
    rig
}

/// Where the covered blocks are: file, block and group of each.
fn covered(rig: &Rig) -> Vec<(u32, usize, GroupSeq)> {
    let mut all = vec![];
    for (&number, bytes) in &rig.platter {
        for (at, block) in bytes.chunks(BLOCK_BYTES).enumerate().skip(1) {
            let group = u64::from_le_bytes(block[16..24].try_into().expect("eight bytes"));
            if (1..6).contains(&group) {
                all.push((number, at, GroupSeq(group)));
            }
        }
    }
    assert_eq!(all.len(), 7);
    all
}

/// Asserts that `image` has all groups, and says of every frame that is not there that it is lost.
/// Returns how many are.
fn nothing_is_silently_lost(rig: &Rig, image: &JournalImage) -> usize {
    assert_eq!(image.next_seq, GroupSeq(7));
    let mut lost_all = 0;
    for group in &image.groups {
        let lost: Vec<_> = image
            .findings
            .iter()
            .filter_map(|f| match f {
                Finding::Faulty { seq, lost, unknown, .. } if *seq == group.seq => {
                    assert!(!unknown, "{f}");
                    Some(lost.clone())
                }
                _ => None,
            })
            .flatten()
            .collect();
        let marked = |log: LogId, base: Offset, last: Offset| {
            let named = lost.iter().any(|id| {
                let range = id.base <= base.0 && id.last >= last.0;
                id.kind == FrameKind::Append && id.log == log && range
            });
            let mark = group.frames.iter().any(|f| match f {
                Frame::FaultyMark { log: l, from, to } => *l == log && *from <= base && last < *to,
                _ => false,
            });
            named && mark
        };
        for frame in &rig.groups[&group.seq] {
            if group.frames.contains(frame) {
                continue;
            }
            lost_all += 1;
            match frame {
                Frame::Append { log, base, last, .. } => {
                    assert!(marked(*log, *base, *last), "{frame:?} of {:?}", image.findings);
                }
                Frame::Seal => {}
                other => {
                    let id = other.identity(0, &other.head());
                    let same = |l: &&_| {
                        let l: &crate::journal::Identity = l;
                        (l.kind, l.log, l.base) == (id.kind, id.log, id.base)
                    };
                    assert!(lost.iter().find(same).is_some(), "{frame:?} of {:?}", image.findings);
                }
            }
        }
        for frame in &group.frames {
            let put = &rig.groups[&group.seq];
            let mark = matches!(frame, Frame::FaultyMark { .. });
            assert!(mark || put.contains(frame), "invented {frame:?}");
        }
    }
    lost_all
}

#[test]
fn rot_in_any_byte_of_a_covered_block_is_found_and_named() {
    let mut rig = sealed();
    let (mut lost, mut tags) = (0, 0);
    for (file, at, seq) in covered(&rig) {
        for byte in 0..BLOCK_BYTES {
            let place = at * BLOCK_BYTES + byte;
            let bit = 1 << (byte % 8);
            rig.platter.get_mut(&file).expect("made")[place] ^= bit;
            let image =
                recovered(&rig.platter, GroupSeq(1)).expect("one block is no reason to refuse");
            rig.platter.get_mut(&file).expect("made")[place] ^= bit;
            let in_sector = byte % SECTOR_BYTES;
            let front = if byte < SECTOR_BYTES { 4..8 } else { 0..TAG_BYTES };
            if front.contains(&in_sector) || in_sector >= SECTOR_BYTES - TAG_BYTES {
                // The checksum proves the content without its tags.
                assert_eq!(image.findings, []);
                assert_eq!(nothing_is_silently_lost(&rig, &image), 0);
                tags += 1;
                continue;
            }
            let [Finding::Faulty { seq: found, damage, .. }] = &image.findings[..] else {
                panic!("byte {byte} of block {at}: {:?}", image.findings);
            };
            assert_eq!((*found, damage.rotten), (seq, 1));
            let n = nothing_is_silently_lost(&rig, &image);
            assert!(n <= 1, "byte {byte} of block {at}: {:?}", image.findings);
            lost += n;
        }
    }
    assert_eq!(tags, 7 * 16 * TAG_BYTES);
    assert!(lost > 10_000, "most bytes belong to a frame, and only that one is lost: {lost}");
}

#[test]
fn a_covered_block_that_is_gone_is_named_by_the_footer_behind_it() {
    let rig = sealed();
    let blocks = covered(&rig);
    let old = vec![0xa5; BLOCK_BYTES];
    for &(file, at, seq) in &blocks {
        let (other_file, other_at, _) = blocks[(at + 3) % blocks.len()];
        let start = other_at * BLOCK_BYTES;
        let misdirected = rig.platter[&other_file][start..start + BLOCK_BYTES].to_vec();
        for content in [vec![0; BLOCK_BYTES], old.clone(), misdirected] {
            let mut platter = rig.platter.clone();
            platter.get_mut(&file).expect("made")[at * BLOCK_BYTES..(at + 1) * BLOCK_BYTES]
                .copy_from_slice(&content);
            if platter == rig.platter {
                continue;
            }
            let image = recovered(&platter, GroupSeq(1)).expect("one block is no reason to refuse");
            assert!(
                matches!(&image.findings[..], [Finding::Faulty { seq: s, .. }] if *s == seq),
                "{:?}",
                image.findings
            );
            assert!(nothing_is_silently_lost(&rig, &image) >= 1 || seq == GroupSeq(2));
        }
    }
}

#[test]
fn a_lost_write_leaves_a_stale_block_and_is_found() {
    let mut rig = Rig::new(small());
    let mut stale = None;
    for base in 0..60 {
        rig.put(append(1, base, base, 3000));
        rig.flush();
        let write = rig.pending.clone().expect("in flight");
        if base == 55 {
            stale = Some((write.file, write.at, rig.platter[&write.file].clone()));
        }
        rig.sync();
        rig.journal.recycle(GroupSeq((rig.journal.synced().0).saturating_sub(6).max(1)));
    }
    let (file, at, before) = stale.expect("written above");
    assert_ne!(before[at..at + 8], [0; 8], "a valid block of an earlier lap was there");
    rig.platter.get_mut(&file).expect("made")[at..at + BLOCK_BYTES]
        .copy_from_slice(&before[at..at + BLOCK_BYTES]);
    let image = recovered(&rig.platter, rig.journal.tail_seq()).expect("one group is damaged");
    let [Finding::Faulty { seq: GroupSeq(56), lost, unknown: false, .. }] = &image.findings[..]
    else {
        panic!("{:?}", image.findings);
    };
    assert_eq!((lost[0].log, lost[0].base, lost[0].last), (LogId(1), 55, 55));
    let again = Rig::boot(small(), rig.platter.clone(), &image);
    assert_eq!(recovered(&again.platter, rig.journal.tail_seq()), Ok(image));
}

#[test]
fn stale_sectors_are_never_taken_for_the_block_they_are_in() {
    let mut rig = Rig::new(small());
    let mut stale = None;
    for base in 0..60 {
        rig.put(Frame::HardState { log: LogId(1), state: vec![base as u8; 1500].into() });
        rig.put(append(1, base, base, 1500));
        rig.flush();
        let write = rig.pending.clone().expect("in flight");
        if base == 55 {
            let old = rig.platter[&write.file][write.at..write.at + BLOCK_BYTES].to_vec();
            stale = Some((write.file, write.at, old));
        }
        rig.sync();
        rig.journal.recycle(GroupSeq((rig.journal.synced().0).saturating_sub(6).max(1)));
    }
    let (file, at, old) = stale.expect("written above");
    let put = rig.groups[&GroupSeq(56)].clone();
    for kept in 1..255u32 {
        let mut platter = rig.platter.clone();
        let sectors = platter.get_mut(&file).expect("made")[at..].chunks_mut(SECTOR_BYTES);
        for (i, (sector, old)) in sectors.zip(old.chunks(SECTOR_BYTES)).enumerate() {
            if kept >> i & 1 == 0 {
                sector.copy_from_slice(old);
            }
        }
        let image = recovered(&platter, rig.journal.tail_seq()).expect("one group is damaged");
        let group = image.groups.iter().find(|g| g.seq == GroupSeq(56)).expect("in its place");
        let mark = Frame::FaultyMark { log: LogId(1), from: Offset(55), to: Offset(56) };
        for frame in &group.frames {
            assert!(put.contains(frame) || *frame == mark, "sectors {kept:b}: {:?}", frame.kind());
        }
        assert!(group.frames.contains(&mark) || group.frames.contains(&put[1]), "{kept:b}");
        let named =
            |f: &Finding| matches!(f, Finding::Faulty { seq, unknown: false, .. } if seq.0 == 56);
        assert!(image.findings.iter().any(named) || group.frames == put, "{kept:b}");
    }
}

#[test]
fn rot_in_the_last_group_is_never_silent() {
    for len in [500, 6000] {
        let mut rig = Rig::new(small());
        rig.group([append(1, 0, 0, 100)]);
        rig.put(append(1, 1, 1, len));
        rig.flush();
        let write = rig.pending.clone().expect("in flight");
        rig.sync();
        for byte in 0..write.bytes.len() {
            let mut platter = rig.platter.clone();
            platter.get_mut(&write.file).expect("made")[write.at + byte] ^= 0x10;
            let image = recovered(&platter, GroupSeq(1)).expect("a single voter cuts");
            if image.groups.len() == 2 {
                assert_eq!(image.groups[1].frames, rig.groups[&GroupSeq(2)]);
                continue;
            }
            let [Finding::Cut { seq: GroupSeq(2), damage, .. }] = &image.findings[..] else {
                panic!("byte {byte}: {:?}", image.findings);
            };
            assert_eq!(damage.rotten, 1);
            assert!(image.findings[0].to_string().contains("may have been acknowledged"));
        }
    }
}

#[test]
fn the_header_of_a_file_says_what_is_wrong_with_it() {
    let rig = sealed();
    let with = |at: usize, bytes: &[u8], sum: bool| -> Platter {
        let mut platter = rig.platter.clone();
        let file = platter.get_mut(&1).expect("made");
        file[at..at + bytes.len()].copy_from_slice(bytes);
        let crc = crc32fast::hash(&file[..32]);
        if sum {
            file[32..36].copy_from_slice(&crc.to_le_bytes());
        }
        platter
    };
    let newer = recovered(&with(8, &[9, 0, 0, 0], true), GroupSeq(1)).expect_err("newer");
    assert_eq!(newer, JournalError::Version { file: 1, found: 9, known: 1 });
    assert!(newer.to_string().contains("newer program"));
    let renamed = recovered(&with(12, &[2], true), GroupSeq(1)).expect_err("another's name");
    assert_eq!(renamed, JournalError::Renamed { file: 1, found: 2 });
    for platter in [with(0, b"X", false), with(13, b"X", false), with(0, &[0; 4096], false)] {
        let image = recovered(&platter, GroupSeq(1)).expect("the groups say whose file it is");
        assert_eq!(image.findings, [Finding::Header { file: 1 }]);
        assert_eq!(image.groups.len(), 6);
    }
    let mut foreign = rig.platter.clone();
    foreign.insert(1, b"#!/bin/sh\n".repeat(1000));
    let error = recovered(&foreign, GroupSeq(1)).expect_err("not a journal");
    assert_eq!(error, JournalError::Foreign { file: 1 });
}

#[test]
fn a_file_that_was_cut_short_or_taken_away_is_not_taken_for_a_shorter_journal() {
    let rig = sealed();
    let mut short = rig.platter.clone();
    short.get_mut(&1).expect("made").truncate(3 * BLOCK_BYTES);
    let image = recovered(&short, GroupSeq(1)).expect("the rest is there");
    assert!(image.findings.contains(&Finding::Short { file: 1, have: 3, want: 6 }));
    assert!(
        image.findings.iter().any(|f| matches!(f, Finding::Faulty { .. })),
        "{:?}",
        image.findings
    );
    assert_eq!(image.next_seq, GroupSeq(7));
    let mut gone = rig.platter.clone();
    gone.remove(&1);
    let error = recovered(&gone, GroupSeq(1)).expect_err("the beginning is missing");
    assert!(
        matches!(error, JournalError::Missing { from: GroupSeq(1), first: Some(_) }),
        "{error}"
    );
    let error = recovered(&Platter::new(), GroupSeq(5)).expect_err("all is missing");
    assert_eq!(error, JournalError::Missing { from: GroupSeq(5), first: None });
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn random_bytes_are_an_error_or_findings(
        body in prop::collection::vec(any::<u8>(), 0..20_000),
        named in any::<bool>(),
        from in 0..3u64,
    ) {
        let mut bytes = body.clone();
        if named && bytes.len() > BLOCK_BYTES {
            bytes[..BLOCK_BYTES].copy_from_slice(&crate::journal::files::header(1, 3).0);
        }
        let said = recover(vec![(1, Bytes::from(bytes.clone()))], GroupSeq(from));
        let nothing = bytes.iter().all(|&b| b == 0) || bytes.len() < 2 * BLOCK_BYTES;
        match said {
            Ok(image) => prop_assert!(nothing || !image.findings.is_empty()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        dump(Bytes::from(bytes)).for_each(drop);
    }

    #[test]
    fn damage_anywhere_panics_nowhere(
        places in prop::collection::vec((1..4u32, 0..8 * BLOCK_BYTES, any::<u8>()), 1..40),
        block in (1..4u32, 1..6usize, 1..4u32, 1..6usize),
    ) {
        let mut platter = sealed().platter;
        for (file, at, value) in places {
            let file = platter.get_mut(&file).expect("made");
            let at = at % file.len();
            file[at] = value;
        }
        let (from, a, to, b) = block;
        let copy = platter[&from][a * BLOCK_BYTES..(a + 1) * BLOCK_BYTES].to_vec();
        let place = b * BLOCK_BYTES..(b + 1) * BLOCK_BYTES;
        platter.get_mut(&to).expect("made")[place].copy_from_slice(&copy);
        match recovered(&platter, GroupSeq(1)) {
            Ok(image) => {
                image.findings.iter().for_each(|f| drop(f.to_string()));
                let rig = Rig::boot(small(), platter, &image);
                let again = recovered(&rig.platter, GroupSeq(1)).map(|i| i.groups);
                prop_assert_eq!(again, Ok(image.groups));
            }
            Err(error) => drop(error.to_string()),
        }
    }
}

#[test]
fn a_dump_names_everything() {
    let mut rig = sealed();
    rig.platter.get_mut(&1).expect("made")[2 * BLOCK_BYTES + 100] ^= 1;
    let lines: Vec<String> = dump(Bytes::from(rig.platter[&1].clone())).collect();
    let text = lines.join("\n");
    assert_eq!(rig.platter[&1][..8], MAGIC);
    expect_test::expect![[r#"
        journal file 1, format 1, 6 blocks
        block 1: group 1 (LSN 0, lap 1, 1 blocks)
          byte 0: Boot 1, 44 bytes
          byte 44: Append log 1 offsets 0..=3 epoch 3 crc ddf68fbb, 244 bytes
          footer: 2 frames, synced through group 0; the group before held nothing
        block 2: bad checksum, laps of its sectors [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
        block 3: 1 of 3 of group 2 (LSN 8192, lap 1), which is not whole here
        block 4: 2 of 3 of group 2 (LSN 12288, lap 1), which is not whole here
        block 5: group 3 (LSN 16384, lap 1, 1 blocks)
          byte 0: Append log 2 offsets 1..=7 epoch 3 crc 8dad61be, 944 bytes
          byte 944: Append log 1 offsets 11..=12 epoch 3 crc 1e09fb21, 344 bytes
          byte 1288: Append log 2 offsets 8..=8 epoch 3 crc 783aeb2c, 744 bytes
          footer: 3 frames, synced through group 2; the group before held Append log 1 offsets 4..=10 epoch 3, Append log 2 offsets 0..=0 epoch 3 crc 79ad0744"#]].assert_eq(&text);
}
