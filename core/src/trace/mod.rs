//! The trace encoding: what goes through the seam, as bytes.
//!
//! A trace is read by the build that wrote it and by no other: [`VERSION`] changes with every change of what is on the
//! seam's page. So bincode may do the work here, which no format of a disk or of the wire may depend on. Two things are
//! made of it: the hash of what a machine wants of the world, whole with file names and arguments, and the
//! [`recording`] of a life.
//!
//! A type of the seam has one row: its fields, or its variants with their numbers. A field or variant that is missing
//! in its row does not compile.

pub mod recording;
mod rows;

use bincode::config::{Configuration, standard};
use bincode::de::read::Reader;
use bincode::de::{Decode, Decoder, DecoderImpl};
use bincode::enc::write::Writer;
use bincode::enc::{Encode, Encoder, EncoderImpl};
use bincode::error::{DecodeError, EncodeError};

/// Number of this encoding.
pub const VERSION: u32 = 3;

/// Where the bytes of a trace go: into memory, or only into a hash.
pub trait Sink {
    /// Takes some more.
    fn put(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Sink for crc32fast::Hasher {
    fn put(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }
}

/// A trace that ends early, or says what this build does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole trace of this very build: {0}")]
pub struct BadTrace(pub String);

/// What has a place in a trace.
pub trait Traced: Sized {
    /// Adds it.
    #[doc(hidden)]
    fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError>;
    /// Reads it.
    #[doc(hidden)]
    fn read(from: &mut Decoding<'_, '_>) -> Result<Self, DecodeError>;
}

/// Adds a value to a trace.
pub fn encode(value: &impl Traced, sink: &mut impl Sink) {
    let mut to = EncoderImpl::new(Pen(sink), standard());
    value.write(&mut to).expect("a sink takes everything");
}

/// Reads a value from the front of `bytes`, which then begin behind it.
pub fn decode<T: Traced>(bytes: &mut &[u8]) -> Result<T, BadTrace> {
    let mut from = DecoderImpl::new(Eye(bytes), standard(), ());
    T::read(&mut from).map_err(|e| BadTrace(format!("{e}; replay it with the build that wrote it")))
}

#[doc(hidden)]
pub type Encoding<'a, S> = EncoderImpl<Pen<'a, S>, Configuration>;
#[doc(hidden)]
pub type Decoding<'a, 'b> = DecoderImpl<Eye<'a, 'b>, Configuration, ()>;

#[doc(hidden)]
pub struct Pen<'a, S>(&'a mut S);

impl<S: Sink> Writer for Pen<'_, S> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.put(bytes);
        Ok(())
    }
}

#[doc(hidden)]
pub struct Eye<'a, 'b>(&'a mut &'b [u8]);

impl<'b> Eye<'_, 'b> {
    fn take(&mut self, len: usize) -> Result<&'b [u8], DecodeError> {
        let missing = len.saturating_sub(self.0.len());
        let (taken, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(DecodeError::UnexpectedEnd { additional: missing })?;
        *self.0 = rest;
        Ok(taken)
    }
}

impl Reader for Eye<'_, '_> {
    #[inline]
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), DecodeError> {
        bytes.copy_from_slice(self.take(bytes.len())?);
        Ok(())
    }
}

/// Bytes with their number before them.
fn write_bytes<S: Sink>(bytes: &[u8], to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
    (bytes.len() as u64).write(to)?;
    to.writer().write(bytes)
}

/// The same, back.
fn read_bytes<'b>(from: &mut Decoding<'_, 'b>) -> Result<&'b [u8], DecodeError> {
    let len = u64::read(from)?;
    from.reader().take(len as usize)
}

/// What bincode knows already.
macro_rules! plain {
    ($($type:ty),*) => {$(
        impl Traced for $type {
            #[inline]
            fn write<S: Sink>(&self, to: &mut Encoding<'_, S>) -> Result<(), EncodeError> {
                self.encode(to)
            }
            #[inline]
            fn read(from: &mut Decoding<'_, '_>) -> Result<Self, DecodeError> {
                Self::decode(from)
            }
        }
    )*};
}

plain!(u8, u16, u32, i32, u64, i64, bool, usize, [u8; 32], std::net::SocketAddr);

#[cfg(test)]
mod tests;
