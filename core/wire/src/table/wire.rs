//! What it takes to be a field: reading and writing at a version.

use super::schema::Type;
use super::visit::Visitor;
use crate::primitive::{DecodeError, Problem, Reader, Records, Str, Uuid, Writer};
use bytes::Bytes;

/// The circumstances under which a value is read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Version of the message.
    pub version: i16,
    /// Whether the version is flexible (KIP-482): compact lengths and tagged fields.
    pub flexible: bool,
    /// Whether this very value may be null.
    pub nullable: bool,
}

impl At {
    /// A version of a message whose versions from `flexible` on are flexible.
    pub const fn new(version: i16, flexible: i16) -> At {
        At { version, flexible: version >= flexible, nullable: false }
    }

    /// The same for a value that may or may not be null.
    #[inline]
    pub const fn nullable(self, nullable: bool) -> At {
        At { nullable, ..self }
    }

    /// The same without the compact lengths of flexible versions.
    pub const fn classic(self) -> At {
        At { flexible: false, ..self }
    }
}

/// A value of the wire.
pub trait Wire: Sized {
    /// Its type.
    const TYPE: Type;

    /// The fewest bytes that such a value takes.
    fn min_len(at: At) -> usize;

    /// Takes a value from the reader.
    fn read(r: &mut Reader, at: At) -> Result<Self, DecodeError>;

    /// Appends the value to the writer.
    fn write(&self, w: &mut Writer, at: At);

    /// Shows the value.
    fn visit(&self, at: At, v: &mut dyn Visitor);
}

/// A value of the wire that may be null. For strings, bytes, records and arrays null is a negative
/// length; a struct that may be null has a byte in front, negative for null.
pub trait Nullable: Wire {
    /// Takes a value or null from the reader.
    fn read_nullable(r: &mut Reader, at: At) -> Result<Option<Self>, DecodeError> {
        match r.i8()? {
            ..0 => Ok(None),
            0.. => Self::read(r, at).map(Some),
        }
    }

    /// Appends a value or null to the writer.
    fn write_nullable(value: Option<&Self>, w: &mut Writer, at: At) {
        w.i8(if value.is_some() { 1 } else { -1 });
        if let Some(value) = value {
            value.write(w, at);
        }
    }

    /// Appends the empty value: what null becomes in a version that has none.
    fn write_empty(w: &mut Writer, at: At);
}

/// Reads a field; an error learns the field's name on the way out.
#[inline]
pub fn read_field<T: Wire>(r: &mut Reader, at: At, name: &'static str) -> Result<T, DecodeError> {
    T::read(r, at).map_err(|e| e.inside(name))
}

/// Whether a value is not its default.
#[inline]
pub fn differs<T: PartialEq>(value: &T, default: T) -> bool {
    *value != default
}

#[cold]
fn null(r: &Reader, start: usize) -> DecodeError {
    debug_assert!(start <= r.position());
    DecodeError::new(start, Problem::Null { length: -1 })
}

macro_rules! numbers {
    ($($rust:ty: $kind:ident, $len:literal, $method:ident, $visit:ident as $seen:ty;)*) => { $(
        impl Wire for $rust {
            const TYPE: Type = Type::$kind;

            fn min_len(_: At) -> usize {
                $len
            }

            #[inline]
            fn read(r: &mut Reader, _: At) -> Result<Self, DecodeError> {
                r.$method()
            }

            #[inline]
            fn write(&self, w: &mut Writer, _: At) {
                w.$method(*self);
            }

            fn visit(&self, _: At, v: &mut dyn Visitor) {
                v.$visit(<$seen>::from(*self));
            }
        }
    )* };
}

numbers! {
    bool: Bool, 1, bool, bool as bool;
    i8: Int8, 1, i8, int as i64;
    i16: Int16, 2, i16, int as i64;
    u16: Uint16, 2, u16, int as i64;
    i32: Int32, 4, i32, int as i64;
    u32: Uint32, 4, u32, int as i64;
    i64: Int64, 8, i64, int as i64;
    f64: Float64, 8, f64, float as f64;
    Uuid: Uuid, 16, uuid, uuid as Uuid;
}

macro_rules! with_length {
    ($($rust:ty: $kind:ident, classic $len:literal, $method:ident, $visit:ident;)*) => { $(
        impl Wire for $rust {
            const TYPE: Type = Type::$kind;

            fn min_len(at: At) -> usize {
                if at.flexible { 1 } else { $len }
            }

            fn read(r: &mut Reader, at: At) -> Result<Self, DecodeError> {
                let start = r.position();
                r.$method(at.flexible)?.ok_or_else(|| null(r, start))
            }

            fn write(&self, w: &mut Writer, at: At) {
                w.$method(Some(self), at.flexible);
            }

            fn visit(&self, _: At, v: &mut dyn Visitor) {
                v.$visit(self);
            }
        }

        impl Nullable for $rust {
            fn read_nullable(r: &mut Reader, at: At) -> Result<Option<Self>, DecodeError> {
                r.$method(at.flexible)
            }

            fn write_nullable(value: Option<&Self>, w: &mut Writer, at: At) {
                w.$method(value.map(|v| v as _), at.flexible);
            }

            fn write_empty(w: &mut Writer, at: At) {
                <$rust>::default().write(w, at);
            }
        }
    )* };
}

with_length! {
    Str: String, classic 2, string, string;
    Bytes: Bytes, classic 4, bytes, bytes;
    Records: Records, classic 4, records, records;
}

impl<T: Wire> Wire for Vec<T> {
    const TYPE: Type = Type::Array(&T::TYPE);

    fn min_len(at: At) -> usize {
        if at.flexible { 1 } else { 4 }
    }

    fn read(r: &mut Reader, at: At) -> Result<Self, DecodeError> {
        let start = r.position();
        Self::read_nullable(r, at)?.ok_or_else(|| null(r, start))
    }

    fn write(&self, w: &mut Writer, at: At) {
        Self::write_nullable(Some(self), w, at);
    }

    fn visit(&self, at: At, v: &mut dyn Visitor) {
        v.begin_array(self.len());
        self.iter().for_each(|element| element.visit(at, v));
        v.end_array();
    }
}

impl<T: Wire> Nullable for Vec<T> {
    fn read_nullable(r: &mut Reader, at: At) -> Result<Option<Self>, DecodeError> {
        let Ok(count) = usize::try_from(r.length(at.flexible)?) else { return Ok(None) };
        let at = at.nullable(false);
        let mut elements = r.room(count, T::min_len(at))?;
        for _ in 0..count {
            elements.push(T::read(r, at)?);
        }
        Ok(Some(elements))
    }

    fn write_nullable(value: Option<&Self>, w: &mut Writer, at: At) {
        w.length(value.map(Vec::len), at.flexible);
        value.into_iter().flatten().for_each(|element| element.write(w, at.nullable(false)));
    }

    fn write_empty(w: &mut Writer, at: At) {
        w.length(Some(0), at.flexible);
    }
}

impl<T: Nullable> Wire for Option<T> {
    const TYPE: Type = Type::Nullable(&T::TYPE);

    fn min_len(at: At) -> usize {
        // A struct that is null takes one byte.
        T::min_len(at).min(1)
    }

    #[inline]
    fn read(r: &mut Reader, at: At) -> Result<Self, DecodeError> {
        match at.nullable {
            true => T::read_nullable(r, at),
            false => T::read(r, at).map(Some),
        }
    }

    #[inline]
    fn write(&self, w: &mut Writer, at: At) {
        match self {
            value if at.nullable => T::write_nullable(value.as_ref(), w, at),
            Some(value) => value.write(w, at),
            None => T::write_empty(w, at),
        }
    }

    fn visit(&self, at: At, v: &mut dyn Visitor) {
        match self {
            Some(value) => value.visit(at, v),
            None => v.null(),
        }
    }
}
