//! What a machine is given as network and disk: each operation goes into the run's hash, and on.

use super::trace;
use crate::digest::Digest;
use crate::marks::Marks;
use crate::platter::Platter;
use sordini_core::seam::{self, Disk, DiskOp, NetOp};

/// Writes down every network operation.
pub(super) struct Net<'a>(pub &'a mut Vec<NetOp>, pub &'a mut Digest);

impl seam::Net for Net<'_> {
    fn submit(&mut self, ops: &mut Vec<NetOp>) {
        ops.iter().for_each(|op| trace::add(self.1, op));
        self.0.append(ops);
    }
}

/// Writes down every disk operation on its way to the platter.
pub(super) struct Recorded<'a> {
    pub platter: &'a mut Platter,
    pub hash: &'a mut Digest,
    pub marks: &'a mut Marks,
    /// With `Some`, the same for people.
    pub told: Option<Vec<String>>,
}

impl Disk for Recorded<'_> {
    fn submit(&mut self, ops: &mut Vec<DiskOp>, idle: bool) {
        for op in ops.iter() {
            trace::add(self.hash, op);
            self.marks.see_op(&op.kind);
            if let Some(told) = &mut self.told {
                told.push(trace::operation(op));
            }
        }
        self.platter.submit(ops, idle);
    }
}
