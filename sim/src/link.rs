//! A connection between a client and the machine: bytes in both directions, in pieces, never all at once.

use crate::platter::Platter;
use bytes::{Bytes, BytesMut};
use sordini_core::seam::{Body, FileSlice, Generation, LogId, Part};
use sordini_log::segment::check_range;
use std::collections::VecDeque;

/// A connection as the world carries it.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// On their way to the machine.
    pub inward: BytesMut,
    /// Responses on their way to the client; file parts are read when they are sent.
    outward: VecDeque<Part>,
    /// Whether the machine reads.
    pub open: bool,
    /// The machine asked for the end: it comes once everything is sent.
    pub closing: bool,
}

/// A file part that could not be read.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // the fields are those of the event
pub struct Unreadable {
    pub log: LogId,
    pub generation: Generation,
    pub slice: FileSlice,
    pub what: String,
}

impl Link {
    /// An open connection.
    pub fn new() -> Link {
        Link { open: true, ..Link::default() }
    }

    /// The machine sends a response.
    pub fn send(&mut self, body: Body) {
        self.outward.extend(body.parts);
    }

    /// Whether nothing is on its way to the client.
    pub fn is_sent(&self) -> bool {
        self.outward.is_empty()
    }

    /// The next piece arrives at the client, read and checked if it is in a file.
    pub fn deliver(&mut self, platter: &Platter) -> Option<Result<Bytes, Unreadable>> {
        match self.outward.pop_front()? {
            Part::Memory(bytes) => Some(Ok(bytes)),
            Part::File { log, generation, slice } => {
                let bytes = platter
                    .read(&slice.file, slice.at, u64::from(slice.len))
                    .and_then(|bytes| check_range(&bytes).map(|()| bytes));
                let short = |bytes: &Bytes| bytes.len() != slice.len as usize;
                Some(match bytes {
                    Ok(bytes) if !short(&bytes) => Ok(bytes),
                    Ok(bytes) => {
                        let what = format!("{} of {} bytes", bytes.len(), slice.len);
                        Err(Unreadable { log, generation, slice, what })
                    }
                    Err(e) => Err(Unreadable { log, generation, slice, what: e.to_string() }),
                })
            }
        }
    }
}
