//! A walk over the values of a message: for tests that compare, and tools that print.

use super::UnknownTags;
use crate::primitive::{Records, Uuid};
use std::fmt;

/// Sees a message as a stream: `begin_struct`, then for each field its name and its value,
/// `end_struct`. Fields that the version lacks and tagged fields at their default are left out, as
/// on the wire.
pub trait Visitor {
    /// A struct begins.
    fn begin_struct(&mut self);
    /// The next value belongs to this field.
    fn field(&mut self, name: FieldName);
    /// The struct ends; these are the tagged fields in it that its table does not know.
    fn end_struct(&mut self, unknown_tags: &UnknownTags);
    /// An array of so many values begins.
    fn begin_array(&mut self, len: usize);
    /// The array ends.
    fn end_array(&mut self);
    /// Null in place of a value.
    fn null(&mut self);
    /// A boolean.
    fn bool(&mut self, value: bool);
    /// An integer of any width.
    fn int(&mut self, value: i64);
    /// A floating point number.
    fn float(&mut self, value: f64);
    /// A UUID.
    fn uuid(&mut self, value: Uuid);
    /// A string.
    fn string(&mut self, value: &str);
    /// Bytes.
    fn bytes(&mut self, value: &[u8]);
    /// Record batches.
    fn records(&mut self, value: &Records);
}

/// Name of a field: snake case inside, Kafka's JSON camel case when displayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldName(pub &'static str);

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.0.split('_').enumerate() {
            let (first, rest) = word.split_at(usize::from(i > 0 && !word.is_empty()));
            f.write_str(&first.to_ascii_uppercase())?;
            f.write_str(rest)?;
        }
        Ok(())
    }
}
