//! Check 13: what administrators were told is what one broker would have said that does one thing after another.
//!
//! After Wing and Gong, with Lowe's improvement: a set of all states that are possible, each with the operations under way that
//! have happened in it already; when one is answered, only those states stay in which it has happened with this answer.
//! Topics are independent of each other, so each is judged alone. An operation without an answer may happen at any time, or
//! never, and stays under way to the end; if there are too many of those to keep all possibilities, the rest of this topic's history
//! is not judged.

use super::Check;
use crate::ledger::admin::{Act, Name, Op, Told};
use crate::ledger::{Ledger, Views};
use std::collections::{BTreeMap, BTreeSet};

/// Its row.
pub const ROW: Check = Check {
    number: 13,
    name: "metadata_linearizable",
    demands: "answers about topics fit one order in which everything happened",
    check,
};

/// More possibilities than this are not followed.
const POSSIBLE_MAX: usize = 4096;

/// Partitions of a topic, if there is one.
type State = Option<i32>;

/// Operations under way, each with the bit that says that it has happened.
#[derive(Default)]
struct UnderWay {
    ops: Vec<(usize, u128)>,
    /// Bits that are taken.
    taken: u128,
}

impl UnderWay {
    /// An operation begins. False if no bit is left.
    fn begin(&mut self, n: usize) -> bool {
        let bit = self.taken.trailing_ones();
        let Some(bit) = 1u128.checked_shl(bit) else { return false };
        self.taken |= bit;
        self.ops.push((n, bit));
        true
    }

    /// An operation has ended: its bit.
    fn end(&mut self, n: usize) -> u128 {
        let at = self.ops.iter().position(|(other, _)| *other == n).expect("it began");
        let (_, bit) = self.ops.swap_remove(at);
        self.taken &= !bit;
        bit
    }
}

/// Whether each topic's history fits one order.
fn check(ledger: &Ledger, _: &Views) -> Result<(), String> {
    let mut histories: BTreeMap<Name, Vec<Op>> = BTreeMap::new();
    for op in &ledger.admin.ops {
        histories.entry(op.name).or_default().push(*op);
    }
    histories.iter().try_for_each(|(name, ops)| {
        linearizable(ops).map_err(|op| format!("shared topic {name:?}: nothing explains {op:?}"))
    })
}

/// `Err` with the first operation whose answer nothing explains.
fn linearizable(ops: &[Op]) -> Result<(), Op> {
    let begins = ops.iter().enumerate().map(|(n, op)| (op.begun, n, false));
    let ends = ops.iter().enumerate().filter_map(|(n, op)| Some((op.ended?.0, n, true)));
    let mut moments: Vec<(u64, usize, bool)> = begins.chain(ends).collect();
    moments.sort_unstable();
    let mut under_way = UnderWay::default();
    let mut possible: BTreeSet<(State, u128)> = BTreeSet::from([(None, 0)]);
    for (_, n, is_end) in moments {
        if !is_end {
            // What looks and was not answered changes nothing.
            let counts = ops[n].act != Act::Describe || ops[n].ended.is_some();
            if counts && !under_way.begin(n) {
                return Ok(());
            }
            continue;
        }
        let mut left: Vec<_> = possible.iter().copied().collect();
        while let Some((state, happened)) = left.pop() {
            for (other, bit) in under_way.ops.iter().filter(|(_, bit)| happened & bit == 0) {
                if let Some(state) = after(state, &ops[*other]) {
                    let next = (state, happened | bit);
                    if possible.insert(next) {
                        left.push(next);
                    }
                }
            }
            if possible.len() > POSSIBLE_MAX {
                return Ok(());
            }
        }
        let bit = under_way.end(n);
        let fits = possible.into_iter().filter(|(_, happened)| happened & bit != 0);
        possible = fits.map(|(state, happened)| (state, happened & !bit)).collect();
        if possible.is_empty() {
            return Err(ops[n]);
        }
    }
    Ok(())
}

/// The state after an operation that had this answer in this state; none if it could not have had it.
fn after(state: State, op: &Op) -> Option<State> {
    let told = op.ended.map(|(_, told)| told);
    match (op.act, told.unwrap_or(Told::Done), state) {
        (Act::Create(count), Told::Done, None) => Some(Some(count)),
        (Act::Create(_), Told::Exists, Some(_)) => Some(state),
        (Act::Delete, Told::Done, Some(_)) => Some(None),
        (Act::Delete | Act::Grow(_), Told::Missing, None) => Some(state),
        (Act::Grow(count), Told::Done, Some(now)) if now < count => Some(Some(count)),
        (Act::Grow(count), Told::NotMore, Some(now)) if now >= count => Some(state),
        (Act::Describe, Told::Is(seen), _) if seen == state => Some(state),
        _ => None,
    }
}
