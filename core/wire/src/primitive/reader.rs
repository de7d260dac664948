//! A cursor over one frame.
//!
//! The reader owns the frame and hands out slices of it: a string, a byte field or a run of record
//! batches costs a reference count, not a copy. It believes nothing that the wire says about sizes:
//!
//! - every length is compared with what remains before anything is done with it;
//! - an array may not announce more elements than could fit, each at its shortest;
//! - what the elements take in memory is charged to a **budget** of [`BUDGET_BASE`] bytes plus
//!   [`BUDGET_RATIO`] times the frame. So a frame of 100 MB that consists of one-byte structs is
//!   refused before it becomes gigabytes, and no honest message comes near the limit.

use super::{DecodeError, Problem, Records, Str, Uuid};
use bytes::Bytes;

/// Memory that the arrays of the smallest message may take, in bytes.
pub const BUDGET_BASE: usize = 1 << 20;

/// Memory that the arrays of a message may take for each of its bytes.
pub const BUDGET_RATIO: usize = 6;

/// Kafka's limit for strings, in bytes.
const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// The next bytes of a frame. After an error its position says nothing.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
    /// End of what may be read: of the frame, or of the tagged field being read.
    end: usize,
    budget: usize,
}

impl Reader {
    /// Starts at the first byte. Positions in errors count from here.
    pub fn new(bytes: Bytes) -> Reader {
        let end = bytes.len();
        Reader { bytes, at: 0, end, budget: BUDGET_BASE + BUDGET_RATIO * end }
    }

    /// Bytes read so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes that may still be read.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.end - self.at
    }

    /// The error of this position.
    #[cold]
    pub fn error(&self, problem: Problem) -> DecodeError {
        DecodeError::new(self.at, problem)
    }

    #[cold]
    fn short(&self, wanted: usize) -> DecodeError {
        self.error(Problem::Short { wanted, remain: self.remaining() })
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.bytes[self.at..self.end].first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.short(N)),
        }
    }

    /// A slice of the next `len` bytes.
    pub fn slice(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        if len > self.remaining() {
            return Err(self.short(len));
        }
        let slice = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(slice)
    }

    /// Any byte but 0 is true.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        self.array::<1>().map(|b| b[0] != 0)
    }

    /// One byte, signed.
    #[inline]
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.array().map(i8::from_be_bytes)
    }

    /// Two bytes, signed.
    #[inline]
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    /// Two bytes, unsigned.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, signed.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Four bytes, unsigned.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes, signed.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// IEEE 754, eight bytes.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, DecodeError> {
        self.array().map(f64::from_be_bytes)
    }

    /// Sixteen bytes.
    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.array().map(Uuid)
    }

    /// Base 128, low bits first, at most 5 bytes; what does not fit into 32 bits is lost, as in
    /// Kafka.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let rest = &self.bytes[self.at..self.end];
        if let Some(&byte) = rest.first()
            && byte < 0x80
        {
            self.at += 1;
            return Ok(u32::from(byte));
        }
        self.uvarint_slow::<5>().map(|v| v as u32)
    }

    /// Zigzag over [`Reader::uvarint`].
    pub fn varint(&mut self) -> Result<i32, DecodeError> {
        self.uvarint().map(|v| (v >> 1) as i32 ^ -((v & 1) as i32))
    }

    /// Base 128, low bits first, zigzag, at most 10 bytes.
    pub fn varlong(&mut self) -> Result<i64, DecodeError> {
        self.uvarint_slow::<10>().map(|v| (v >> 1) as i64 ^ -((v & 1) as i64))
    }

    fn uvarint_slow<const MAX: usize>(&mut self) -> Result<u64, DecodeError> {
        let rest = &self.bytes[self.at..self.end];
        let mut value = 0u64;
        for (i, byte) in rest.iter().take(MAX).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if *byte < 0x80 {
                self.at += i + 1;
                return Ok(value);
            }
        }
        match rest.len() < MAX {
            true => Err(self.short(rest.len() + 1)),
            false => Err(self.error(Problem::LongVarint { max: MAX })),
        }
    }

    /// Length of an array, of bytes or of records. Negative is null, whatever the number, as in
    /// Kafka.
    #[inline]
    pub fn length(&mut self, compact: bool) -> Result<i32, DecodeError> {
        match compact {
            true => self.uvarint().map(|v| (v as i32).wrapping_sub(1)),
            false => self.i32(),
        }
    }

    /// A string, or null.
    pub fn string(&mut self, compact: bool) -> Result<Option<Str>, DecodeError> {
        let start = self.at;
        let length = match compact {
            true => self.length(true)?,
            false => i32::from(self.i16()?),
        };
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if length > STRING_BYTES_MAX {
            return Err(DecodeError::new(start, Problem::LongString { length }));
        }
        if length == 0 {
            return Ok(Some(Str::EMPTY));
        }
        let text = self.slice(length)?;
        let at = self.at - length;
        let text = Str::try_from(text)
            .map_err(|e| DecodeError::new(at, Problem::NotUtf8 { valid: e.valid }))?;
        Ok(Some(text))
    }

    /// Bytes, or null.
    pub fn bytes(&mut self, compact: bool) -> Result<Option<Bytes>, DecodeError> {
        match usize::try_from(self.length(compact)?) {
            Ok(length) => self.slice(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Record batches in one piece, or null.
    pub fn records(&mut self, compact: bool) -> Result<Option<Records>, DecodeError> {
        Ok(self.bytes(compact)?.map(Records::from))
    }

    /// Room for `count` elements of type `T`, each of at least `min_len` bytes on the wire:
    /// compares with what remains and charges the budget.
    pub fn room<T>(&mut self, count: usize, min_len: usize) -> Result<Vec<T>, DecodeError> {
        let remain = self.remaining();
        let fit = remain / min_len.max(1);
        if count > fit {
            return Err(self.error(Problem::LongArray { count, fit, remain }));
        }
        self.charge(count.saturating_mul(size_of::<T>()))?;
        Ok(Vec::with_capacity(count))
    }

    /// Takes `wanted` bytes of memory from the budget.
    pub fn charge(&mut self, wanted: usize) -> Result<(), DecodeError> {
        match self.budget.checked_sub(wanted) {
            Some(budget) => {
                self.budget = budget;
                Ok(())
            }
            None => Err(self.error(Problem::Bloated { wanted, budget: self.budget })),
        }
    }

    /// Reads something that announced `size` bytes and must take exactly these.
    pub fn within<T>(
        &mut self,
        size: usize,
        read: impl FnOnce(&mut Reader) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if size > self.remaining() {
            return Err(self.short(size));
        }
        let (start, outer) = (self.at, self.end);
        self.end = start + size;
        let value = read(self)?;
        if self.at != self.end {
            return Err(self.error(Problem::TagSize { size, used: self.at - start }));
        }
        self.end = outer;
        Ok(value)
    }
}
