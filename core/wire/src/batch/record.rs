//! One record, read in place.
//!
//! ```text
//! length          varint   bytes of the record behind this field
//! attributes      1        unused
//! timestamp_delta varlong  ms after the batch's base_timestamp
//! offset_delta    varint   after the batch's base_offset
//! key             varint length (negative: null), bytes
//! value           varint length (negative: null), bytes
//! headers         varint count; each: key length, key, value length (negative: null), value
//! ```

use super::records::RecordProblem;
use super::varint;

/// A record as slices of the (decompressed) records of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordView<'a> {
    /// Its offset in the log: the batch's base offset plus its own delta.
    pub offset: i64,
    /// ms; the batch's max_timestamp if that is append time, else the producer's. -1: none.
    pub timestamp: i64,
    /// Its delta to the batch's base offset, as the record says.
    pub offset_delta: i32,
    /// Its key; not every record has one.
    pub key: Option<&'a [u8]>,
    /// Its value; on a compacted topic null deletes the key.
    pub value: Option<&'a [u8]>,
    /// The headers as they are on the wire, checked.
    pub(super) headers: &'a [u8],
    /// Number of headers.
    pub headers_count: u32,
}

impl<'a> RecordView<'a> {
    /// The headers in their order; a key may come more than once.
    pub fn headers(&self) -> HeaderIter<'a> {
        HeaderIter { rest: self.headers }
    }
}

/// Headers of a record: key and value, where the value may be null. Keys should be UTF-8, but
/// that is the producer's word.
#[derive(Clone, Debug)]
pub struct HeaderIter<'a> {
    rest: &'a [u8],
}

impl<'a> HeaderIter<'a> {
    /// Headers that a reader has gone through once without finding fault.
    pub(super) fn checked(rest: &'a [u8]) -> HeaderIter<'a> {
        HeaderIter { rest }
    }
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(header(&mut self.rest).expect("the headers were checked when the record was read"))
    }
}

/// What the batch header contributes to each of its records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Base {
    pub offset: i64,
    pub timestamp: i64,
    /// max_timestamp of a batch with append time.
    pub append_time: Option<i64>,
}

/// Reads the record at the front of `bytes` and moves past it.
#[inline]
pub(super) fn read<'a>(bytes: &mut &'a [u8], base: &Base) -> Result<RecordView<'a>, RecordProblem> {
    let said = varint::read_i32(bytes).ok_or(RecordProblem::Field("length"))?;
    let Some((mut body, rest)) = usize::try_from(said).ok().and_then(|n| bytes.split_at_checked(n))
    else {
        return Err(RecordProblem::Length { said, available: bytes.len() });
    };
    let record = read_body(&mut body, base)?;
    if !body.is_empty() {
        return Err(RecordProblem::Unread { bytes: body.len() });
    }
    *bytes = rest;
    Ok(record)
}

fn read_body<'a>(body: &mut &'a [u8], base: &Base) -> Result<RecordView<'a>, RecordProblem> {
    let Some((_attributes, rest)) = body.split_first() else {
        return Err(RecordProblem::Field("attributes"));
    };
    *body = rest;
    let timestamp_delta = varint::read_i64(body).ok_or(RecordProblem::Field("timestamp_delta"))?;
    let offset_delta = varint::read_i32(body).ok_or(RecordProblem::Field("offset_delta"))?;
    let key = nullable(body).ok_or(RecordProblem::Field("key"))?;
    let value = nullable(body).ok_or(RecordProblem::Field("value"))?;
    let headers_count = varint::read_i32(body)
        .and_then(|n| u32::try_from(n).ok())
        .ok_or(RecordProblem::Field("headers count"))?;
    let headers = *body;
    for _ in 0..headers_count {
        header(body).ok_or(RecordProblem::Field("header"))?;
    }
    Ok(RecordView {
        offset: base.offset.wrapping_add(i64::from(offset_delta)),
        timestamp: match base.append_time {
            Some(time) => time,
            None => base.timestamp.wrapping_add(timestamp_delta),
        },
        offset_delta,
        key,
        value,
        headers: &headers[..headers.len() - body.len()],
        headers_count,
    })
}

/// A length and as many bytes; a negative length is null.
#[inline]
fn nullable<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint::read_i32(bytes)?;
    let Ok(length) = usize::try_from(length) else { return Some(None) };
    let (field, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(field))
}

/// One header; its key may not be null.
#[inline]
fn header<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    Some((nullable(bytes)??, nullable(bytes)?))
}
