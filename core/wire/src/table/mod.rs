//! How a message is one table.
//!
//! A message of Kafka's is a struct whose fields come and go with the version. Here each one is
//! written down once, in Kafka's own notation, and everything else is derived from that:
//!
//! ```
//! sordini_wire::messages! {
//!     /// A request that exists only on this page.
//!     struct ExampleRequest: key 0, versions [3-13], flexible [9+] {
//!         /// In every version; null is allowed from 5, and it is not null by default.
//!         owner: Option<Str> [3+] null [5+] = Some(Str::EMPTY);
//!         /// Gone after version 12.
//!         name: Str [3-12];
//!         /// What a message is made of: structs of the same table.
//!         parts: Vec<ExamplePart> [3+];
//!         /// Tagged field 0 (KIP-482), on the wire only if it is not -1.
//!         epoch: i32 [10+] tag 0 = -1;
//!     }
//!
//!     /// A part.
//!     struct ExamplePart {
//!         /// A number that only version 13 has.
//!         number: i64 [13];
//!     }
//! }
//! ```
//!
//! [`messages!`](crate::messages) makes of it the struct with Kafka's defaults, reading and writing
//! for every version, a [`schema::Struct`] (the table itself as data, for tests and generators) and
//! a walk over the values for printing ([`visit::Visitor`]). The generated code is little more than
//! one call per field; the work is done by the [`Wire`] implementations in [`wire`].
//!
//! Rules that hold for every table:
//!
//! - a field that the version does not have keeps its default when read, and is left out when
//!   written;
//! - an `Option` may be null in the versions `null [..]`, or always; `None` where the version has
//!   no null is written as the empty value;
//! - unknown tagged fields are kept and written back; trailing bytes after a message are the
//!   caller's to ignore, as Kafka does.

mod macros;
pub mod schema;
mod tags;
pub mod visit;
pub mod wire;

pub use schema::Versions;
pub use tags::{TagWriter, UnknownTag, UnknownTags};
pub use wire::{At, Nullable, Wire};
