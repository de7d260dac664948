//! Kafka's wire format: bytes to nouns and back, and nothing else.
//!
//! | module | what |
//! |---|---|
//! | [`frame`] | a byte stream cut into frames |
//! | [`primitive`] | integers, strings, UUIDs, record bytes; the reader and the writer |
//! | [`table`] | the notation in which a message is one table, and what is made of it |
//! | [`message`] | the tables, one file per API |
//! | [`batch`], [`codec`] | record batches and their compression |
//! | [`api`], [`error`] | the lists of Kafka's APIs and error codes |
//!
//! Decoding never panics, whatever the bytes; it allocates no more than they justify, and says
//! which field of which message was wrong at which byte. Nothing here knows what a message is for.

pub mod api;
pub mod batch;
pub mod codec;
pub mod error;
pub mod frame;
pub mod message;
pub mod primitive;
pub mod table;
