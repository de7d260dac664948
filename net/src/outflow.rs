//! Bytes to a socket: pieces of memory and of files, in the order in which the machine sent them.
//!
//! A file piece is read in chunks of whole, checked record batches: one chunk is being written, the next is being read.
//! A chunk is asked for only when the piece's turn has come, so a connection that does not read holds two chunks at
//! the most, and one small one when file bytes are short in the whole process. The head of a response leaves together
//! with its first chunk: alone it would only wake the peer too early.

use crate::system::Stream;
use bytes::{Buf, Bytes};
use sordini_core::seam::{Body, DiskError, DiskErrorKind, FileSlice, Generation, LogId, Part};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;

/// Most slices given to the kernel in one call.
const SLICES_MAX: usize = 64;
/// Most that is written to one connection in one go, in bytes: the others wait meanwhile.
const WRITE_BYTES_MAX: u64 = 1 << 20;
/// A piece of memory up to so many bytes is the head of the file piece behind it.
const HEAD_BYTES_MAX: usize = 4 << 10;
/// An emptied queue gives its memory back beyond this many pieces.
const QUEUE_KEPT_MAX: usize = 32;

/// The writing side of a connection.
#[derive(Default)]
pub(crate) struct Outflow {
    queue: VecDeque<Piece>,
    /// Bytes of file chunks in memory or under way.
    held: u64,
}

enum Piece {
    Memory(Bytes),
    File(FilePiece),
}

struct FilePiece {
    log: LogId,
    generation: Generation,
    /// What is still to be asked for; empty once all is.
    rest: FileSlice,
    /// Bytes that a read was asked for; 0: none is under way.
    asked: u32,
    /// Read and not written yet; no chunk is empty.
    chunks: VecDeque<Bytes>,
}

/// How far a flush came.
#[derive(Debug)]
pub(crate) enum Flow {
    /// All is in the kernel's hands.
    Empty,
    /// The socket takes no more; the waker is registered.
    Full,
    /// File bytes are missing.
    Waiting,
    /// The socket may take more; let others have their turn.
    More,
    /// The connection broke.
    Broken(io::Error),
}

/// A file read that a connection wants.
pub(crate) struct Want {
    pub slice: FileSlice,
    pub len: u32,
}

/// File bytes that could not be had.
pub(crate) struct Failed {
    pub log: LogId,
    pub generation: Generation,
    pub at: FileSlice,
    pub error: DiskError,
}

impl Outflow {
    /// Queues a response.
    pub fn push(&mut self, body: Body) {
        let pieces = body.parts.into_iter().filter(|p| !p.is_empty()).map(|part| match part {
            Part::Memory(bytes) => Piece::Memory(bytes),
            Part::File { log, generation, slice } => Piece::File(FilePiece {
                log,
                generation,
                rest: slice,
                asked: 0,
                chunks: VecDeque::new(),
            }),
        });
        self.queue.extend(pieces);
    }

    /// Whether nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether file bytes are under way.
    pub fn is_reading(&self) -> bool {
        self.queue.iter().take(2).any(|piece| matches!(piece, Piece::File(file) if file.asked > 0))
    }

    /// Bytes of file chunks in memory or under way.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Writes what the socket takes, up to a limit; `written` grows by it.
    pub fn flush(&mut self, stream: &mut Stream, cx: &mut Context<'_>, written: &mut u64) -> Flow {
        let mut budget = WRITE_BYTES_MAX;
        loop {
            if self.queue.is_empty() {
                self.queue.shrink_to(QUEUE_KEPT_MAX);
                return Flow::Empty;
            }
            if budget == 0 {
                return Flow::More;
            }
            let n = match self.write(stream, cx) {
                None => return Flow::Waiting,
                Some(Poll::Pending) => return Flow::Full,
                Some(Poll::Ready(Err(e))) => return Flow::Broken(e),
                Some(Poll::Ready(Ok(0))) => {
                    return Flow::Broken(io::ErrorKind::WriteZero.into());
                }
                Some(Poll::Ready(Ok(n))) => n,
            };
            self.advance(n);
            *written += n as u64;
            budget = budget.saturating_sub(n as u64);
        }
    }

    /// The next read that the file piece wants whose turn has come, if any. The caller starts it. `ahead` allows it
    /// while an earlier chunk is still being written.
    pub fn want(&mut self, chunk_bytes: u32, ahead: bool) -> Option<Want> {
        let piece = file_due(&mut self.queue)?;
        let idle = piece.asked == 0 && piece.rest.len > 0;
        let room = piece.chunks.is_empty() || (ahead && piece.chunks.len() == 1);
        if !(idle && room) {
            return None;
        }
        piece.asked = chunk_bytes.min(piece.rest.len);
        self.held += u64::from(piece.asked);
        Some(Want { slice: piece.rest.clone(), len: piece.asked })
    }

    /// The read that was wanted is over.
    pub fn answer(&mut self, result: Result<Bytes, DiskError>) -> Result<(), Box<Failed>> {
        let piece = file_due(&mut self.queue).expect("a file answer is for a piece that is due");
        assert!(piece.asked > 0, "a file answer that nobody asked for");
        self.held -= u64::from(std::mem::take(&mut piece.asked));
        let failed = |error| {
            let (log, generation) = (piece.log, piece.generation);
            Box::new(Failed { log, generation, at: piece.rest.clone(), error })
        };
        let bytes = result.map_err(failed)?;
        let Some(len) =
            u32::try_from(bytes.len()).ok().filter(|n| (1..=piece.rest.len).contains(n))
        else {
            let detail =
                format!("expected 1 to {} bytes, {} were read", piece.rest.len, bytes.len());
            return Err(failed(DiskError { kind: DiskErrorKind::Corrupt, detail }));
        };
        piece.rest.at += u64::from(len);
        piece.rest.len -= len;
        self.held += u64::from(len);
        piece.chunks.push_back(bytes);
        Ok(())
    }

    /// One gathering write; none if the front has no bytes at hand.
    fn write(&self, stream: &mut Stream, cx: &mut Context<'_>) -> Option<Poll<io::Result<usize>>> {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut n = 0;
        // Whether the slice before is the head of a file, if a file follows.
        let mut head = false;
        'gather: for piece in &self.queue {
            match piece {
                Piece::Memory(bytes) => {
                    slices[n] = IoSlice::new(bytes);
                    n += 1;
                    head = is_head(bytes);
                }
                Piece::File(file) => {
                    n -= usize::from(head && file.chunks.is_empty());
                    head = false;
                    for chunk in file.chunks.iter().take(SLICES_MAX - n) {
                        slices[n] = IoSlice::new(chunk);
                        n += 1;
                    }
                    if file.rest.len > 0 {
                        break 'gather;
                    }
                }
            }
            if n == SLICES_MAX {
                break;
            }
        }
        match n {
            0 => None,
            1 => Some(Pin::new(stream).poll_write(cx, &slices[0])),
            _ => Some(Pin::new(stream).poll_write_vectored(cx, &slices[..n])),
        }
    }

    /// Forgets `n` written bytes.
    fn advance(&mut self, mut n: usize) {
        while n > 0 {
            let done = match self.queue.front_mut().expect("written bytes were queued") {
                Piece::Memory(bytes) => {
                    let more = n.min(bytes.len());
                    bytes.advance(more);
                    n -= more;
                    bytes.is_empty()
                }
                Piece::File(file) => {
                    while n > 0
                        && let Some(chunk) = file.chunks.front_mut()
                    {
                        let more = n.min(chunk.len());
                        chunk.advance(more);
                        n -= more;
                        self.held -= more as u64;
                        if chunk.is_empty() {
                            file.chunks.pop_front();
                        }
                    }
                    file.chunks.is_empty() && file.rest.len == 0
                }
            };
            if done {
                self.queue.pop_front();
            }
        }
    }
}

/// The file piece whose turn has come: nothing is in front of it but its head.
fn file_due(queue: &mut VecDeque<Piece>) -> Option<&mut FilePiece> {
    let mut pieces = queue.iter_mut();
    match (pieces.next()?, pieces.next()) {
        (Piece::File(piece), _) => Some(piece),
        (Piece::Memory(bytes), Some(Piece::File(piece))) if is_head(bytes) => Some(piece),
        _ => None,
    }
}

/// Whether a piece in front of a file is short enough to leave together with it.
fn is_head(bytes: &Bytes) -> bool {
    bytes.len() <= HEAD_BYTES_MAX
}
