//! UUIDs as Kafka writes them: 16 bytes on the wire, 22 characters of unpadded base64url for
//! people.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Identity of a topic, a directory, a cluster. Big-endian; all zero means "none".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

/// Text that is no UUID.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected a UUID of 22 base64url characters, {0:?} came")]
pub struct UuidError(pub String);

impl Uuid {
    /// No UUID: what absent fields hold.
    pub const ZERO: Uuid = Uuid([0; 16]);

    /// Whether this is [`Uuid::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Uuid::ZERO
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        let mut text = [0u8; 22];
        // 21 characters of 6 bits from the top; the last one carries the remaining 2 bits and 4
        // zeroes.
        for (i, c) in text.iter_mut().enumerate() {
            let six = if i < 21 { value >> (122 - 6 * i) } else { value << 4 };
            *c = ALPHABET[(six & 63) as usize];
        }
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = UuidError;

    /// Accepts trailing padding, as Kafka does.
    fn from_str(text: &str) -> Result<Uuid, UuidError> {
        let refuse = || UuidError(text.chars().take(64).collect());
        let body = text.strip_suffix("==").unwrap_or(text);
        if body.len() != 22 {
            return Err(refuse());
        }
        let mut value = 0u128;
        for (i, c) in body.bytes().enumerate() {
            let six = ALPHABET.iter().position(|a| *a == c).ok_or_else(refuse)? as u128;
            value = if i < 21 { value << 6 | six } else { value << 2 | six >> 4 };
        }
        Ok(Uuid(value.to_be_bytes()))
    }
}
