//! Crashes: every fate of the sectors of the group in flight, over rings of a few blocks.

use super::rig::{Pending, Platter, Rig, append, cases, recovered, small};
use crate::journal::block::SECTOR_BYTES;
use crate::journal::frame::Frame;
use crate::journal::{Finding, JournalConfig, JournalImage};
use crate::{GroupSeq, LogId, Offset};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What became of a sector that was being written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    /// Its first half arrived.
    Front,
    /// Its second half arrived.
    Back,
    /// Each byte is the old or the new one. No disk does this; a group is cut then, but may look
    /// rotten.
    Mixed(u64),
}

/// Leaves of a write what `fate` says of each sector.
fn tear(platter: &Platter, write: &Pending, fate: impl Fn(usize) -> Fate) -> Platter {
    let mut after = platter.clone();
    let file = after.get_mut(&write.file).expect("made");
    for (i, new) in write.bytes.chunks(SECTOR_BYTES).enumerate() {
        let start = write.at + i * SECTOR_BYTES;
        let old = &mut file[start..start + SECTOR_BYTES];
        let half = SECTOR_BYTES / 2;
        match fate(i) {
            Fate::Kept => old.copy_from_slice(new),
            Fate::Lost => {}
            Fate::Front => old[..half].copy_from_slice(&new[..half]),
            Fate::Back => old[half..].copy_from_slice(&new[half..]),
            Fate::Mixed(seed) => {
                for (j, (o, n)) in old.iter_mut().zip(new).enumerate() {
                    if mix(seed ^ (j as u64)) & 1 == 0 {
                        *o = *n;
                    }
                }
            }
        }
    }
    after
}

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What must hold after a crash: everything synced, perhaps the group in flight, nothing else.
fn check(
    image: &JournalImage,
    from: GroupSeq,
    synced: GroupSeq,
    groups: &BTreeMap<GroupSeq, Vec<Frame>>,
    clean: bool,
) {
    let kept = image.next_seq.0 - 1;
    assert!(kept == synced.0 || kept == synced.0 + 1, "kept {kept}, synced {synced:?}: {image:?}");
    let seqs: Vec<u64> = image.groups.iter().map(|g| g.seq.0).collect();
    assert_eq!(seqs, (from.0..=kept).collect::<Vec<_>>(), "every group from the checkpoint on");
    for group in &image.groups {
        assert_eq!(Some(&group.frames), groups.get(&group.seq), "{:?} as it was put", group.seq);
    }
    for finding in &image.findings {
        match finding {
            Finding::Cut { seq, damage, .. } => {
                assert_eq!(seq.0, kept + 1, "{finding}");
                assert!(!clean || damage.rotten == 0, "a crash rots nothing: {finding}");
            }
            other => panic!("a crash does not leave this: {other}"),
        }
    }
}

/// A ring in its third lap, with the remains of a cut group where the next group goes.
fn used_ring(frames: &[Frame]) -> (Rig, GroupSeq) {
    let mut rig = Rig::new(small());
    let mut base = 0;
    while rig.journal.tail_seq().0 < 30 {
        let seq = rig.group([append(2, base, base, 2500)]);
        rig.journal.recycle(seq);
        base += 1;
    }
    let from = rig.journal.tail_seq();
    rig.put(append(2, base, base, 7000));
    rig.flush();
    let write = rig.pending.take().expect("in flight");
    let platter = tear(&rig.platter, &write, |i| [Fate::Kept, Fate::Front, Fate::Lost][i % 3]);
    let image = recovered(&platter, from).expect("a crash is no harm");
    let mut rig = Rig::boot(small(), platter, &image);
    for frame in frames {
        rig.put(frame.clone());
    }
    rig.flush();
    (rig, from)
}

#[test]
fn every_fate_of_every_sector_of_a_group_of_one_block() {
    for fresh in [true, false] {
        let frames = [append(1, 0, 0, 1500), append(1, 1, 3, 700)];
        let (mut rig, from) = used_ring(&frames);
        if fresh {
            rig = Rig::new(small());
            rig.group([Frame::Boot { boot: 1 }]);
            for frame in &frames {
                rig.put(frame.clone());
            }
            rig.flush();
        }
        let from = if fresh { GroupSeq(1) } else { from };
        let write = rig.pending.take().expect("in flight");
        assert_eq!(write.bytes.len(), 4096);
        let synced = rig.journal.synced();
        let fates = [Fate::Kept, Fate::Lost, Fate::Front, Fate::Back];
        let mut kept = 0;
        for code in 0..4usize.pow(8) {
            let platter = tear(&rig.platter, &write, |i| fates[code >> (2 * i) & 3]);
            let image = recovered(&platter, from).expect("a crash is no harm");
            check(&image, from, synced, &rig.groups, true);
            let whole = image.next_seq.0 == synced.0 + 2;
            assert!(whole || code != 0, "what arrived is kept");
            kept += u32::from(whole);
        }
        // Besides, a sector of zeroes that was lost over a sector of zeroes is no loss.
        assert!(kept <= 64, "{kept} of 65536 kept");
    }
}

#[test]
fn every_subset_of_the_sectors_of_a_group_of_two_blocks() {
    let (mut rig, from) = used_ring(&[append(1, 0, 9, 6000)]);
    let write = rig.pending.take().expect("in flight");
    assert_eq!(write.bytes.len(), 8192);
    let synced = rig.journal.synced();
    for subset in 0..1u32 << 16 {
        let fate = |i: usize| if subset >> i & 1 == 1 { Fate::Kept } else { Fate::Lost };
        let platter = tear(&rig.platter, &write, fate);
        let image = recovered(&platter, from).expect("a crash is no harm");
        check(&image, from, synced, &rig.groups, true);
        let whole = image.next_seq.0 == synced.0 + 2;
        assert!(whole || subset != 0xffff, "what arrived is kept");
    }
}

/// One thing that happens to a journal.
#[derive(Clone, Debug)]
enum Step {
    Put { log: u64, len: usize },
    State { log: u64, len: usize },
    Flush,
    Sync,
    Seal,
    Recycle { keep: u64 },
    Crash { mode: u8, seed: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..4u64, 21..6000usize).prop_map(|(log, len)| Step::Put { log, len }),
        2 => (1..4u64, 0..300usize).prop_map(|(log, len)| Step::State { log, len }),
        5 => Just(Step::Flush),
        6 => Just(Step::Sync),
        1 => Just(Step::Seal),
        2 => (0..6u64).prop_map(|keep| Step::Recycle { keep }),
        2 => (0..7u8, any::<u64>()).prop_map(|(mode, seed)| Step::Crash { mode, seed }),
    ]
}

/// A journal, what a checkpoint covers of it, and the next offset of each log.
struct World {
    rig: Rig,
    from: GroupSeq,
    next: BTreeMap<u64, u64>,
    boot: u64,
    exact: bool,
}

impl World {
    fn new(exact: bool) -> World {
        let next = BTreeMap::new();
        World { rig: Rig::new(small()), from: GroupSeq(1), next, boot: 0, exact }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Put { log, len } => {
                self.make_room(len);
                let base = self.next.entry(log).or_default();
                let last = *base + len as u64 % 5;
                self.rig.put(append(log, *base, last, len));
                *base = last + 1;
            }
            Step::State { log, len } => {
                self.make_room(len);
                let state = vec![len as u8; len].into();
                self.rig.put(Frame::HardState { log: LogId(log), state });
                self.rig.put(Frame::LogStart { log: LogId(log), start: Offset(len as u64) });
            }
            Step::Flush => self.flush(),
            Step::Sync => self.rig.sync(),
            Step::Seal => self.rig.seal(),
            Step::Recycle { keep } => {
                // A checkpoint waits for the group of its own life's boot, and so for what the life before left in the page cache.
                let volatile = self.rig.volatile.as_ref().map(|(write, _)| write.seq.0);
                let next = volatile.unwrap_or(self.rig.journal.synced().0 + 1);
                let before = next.saturating_sub(keep);
                self.from = self.from.max(GroupSeq(before));
                self.rig.journal.recycle(self.from);
            }
            Step::Crash { mode, seed } => self.crash(mode, seed),
        }
    }

    fn flush(&mut self) {
        self.rig.flush();
        let synced = self.rig.journal.synced().0;
        let waits = self.rig.journal.open_seq().0 > synced + 1;
        assert!(self.rig.pending.is_some() || !waits, "what was put within the room has a place");
    }

    /// What a storage does that finds no room: a checkpoint once everything is durable.
    fn make_room(&mut self, len: usize) {
        while self.rig.journal.room() < JournalConfig::cost(len) {
            let size = self.rig.journal.size();
            self.flush();
            if self.rig.pending.is_some() {
                self.rig.sync();
                continue;
            }
            if self.rig.journal.used() == 0 {
                break; // an unused ring has one file, and another when that is too short
            }
            if self.rig.journal.size() > size {
                continue;
            }
            let before = GroupSeq(self.rig.journal.synced().0 + 1);
            assert!(before > self.from, "a journal without need of room has none");
            self.from = before;
            self.rig.journal.recycle(before);
        }
    }

    fn crash(&mut self, mode: u8, seed: u64) {
        let fate = |i: usize| {
            let r = mix(seed ^ ((i as u64) << 32));
            match (mode, r % 4) {
                (0, _) => Fate::Kept,
                (1, _) => Fate::Lost,
                (2, 0..2) | (3, 1..) => Fate::Kept,
                (2 | 3, _) => Fate::Lost,
                (4 | 6, n) => [Fate::Kept, Fate::Lost, Fate::Front, Fate::Back][n as usize],
                (_, 0) if !self.exact => Fate::Mixed(r),
                (_, n) => [Fate::Lost, Fate::Kept, Fate::Kept, Fate::Back][n as usize],
            }
        };
        // Mode 6 kills the process only: what was written is read back, and may be lost with the
        // power later.
        let mut synced = self.rig.journal.synced();
        let mut volatile = None;
        let platter = match (&self.rig.pending, &self.rig.volatile) {
            (Some(_), Some(_)) => panic!("a group follows one that is not durable"),
            (Some(write), None) if mode == 6 => {
                volatile = Some((write.clone(), self.rig.platter[&write.file].clone()));
                tear(&self.rig.platter, write, |_| Fate::Kept)
            }
            (Some(write), None) => tear(&self.rig.platter, write, fate),
            (None, Some((write, before))) => {
                synced = GroupSeq(write.seq.0 - 1);
                let mut platter = self.rig.platter.clone();
                platter.insert(write.file, before.clone());
                if mode == 6 {
                    volatile = self.rig.volatile.clone();
                    self.rig.platter.clone()
                } else {
                    tear(&platter, write, fate)
                }
            }
            (None, None) => self.rig.platter.clone(),
        };
        let image = recovered(&platter, self.from).expect("a crash is no harm");
        check(&image, self.from, synced, &self.rig.groups, self.exact);
        let before = std::mem::take(&mut self.rig.groups);
        self.rig = Rig::boot(small(), platter, &image);
        self.rig.volatile = volatile;
        // What a recovery found, the next one finds again, beside files that the ring came by since.
        let mut again = recovered(&self.rig.platter, self.from).expect("recovered before");
        again.files.truncate(image.files.len());
        assert!(again == image, "recovered again: {again:?}\nat first: {image:?}");
        self.rig.groups.extend(before.into_iter().filter(|(seq, _)| *seq < image.next_seq));
        self.boot += 1;
        self.rig.put(Frame::Boot { boot: self.boot });
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn crashes_lose_nothing_and_invent_nothing(steps in prop::collection::vec(step(), 1..250)) {
        let mut world = World::new(true);
        steps.into_iter().for_each(|s| world.step(s));
        world.crash(2, 7);
    }

    #[test]
    fn sectors_of_mixed_bytes_lose_nothing_either(steps in prop::collection::vec(step(), 1..250)) {
        let mut world = World::new(false);
        steps.into_iter().for_each(|s| world.step(s));
        world.crash(5, 7);
    }
}

/// What a property with random steps once met, and was wrong about: a checkpoint never covers what may be lost.
#[test]
fn a_checkpoint_waits_for_what_a_killed_process_left() {
    let killed = || [Step::Flush, Step::Crash { mode: 6, seed: 0 }, Step::Recycle { keep: 0 }];
    let mut steps = vec![Step::Put { log: 1, len: 21 }];
    steps.extend(killed());
    steps.push(Step::Crash { mode: 1, seed: 0 });
    steps.extend(killed());
    steps.push(Step::Sync);
    let mut world = World::new(true);
    steps.into_iter().for_each(|s| world.step(s));
    world.crash(2, 7);
}

/// A group of one block that an earlier life cut, because the disk lacked one sector of the zeroes at its end, came back
/// when the next life's group left just that sector: it held the same zeroes.
#[test]
fn a_group_that_was_cut_does_not_come_back() {
    let small = |n: usize| std::iter::repeat_n(Step::Put { log: 1, len: 21 }, n);
    let mut steps: Vec<Step> = small(6).collect();
    steps.extend([Step::Sync, Step::Put { log: 1, len: 2051 }]);
    steps.extend(small(4));
    steps.extend([Step::Flush, Step::Crash { mode: 3, seed: 133799754477744863 }]);
    steps.extend([Step::Flush, Step::Crash { mode: 3, seed: 12737248936670459659 }]);
    steps.extend(small(4));
    steps.extend([Step::Flush, Step::Crash { mode: 3, seed: 13953801229092684804 }]);
    let mut world = World::new(false);
    steps.into_iter().for_each(|s| world.step(s));
}

#[test]
fn a_crash_while_a_file_is_made_leaves_a_file_that_is_made_again() {
    let mut rig = Rig::new(small());
    let synced = rig.group([append(1, 0, 0, 100)]);
    let (&last, whole) = rig.platter.last_key_value().expect("made");
    let header = whole[..4096].to_vec();
    let zero = |len: usize| vec![0; len];
    let torn = |range: std::ops::Range<usize>| {
        let mut bytes = zero(whole.len());
        bytes[range.clone()].copy_from_slice(&header[range]);
        bytes
    };
    for bytes in [zero(0), zero(100), zero(9000), zero(whole.len()), torn(0..20), torn(20..4096)] {
        let mut platter = rig.platter.clone();
        platter.insert(last, bytes);
        let image = recovered(&platter, GroupSeq(1)).expect("nothing is lost");
        check(&image, GroupSeq(1), synced, &rig.groups, true);
        assert_eq!(image.findings, []);
        assert_eq!(image.files.len(), platter.len() - 1);
        let again = Rig::boot(small(), platter, &image);
        assert_eq!(again.platter[&last], *whole);
    }
}

#[test]
fn the_file_of_a_kept_group_is_synced_before_anything_follows() {
    let mut rig = Rig::new(small());
    rig.put(append(1, 0, 0, 100));
    rig.flush();
    let write = rig.pending.take().expect("in flight");
    write.write(&mut rig.platter);
    let image = recovered(&rig.platter, GroupSeq(1)).expect("whole");
    assert_eq!(image.groups.len(), 1);
    let mut journal = crate::journal::Journal::resume(&image, small());
    let mut ops = vec![];
    journal.put(Frame::Boot { boot: 2 });
    journal.flush(rig.now, &mut ops);
    use crate::disk::{DiskOp, FileName, OpKind};
    let writes = |ops: &[DiskOp]| -> Vec<(u32, u64, bool)> {
        let written = |op: &DiskOp| match &op.kind {
            OpKind::Write { file: FileName::Journal(n), at, sync, .. } => Some((*n, *at, *sync)),
            _ => None,
        };
        ops.iter().filter_map(written).collect()
    };
    assert_eq!(writes(&ops), [(write.file, 0, true)]);
    ops.clear();
    journal.flush(rig.now, &mut ops);
    assert_eq!(writes(&ops), [], "nothing follows before the sync has returned");
    journal.file_made(write.file, &mut ops);
    let tail = u64::from(image.tail.expect("a group is there").1) * 4096;
    assert_eq!(writes(&ops), [(write.file, tail, true)]);
}
