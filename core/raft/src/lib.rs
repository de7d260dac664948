//! Who leads and what is committed: epochs and offsets, never bytes.
