//! Mutants: bugs that others published, each as one small change in otherwise correct code.
//!
//! They measure the simulator: the swarm must find each one. A mutant is written where it would be made,
//! `mutant!(S01, right, wrong)`, and has a row in the table here. Without the feature `mutants`, which no release has, the
//! macro is `right` and nothing of this file exists. With it, at most one is active in a process: it is a static,
//! because it stands for another build of the program, not for state of a machine.

#[cfg(feature = "mutants")]
pub use active::{MUTANTS, Mutant, NONDETERMINISM, activate, is_active, shuffle};

/// `mutant!(S01, right, wrong)`: `right`, unless this is a build with mutants and S01 is the active one.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($id:ident, $right:expr, $wrong:expr) => {
        $right
    };
}

/// `mutant!(S01, right, wrong)`: `right`, unless S01 is the active mutant.
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($id:ident, $right:expr, $wrong:expr) => {
        if $crate::mutant::is_active(const { $crate::mutant::Mutant::number(stringify!($id)) }) {
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
            id: "N01",
            change: "the order of answers is said by a map whose order is random",
            known_from: "Rust's own maps, and Go's",
        },
        Mutant {
            id: "S01",
            change: "an acknowledgement leaves when the write is issued, before the sync has returned",
            known_from: "Jepsen, NATS 2.12.1",
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
            panic!("this mutant has no row in core/log/src/mutant.rs")
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
