//! Check 21: what nobody can repair is answered with the truth or with an error.
//!
//! Where the simulator damaged what was durable, and nobody else has it, a broker cannot give what it acknowledged. Then it
//! says so, of these offsets and of no others: it never gives other bytes there, never skips them as if nothing had been there,
//! and never says that they are out of range.

use super::Check;
use crate::ledger::{Ledger, Place, Views};

/// Its row.
pub const ROW: Check = Check {
    number: 21,
    name: "over_budget",
    demands: "what was damaged is answered with its true bytes or an error",
    check,
};

/// Whether every acknowledged record that was damaged is there, or refused; and nothing else is refused.
fn check(ledger: &Ledger, views: &Views) -> Result<(), String> {
    for (id, sent) in ledger.sent() {
        let (Some(offset), Some(view)) = (sent.sure(), views.get(&sent.part)) else { continue };
        let place = Place { part: sent.part, offset };
        if offset < view.start || !ledger.is_damaged(place) {
            continue;
        }
        let there = view.at(offset);
        if there != Some(id) && (there.is_some() || view.refused.binary_search(&offset).is_err()) {
            return Err(format!(
                "{id:?} was acknowledged at {place:?} and damaged; there is {there:?} and no error"
            ));
        }
    }
    let read = ledger.refused_reads();
    let audited = views.iter().flat_map(|(part, view)| {
        view.refused.iter().map(|offset| Place { part: *part, offset: *offset })
    });
    match read.chain(audited).find(|place| !ledger.is_damaged(*place)) {
        Some(place) => Err(format!("{place:?} was refused, and nothing there is damaged")),
        None => Ok(()),
    }
}
