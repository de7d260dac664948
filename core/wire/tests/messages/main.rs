//! Properties that hold for every message and version, whatever the values and whatever the bytes.
//!
//! | module | what |
//! |---|---|
//! | `round_trip` | what was read is written to the same bytes, and reads to the same values in every version |
//! | `hostile` | no bytes make decoding panic, or allocate more than they justify |
//! | `oracle` | a published codec, written by others, agrees |
//! | `errors` | a decode error names message, field, byte, and what was expected |
//! | `generate` | messages made from the tables and a stream of choices, which proptest shrinks |

mod errors;
mod generate;
mod hostile;
mod oracle;
mod round_trip;
mod trace;
