//! One whole batch: borrowed ([`BatchView`]) or owned and shared ([`Batch`]).

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use super::BatchError;
use super::header::{Attributes, CRC_COVERS_FROM, HEADER_SIZE, Header, LENGTH_END};

/// The bytes of exactly one batch, borrowed; derefs to its [`Header`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BatchView<'a> {
    header: Header<'a>,
    bytes: &'a [u8],
}

impl<'a> BatchView<'a> {
    /// The batch at the start of `bytes`. More may follow it; fewer is [`BatchError::Partial`].
    /// The CRC is not looked at.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<BatchView<'a>, BatchError> {
        let available = bytes.len();
        let Some(header) = Header::peek(bytes)? else {
            return Err(match available {
                0 => BatchError::Empty,
                _ => BatchError::Partial { at: 0, needed: known_size(bytes), available },
            });
        };
        match bytes.get(..header.size()) {
            Some(bytes) => Ok(BatchView { header, bytes }),
            None => Err(BatchError::Partial { at: 0, needed: header.size(), available }),
        }
    }

    /// A batch whose header has been read and whose bytes are all there.
    #[inline]
    pub(super) fn trusted(header: Header<'a>, bytes: &'a [u8]) -> BatchView<'a> {
        BatchView { header, bytes }
    }

    /// The whole batch.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What follows the header: the records, compressed or not.
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[HEADER_SIZE..]
    }

    /// The header, on its own lifetime.
    pub fn header(&self) -> Header<'a> {
        self.header
    }

    /// CRC-32C of the bytes that [`Header::crc`] speaks of. Touches every byte of the batch.
    pub fn compute_crc(&self) -> u32 {
        crc_of(self.bytes)
    }

    /// Compares [`Header::crc`] with the bytes; [`BatchError::Crc`] if they differ.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        let (said, computed) = (self.crc(), self.compute_crc());
        if said == computed { Ok(()) } else { Err(BatchError::Crc { said, computed }) }
    }
}

impl<'a> Deref for BatchView<'a> {
    type Target = Header<'a>;
    fn deref(&self) -> &Header<'a> {
        &self.header
    }
}

impl fmt::Debug for BatchView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.fmt(f)
    }
}

/// One batch in a shared buffer. Cloning copies a handle, not bytes. Length and magic are as they
/// should be; whether the CRC and the rest hold is the matter of [`super::validate`].
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    bytes: Bytes,
}

impl Batch {
    /// The batch that `bytes` are, no more and no less.
    pub fn parse(bytes: Bytes) -> Result<Batch, BatchError> {
        let size = BatchView::parse(&bytes)?.size();
        match bytes.len() - size {
            0 => Ok(Batch { bytes }),
            extra => Err(BatchError::MoreThanOne { size, extra }),
        }
    }

    /// A batch that has been parsed already, or that we built.
    pub(super) fn trusted(bytes: Bytes) -> Batch {
        debug_assert!(BatchView::parse(&bytes).is_ok_and(|b| b.size() == bytes.len()));
        Batch { bytes }
    }

    /// The same batch, borrowed.
    #[inline]
    pub fn view(&self) -> BatchView<'_> {
        BatchView { header: self.header(), bytes: &self.bytes }
    }

    /// Its header.
    #[inline]
    pub fn header(&self) -> Header<'_> {
        Header::trusted(&self.bytes)
    }

    /// The whole batch.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole batch, without a new handle.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// What follows the header: the records, compressed or not.
    pub fn payload(&self) -> Bytes {
        self.bytes.slice(HEADER_SIZE..)
    }

    /// Bytes of the whole batch.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The attribute bits.
    pub fn attributes(&self) -> Attributes {
        self.header().attributes()
    }

    /// Offset of the last record when the batch was written.
    pub fn last_offset(&self) -> i64 {
        self.header().last_offset()
    }

    /// Offset of whatever follows the batch in its log.
    pub fn next_offset(&self) -> i64 {
        self.header().next_offset()
    }

    /// Sequence number of the last record, or -1. After 2^31 - 1 comes 0.
    pub fn last_sequence(&self) -> i32 {
        self.header().last_sequence()
    }

    /// Compares the CRC in the header with the bytes; [`BatchError::Crc`] if they differ.
    pub fn check_crc(&self) -> Result<(), BatchError> {
        self.view().check_crc()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header().fmt(f)
    }
}

/// CRC-32C of a batch's bytes from the attributes on.
pub(super) fn crc_of(batch: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(&batch[CRC_COVERS_FROM..])
}

/// Size of a batch whose header is cut off: its own word if that is there, else a header's.
pub(super) fn known_size(bytes: &[u8]) -> usize {
    match bytes.get(8..LENGTH_END) {
        Some(&[a, b, c, d]) => LENGTH_END + i32::from_be_bytes([a, b, c, d]).max(0) as usize,
        _ => HEADER_SIZE,
    }
}
