//! One connection: its socket, its two flows, and where it is in its life.

use crate::Options;
use crate::bell::SocketWaker;
use crate::inflow::{Got, Inflow};
use crate::outflow::{Flow, Outflow};
use crate::system::Stream;
use sordini_core::seam::{CloseReason, Mono};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::AsyncWrite;

/// How long the peer may take to close its side once we have closed ours. What it sends meanwhile is thrown away: to
/// close with unread bytes would reset the connection, and the peer might lose our last answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection.
pub(crate) struct Conn {
    stream: Stream,
    waker: Waker,
    /// The same waker, to tell it that it was heard.
    pub socket: Arc<SocketWaker>,
    pub peer: SocketAddr,
    pub inflow: Inflow,
    pub outflow: Outflow,
    /// The machine wants to read.
    pub reading: bool,
    /// It is in the line of those that the loop will look at.
    pub in_line: bool,
    /// Bytes written that the machine has not been told of.
    pub sent: u64,
    pub life: Life,
    /// When bytes last went either way in this part of its life, or the machine still owed it an answer.
    pub moved: Mono,
    /// Its place among those that the loop's patience ends with: not after [`Conn::until`]. None if that is never.
    pub watched: Option<Mono>,
}

/// Where a connection is in its life.
#[derive(Debug)]
pub(crate) enum Life {
    /// In use.
    Open,
    /// The machine has asked for the end; what is queued goes out first.
    Closing(CloseReason),
    /// Our side is closed, the machine has been told; the peer may close its own.
    Farewell,
}

/// What became of a connection when it was looked at.
pub(crate) enum Outcome {
    /// It waits for its socket, a file or the machine.
    Rests,
    /// There is more to do: it gets in line again.
    Again,
    /// Our side was just closed for this reason.
    Closed(CloseReason),
    /// It is gone for this reason.
    Gone(CloseReason),
}

impl Conn {
    pub fn new(stream: Stream, peer: SocketAddr, socket: Arc<SocketWaker>, now: Mono) -> Conn {
        Conn {
            stream,
            waker: Waker::from(socket.clone()),
            socket,
            peer,
            inflow: Inflow::default(),
            outflow: Outflow::default(),
            reading: true,
            in_line: false,
            sent: 0,
            life: Life::Open,
            moved: now,
            watched: None,
        }
    }

    /// When patience with it ends, if nothing moves; none is never.
    pub fn until(&self, options: &Options) -> Option<Mono> {
        match self.life {
            Life::Open => options.idle_max.map(|idle| self.moved + idle),
            Life::Closing(_) => Some(self.moved + options.linger),
            Life::Farewell => Some(self.moved + FAREWELL),
        }
    }

    /// Whether there is something that the loop or the disk has not done yet.
    pub fn is_busy(&self) -> bool {
        self.in_line || self.outflow.is_reading()
    }

    /// One read.
    pub fn read(&mut self, scratch: &mut [u8]) -> Got {
        let mut cx = Context::from_waker(&self.waker);
        match self.inflow.read(&mut self.stream, &mut cx, scratch) {
            // The socket is drained, which took no second call to learn; now ask to be woken.
            Got::Bytes { bytes, more: false } => {
                Got::Bytes { bytes, more: self.stream.poll_read_ready(&mut cx).is_ready() }
            }
            got => got,
        }
    }

    /// Writes what the socket takes. A closing connection whose queue is empty is closed on our side.
    pub fn flush(&mut self, now: Mono) -> Outcome {
        let mut cx = Context::from_waker(&self.waker);
        let before = self.sent;
        let flow = self.outflow.flush(&mut self.stream, &mut cx, &mut self.sent);
        if self.sent > before {
            self.moved = now;
        }
        match flow {
            Flow::Broken(error) => Outcome::Gone(reason(&error)),
            Flow::More => Outcome::Again,
            Flow::Full | Flow::Waiting => Outcome::Rests,
            Flow::Empty if matches!(self.life, Life::Closing(_)) => {
                let Life::Closing(why) = std::mem::replace(&mut self.life, Life::Farewell) else {
                    unreachable!("just matched");
                };
                self.moved = now;
                match Pin::new(&mut self.stream).poll_shutdown(&mut cx) {
                    Poll::Ready(Err(_)) => Outcome::Gone(why),
                    _ => Outcome::Closed(why),
                }
            }
            Flow::Empty => Outcome::Rests,
        }
    }
}

/// A broken connection in the words of the seam: most peers leave with a reset.
pub(crate) fn reason(error: &io::Error) -> CloseReason {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => CloseReason::Peer,
        _ => CloseReason::Error(error.to_string()),
    }
}
