//! Mutants: known bugs, each as one small change in otherwise correct code.
//!
//! They measure the simulator: the swarm must find each one. A mutant is written where it would be made,
//! `mutant!(S01, right, wrong)`, and has a row in the table here. C, S and K are published bugs by the letters of the
//! corpus (consensus, storage, Kafka's semantics), B are our own. Without the feature `mutants`, which no release has, the
//! macro is `right` and nothing of this file exists. With it, at most one is active in a process: it is a static,
//! because it stands for another build of the program, not for state of a machine.
//!
//! This is a crate of its own and knows nothing, so that every pure room can know it, and one feature is enough.

#[cfg(feature = "mutants")]
pub use active::{MUTANTS, Mutant, NONDETERMINISM, activate, is_active, shuffle};

/// `mutant!(S01, right, wrong)`: `right`, unless this is a build with mutants and S01 is the active one.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($id:ident, (), $wrong:expr) => {{}};
    ($id:ident, $right:expr, $wrong:expr) => {
        $right
    };
}

/// `mutant!(S01, right, wrong)`: `right`, unless S01 is the active mutant.
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($id:ident, $right:expr, $wrong:expr) => {
        if $crate::is_active(const { $crate::Mutant::number(stringify!($id)) }) {
            $wrong
        } else {
            $right
        }
    };
}

#[cfg(feature = "mutants")]
mod active {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A known bug.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Mutant {
        /// Its name, and that of its place in the code.
        pub id: &'static str,
        /// What is wrong.
        pub change: &'static str,
        /// Where such a thing happened.
        pub known_from: &'static str,
    }

    /// Every mutant, sorted by id.
    pub const MUTANTS: &[Mutant] = &[
        Mutant {
            id: "B01",
            change: "the next group begins in the last block of the one before, which has its footer",
            known_from: "any log that is not aligned to what a disk writes whole",
        },
        Mutant {
            id: "B02",
            change: "a block of an earlier lap is taken for a part of the group that was written over it",
            known_from: "any log that is used again without a sequence in each block",
        },
        Mutant {
            id: "B03",
            change: "recovery takes for granted that segments hold what the journal holds",
            known_from: "KAFKA-3919, a log believed up to the end of its file",
        },
        Mutant {
            id: "B04",
            change: "the cache drops what is durable in the journal and not yet in its segment",
            known_from: "found while this broker was written",
        },
        Mutant {
            id: "B05",
            change: "an answer is parked on the group before the one that it waits for",
            known_from: "off by one in every group commit",
        },
        Mutant {
            id: "B06",
            change: "a group is handed to the disk while another one is in flight",
            known_from: "etcd-io/raft, async storage writes",
        },
        Mutant {
            id: "B07",
            change: "a checkpoint leaves out the producers' windows",
            known_from: "KAFKA-5249, producer snapshots",
        },
        Mutant {
            id: "B08",
            change: "the id of a deleted log is given out again",
            known_from: "KAFKA-3042 and others that topic ids were made for",
        },
        Mutant {
            id: "B09",
            change: "the high watermark moves when the leader appends",
            known_from: "etcd #14370, a leader that counts itself before its sync",
        },
        Mutant {
            id: "B10",
            change: "a frame is cut before its last bytes have come",
            known_from: "every first TCP server",
        },
        Mutant {
            id: "B11",
            change: "a duplicate is answered before the batch that it repeats is durable",
            known_from: "KAFKA-4039 and its like",
        },
        Mutant {
            id: "B12",
            change: "a checkpoint does not wait until the segments that it vouches for are synced",
            known_from: "PostgreSQL's fsync queue, 2018",
        },
        Mutant {
            id: "B13",
            change: "the journal is used again before the checkpoint's names are durable",
            known_from: "ALICE, OSDI 2014: rename without the directory's sync",
        },
        Mutant {
            id: "B14",
            change: "a reader is given what lies beyond the high watermark",
            known_from: "KAFKA-14704 and its like",
        },
        Mutant {
            id: "B15",
            change: "an answer that is ready early leaves in the place of the oldest request",
            known_from: "every server that answers pipelined requests",
        },
        Mutant {
            id: "B16",
            change: "a producer id is told before the block that it is from is durable",
            known_from: "KAFKA-12838 and its like",
        },
        Mutant {
            id: "B17",
            change: "of a producer's window only the last batch is compared",
            known_from: "Redpanda #3039, duplicates of pipelined batches",
        },
        Mutant {
            id: "B18",
            change: "a recovered log goes on in a segment that DeleteRecords has emptied, whose name may be gone",
            known_from: "found by this simulator",
        },
        Mutant {
            id: "B19",
            change: "a process dates what it recovers by its own clock, and then believes the clock",
            known_from: "found by this simulator",
        },
        Mutant {
            id: "B20",
            change: "a process believes names that are in nothing but the page cache",
            known_from: "found by this simulator",
        },
        Mutant {
            id: "B21",
            change: "a process that goes on from an older checkpoint leaves the newest one there, to be believed later",
            known_from: "found by this simulator",
        },
        Mutant {
            id: "B22",
            change: "a group that no answer waits for is not handed to the disk",
            known_from: "group commits that are driven by those who wait for them",
        },
        Mutant {
            id: "B23",
            change: "records that cannot be read any more are passed by, as if they had never been",
            known_from: "FAST 2017, Redundancy Does Not Imply Fault Tolerance: Kafka's silent loss",
        },
        Mutant {
            id: "B24",
            change: "a disk that was full is not asked again while anybody waits",
            known_from: "every retry whose wait is in another unit than its caller thinks",
        },
        Mutant {
            id: "B25",
            change: "a directory that says no more whose it is is left as it is",
            known_from: "found by a review of this broker; Kafka takes such a directory out of service",
        },
        Mutant {
            id: "B26",
            change: "a process that is asked to end does not wait for what was acknowledged before it was durable",
            known_from: "found while this broker was reviewed",
        },
        Mutant {
            id: "K01",
            change: "producers are not known again after a restart",
            known_from: "Redpanda #3039; KAFKA-5829",
        },
        Mutant {
            id: "N01",
            change: "the order of answers is said by a map whose order is random",
            known_from: "Rust's own maps, and Go's",
        },
        Mutant {
            id: "S01",
            change: "an acknowledgement leaves when the write is issued, before the sync has returned",
            known_from: "Jepsen, NATS 2.12.1",
        },
        Mutant {
            id: "S02",
            change: "a sync that failed is asked for again, and its success is believed",
            known_from: "Rebello et al., ATC 2020; fsyncgate",
        },
        Mutant {
            id: "S03",
            change: "recovery cuts at the first group that is damaged, although a later one proves that it was durable",
            known_from: "Kafka's LogLoader; Protocol-Aware Recovery, FAST 2018; FAST 2017",
        },
        Mutant {
            id: "S07",
            change: "the name of a new segment is never made durable",
            known_from: "KAFKA-3968",
        },
        Mutant {
            id: "S09",
            change: "the checkpoint is renamed without a sync of its content",
            known_from: "KAFKA-16541",
        },
        Mutant {
            id: "S10",
            change: "appends go on after an error of the disk, as if it had worked",
            known_from: "KAFKA-10778",
        },
    ];

    /// The mutant that breaks no promise to a client, but a run is not the same twice: found by comparing, not by checks.
    pub const NONDETERMINISM: &str = "N01";

    /// The order in which a map with random hashes has its items.
    pub fn shuffle<T>(items: &mut Vec<T>) {
        let random = RandomState::new();
        let mut keyed: Vec<(u64, T)> =
            (0_u64..).map(|n| random.hash_one(n)).zip(items.drain(..)).collect();
        keyed.sort_by_key(|(hash, _)| *hash);
        items.extend(keyed.into_iter().map(|(_, item)| item));
    }

    /// Number of the active one, from 1; 0 is none.
    static ACTIVE: AtomicUsize = AtomicUsize::new(0);

    impl Mutant {
        /// The number of a mutant's row, from 1; an error of the compiler if it has none.
        pub const fn number(id: &str) -> usize {
            let mut n = 0;
            while n < MUTANTS.len() {
                if equal(MUTANTS[n].id.as_bytes(), id.as_bytes()) {
                    return n + 1;
                }
                n += 1;
            }
            panic!("this mutant has no row in core/mutant/src/lib.rs")
        }
    }

    const fn equal(a: &[u8], b: &[u8]) -> bool {
        let mut n = 0;
        while n < a.len() && n < b.len() && a[n] == b[n] {
            n += 1;
        }
        n == a.len() && n == b.len()
    }

    /// Whether it is the active one.
    #[inline]
    pub fn is_active(number: usize) -> bool {
        ACTIVE.load(Ordering::Relaxed) == number
    }

    /// Makes a mutant the active one, or none. False if there is no such mutant.
    pub fn activate(id: Option<&str>) -> bool {
        let number = id.map(|id| MUTANTS.iter().position(|m| m.id == id));
        match number {
            None => ACTIVE.store(0, Ordering::Relaxed),
            Some(Some(n)) => ACTIVE.store(n + 1, Ordering::Relaxed),
            Some(None) => return false,
        }
        true
    }
}
