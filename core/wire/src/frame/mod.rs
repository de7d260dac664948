//! Frames out of a byte stream.
//!
//! A frame is a length of four bytes and so many bytes. The stream arrives in pieces of any size,
//! as the socket gave them. Many small frames in one piece are cut out of it without a copy. A
//! frame that came in several pieces is joined; if the adapter reads on into the same buffer, which
//! it does when it has room for [`FrameSplitter::wanted`] more bytes, then joining costs nothing
//! either. Only a frame whose pieces lie apart is copied, once.
//!
//! Memory: what is held is what has arrived. A length is refused as soon as its four bytes are
//! there.

#[cfg(test)]
mod tests;

use bytes::{Buf, BytesMut};
use sordini_mutant::mutant;
use std::collections::VecDeque;
use thiserror::Error;

/// Kafka's default for `socket.request.max.bytes`.
pub const FRAME_BYTES_MAX: u32 = 104_857_600;

/// Bytes of the length in front of a frame.
const PREFIX: usize = 4;

/// A piece up to this length is copied if it does not adjoin the last one.
const COPY_BYTES_MAX: usize = 1024;

/// Cuts a stream into frames.
#[derive(Clone, Debug)]
pub struct FrameSplitter {
    /// What has arrived and is not cut yet; no piece is empty, and no two neighbours lie together.
    pieces: VecDeque<BytesMut>,
    /// Sum of their lengths.
    held: usize,
    limit: u32,
}

/// A length that no frame may have. The stream is lost: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a frame of 0 to {limit} bytes (socket.request.max.bytes), one of {length} came")]
pub struct FrameError {
    /// The length that came.
    pub length: i32,
    /// The greatest length that is accepted.
    pub limit: u32,
}

impl Default for FrameSplitter {
    fn default() -> FrameSplitter {
        FrameSplitter::new(FRAME_BYTES_MAX)
    }
}

impl FrameSplitter {
    /// A splitter that refuses frames of more than `limit` bytes, the prefix not counted.
    pub fn new(limit: u32) -> FrameSplitter {
        FrameSplitter { pieces: VecDeque::new(), held: 0, limit }
    }

    /// Bytes that have arrived and are not cut yet.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes what arrived next.
    pub fn push(&mut self, piece: BytesMut) {
        if piece.is_empty() {
            return;
        }
        self.held += piece.len();
        match self.pieces.back_mut() {
            // Neighbours in one allocation become one piece again. A small stranger is copied, so
            // that it does not keep a whole read buffer alive; others stay apart and cost nothing
            // yet.
            Some(last) if piece.len() <= COPY_BYTES_MAX || adjoins(last, &piece) => {
                last.unsplit(piece);
            }
            _ => self.pieces.push_back(piece),
        }
    }

    /// How many more bytes complete the next frame, or its length; 0 if it is there already, or if
    /// its length is refused.
    pub fn wanted(&self) -> usize {
        match self.announced() {
            None => PREFIX - self.held,
            Some(Ok(length)) => (PREFIX + length).saturating_sub(self.held),
            Some(Err(_)) => 0,
        }
    }

    /// The next frame without its length, if all of it has arrived.
    pub fn next_frame(&mut self) -> Result<Option<BytesMut>, FrameError> {
        let Some(length) = self.announced().transpose()? else { return Ok(None) };
        if self.held < mutant!(B10, PREFIX + length, length.max(PREFIX)) {
            return Ok(None);
        }
        let mut frame = self.cut(PREFIX + length);
        frame.advance(PREFIX);
        Ok(Some(frame))
    }

    /// The length of the next frame, once its four bytes are there.
    fn announced(&self) -> Option<Result<usize, FrameError>> {
        let mut prefix = [0; PREFIX];
        let mut have = 0;
        for piece in &self.pieces {
            let more = piece.len().min(PREFIX - have);
            prefix[have..have + more].copy_from_slice(&piece[..more]);
            have += more;
            if have == PREFIX {
                break;
            }
        }
        let length = (have == PREFIX).then(|| i32::from_be_bytes(prefix))?;
        let refuse = FrameError { length, limit: self.limit };
        Some(
            u32::try_from(length)
                .ok()
                .filter(|l| *l <= self.limit)
                .map(|l| l as usize)
                .ok_or(refuse),
        )
    }

    /// The first `len` bytes of what is held, in one piece.
    fn cut(&mut self, len: usize) -> BytesMut {
        self.held -= len;
        let first = self.pieces.front_mut().expect("a whole frame is held");
        if first.len() > len {
            return first.split_to(len);
        }
        let mut frame = self.pieces.pop_front().expect("a whole frame is held");
        if frame.len() < len {
            frame.reserve(len - frame.len());
        }
        while frame.len() < len {
            let next = self.pieces.front_mut().expect("a whole frame is held");
            let more = next.len().min(len - frame.len());
            frame.extend_from_slice(&next[..more]);
            next.advance(more);
            if next.is_empty() {
                self.pieces.pop_front();
            }
        }
        frame
    }
}

/// Whether two pieces lie side by side in memory, as far as their addresses tell.
fn adjoins(left: &BytesMut, right: &BytesMut) -> bool {
    left.as_ptr_range().end == right.as_ptr()
}
