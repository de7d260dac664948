//! A check that did not hold, with its story.

use std::fmt;

/// A check that did not hold.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Which check.
    pub check: &'static str,
    /// What was expected and what was found.
    pub what: String,
    /// What led to it, if it was written down.
    pub story: Vec<String>,
    /// Virtual time, if there was any.
    pub at: u64,
}

impl Failure {
    /// A failure of `check`.
    pub fn new(check: &'static str, what: impl Into<String>) -> Failure {
        Failure { check, what: what.into(), story: Vec::new(), at: 0 }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.what)?;
        self.story.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}
