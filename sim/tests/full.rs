//! A full disk: whatever it refuses, once or for a while, the storage takes nothing new meanwhile, answers reads, goes
//! on by itself once there is space, and loses nothing.

mod common;

use common::tiny;
use sordini_log::storage::Room;
use sordini_sim::failure::Failure;
use sordini_sim::platter::{Fate, Fault, Harm, Role, Verb};
use sordini_sim::storage::{Harmed, Rig, check};

/// Every operation that takes space on some file system, and whether data waits for it: what only cleans up keeps
/// nobody from writing.
const TAKES_SPACE: &[(Role, Verb, bool)] = &[
    (Role::Journal, Verb::Create, true),
    (Role::Journal, Verb::Write, true),
    (Role::Journal, Verb::SyncDir, true),
    (Role::Checkpoint, Verb::Rename, true),
    (Role::Checkpoint, Verb::SyncDir, true),
    (Role::CheckpointNext, Verb::Write, true),
    (Role::CheckpointNext, Verb::Rename, true),
    (Role::Root, Verb::SyncDir, true),
    (Role::LogDir, Verb::MakeDir, true),
    (Role::LogDir, Verb::SyncDir, true),
    (Role::LogDir, Verb::RenameDir, true),
    (Role::LogDir, Verb::RemoveDir, true),
    (Role::Metadata, Verb::Write, true),
    (Role::Segment, Verb::Write, true),
    (Role::Segment, Verb::Truncate, true),
    (Role::Segment, Verb::Unlink, false),
    (Role::Index, Verb::Write, true),
    (Role::Index, Verb::Truncate, true),
    (Role::Index, Verb::Unlink, false),
    (Role::TimeIndex, Verb::Write, true),
    (Role::TimeIndex, Verb::Unlink, false),
];

/// What a run came to.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    /// Operations that found the disk full.
    struck: u64,
    /// Turns in which nothing new was taken, and answers to readers meanwhile.
    read_only: u64,
    reads: u64,
}

/// From the beginning or in the middle of a life, `times` operations of a kind find the disk full.
fn outlives(
    rig: &mut Rig,
    role: Role,
    verb: Verb,
    times: u64,
    late: bool,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::default();
    rig.restart();
    rig.recover()?;
    work(rig, 300, &mut outcome)?;
    let fault = Fault { times, ..Fault::always(role, verb, Harm::Full) };
    let before = rig.platter.counts.faults;
    rig.platter.faults.push(fault);
    if !late {
        rig.crash(true, &mut |_| Fate::Kept);
        recover_at_last(rig)?;
    }
    work(rig, 600, &mut outcome)?;
    rig.platter.faults.clear();
    outcome.struck = rig.platter.counts.faults - before;
    rig.settle()?;
    if rig.storage.room() != Room::Free {
        let what = format!("there is space again, and room is {:?}", rig.storage.room());
        return Err(Failure::new("a full disk recovers by itself", what));
    }
    check::contents(rig)?;
    leftovers(rig)?;
    let acked = rig.tally.acked;
    work(rig, 100, &mut Outcome::default())?;
    if rig.tally.acked == acked {
        return Err(Failure::new("a full disk recovers by itself", "nothing is acknowledged"));
    }
    rig.crash(false, &mut |_| Fate::Lost);
    rig.recover()?;
    check::contents(rig)?;
    Ok(outcome)
}

/// A boot that cannot make durable what it read refuses to serve; it is started again until it can.
fn recover_at_last(rig: &mut Rig) -> Result<(), Failure> {
    let harmed = std::mem::replace(&mut rig.harmed, Harmed::Errors);
    rig.recover()?;
    while rig.fatal.is_some() {
        rig.crash(false, &mut |_| Fate::Kept);
        rig.recover()?;
    }
    rig.harmed = harmed;
    Ok(())
}

/// Every segment file is one that a log has, and no deleted log's directory is left.
fn leftovers(rig: &Rig) -> Result<(), Failure> {
    let known: Vec<String> = rig
        .ledger
        .newest()
        .keys()
        .flat_map(|&log| {
            let (dir, segments) = (rig.storage.dir(log), rig.storage.segments(log));
            segments.iter().map(|s| format!("{}/{:020}", dir.name, s.base.0))
        })
        .collect();
    let stray = |path: &str| match path.rsplit_once('.') {
        Some((segment, "log" | "index" | "timeindex")) => !known.iter().any(|k| k == segment),
        _ => path.contains("-delete"),
    };
    match rig.platter.list().iter().find(|(path, _)| stray(path)) {
        None => Ok(()),
        Some((path, _)) => {
            Err(Failure::new("what a full disk kept is removed later", path.clone()))
        }
    }
}

/// So many turns under load, in which whatever is read is what was written.
fn work(rig: &mut Rig, turns: u64, outcome: &mut Outcome) -> Result<(), Failure> {
    for _ in 0..turns {
        let reads = rig.tally.reads;
        rig.turn()?;
        if !rig.step()? {
            rig.idle_turn()?;
        }
        let read_only = rig.storage.room() == Room::ReadOnly;
        outcome.read_only += u64::from(read_only);
        outcome.reads += if read_only { rig.tally.reads - reads } else { 0 };
    }
    Ok(())
}

#[test]
fn a_disk_that_is_full_once_or_for_a_while_loses_nothing_and_ends_nobody() {
    let mut reads = 0;
    for &(role, verb, waits) in TAKES_SPACE {
        let mut sum = Outcome::default();
        for seed in 700..718 {
            for times in [1, 40] {
                for late in [false, true] {
                    let mut rig = Rig::new(seed, tiny(seed));
                    rig.story = Some(Vec::new());
                    let outcome =
                        outlives(&mut rig, role, verb, times, late).unwrap_or_else(|mut f| {
                            f.story = rig.story.take().unwrap_or_default();
                            panic!(
                                "seed {seed}, {verb:?} of {role:?} {times} times, late {late}: {f}"
                            )
                        });
                    sum.struck += outcome.struck;
                    sum.read_only += outcome.read_only;
                    sum.reads += outcome.reads;
                }
            }
        }
        println!("{verb:?} {role:?}: {sum:?}");
        assert!(sum.struck > 0, "{verb:?} of {role:?} never found the disk full");
        assert_eq!(sum.read_only > 0, waits, "{verb:?} of {role:?}: {sum:?}");
        reads += sum.reads;
    }
    assert!(reads > 100, "{reads} reads were answered while nothing could be appended");
}

/// Pages that a sync did not write are gone, and so is the memory that held them: only a restart knows what is there.
#[test]
fn a_segment_whose_sync_fails_for_want_of_space_ends_the_process_and_loses_nothing() {
    for seed in 710..716 {
        let mut rig = Rig::new(seed, tiny(seed));
        rig.harmed = Harmed::Errors;
        rig.restart();
        rig.recover().expect("an empty disk");
        let fault = Fault::always(Role::Segment, Verb::Sync, Harm::Full);
        rig.platter.faults.push(fault);
        for _ in 0..2000 {
            rig.turn().and_then(|()| rig.step()).unwrap_or_else(|f| panic!("{f}"));
        }
        assert!(rig.fatal.is_some(), "seed {seed}");
        rig.platter.faults.clear();
        rig.crash(false, &mut |_| Fate::Lost);
        rig.recover().unwrap_or_else(|f| panic!("{f}"));
        check::contents(&mut rig).unwrap_or_else(|f| panic!("{f}"));
    }
}
