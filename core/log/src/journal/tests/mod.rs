//! Tests of the journal as a whole: what was synced comes back, and nothing else.

mod rig;
mod trips;
