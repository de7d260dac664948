//! The `sordini` program: the command line, and the only place that knows every room.
fn main() {}
