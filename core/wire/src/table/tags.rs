//! Tagged fields (KIP-482): the open end of every struct of a flexible version.

use super::{At, Wire};
use crate::primitive::{DecodeError, Reader, Writer};
use bytes::Bytes;

/// Tagged fields that a table does not know: kept, so that a message survives being read and
/// written by an older program. Ascending by number; nothing is allocated as long as there are
/// none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::box_collection,
    reason = "one word in every struct of every message, nearly always empty"
)]
pub struct UnknownTags(Option<Box<Vec<UnknownTag>>>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTag {
    /// Its number.
    pub tag: u32,
    /// Its content, whatever that means.
    pub data: Bytes,
}

/// Memory charged for an unknown tag: a vector starts with room for four, and holds up to three
/// times its content while it grows; its box comes on top.
const TAG_CHARGE: usize = 5 * size_of::<UnknownTag>();

impl UnknownTags {
    /// All of them, ascending.
    pub fn as_slice(&self) -> &[UnknownTag] {
        self.0.as_ref().map_or(&[], |tags| tags)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Adds one, in place of an earlier one of the same number.
    pub fn insert(&mut self, tag: u32, data: Bytes) {
        let tags = self.0.get_or_insert_default();
        match tags.binary_search_by_key(&tag, |t| t.tag) {
            Ok(i) => tags[i].data = data,
            Err(i) => tags.insert(i, UnknownTag { tag, data }),
        }
    }

    /// Reads the tagged fields of a struct. `known` reads a field that the table has and says so;
    /// the others are kept. A sender must write them ascending; like Kafka we do not insist, and
    /// the last of several with one number wins.
    #[inline]
    pub fn read(
        r: &mut Reader,
        known: impl FnMut(&mut Reader, u32) -> Result<bool, DecodeError>,
    ) -> Result<UnknownTags, DecodeError> {
        match r.uvarint()? {
            0 => Ok(UnknownTags(None)),
            count => UnknownTags::read_some(r, count, known),
        }
    }

    fn read_some(
        r: &mut Reader,
        count: u32,
        mut known: impl FnMut(&mut Reader, u32) -> Result<bool, DecodeError>,
    ) -> Result<UnknownTags, DecodeError> {
        let mut unknown = Vec::new();
        for _ in 0..count {
            let tag = r.uvarint()?;
            let size = r.uvarint()? as usize;
            let data = r.within(size, |r| match known(r, tag)? {
                true => Ok(None),
                false => r.slice(size).map(Some),
            })?;
            if let Some(data) = data {
                r.charge(TAG_CHARGE)?;
                unknown.push(UnknownTag { tag, data });
            }
        }
        Ok(UnknownTags::ordered(unknown))
    }

    fn ordered(mut tags: Vec<UnknownTag>) -> UnknownTags {
        if tags.is_empty() {
            return UnknownTags(None);
        }
        if !tags.is_sorted_by(|a, b| a.tag < b.tag) {
            // Reversed, a stable sort puts the last of equals first, and that one stays.
            tags.reverse();
            tags.sort_by_key(|t| t.tag);
            tags.dedup_by_key(|t| t.tag);
        }
        UnknownTags(Some(Box::new(tags)))
    }
}

/// Writes the tagged fields of a struct in ascending order, known and unknown ones merged.
pub struct TagWriter<'a> {
    unknown: std::slice::Iter<'a, UnknownTag>,
}

impl<'a> TagWriter<'a> {
    /// Writes the count: so many known fields are to follow.
    pub fn begin(w: &mut Writer, known: u32, unknown: &'a UnknownTags) -> TagWriter<'a> {
        let unknown = unknown.as_slice();
        w.uvarint(known + unknown.len() as u32);
        TagWriter { unknown: unknown.iter() }
    }

    /// Writes a known field, and before it the unknown ones of lower number.
    pub fn field<T: Wire>(&mut self, w: &mut Writer, tag: u32, at: At, value: &T) {
        while let Some(next) = self.unknown.as_slice().first()
            && next.tag < tag
        {
            self.unknown.next();
            write_unknown(w, next);
        }
        w.uvarint(tag);
        w.sized(|w| value.write(w, at));
    }

    /// Writes the unknown ones that are left.
    pub fn end(self, w: &mut Writer) {
        self.unknown.for_each(|tag| write_unknown(w, tag));
    }
}

fn write_unknown(w: &mut Writer, unknown: &UnknownTag) {
    w.uvarint(unknown.tag);
    w.uvarint(unknown.data.len() as u32);
    w.shared(&unknown.data);
}
