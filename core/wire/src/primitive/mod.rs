//! The primitive types of Kafka's protocol, and the two ends that read and write them.
//!
//! Everything a message is made of comes down to these: big-endian integers, LEB128 varints, length
//! prefixed strings, bytes and arrays (classic or "compact", KIP-482), UUIDs, and record batches,
//! which no message ever looks into. [`Reader`] walks over one frame and hands out slices of it;
//! [`Writer`] produces a list of [`Part`]s in which record batches keep their place without being
//! copied. What a table does with them is in [`crate::table`].

mod decode_error;
mod reader;
mod records;
mod string;
mod uuid;
mod writer;

#[cfg(test)]
mod tests;

pub use decode_error::{DecodeError, Problem};
pub use reader::{BUDGET_BASE, BUDGET_RATIO, Reader};
pub use records::{Records, RecordsPart};
pub use string::{Str, StrError};
pub use uuid::{Uuid, UuidError};
pub use writer::{Part, Parts, Writer};
