//! The broker as a pure function of state, time and event.
//!
//! [`seam`] lists everything that goes in and comes out.

pub mod api;
pub mod config;
pub mod metadata;
pub mod seam;
