//! What administrators asked for and were told, in the order of beginnings and ends.

/// A topic that administrators share: its node, and a number that its name follows from.
pub type Name = (u32, u16);

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A topic with so many partitions.
    Create(i32),
    /// No topic.
    Delete,
    /// So many partitions.
    Grow(i32),
    /// How many partitions are there?
    Describe,
}

/// What somebody was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was done.
    Done,
    /// There is one already.
    Exists,
    /// There is none.
    Missing,
    /// There are as many partitions already, or more.
    NotMore,
    /// So many partitions, or no topic.
    Is(Option<i32>),
}

/// An operation. Without an end it may have happened at any time after its beginning, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// Which topic.
    pub name: Name,
    /// What was asked for.
    pub act: Act,
    /// When, among all beginnings and ends.
    pub begun: u64,
    /// When it was answered, and how.
    pub ended: Option<(u64, Told)>,
}

/// All of them, in the order of their beginnings.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// The operations.
    pub ops: Vec<Op>,
    moment: u64,
}

impl Admin {
    /// An operation begins; its number.
    pub fn begin(&mut self, name: Name, act: Act) -> usize {
        self.moment += 1;
        self.ops.push(Op { name, act, begun: self.moment, ended: None });
        self.ops.len() - 1
    }

    /// An operation is answered.
    pub fn end(&mut self, number: usize, told: Told) {
        self.moment += 1;
        self.ops[number].ended = Some((self.moment, told));
    }
}
