//! Finds the batches in a contiguous run of bytes: a Fetch's records, a segment, a journal frame.

use bytes::Bytes;
use smallvec::SmallVec;

use super::view::known_size;
use super::{Batch, BatchError, BatchView, Header};

/// A batch and where it starts in the bytes walked over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed<'a> {
    /// First byte of the batch, counted from where the walk began.
    pub position: usize,
    /// The batch.
    pub batch: BatchView<'a>,
}

/// Walks over the batches of `bytes` by their headers; no record is touched.
///
/// A batch that is cut off at the end is not an error, for reads by size end anywhere: the walk
/// ends before it and [`Walk::rest`] has its bytes. A bad length or magic is: the walk yields it
/// once and ends, with [`Walk::position`] at the bad batch.
pub fn walk(bytes: &[u8]) -> Walk<'_> {
    Walk { bytes, position: 0, failed: false }
}

/// See [`walk`].
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    bytes: &'a [u8],
    position: usize,
    failed: bool,
}

impl<'a> Walk<'a> {
    /// Where the next batch starts.
    pub fn position(&self) -> usize {
        self.position
    }

    /// The bytes not walked over yet; at the end those of a batch cut off, or none.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.position..]
    }

    /// The batch that was cut off, as an error for those who cannot live with one.
    pub fn partial(&self) -> Option<BatchError> {
        let rest = self.rest();
        (!rest.is_empty()).then(|| BatchError::Partial {
            at: self.position,
            needed: known_size(rest),
            available: rest.len(),
        })
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = Result<Placed<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let rest = self.rest();
        match Header::peek(rest) {
            Ok(header) => {
                let header = header?;
                let bytes = rest.get(..header.size())?;
                let position = self.position;
                self.position += bytes.len();
                Some(Ok(Placed { position, batch: BatchView::trusted(header, bytes) }))
            }
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

/// Cuts `bytes` into its batches. Nothing may be left over: a cut-off batch is
/// [`BatchError::Partial`], no bytes are [`BatchError::Empty`].
pub fn split(bytes: Bytes) -> Result<SmallVec<[Batch; 1]>, BatchError> {
    let length = bytes.len();
    let (batches, rest) = split_prefix(bytes)?;
    if !rest.is_empty() {
        let (needed, available) = (known_size(&rest), rest.len());
        return Err(BatchError::Partial { at: length - available, needed, available });
    }
    if batches.is_empty() { Err(BatchError::Empty) } else { Ok(batches) }
}

/// Cuts the whole batches off `bytes` and hands back the rest, which is empty or a batch cut off:
/// what a consumer does with the records of a Fetch. Errors are a bad length or magic.
pub fn split_prefix(mut bytes: Bytes) -> Result<(SmallVec<[Batch; 1]>, Bytes), BatchError> {
    let mut batches = SmallVec::new();
    while let Some(header) = Header::peek(&bytes)? {
        let size = header.size();
        if size > bytes.len() {
            break;
        }
        batches.push(Batch::trusted(bytes.split_to(size)));
    }
    Ok((batches, bytes))
}
