//! What the adapters stand on, in two forms with the same names.
//!
//! `real` is tokio, and what tokio does not show of a socket; every ordinary build has it and nothing else. `simulated`, under
//! `--cfg madsim`, is madsim's network and clock, which repeat a run from its seed. All the rest of this room is the same
//! code in both: what is behind this door is what must not decide anything.

#[cfg(not(madsim))]
mod real;
#[cfg(madsim)]
mod simulated;

#[cfg(not(madsim))]
use real as chosen;
#[cfg(madsim)]
use simulated as chosen;

pub use chosen::Listeners;
pub(crate) use chosen::{Instant, Listener, Signals, Sleep, Stream, sleep_until, tune};
