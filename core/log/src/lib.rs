//! One durable log on an abstract disk.
