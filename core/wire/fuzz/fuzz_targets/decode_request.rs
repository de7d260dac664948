//! Any message at any version out of any bytes.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sordini_wire::message::{Descriptor, MESSAGES};
use sordini_wire::primitive::{DecodeError, Reader, Writer};

fuzz_target!(|input: &[u8]| {
    let [message, version, bytes @ ..] = input else { return };
    let Some(message) = MESSAGES.get(usize::from(*message)) else { return };
    let version = i16::from(*version);
    let Ok(written) = copy(message, version, Bytes::copy_from_slice(bytes)) else { return };
    assert_eq!(copy(message, version, written.clone()), Ok(written));
});

/// Reads and writes again.
fn copy(message: &Descriptor, version: i16, bytes: Bytes) -> Result<Bytes, DecodeError> {
    let mut w = Writer::new();
    (message.copy)(&mut Reader::new(bytes), version, &mut w, version)?;
    Ok(w.finish_joined())
}
