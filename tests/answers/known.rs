//! The cases that docs/differences.md lists, so that the page and the program cannot drift apart.
//!
//! A row of its tables names in its last column, in backticks, the cases that show the difference; `name*` stands for
//! all that begin so.

/// What of Kafka's is to come later stands under this heading; what depends on it is counted apart.
const LATER: &str = "## Not there yet";

/// A case, or the first letters of several, and whether it needs what is not there yet.
#[derive(Debug)]
pub struct Known {
    pattern: String,
    later: bool,
}

/// Every case that the page lists.
pub fn read(page: &str) -> Vec<Known> {
    let mut all = Vec::new();
    let mut later = false;
    let mut cases = false;
    for line in page.lines() {
        if line.starts_with('#') {
            (later, cases) = (line == LATER, false);
        }
        let Some(row) = line.strip_prefix('|').and_then(|l| l.strip_suffix('|')) else { continue };
        let last = row.rsplit('|').next().unwrap_or_default();
        match last.trim() == "cases" {
            true => cases = true,
            false if cases => {
                let quoted = last.split('`').skip(1).step_by(2);
                all.extend(quoted.map(|p| Known { pattern: p.to_string(), later }));
            }
            false => {}
        }
    }
    all
}

impl Known {
    /// Whether it lists a case.
    pub fn lists(&self, case: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(start) => case.starts_with(start),
            None => case == self.pattern,
        }
    }

    /// Whether the case needs what is not there yet.
    pub fn is_later(&self) -> bool {
        self.later
    }

    /// As it stands on the page.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }
}
