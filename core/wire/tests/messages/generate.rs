//! Valid bytes of any message, made from its table.
//!
//! Every decision is drawn from a stream of bytes that proptest made, and is the simplest one when
//! the stream is used up; so a failing message shrinks together with its stream.

use bytes::Bytes;
use sordini_wire::message::Descriptor;
use sordini_wire::primitive::{Uuid, Writer};
use sordini_wire::table::schema::{Field, Struct, Type};

/// The choices that are left.
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.byte() % bound
    }

    /// Mostly small, sometimes an end of the range.
    fn number(&mut self) -> i64 {
        match self.below(8) {
            0 => 0,
            1 => -1,
            2 => i64::MAX,
            3 => i64::MIN,
            4 => i64::from_be_bytes([0; 8].map(|_: u8| self.byte())),
            _ => i64::from(self.byte()),
        }
    }
}

/// Encodes messages out of choices.
pub struct Generator<'a> {
    /// Where the decisions come from.
    pub choices: Choices<'a>,
    /// Whether there may be tagged fields, known and unknown. A known one may happen to be at its
    /// default, which our own writer leaves out.
    pub tags: bool,
    version: i16,
    flexible: bool,
    w: Writer,
}

impl<'a> Generator<'a> {
    /// A generator of one message.
    pub fn new(choices: &'a [u8], tags: bool) -> Generator<'a> {
        Generator { choices: Choices(choices), tags, version: 0, flexible: false, w: Writer::new() }
    }

    /// Bytes of a message.
    pub fn message(mut self, message: &Descriptor, version: i16) -> Bytes {
        self.version = version;
        self.flexible = version >= message.flexible;
        self.structure(message.schema);
        self.w.finish_joined()
    }

    fn structure(&mut self, schema: &Struct) {
        let present = |f: &&Field| f.versions.has(self.version);
        let (tagged, plain): (Vec<_>, Vec<_>) =
            schema.fields.iter().filter(present).partition(|f| f.tag.is_some());
        for field in plain {
            self.field(field);
        }
        if self.flexible {
            self.tagged(&tagged);
        }
    }

    fn field(&mut self, field: &Field) {
        let outer = self.flexible;
        self.flexible &= !field.classic;
        let nullable = field.nullable.has(self.version);
        self.value(&field.kind, nullable);
        self.flexible = outer;
    }

    fn tagged(&mut self, known: &[&Field]) {
        if !self.tags {
            return self.w.uvarint(0);
        }
        let known: Vec<_> = known.iter().filter(|_| self.choices.below(2) == 1).collect();
        let unknown = self.choices.below(8).saturating_sub(5);
        self.w.uvarint(known.len() as u32 + u32::from(unknown));
        for field in known {
            self.w.uvarint(field.tag.expect("the field is tagged"));
            let inner = std::mem::take(&mut self.w);
            self.field(field);
            let content = std::mem::replace(&mut self.w, inner).finish_joined();
            self.w.bytes_of_tag(&content);
        }
        for i in 0..unknown {
            self.w.uvarint(100 + 1000 * u32::from(i));
            let content = vec![self.choices.byte(); usize::from(self.choices.below(5))];
            self.w.bytes_of_tag(&content);
        }
    }

    fn value(&mut self, kind: &Type, nullable: bool) {
        match kind {
            Type::Nullable(inner) => {
                let null = nullable && self.choices.below(4) == 1;
                match (inner, null) {
                    (Type::Struct(_), true) => self.w.i8(-1),
                    (Type::Struct(schema), false) if nullable => {
                        self.w.i8(1);
                        self.structure(schema);
                    }
                    (Type::String, true) => self.w.string(None, self.flexible),
                    (_, true) => self.w.length(None, self.flexible),
                    (inner, false) => self.value(inner, false),
                }
            }
            Type::Array(element) => {
                let len = self.choices.below(4);
                self.w.length(Some(usize::from(len)), self.flexible);
                (0..len).for_each(|_| self.value(element, false));
            }
            Type::Struct(schema) => self.structure(schema),
            _ => self.scalar(kind),
        }
    }

    fn scalar(&mut self, kind: &Type) {
        match kind {
            Type::Bool => self.w.bool(self.choices.below(2) == 1),
            Type::Int8 => self.w.i8(self.choices.number() as i8),
            Type::Int16 => self.w.i16(self.choices.number() as i16),
            Type::Uint16 => self.w.u16(self.choices.number() as u16),
            Type::Int32 => self.w.i32(self.choices.number() as i32),
            Type::Uint32 => self.w.u32(self.choices.number() as u32),
            Type::Int64 => self.w.i64(self.choices.number()),
            Type::Float64 => self.w.f64(self.choices.number() as f64),
            Type::Uuid => self.w.uuid(Uuid([0; 16].map(|_: u8| self.choices.byte()))),
            Type::String => {
                let text = ["", "t", "orders", "ä漢🦀"][usize::from(self.choices.below(4))];
                let text = text.repeat(usize::from(self.choices.below(40) / 10));
                self.w.string(Some(&text), self.flexible);
            }
            Type::Bytes | Type::Records => {
                let len = usize::from(self.choices.byte()) * usize::from(self.choices.below(3));
                self.w.bytes(Some(&vec![self.choices.byte(); len]), self.flexible);
            }
            Type::Array(_) | Type::Struct(_) | Type::Nullable(_) => unreachable!("no scalar"),
        }
    }
}

/// The content of a tagged field: its size and its bytes.
trait TagContent {
    fn bytes_of_tag(&mut self, content: &[u8]);
}

impl TagContent for Writer {
    fn bytes_of_tag(&mut self, content: &[u8]) {
        self.uvarint(content.len() as u32);
        self.raw(content);
    }
}

/// Many different messages of one version, always the same ones.
pub fn samples(message: &Descriptor, version: i16, count: u64) -> Vec<Bytes> {
    let sample = |seed| {
        let choices = noise(seed, 4096);
        Generator::new(&choices, true).message(message, version)
    };
    (0..count).map(sample).collect()
}

/// Bytes without pattern, the same for the same seed (splitmix64).
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as u8
    };
    (0..len).map(|_| next()).collect()
}
