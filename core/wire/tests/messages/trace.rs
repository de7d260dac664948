//! A walk as text, to compare what two decodings saw.

use sordini_wire::message::Descriptor;
use sordini_wire::primitive::{DecodeError, Reader, Records, Uuid};
use sordini_wire::table::UnknownTags;
use sordini_wire::table::visit::{FieldName, Visitor};
use std::fmt::Write;

/// What a message holds, tagged fields that its table does not know included.
pub fn trace(message: &Descriptor, version: i16, r: &mut Reader) -> Result<String, DecodeError> {
    let mut trace = Trace(String::new());
    (message.show)(r, version, &mut trace)?;
    Ok(trace.0)
}

struct Trace(String);

impl Trace {
    fn put(&mut self, value: impl std::fmt::Debug) {
        write!(self.0, "{value:?} ").expect("strings take everything");
    }
}

impl Visitor for Trace {
    fn begin_struct(&mut self) {
        self.0.push('{');
    }

    fn field(&mut self, name: FieldName) {
        write!(self.0, "{name}: ").expect("strings take everything");
    }

    fn end_struct(&mut self, unknown_tags: &UnknownTags) {
        self.put(unknown_tags.as_slice());
        self.0.push('}');
    }

    fn begin_array(&mut self, len: usize) {
        write!(self.0, "[{len}: ").expect("strings take everything");
    }

    fn end_array(&mut self) {
        self.0.push(']');
    }

    fn null(&mut self) {
        self.0.push_str("null ");
    }

    fn bool(&mut self, value: bool) {
        self.put(value);
    }

    fn int(&mut self, value: i64) {
        self.put(value);
    }

    fn float(&mut self, value: f64) {
        self.put(value.to_bits());
    }

    fn uuid(&mut self, value: Uuid) {
        self.put(value);
    }

    fn string(&mut self, value: &str) {
        self.put(value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.put(value);
    }

    fn records(&mut self, value: &Records) {
        self.put(value);
    }
}
