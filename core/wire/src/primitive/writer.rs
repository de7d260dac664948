//! The other end: values to bytes, with record batches left where they are.
//!
//! All bytes that the writer makes go into one buffer; record batches are noted together with the
//! place where they belong. [`Writer::finish`] freezes the buffer once and cuts it there, so a
//! fetch response of many megabytes costs as much as its few hundred bytes of framing. The length
//! in front of a frame and the sizes of tagged fields are known last, and patched into the one
//! buffer.

use super::{Records, RecordsPart, Uuid};
use bytes::Bytes;
use smallvec::SmallVec;

/// Kafka's limit for strings, in bytes.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// Record bytes up to this length are copied: a part of its own costs more.
const COPY_BYTES_MAX: usize = 256;

/// Room that a new frame has for its framing.
const FRAME_BYTES_START: usize = 256;

/// A piece of what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A hole for bytes that are elsewhere: see [`RecordsPart::External`].
    External {
        /// The sender's name for the place.
        token: u32,
        /// Length in bytes.
        len: u32,
    },
}

/// What a [`Writer`] made, in order; no part is empty.
pub type Parts = SmallVec<[Part; 3]>;

/// Collects what is to be sent.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
    /// Where in the buffer each foreign piece belongs; the places never decrease.
    foreign: SmallVec<[(usize, Part); 2]>,
    foreign_len: usize,
    framed: bool,
}

impl Writer {
    /// Bytes without a frame around them.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// A whole frame: [`Writer::finish`] puts the length of everything in front.
    pub fn frame() -> Writer {
        let buffer = Vec::with_capacity(FRAME_BYTES_START);
        let mut writer = Writer { buffer, framed: true, ..Writer::default() };
        writer.i32(0);
        writer
    }

    /// Makes room for so many more bytes of framing.
    pub fn reserve(&mut self, bytes: usize) {
        self.buffer.reserve(bytes);
    }

    /// Bytes so far, foreign ones and the length in front included.
    pub fn len(&self) -> usize {
        self.buffer.len() + self.foreign_len
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everything written, in order. A frame above 2^31 bytes is our own mistake: fetch limits are
    /// far below.
    pub fn finish(mut self) -> Parts {
        if self.framed {
            let len = i32::try_from(self.len() - 4).expect("a frame is shorter than 2^31 bytes");
            self.buffer[..4].copy_from_slice(&len.to_be_bytes());
        }
        let mut parts = Parts::new();
        let buffer = Bytes::from(self.buffer);
        if self.foreign.is_empty() && !buffer.is_empty() {
            parts.push(Part::Bytes(buffer));
            return parts;
        }
        let mut at = 0;
        for (place, part) in self.foreign {
            if place > at {
                parts.push(Part::Bytes(buffer.slice(at..place)));
                at = place;
            }
            parts.push(part);
        }
        if at < buffer.len() {
            parts.push(Part::Bytes(buffer.slice(at..)));
        }
        parts
    }

    /// Everything written in one piece, which copies if there are foreign parts. Holes cannot be
    /// joined: with one of them this is a mistake of the caller.
    pub fn finish_joined(self) -> Bytes {
        let parts = self.finish();
        let piece = |part: &Part| match part {
            Part::Bytes(bytes) => bytes.clone(),
            Part::External { token, .. } => panic!("bytes of external part {token} are not here"),
        };
        match parts.as_slice() {
            [] => Bytes::new(),
            [only] => piece(only),
            many => many.iter().map(piece).collect::<Vec<_>>().concat().into(),
        }
    }

    /// Bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// One byte, 1 or 0.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.buffer.push(u8::from(value));
    }

    /// One byte, signed.
    #[inline]
    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    /// Two bytes, signed.
    #[inline]
    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    /// Two bytes, unsigned.
    #[inline]
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    /// Four bytes, signed.
    #[inline]
    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// Four bytes, unsigned.
    #[inline]
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    /// Eight bytes, signed.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// IEEE 754, eight bytes.
    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_be_bytes());
    }

    /// Sixteen bytes.
    #[inline]
    pub fn uuid(&mut self, value: Uuid) {
        self.raw(&value.0);
    }

    /// Base 128, low bits first.
    #[inline]
    pub fn uvarint(&mut self, value: u32) {
        if value < 0x80 {
            return self.buffer.push(value as u8);
        }
        let (bytes, len) = uvarint_bytes(u64::from(value));
        self.raw(&bytes[..len]);
    }

    /// Zigzag over [`Writer::uvarint`].
    #[inline]
    pub fn varint(&mut self, value: i32) {
        self.uvarint((value << 1 ^ value >> 31) as u32);
    }

    /// Base 128, low bits first, zigzag.
    #[inline]
    pub fn varlong(&mut self, value: i64) {
        let (bytes, len) = uvarint_bytes((value << 1 ^ value >> 63) as u64);
        self.raw(&bytes[..len]);
    }

    /// Length of an array, of bytes or of records; `None` is null.
    #[inline]
    pub fn length(&mut self, length: Option<usize>, compact: bool) {
        let length = length.map(|l| i32::try_from(l).expect("lengths stay below 2^31"));
        match (compact, length) {
            (true, length) => self.uvarint(length.map_or(0, |l| l as u32 + 1)),
            (false, length) => self.i32(length.unwrap_or(-1)),
        }
    }

    /// A string, or null. Above Kafka's 32767 bytes it is cut at a character: only our own
    /// explanations could be so long.
    pub fn string(&mut self, text: Option<&str>, compact: bool) {
        let text = text.map(|t| &t[..t.floor_char_boundary(STRING_BYTES_MAX.min(t.len()))]);
        match (compact, text) {
            (true, text) => self.length(text.map(str::len), true),
            (false, text) => self.i16(text.map_or(-1, |t| t.len() as i16)),
        }
        self.raw(text.unwrap_or_default().as_bytes());
    }

    /// Bytes, or null.
    pub fn bytes(&mut self, bytes: Option<&[u8]>, compact: bool) {
        self.length(bytes.map(<[u8]>::len), compact);
        self.raw(bytes.unwrap_or_default());
    }

    /// Record batches, or null. Not copied, unless they are tiny.
    pub fn records(&mut self, records: Option<&Records>, compact: bool) {
        self.length(records.map(Records::len), compact);
        for part in records.map_or(&[][..], |r| &r.parts) {
            match part {
                RecordsPart::Bytes(bytes) => self.shared(bytes),
                RecordsPart::External { token, len } => {
                    self.foreign(Part::External { token: *token, len: *len }, *len as usize);
                }
            }
        }
    }

    /// Bytes that are shared instead of copied, unless they are tiny.
    pub fn shared(&mut self, bytes: &Bytes) {
        match bytes.len() <= COPY_BYTES_MAX {
            true => self.raw(bytes),
            false => self.foreign(Part::Bytes(bytes.clone()), bytes.len()),
        }
    }

    fn foreign(&mut self, part: Part, len: usize) {
        if len > 0 {
            self.foreign.push((self.buffer.len(), part));
            self.foreign_len += len;
        }
    }

    /// Something with its size in front, as in a tagged field. It must hold no record batches: no
    /// message of Kafka's has them there.
    pub fn sized(&mut self, write: impl FnOnce(&mut Writer)) {
        let (start, foreign) = (self.buffer.len(), self.foreign.len());
        write(self);
        assert_eq!(foreign, self.foreign.len(), "record batches inside a tagged field");
        let size = self.buffer.len() - start;
        let (bytes, len) = uvarint_bytes(size as u64);
        self.raw(&bytes[..len]);
        self.buffer[start..].rotate_right(len);
    }
}

/// The varint and how many of the bytes it takes.
#[inline]
fn uvarint_bytes(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut len = 0;
    loop {
        bytes[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
        if value == 0 {
            bytes[len - 1] &= 0x7f;
            return (bytes, len);
        }
    }
}
