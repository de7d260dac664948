//! Tests of the journal as a whole: what was synced comes back, and nothing else.

mod blocks;
mod crash;
mod rig;
mod rot;
mod table;
mod trips;
