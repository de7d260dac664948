//! The broker as a pure function of state, time and event.
