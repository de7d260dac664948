//! The recovery table, row by row: once as a function, once on a platter.

use super::rig::{Pending, Platter, Rig, append, recovered, small};
use crate::GroupSeq;
use crate::disk::BLOCK_BYTES;
use crate::journal::recovery::{Extent, Verdict, verdict};
use crate::journal::{Finding, JournalError};

/// Something that happens to a group that was written.
type Harm = fn(&mut Platter, &Pending);

/// Three groups of two blocks each: the first two synced, the third in flight.
fn three() -> (Rig, [Pending; 3]) {
    let mut rig = Rig::new(small());
    let writes = std::array::from_fn(|i| {
        rig.put(append(1, i as u64, i as u64, 5000));
        rig.flush();
        let write = rig.pending.clone().expect("in flight");
        if i < 2 {
            rig.sync();
        }
        write
    });
    assert!(writes.iter().all(|w: &Pending| w.bytes.len() == 2 * BLOCK_BYTES));
    (rig, writes)
}

fn rot(platter: &mut Platter, write: &Pending, block: usize) {
    platter.get_mut(&write.file).expect("made")[write.at + block * BLOCK_BYTES + 100] ^= 1;
}

fn clear(platter: &mut Platter, write: &Pending, blocks: std::ops::Range<usize>) {
    let range = write.at + blocks.start * BLOCK_BYTES..write.at + blocks.end * BLOCK_BYTES;
    platter.get_mut(&write.file).expect("made")[range].fill(0);
}

/// Makes one sector of a block old.
fn tear(platter: &mut Platter, write: &Pending, block: usize) {
    let at = write.at + block * BLOCK_BYTES + 1024;
    platter.get_mut(&write.file).expect("made")[at..at + 512].fill(0);
}

#[test]
fn whole_and_covered_is_kept_and_so_is_whole_and_last() {
    assert_eq!(verdict(Extent::Whole, true, false), Verdict::Keep);
    assert_eq!(verdict(Extent::Whole, false, false), Verdict::Keep);
    let (mut rig, writes) = three();
    writes[2].write(&mut rig.platter);
    let image = recovered(&rig.platter, GroupSeq(1)).expect("whole");
    assert_eq!((image.groups.len(), image.findings.len()), (3, 0));
}

#[test]
fn covered_and_not_whole_is_faulty_however_it_looks() {
    let damages: [(Extent, Harm); 3] = [
        (Extent::Torn, |p, w| tear(p, w, 0)),
        (Extent::Rotten, |p, w| rot(p, w, 0)),
        (Extent::Absent, |p, w| clear(p, w, 0..2)),
    ];
    for (extent, damage) in damages {
        assert_eq!(verdict(extent, true, false), Verdict::Faulty);
        let (mut rig, writes) = three();
        writes[2].write(&mut rig.platter);
        damage(&mut rig.platter, &writes[1]);
        let image = recovered(&rig.platter, GroupSeq(1)).expect("the others are whole");
        let [Finding::Faulty { seq: GroupSeq(2), lost, unknown: false, .. }] = &image.findings[..]
        else {
            panic!("{extent:?}: {:?}", image.findings);
        };
        assert_eq!((lost[0].base, lost[0].last), (1, 1));
        assert_eq!(image.groups.len(), 3);
    }
}

#[test]
fn the_last_group_is_cut_when_it_is_torn() {
    assert_eq!(verdict(Extent::Torn, false, false), Verdict::Cut);
    let (mut rig, writes) = three();
    writes[2].write(&mut rig.platter);
    tear(&mut rig.platter, &writes[2], 1);
    let image = recovered(&rig.platter, GroupSeq(1)).expect("one group is in flight");
    let [Finding::Cut { seq: GroupSeq(3), damage, .. }] = &image.findings[..] else {
        panic!("{:?}", image.findings);
    };
    assert_eq!((damage.new, damage.torn, damage.rotten), (1, 1, 0));
    assert_eq!(image.groups.len(), 2);
}

#[test]
fn the_last_group_is_cut_and_reported_when_it_is_rotten() {
    assert_eq!(verdict(Extent::Rotten, false, false), Verdict::CutAndReport);
    let (mut rig, writes) = three();
    writes[2].write(&mut rig.platter);
    rot(&mut rig.platter, &writes[2], 1);
    let image = recovered(&rig.platter, GroupSeq(1)).expect("a single voter cuts");
    let [Finding::Cut { seq: GroupSeq(3), damage, .. }] = &image.findings[..] else {
        panic!("{:?}", image.findings);
    };
    assert_eq!((damage.new, damage.rotten), (1, 1));
    assert_eq!(image.groups.len(), 2);
}

#[test]
fn the_journal_ends_where_nothing_follows() {
    assert_eq!(verdict(Extent::Absent, false, false), Verdict::End);
    assert_eq!(verdict(Extent::Absent, false, true), Verdict::End);
    let (rig, _) = three();
    let image = recovered(&rig.platter, GroupSeq(1)).expect("nothing of the third arrived");
    assert_eq!((image.groups.len(), image.findings.len()), (2, 0));
}

#[test]
fn a_second_incomplete_group_is_refused() {
    for extent in [Extent::Whole, Extent::Torn, Extent::Rotten] {
        assert_eq!(verdict(extent, false, true), Verdict::Refuse);
    }
    // The third group's footer, which would prove the second, is lost.
    let damages: [Harm; 3] = [|p, w| tear(p, w, 0), |p, w| rot(p, w, 0), |p, w| clear(p, w, 0..2)];
    for damage in damages {
        let (mut rig, writes) = three();
        writes[2].write(&mut rig.platter);
        clear(&mut rig.platter, &writes[2], 1..2);
        damage(&mut rig.platter, &writes[1]);
        let error = recovered(&rig.platter, GroupSeq(1)).expect_err("no crash does this");
        let JournalError::Incomplete { first, second } = error else { panic!("{error}") };
        assert_eq!((first.seq, second.seq), (GroupSeq(2), GroupSeq(3)));
        assert_eq!(second.file, writes[2].file);
        assert!(error.to_string().contains("Restore"), "{error}");
    }
}
