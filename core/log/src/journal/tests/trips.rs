//! Round trips: put, flush, sync, recover.

use super::rig::{Rig, append, at_ms, recovered, small};
use crate::disk::BLOCK_BYTES;
use crate::journal::frame::Frame;
use crate::journal::{Finding, JournalConfig};
use crate::{GroupSeq, LogDir, LogId, Offset};
use bytes::Bytes;

fn every_kind() -> Vec<Frame> {
    let log = LogId(9);
    vec![
        Frame::Boot { boot: 4 },
        Frame::LogCreate {
            dir: LogDir { name: "orders-0".into(), log },
            topic_id: *b"0123456789abcdef",
            partition: 7,
        },
        append(9, 0, 4, 100),
        append(9, 5, 5, 1000),
        Frame::Truncate { log, to: Offset(5) },
        Frame::LogStart { log, start: Offset(2) },
        Frame::HardState { log, state: Bytes::from_static(b"epoch and vote") },
        Frame::HardState { log, state: Bytes::new() },
        Frame::FaultyMark { log, from: Offset(1), to: Offset(3) },
        Frame::Repair { log, from: Offset(1), to: Offset(3) },
        Frame::LogDelete { log },
        Frame::Seal,
    ]
}

#[test]
fn every_kind_of_frame_comes_back() {
    let mut rig = Rig::new(small());
    let first = rig.group(every_kind());
    let second = rig.group([append(1, 0, 0, 9000)]);
    assert_eq!((first, second), (GroupSeq(1), GroupSeq(2)));
    let image = recovered(&rig.platter, GroupSeq(1)).expect("an intact journal");
    assert_eq!(image.findings, []);
    assert_eq!(image.groups[0].frames, every_kind());
    assert_eq!(image.groups[1].frames, [append(1, 0, 0, 9000)]);
    assert_eq!(image.next_seq, GroupSeq(3));
    let from_second = recovered(&rig.platter, GroupSeq(2)).expect("an intact journal");
    assert_eq!(from_second.groups, image.groups[1..]);
}

#[test]
fn an_empty_journal_recovers_to_an_empty_journal() {
    let rig = Rig::new(small());
    for platter in [Default::default(), rig.platter] {
        let image = recovered(&platter, GroupSeq(1)).expect("nothing is wrong");
        assert_eq!((image.groups.len(), image.findings.len()), (0, 0));
        let mut rig = Rig::boot(small(), platter, &image);
        rig.group([Frame::Boot { boot: 1 }]);
        let image = recovered(&rig.platter, GroupSeq(1)).expect("nothing is wrong");
        assert_eq!(image.groups[0].frames, [Frame::Boot { boot: 1 }]);
    }
}

#[test]
fn an_append_of_one_kibibyte_costs_one_block() {
    let mut rig = Rig::new(JournalConfig::default());
    rig.group([append(1, 0, 0, 1024)]);
    rig.put(append(1, 1, 1, 3700));
    rig.flush();
    let pending = rig.pending.expect("a group is in flight");
    assert_eq!(pending.bytes.len(), BLOCK_BYTES);
}

#[test]
fn frames_gather_while_a_group_is_in_flight() {
    let mut rig = Rig::new(small());
    assert_eq!(rig.put(append(1, 0, 0, 500)), GroupSeq(1));
    rig.flush();
    for base in 1..4 {
        assert_eq!(rig.put(append(1, base, base, 500)), GroupSeq(2));
        rig.flush();
    }
    assert_eq!(rig.pending.as_ref().map(|p| p.seq), Some(GroupSeq(1)));
    rig.sync();
    assert!(rig.pending.is_none(), "more of this turn may still join the open group");
    rig.flush();
    assert_eq!(rig.pending.as_ref().map(|p| p.seq), Some(GroupSeq(2)));
}

#[test]
fn a_frame_that_does_not_fit_closes_the_group_and_closed_groups_go_out_in_order() {
    let mut rig = Rig::new(JournalConfig { bytes: 1 << 20, file_bytes: 1 << 18, ..small() });
    let seqs: Vec<u64> = (0..5).map(|i| rig.put(append(1, i, i, 8000)).0).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    rig.flush();
    for seq in 1..=5 {
        assert_eq!(rig.pending.as_ref().map(|p| p.seq.0), Some(seq));
        rig.sync();
        rig.flush();
    }
    let image = recovered(&rig.platter, GroupSeq(1)).expect("an intact journal");
    assert_eq!(image.groups.len(), 5);
}

#[test]
fn a_frame_larger_than_a_group_has_a_group_of_its_own_in_a_file_that_takes_it() {
    let mut rig = Rig::new(JournalConfig { bytes: 1 << 20, file_bytes: 1 << 18, ..small() });
    rig.put(append(1, 0, 0, 100));
    assert_eq!(rig.put(append(1, 1, 1, 200_000)), GroupSeq(2));
    assert_eq!(rig.put(append(1, 2, 2, 100)), GroupSeq(3));
    rig.flush();
    while rig.pending.is_some() {
        rig.sync();
        rig.flush();
    }
    let image = recovered(&rig.platter, GroupSeq(1)).expect("an intact journal");
    assert_eq!((image.groups.len(), image.findings.len()), (3, 0));
    assert_eq!(image.groups[1].frames, [append(1, 1, 1, 200_000)]);
}

#[test]
fn a_full_ring_grows_for_what_does_not_ask_and_goes_on_when_files_are_recycled() {
    let mut rig = Rig::new(small());
    let mut next = 0;
    for lap in 0..5 {
        while rig.journal.room() > 0 {
            rig.group([append(1, next, next, 3000)]);
            next += 1;
        }
        let used = rig.journal.used();
        assert!(used <= rig.journal.size() && used > rig.journal.size() / 2, "lap {lap}: {used}");
        // A boot does not ask for room, and the checkpoint that frees files comes only after it.
        for _ in 0..20 {
            rig.group([append(1, next, next, 3000)]);
            next += 1;
        }
        assert_eq!(rig.journal.open_seq().0, rig.journal.synced().0 + 1);
        let synced = rig.journal.synced();
        let image = recovered(&rig.platter, rig.journal.tail_seq()).expect("intact");
        assert_eq!(image.next_seq.0, synced.0 + 1);
        rig.journal.recycle(GroupSeq(synced.0 + 1));
        rig.group([append(1, next, next, 3000)]);
        next += 1;
        let image = recovered(&rig.platter, GroupSeq(synced.0 + 1)).expect("intact");
        assert_eq!(image.groups.len(), 1);
    }
}

#[test]
fn the_seal_comes_ten_milliseconds_after_the_last_sync_and_only_once() {
    let mut rig = Rig::new(small());
    rig.now = at_ms(100);
    rig.group([append(1, 0, 0, 100)]);
    assert_eq!(rig.journal.deadline(), Some(at_ms(110).mono));
    let mut out = vec![];
    rig.journal.tick(at_ms(109), &mut out);
    assert!(out.is_empty());
    rig.journal.tick(at_ms(110), &mut out);
    rig.run(out);
    assert_eq!(rig.pending.as_ref().map(|p| p.bytes.len()), Some(BLOCK_BYTES));
    rig.sync();
    assert_eq!(rig.journal.deadline(), None);
    assert_eq!(rig.journal.seal(rig.now, &mut vec![]), GroupSeq(2));
    let image = recovered(&rig.platter, GroupSeq(1)).expect("intact");
    assert_eq!(image.groups[1].frames, [Frame::Seal]);
}

#[test]
fn a_group_that_arrived_in_part_is_cut_and_its_place_written_again() {
    let mut rig = Rig::new(small());
    rig.group([append(1, 0, 0, 100)]);
    rig.put(append(1, 1, 1, 9000));
    rig.flush();
    let pending = rig.pending.take().expect("a group is in flight");
    let file = rig.platter.get_mut(&pending.file).expect("made");
    file[pending.at + 4096..pending.at + 8192].copy_from_slice(&pending.bytes[4096..8192]);
    let image = recovered(&rig.platter, GroupSeq(1)).expect("one group is in flight");
    assert_eq!(image.groups.len(), 1);
    assert!(matches!(image.findings[..], [Finding::Cut { seq: GroupSeq(2), .. }]), "{image:?}");
    assert!(image.findings[0].to_string().contains("nobody was told"));
    let mut rig = Rig::boot(small(), rig.platter, &image);
    rig.group([Frame::Boot { boot: 2 }]);
    let image = recovered(&rig.platter, GroupSeq(1)).expect("intact");
    assert_eq!(image.findings, []);
    assert_eq!(image.groups[1].frames, [Frame::Boot { boot: 2 }]);
    assert_eq!(image.tail, Some((pending.file, pending.at as u32 / 4096 + 1)));
}

#[test]
fn more_logs_than_an_echo_holds_are_written_all_the_same() {
    let mut rig = Rig::new(JournalConfig { bytes: 1 << 20, file_bytes: 1 << 18, ..small() });
    let last = rig.group((0..150).map(|log| append(log, 0, 0, 21)));
    rig.group([append(1, 1, 1, 61)]);
    assert_eq!(last, GroupSeq(2), "the first group holds more than a hundred logs");
    let image = recovered(&rig.platter, GroupSeq(1)).expect("intact");
    assert_eq!(image.groups.iter().map(|g| g.frames.len()).sum::<usize>(), 151);
    // Nothing of the first group is left, and its successor cannot name all that was in it.
    for bytes in rig.platter.values_mut() {
        for block in bytes.chunks_mut(BLOCK_BYTES).skip(1) {
            if block[16..24] == 1u64.to_le_bytes() {
                block.fill(0);
            }
        }
    }
    let image = recovered(&rig.platter, GroupSeq(1)).expect("covered");
    let [Finding::Faulty { seq: GroupSeq(1), lost, unknown: true, .. }] = &image.findings[..]
    else {
        panic!("{:?}", image.findings);
    };
    assert_eq!(lost.len(), 100);
    assert!(image.findings[0].to_string().ends_with("and more that cannot be named"));
}

#[test]
fn a_ring_of_a_former_configuration_gets_a_file_for_long_frames() {
    let mut rig = Rig::new(small());
    rig.group([append(1, 0, 0, 100)]);
    let image = recovered(&rig.platter, GroupSeq(1)).expect("intact");
    let larger = JournalConfig { file_bytes: 1 << 18, group_bytes_max: 1 << 17, ..small() };
    let mut rig = Rig::boot(larger, rig.platter, &image);
    rig.group([append(1, 1, 1, 200_000)]);
    rig.group([append(1, 2, 2, 100)]);
    let image = recovered(&rig.platter, GroupSeq(1)).expect("intact");
    assert_eq!((image.groups.len(), image.findings.len()), (3, 0));
}

#[test]
fn a_copy_of_a_journal_goes_its_own_way() {
    let mut rig = Rig::new(small());
    rig.group([append(1, 0, 0, 9000)]);
    rig.put(append(1, 1, 1, 100));
    let mut copy = rig.clone();
    for (rig, base) in [(&mut rig, 10), (&mut copy, 20)] {
        rig.group([append(1, base, base, 5000)]);
        let image = recovered(&rig.platter, GroupSeq(1)).expect("intact");
        assert_eq!(image.groups[1].frames, [append(1, 1, 1, 100), append(1, base, base, 5000)]);
    }
}

/// The newest checkpoint had made free a file with groups that the one before it needs, and its beginning was written again. A start that went on
/// from the one before wrote on in that file, over groups that it had just read: after a crash they were gone.
#[test]
fn a_start_from_an_older_checkpoint_writes_over_nothing_that_it_needs() {
    let mut rig = Rig::new(small());
    let (mut older, mut shared) = (GroupSeq(1), 0);
    for base in 0..200 {
        let seq = rig.group([append(1, base, base, 2500)]);
        if base % 7 == 6 {
            older = rig.journal.tail_seq();
            rig.journal.recycle(seq);
        }
        let Ok(image) = recovered(&rig.platter, older) else { continue };
        if older == rig.journal.tail_seq() || !image.findings.is_empty() {
            continue;
        }
        let mut again = Rig::boot(small(), rig.platter.clone(), &image);
        (1..=3).for_each(|n| _ = again.group([append(1, base + n, base + n, 2500)]));
        // The last may have waited for a file more.
        again.flush();
        again.sync();
        let after = recovered(&again.platter, older).expect("everything is there");
        assert_eq!(after.findings, []);
        assert_eq!(after.groups[..image.groups.len()], image.groups);
        let new = after.groups[image.groups.len()..].iter().map(|g| g.frames.len());
        assert_eq!(new.sum::<usize>(), 3);
        shared += 1;
    }
    assert!(shared > 20, "{shared} starts from an older checkpoint");
}
