//! Tests of the journal as a whole: what was synced comes back, and nothing else.

mod crash;
mod rig;
mod rot;
mod table;
mod trips;
