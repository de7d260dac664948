//! Bugs that the explorer found, each as the shortest story that showed it.

mod common;

use common::tiny;
use sordini_log::disk::{DiskOp, FileName, Lane, OpKind};
use sordini_sim::platter::{Fate, Fault, Harm, Role, Verb};
use sordini_sim::storage::{Harmed, Rig, check};

/// A storage that is serving.
fn booted(seed: u64) -> Rig {
    let mut rig = Rig::new(seed, tiny(seed));
    rig.restart();
    rig.recover().expect("an empty disk");
    rig
}

/// Works until the next operation of the store lane is one that `wanted` takes.
fn until(rig: &mut Rig, wanted: impl Fn(&DiskOp) -> bool) {
    for _ in 0..20_000 {
        if rig.platter.next_in(Lane::Store).is_some_and(&wanted) {
            return;
        }
        rig.turn().expect("no fault was injected");
        rig.step().expect("no fault was injected");
    }
    panic!("the operation never came");
}

fn holds(rig: &mut Rig) {
    rig.recover().unwrap_or_else(|f| panic!("{f}"));
    check::contents(rig).unwrap_or_else(|f| panic!("{f}"));
}

/// With a journal that is full and no checkpoint since, a boot found no place for its own group, and the
/// checkpoint that would have made room comes only after the boot.
#[test]
fn a_storage_boots_again_and_again_with_a_full_journal() {
    let mut rig = booted(1);
    rig.answering = false;
    for _ in 0..3000 {
        rig.turn().expect("no fault was injected");
        rig.step().expect("no fault was injected");
    }
    for _ in 0..20 {
        rig.crash(true, &mut |_| Fate::Kept);
        holds(&mut rig);
    }
}

/// A crash came between the renames of `current` and `next`. Recovery rightly started from
/// `next`; the first checkpoint of that life wrote over it, the power failed in the middle, and what was
/// left was `previous`, without the journal that it needs. Now it is given its name before anything else is written.
#[test]
fn a_checkpoint_that_lost_its_name_is_not_written_over() {
    let mut rig = booted(1);
    until(&mut rig, |op| matches!(&op.kind, OpKind::Rename { from: FileName::Checkpoint, .. }));
    rig.step_store().expect("no fault was injected");
    rig.crash(false, &mut |_| Fate::Kept);
    holds(&mut rig);
    let files = rig.platter.list();
    let has = |name: &str| files.iter().any(|(path, _)| path == name);
    assert!(has("checkpoint/current") && !has("checkpoint/next"), "{files:?}");
    until(&mut rig, |op| matches!(&op.kind, OpKind::Write { file: FileName::CheckpointNext, .. }));
    rig.crash(true, &mut |_| Fate::Torn(100));
    holds(&mut rig);
}

/// The sync of a checkpoint failed, which ended the process. The next one read it well, from the page cache, gave it its name, and wrote over
/// the journal that the one before needs; when the power failed, there was nothing behind that name. Now it is written once more.
#[test]
fn a_checkpoint_whose_sync_failed_is_written_again() {
    let mut rig = booted(1);
    until(&mut rig, |op| matches!(&op.kind, OpKind::Write { file: FileName::CheckpointNext, .. }));
    rig.harmed = Harmed::Errors;
    let fault = Fault::always(Role::CheckpointNext, Verb::Write, Harm::SyncFails);
    rig.platter.faults.push(fault);
    rig.step_store().expect("it may fail");
    assert!(rig.fatal.is_some(), "a failed sync ends the process");
    rig.platter.faults.clear();
    rig.restart();
    holds(&mut rig);
    rig.crash(false, &mut |_| Fate::Lost);
    holds(&mut rig);
    assert_eq!(rig.fatal, None);
}

/// A deleted log's directory still had the name when its successor was swept: every crash in the first moments
/// of a successor's life.
#[test]
fn a_successor_is_not_swept_in_its_predecessors_directory() {
    for seed in 0..10 {
        let mut rig = booted(seed);
        until(&mut rig, |op| matches!(&op.kind, OpKind::RenameDir { .. }));
        for _ in 0..30 {
            let mut fork = rig.clone();
            for _ in 0..2 {
                fork.crash(false, &mut |_| Fate::Lost);
                holds(&mut fork);
                fork.settle().unwrap_or_else(|f| panic!("{f}"));
            }
            rig.turn().expect("no fault was injected");
            // The store lane stands still, so that the rename stays ahead of us.
            rig.step_journal().expect("no fault was injected");
        }
    }
}
