//! What the machine itself can do, measured beside the load with its sizes: a broker cannot be faster.
//!
//! | limit | what |
//! |---|---|
//! | [`disk`] | append and fdatasync to a file written with zeroes before, past the page cache |
//! | [`loopback`] | the same connections and sizes against a bare tokio server that answers and does nothing |
//! | [`sendfile`] | from the page cache to a socket, nobody looking at the bytes |

pub mod disk;
pub mod loopback;
pub mod sendfile;
