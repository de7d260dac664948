//! A string of the wire: UTF-8 that was checked once, and a slice of the frame it came in.

use bytes::Bytes;
use bytestring::ByteString;
use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use thiserror::Error;

/// UTF-8 over [`Bytes`]: a clone is a reference count. A decoded one keeps its whole frame alive,
/// so state that outlives the request holds a [`Str::detached`] copy.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(ByteString);

/// Bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected UTF-8, byte {valid} is none")]
pub struct StrError {
    /// How many of the first bytes are UTF-8.
    pub valid: usize,
}

impl Str {
    /// The empty string.
    pub const EMPTY: Str = Str(ByteString::new());

    /// A string of the program itself; allocates nothing.
    pub const fn of(text: &'static str) -> Str {
        Str(ByteString::from_static(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes, shared.
    pub fn as_bytes(&self) -> &Bytes {
        self.0.as_bytes()
    }

    /// A copy that keeps no frame alive.
    pub fn detached(&self) -> Str {
        Str::from(self.as_str())
    }
}

impl TryFrom<Bytes> for Str {
    type Error = StrError;

    fn try_from(bytes: Bytes) -> Result<Str, StrError> {
        ByteString::try_from(bytes).map(Str).map_err(|e| StrError { valid: e.valid_up_to() })
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        Str(ByteString::from(text))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str(ByteString::from(text))
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}
