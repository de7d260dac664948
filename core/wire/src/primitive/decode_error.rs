//! What was wrong with a message, and exactly where.
//!
//! A decode error is made where the bytes disappoint, and gains a step of its field path at every
//! struct it passes on the way out. So the good path carries no names at all, and the bad one can
//! say: "ProduceRequest v9, field topic_data.partition_data.index at byte 31: expected 4 bytes, 2
//! remain".

use std::fmt;
use thiserror::Error;

/// Bytes that are not the message they should be. The sender is at fault, never we.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct DecodeError(Box<Detail>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    message: &'static str,
    version: i16,
    /// Innermost field first: the path grows while the error travels outwards.
    path: Vec<&'static str>,
    at: usize,
    problem: Problem,
}

/// What was expected, and what came instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The bytes end too early.
    #[error("expected {wanted} bytes, {remain} remain")]
    Short {
        /// Bytes that the field needs.
        wanted: usize,
        /// Bytes that are left.
        remain: usize,
    },
    /// A null where this version of the message has no null.
    #[error("expected a value, null (length {length}) came")]
    Null {
        /// The negative length.
        length: i32,
    },
    /// A string above Kafka's limit of 32767 bytes.
    #[error("expected a string of at most 32767 bytes, one of {length} came")]
    LongString {
        /// Its length.
        length: usize,
    },
    /// A string that is not UTF-8.
    #[error("expected UTF-8, byte {valid} of the string is none")]
    NotUtf8 {
        /// How many of its first bytes are UTF-8.
        valid: usize,
    },
    /// A varint of more bytes than its type can have.
    #[error("expected a varint of at most {max} bytes, it goes on")]
    LongVarint {
        /// The longest that this type can be.
        max: usize,
    },
    /// An array of more elements than fit into what remains.
    #[error(
        "expected at most {fit} elements in the {remain} bytes that remain, {count} were announced"
    )]
    LongArray {
        /// Announced elements.
        count: usize,
        /// The most that can still come.
        fit: usize,
        /// Bytes that are left.
        remain: usize,
    },
    /// The message would take far more memory than it has bytes.
    #[error("expected an array of at most {budget} bytes of memory, one of {wanted} came")]
    Bloated {
        /// Memory for this array.
        wanted: usize,
        /// Memory that the message may still take.
        budget: usize,
    },
    /// A tagged field whose content is shorter than its size says.
    #[error("expected a tagged field of {size} bytes, it ended after {used}")]
    TagSize {
        /// Announced size.
        size: usize,
        /// Bytes that its content takes.
        used: usize,
    },
    /// A version that this message does not have.
    #[error("expected version {min} to {max}")]
    Version {
        /// The oldest.
        min: i16,
        /// The newest.
        max: i16,
    },
}

impl DecodeError {
    /// A problem at byte `at`, counted from the start of what the reader was given.
    #[cold]
    pub fn new(at: usize, problem: Problem) -> DecodeError {
        let detail = Detail { message: "", version: 0, path: Vec::new(), at, problem };
        DecodeError(Box::new(detail))
    }

    /// The same error, seen from the struct whose field `name` it is.
    #[cold]
    pub fn inside(mut self, name: &'static str) -> DecodeError {
        self.0.path.push(name);
        self
    }

    /// The same error, seen from the whole message.
    #[cold]
    pub fn of(mut self, message: &'static str, version: i16) -> DecodeError {
        self.0.message = message;
        self.0.version = version;
        self
    }

    /// Name of the message, for instance `ProduceRequest`; empty for a bare primitive.
    pub fn message(&self) -> &'static str {
        self.0.message
    }

    /// Version of the message.
    pub fn version(&self) -> i16 {
        self.0.version
    }

    /// The field from the message inwards, joined with dots; empty if no field is to blame.
    pub fn field(&self) -> String {
        self.0.path.iter().rev().copied().collect::<Vec<_>>().join(".")
    }

    /// The offending byte, counted from the start of what the reader was given.
    pub fn at(&self) -> usize {
        self.0.at
    }

    /// What was expected and what came.
    pub fn problem(&self) -> &Problem {
        &self.0.problem
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Detail { message, version, path, at, problem } = &*self.0;
        if !message.is_empty() {
            write!(f, "{message} v{version}")?;
            f.write_str(if path.is_empty() { " " } else { ", " })?;
        }
        if !path.is_empty() {
            write!(f, "field {} ", self.field())?;
        }
        write!(f, "at byte {at}: {problem}")
    }
}
