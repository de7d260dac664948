//! Record batches inside a message: bytes that the message carries and never looks into.

use bytes::Bytes;
use smallvec::SmallVec;

/// Record batches of one partition, in pieces. A decoded one is a single slice of the frame; one to
/// be sent may also hold holes for bytes that are still in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// The pieces, in order; none of them empty.
    pub parts: SmallVec<[RecordsPart; 1]>,
}

/// A piece of [`Records`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordsPart {
    /// Batches in memory.
    Bytes(Bytes),
    /// Batches that are elsewhere: whoever sends the message knows by the token where.
    External {
        /// The sender's name for the place.
        token: u32,
        /// Length in bytes.
        len: u32,
    },
}

impl Records {
    /// No batches, which is not the same as null.
    pub fn empty() -> Records {
        Records::default()
    }

    /// Appends batches that are in memory.
    pub fn push_bytes(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.parts.push(RecordsPart::Bytes(bytes));
        }
    }

    /// Appends a hole of `len` bytes for the sender to fill.
    pub fn push_external(&mut self, token: u32, len: u32) {
        if len > 0 {
            self.parts.push(RecordsPart::External { token, len });
        }
    }

    /// Total length in bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(RecordsPart::len).sum()
    }

    /// Whether there are no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|p| p.len() == 0)
    }

    /// The bytes, if they are in memory and in one piece, as decoded ones are.
    pub fn contiguous(&self) -> Option<Bytes> {
        match self.parts.as_slice() {
            [] => Some(Bytes::new()),
            [RecordsPart::Bytes(bytes)] => Some(bytes.clone()),
            _ => None,
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Records {
        let mut records = Records::empty();
        records.push_bytes(bytes);
        records
    }
}

impl RecordsPart {
    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            RecordsPart::Bytes(bytes) => bytes.len(),
            RecordsPart::External { len, .. } => *len as usize,
        }
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
