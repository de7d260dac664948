//! Sockets, timers and the loop that turns the machine.
//!
//! This room moves bytes between sockets and the machine of `sordini-core`, and knows nothing of what they mean:
//! framing, order of responses, back-pressure and limits of memory are the machine's. What is decided here:
//!
//! - **One thread.** [`run`] is the whole life of a shard: sockets are read, the machine is turned, and what it
//!   answers is written, on the same thread ([`drive()`] for who brings a runtime along).
//! - **Bounded memory.** A connection at rest has no buffer. One that is read from has what has arrived, one that is
//!   written to has what the machine sent, and of file bytes two chunks. Who does not read, does not
//!   write, or sends half a frame costs that much and nobody else's time, and is closed after a while.
//! - **The disk is a stranger.** Whoever composes the program lends it as a [`Host`], together with the clock.
//!
//! Where to find what: `drive` is the loop, `conns` all connections, `conn` one of them, `inflow` and `outflow` its two
//! directions, `door` who is let in, `bell` what wakes the loop, `system` what all of it stands on: tokio, or tokio simulated.

mod bell;
mod conn;
mod conns;
mod door;
mod drive;
mod inflow;
mod outflow;
mod system;

pub use bell::Bell;
pub use drive::drive;
pub use system::Listeners;

use bytes::Bytes;
use sordini_core::seam::{Completion, Disk, DiskError, Fact, FileSlice, Now};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// Answer to [`Host::read`]: whole checked batches, or why there are none.
pub type ReadReply = Box<dyn FnOnce(Result<Bytes, DiskError>) + Send>;

/// What the loop needs of the world besides sockets; the composition root has it.
///
/// Whenever a completion or an answer is ready, from whichever thread, [`Bell::ring`] must follow
/// (the answer of [`Host::read`] rings by itself).
pub trait Host {
    /// The disk that the machine's operations go to.
    type Disk: Disk;

    /// Both clocks, and the free space. Called once a turn.
    fn now(&mut self) -> Now;

    /// The disk.
    fn disk(&mut self) -> &mut Self::Disk;

    /// Adds the disk's completions that have come to the end of `into`.
    fn completions(&mut self, into: &mut Vec<Completion>);

    /// Reads whole record batches from the start of `slice` on and checks the CRC of each: about `len` bytes of
    /// them, at least one batch, nothing beyond the slice. `reply` may be called on any thread; dropping it
    /// counts as a failure.
    fn read(&mut self, slice: &FileSlice, len: u32, reply: ReadReply);

    /// Something that happened, for logs and metrics. A [`Fact::Fatal`] also ends the loop.
    fn fact(&mut self, fact: Fact);
}

/// What may be chosen.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections that are open at once (Kafka: `max.connections`); beyond it nobody is accepted until somebody leaves.
    pub connections_max: usize,
    /// Connections from one address that are open at once (Kafka: `max.connections.per.ip`); one more is closed at once.
    pub connections_per_ip_max: u32,
    /// How long an open connection may neither send nor take anything while the machine owes it no answer, before it is
    /// closed (Kafka: `connections.max.idle.ms`); none is for ever.
    pub idle_max: Option<Duration>,
    /// Bytes of requests that are not whole yet, of all connections together (about: long requests count). Beyond it
    /// the connection that is silent longest within a request is closed.
    pub unfinished_bytes_max: u64,
    /// How long a closing connection may go without taking bytes that are queued for it.
    pub linger: Duration,
    /// How long an orderly end may take.
    pub grace: Duration,
    /// Events that one turn takes, about.
    pub turn_events_max: usize,
    /// File bytes that are read at once for one connection.
    pub file_chunk_bytes: u32,
    /// File bytes in memory for all connections together, before chunks get small and are no longer read ahead.
    pub file_bytes_max: u64,
    /// Whether SIGTERM and SIGINT mean the orderly end. Another one that comes 1 s after the first or later ends at once.
    pub signals: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connections_max: 16_384,
            connections_per_ip_max: u32::MAX,
            idle_max: Some(Duration::from_secs(600)),
            unfinished_bytes_max: 256 << 20,
            linger: Duration::from_secs(5),
            grace: Duration::from_secs(30),
            turn_events_max: 256,
            file_chunk_bytes: 512 << 10,
            file_bytes_max: 64 << 20,
            signals: true,
        }
    }
}

/// How the loop ended, if nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// In order: the machine had nothing under way any more.
    Drained,
    /// [`Options::grace`] was over before the machine was drained. What was acknowledged before it was on disk
    /// (`flush=relaxed`) may be lost by it.
    GraceOver,
    /// Another signal came before the machine was drained, at least 1 s after the first. The same may be lost.
    Insisted,
}

/// Why the loop could not start or had to end.
#[derive(Debug, Error)]
pub enum NetError {
    /// An address cannot be had.
    #[error("cannot listen on {addr}: {source}; {remedy}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// The system's words.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// The runtime, its timers or its signals could not be set up.
    #[error("cannot set up sockets, timers and signals: {0}")]
    Runtime(io::Error),
    /// The machine said that it must not go on ([`Fact::Fatal`]).
    #[error("{0}")]
    Fatal(String),
}

/// Boots `machine` and turns it until it is drained after a signal or [`Bell::shutdown`], on the calling
/// thread. Connections are accepted once the machine asks for them.
///
/// On a fatal fact nothing more is sent, and the process must end.
#[cfg(not(madsim))]
pub fn run<M: sordini_core::seam::Machine, H: Host>(
    machine: &mut M,
    host: &mut H,
    listeners: Listeners,
    bell: Bell,
    options: Options,
) -> Result<Exit, NetError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(NetError::Runtime)?;
    runtime.block_on(drive(machine, host, listeners, bell, options))
}
