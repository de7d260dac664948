//! A message as JSON, the way Kafka's JsonConverter shows it.
//!
//! The tests of the whole program read answers with this walk too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sordini_wire::primitive::{Records, Uuid};
use sordini_wire::table::UnknownTags;
use sordini_wire::table::visit::{FieldName, Visitor};

/// Record batches are an object with this one member, so that they are told from bytes.
pub const RECORDS: &str = "$records";

/// Builds a value out of a walk.
#[derive(Default)]
pub struct JsonBuilder {
    /// Structs and arrays that are not finished, the outermost first, each with the name it will
    /// have.
    open: Vec<(Value, String)>,
    /// Name of the next value.
    name: String,
    root: Value,
}

impl JsonBuilder {
    /// What was built.
    pub fn finish(self) -> Value {
        assert!(self.open.is_empty(), "every struct and array ends");
        self.root
    }

    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            None => self.root = value,
            Some((Value::Array(array), _)) => array.push(value),
            Some((Value::Object(object), _)) => {
                let before = object.insert(std::mem::take(&mut self.name), value);
                assert_eq!(before, None, "every field comes once");
            }
            Some(_) => unreachable!("only structs and arrays are open"),
        }
    }

    fn begin(&mut self, value: Value) {
        self.open.push((value, std::mem::take(&mut self.name)));
    }

    fn end(&mut self) {
        let (value, name) = self.open.pop().expect("what ends has begun");
        self.name = name;
        self.put(value);
    }
}

impl Visitor for JsonBuilder {
    fn begin_struct(&mut self) {
        self.begin(Value::Object(Map::new()));
    }

    fn field(&mut self, name: FieldName) {
        self.name = name.to_string();
    }

    fn end_struct(&mut self, _: &UnknownTags) {
        self.end();
    }

    fn begin_array(&mut self, _: usize) {
        self.begin(Value::Array(Vec::new()));
    }

    fn end_array(&mut self) {
        self.end();
    }

    fn null(&mut self) {
        self.put(Value::Null);
    }

    fn bool(&mut self, value: bool) {
        self.put(value.into());
    }

    fn int(&mut self, value: i64) {
        self.put(value.into());
    }

    fn float(&mut self, value: f64) {
        self.put(value.into());
    }

    fn uuid(&mut self, value: Uuid) {
        self.put(value.to_string().into());
    }

    fn string(&mut self, value: &str) {
        self.put(value.into());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.put(STANDARD.encode(value).into());
    }

    fn records(&mut self, value: &Records) {
        let bytes = value.contiguous().expect("decoded records are in one piece");
        self.put(Value::from_iter([(RECORDS, STANDARD.encode(bytes))]));
    }
}
