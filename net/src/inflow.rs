//! Bytes from a socket, into memory of the right size.
//!
//! Whoever keeps a slice of a piece keeps the piece's whole allocation: the tail cache keeps record
//! batches for a long time. So an allocation should be hardly longer than what arrived in it:
//!
//! - **Small** reads go to one buffer that all connections share, and are copied out of it at their exact
//!   length (4 KiB: 50 ns). A connection that waits has no buffer at all; ten thousand of them cost nothing here.
//! - **Large** frames are announced by [`NetOp::Expect`](sordini_core::seam::NetOp::Expect) once their head has
//!   come. From then on we read into one allocation and no further than the end of the frame, so that the
//!   pieces lie side by side and the next frame begins in memory of its own.
//! - A connection that sent a large frame will send another: the next frame's **first** read already goes
//!   into an allocation of the last one's size, and none of its bytes is ever copied.
//!
//! The peer's word for a length buys no memory: an allocation is at most [`GROWTH`] times what has come of the frame,
//! and once the frame is here, or its first read was all of it, we hold on to nothing.

use crate::system::Stream;
use bytes::{BufMut, BytesMut};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

/// Length of the buffer that the connections share, in bytes.
pub(crate) const SCRATCH_BYTES: usize = 64 << 10;
/// Most that is read from one connection in one go, in bytes: the others wait meanwhile.
const READ_BYTES_MAX: usize = 256 << 10;
/// Room made for the rest of a frame, in multiples of what has come of it: a full shared buffer buys 1 MiB, Kafka's
/// default of `max.message.bytes`.
const GROWTH: usize = 16;
/// Least room made for the rest of a frame, in bytes.
const ROOM_BYTES_MIN: usize = 16 << 10;
/// Longest allocation made for a frame of which nothing has come, in bytes: 1 MiB and what is around it.
const TYPICAL_BYTES_MAX: usize = (1 << 20) + (64 << 10);
/// From this frame length on the shared buffer is bypassed.
const DIRECT_BYTES_MIN: usize = 32 << 10;
/// The reading side of a connection.
#[derive(Default)]
pub(crate) struct Inflow {
    /// Memory that the next read goes to: empty, or the rest of the allocation of a frame under way.
    room: BytesMut,
    /// Bytes still missing of an announced frame; 0: none is announced.
    missing: usize,
    /// Bytes that have come of the announced frame.
    come: usize,
    /// Allocation for the next frame, learnt from the last large one; 0: the shared buffer.
    typical: usize,
}

/// What a read brought.
pub(crate) enum Got {
    /// Bytes; `more` if the socket may hold others.
    Bytes { bytes: BytesMut, more: bool },
    /// The peer sends no more.
    End,
    /// Nothing now; the waker is registered.
    Nothing,
    /// The connection broke.
    Broken(io::Error),
}

impl Inflow {
    /// Bytes that have come of the announced frame under way.
    pub fn unfinished(&self) -> u64 {
        if self.missing == 0 { 0 } else { self.come as u64 }
    }

    /// So many more bytes complete the frame under way.
    pub fn expect(&mut self, bytes: usize) {
        self.missing = bytes;
    }

    /// The machine has seen the last read. If it does not expect more of the frame, its memory is the machine's alone.
    pub fn settle(&mut self) {
        if self.missing == 0 {
            self.room = BytesMut::new();
            self.come = 0;
        }
    }

    /// Whether [`Inflow::settle`] is to be called after the turn.
    pub fn is_unsettled(&self) -> bool {
        self.missing == 0 && self.come > 0
    }

    /// One read.
    pub fn read(&mut self, stream: &mut Stream, cx: &mut Context<'_>, scratch: &mut [u8]) -> Got {
        if self.missing > 0 {
            return self.read_frame(stream, cx);
        }
        self.settle();
        if self.typical > 0 {
            self.read_first(stream, cx)
        } else {
            self.read_shared(stream, cx, scratch)
        }
    }

    /// Goes on with an announced frame.
    fn read_frame(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Got {
        if self.room.capacity() == 0 {
            let room = ROOM_BYTES_MIN.max(GROWTH * self.come);
            self.room = BytesMut::with_capacity(self.missing.min(room));
        }
        let limit = self.missing.min(self.room.capacity());
        let got = read_into(stream, cx, &mut self.room, limit);
        if let Got::Bytes { bytes, .. } = &got {
            self.missing -= bytes.len();
            self.come += bytes.len();
            if self.missing == 0 {
                self.learn();
                self.settle();
            }
        }
        got
    }

    /// The next frame will be about as long as this one.
    fn learn(&mut self) {
        let len = if self.come < DIRECT_BYTES_MIN { 0 } else { self.come + self.come / 8 };
        self.typical = len.min(TYPICAL_BYTES_MAX);
    }

    /// Starts a frame that is probably as long as the last one.
    fn read_first(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Got {
        self.room = BytesMut::with_capacity(self.typical);
        let mut got = read_into(stream, cx, &mut self.room, self.typical);
        match &mut got {
            Got::Bytes { bytes, .. } => {
                self.come = bytes.len();
                // Little came: it goes into memory of its own, and so will what follows.
                if bytes.len() < self.typical / GROWTH {
                    *bytes = BytesMut::from(&bytes[..]);
                    self.room = BytesMut::new();
                }
                // Learnt anew once more has come, if this was not all.
                if bytes.len() < DIRECT_BYTES_MIN {
                    self.typical = 0;
                }
            }
            _ => self.room = BytesMut::new(),
        }
        got
    }

    /// Reads into the shared buffer and copies out what came.
    fn read_shared(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Got {
        let mut buf = ReadBuf::new(scratch);
        match Pin::new(stream).poll_read(cx, &mut buf) {
            Poll::Pending => Got::Nothing,
            Poll::Ready(Err(e)) => Got::Broken(e),
            Poll::Ready(Ok(())) if buf.filled().is_empty() => Got::End,
            Poll::Ready(Ok(())) => {
                self.come = buf.filled().len();
                Got::Bytes { bytes: BytesMut::from(buf.filled()), more: buf.remaining() == 0 }
            }
        }
    }
}

/// One read of up to `limit` bytes into `room`, whose filled part comes back.
fn read_into(stream: &mut Stream, cx: &mut Context<'_>, room: &mut BytesMut, limit: usize) -> Got {
    let limit = limit.min(READ_BYTES_MAX);
    let mut target = (&mut *room).limit(limit);
    let poll = pin!(stream.read_buf(&mut target)).poll(cx);
    match poll {
        Poll::Pending => Got::Nothing,
        Poll::Ready(Err(e)) => Got::Broken(e),
        Poll::Ready(Ok(0)) => Got::End,
        Poll::Ready(Ok(n)) => Got::Bytes { bytes: room.split(), more: n == limit },
    }
}
