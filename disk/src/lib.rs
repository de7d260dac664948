//! Real files behind the log's disk trait.
