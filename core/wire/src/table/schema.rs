//! The tables as data: what fields a message has, in which versions, and of which types.
//!
//! Nothing on the way of a request looks at these. They are for whoever wants to know without
//! having a value: generators of test messages, printers, and the test that compares them with
//! Kafka's own schema.

/// A range of versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The oldest.
    pub min: i16,
    /// The newest; [`i16::MAX`] if there is no end.
    pub max: i16,
}

impl Versions {
    /// Every version.
    pub const ALL: Versions = Versions { min: 0, max: i16::MAX };
    /// No version.
    pub const NONE: Versions = Versions { min: i16::MAX, max: -1 };

    /// Whether a version is in the range.
    #[inline]
    pub const fn has(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// A message, or a struct inside one.
#[derive(Clone, Copy, Debug)]
pub struct Struct {
    /// Kafka's name for it.
    pub name: &'static str,
    /// Fields in wire order, tagged ones in their place in the table.
    pub fields: &'static [Field],
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in snake case.
    pub name: &'static str,
    /// Versions that have it.
    pub versions: Versions,
    /// Versions in which it may be null, if its type is [`Type::Nullable`].
    pub nullable: Versions,
    /// Its number, if it is a tagged field.
    pub tag: Option<u32>,
    /// Whether it is read as before KIP-482 even in flexible versions: the client id of the request
    /// header.
    pub classic: bool,
    /// Its type.
    pub kind: Type,
}

/// A type of the wire.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// One byte, 0 or 1.
    Bool,
    /// One byte, signed.
    Int8,
    /// Two bytes, signed.
    Int16,
    /// Two bytes, unsigned.
    Uint16,
    /// Four bytes, signed.
    Int32,
    /// Four bytes, unsigned.
    Uint32,
    /// Eight bytes, signed.
    Int64,
    /// Eight bytes, IEEE 754.
    Float64,
    /// Sixteen bytes.
    Uuid,
    /// Length and UTF-8.
    String,
    /// Length and bytes.
    Bytes,
    /// Length and record batches.
    Records,
    /// Count and elements.
    Array(&'static Type),
    /// Fields.
    Struct(&'static Struct),
    /// The same or null.
    Nullable(&'static Type),
}
