//! An independent codec: reads answers by Kafka's own table of fields, and knows nothing of the broker's.
//!
//! The table is data (`sim/data/responses.txt`, made from the classes of Apache Kafka); every API and version becomes a small
//! program, which walks over an answer without building anything: lengths fit, nothing is null that must not be, text is
//! UTF-8, flags are 0 or 1, tags rise and are known, error codes are among those that the API may answer, and behind the last field
//! nothing follows. So it may stay on in every run (check 19).

mod codes;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// Every response of the protocol, ready to be read.
static CODEC: LazyLock<Codec> = LazyLock::new(|| Codec { programs: table::programs() });

/// Programs by API key and version.
struct Codec {
    programs: BTreeMap<(i16, i16), Program>,
}

/// How to read one version of one message.
#[derive(Debug, PartialEq, Eq)]
struct Program {
    flexible: bool,
    steps: Vec<Step>,
}

/// A field, or several of fixed length that need no look.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// So many bytes of any kind.
    Skip(usize),
    /// A flag: 0 or 1.
    Flag,
    /// An error code.
    Code,
    /// Text.
    Text { null: bool },
    /// Bytes that are somebody else's business.
    Bytes { null: bool },
    /// An array of what the steps read.
    Array { null: bool, each: Vec<Step> },
    /// A struct that may be null.
    Optional(Vec<Step>),
    /// The end of a struct of a flexible version: tagged fields, by their tags.
    Tags(Vec<(u32, Vec<Step>)>),
}

/// What was wrong with an answer, and at which byte of its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Illegible {
    /// Byte of the frame, its length not counted.
    pub at: usize,
    /// What was expected and what came.
    pub what: String,
}

impl fmt::Display for Illegible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {} of the answer: {}", self.at, self.what)
    }
}

/// Reads an answer, without its length, to the request `correlation` of this API and version.
pub fn check(frame: &[u8], key: i16, version: i16, correlation: i32) -> Result<(), Illegible> {
    let mut cursor = Cursor { frame, at: 0, flexible: false, key: Some(key) };
    let came = i32::from_be_bytes(cursor.fixed()?);
    if came != correlation {
        return cursor.wrong(format!("expected correlation id {correlation}, came {came}"));
    }
    let Some(program) = CODEC.programs.get(&(key, version)) else {
        return cursor.wrong(format!("Kafka has no version {version} of API {key}"));
    };
    cursor.flexible = program.flexible;
    // The header of an ApiVersions answer is old for ever (KIP-511).
    if program.flexible && key != 18 {
        cursor.tags(&[])?;
    }
    cursor.message(program)
}

struct Cursor<'a> {
    frame: &'a [u8],
    at: usize,
    flexible: bool,
    /// The API, by which error codes are judged; none if they are not, and unknown tags are passed over.
    key: Option<i16>,
}

impl<'a> Cursor<'a> {
    fn message(&mut self, program: &Program) -> Result<(), Illegible> {
        self.steps(&program.steps)?;
        match self.frame.len() - self.at {
            0 => Ok(()),
            more => self.wrong(format!("{more} bytes follow the last field")),
        }
    }

    fn wrong<T>(&self, what: impl Into<String>) -> Result<T, Illegible> {
        Err(Illegible { at: self.at, what: what.into() })
    }

    fn steps(&mut self, steps: &[Step]) -> Result<(), Illegible> {
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Result<(), Illegible> {
        match step {
            Step::Skip(bytes) => self.take(*bytes).map(drop),
            Step::Flag => match self.fixed::<1>()? {
                [0 | 1] => Ok(()),
                [other] => self.wrong(format!("a flag is {other}")),
            },
            Step::Code => {
                let code = i16::from_be_bytes(self.fixed()?);
                match self.key {
                    Some(key) if !codes::is_legal(key, code) => {
                        self.wrong(format!("API {key} never answers with error code {code}"))
                    }
                    _ => Ok(()),
                }
            }
            Step::Text { null } => {
                let Some(len) = self.length(*null, 2)? else { return Ok(()) };
                let bytes = self.take(len)?;
                match std::str::from_utf8(bytes) {
                    Ok(_) => Ok(()),
                    Err(e) => self.wrong(format!("text is not UTF-8: {e}")),
                }
            }
            Step::Bytes { null } => match self.length(*null, 4)? {
                Some(len) => self.take(len).map(drop),
                None => Ok(()),
            },
            Step::Array { null, each } => {
                let Some(count) = self.length(*null, 4)? else { return Ok(()) };
                if count > self.frame.len() - self.at && !each.is_empty() {
                    return self.wrong(format!("an array of {count} in too few bytes"));
                }
                (0..count).try_for_each(|_| self.steps(each))
            }
            Step::Optional(steps) => match self.fixed::<1>()? {
                [255] => Ok(()),
                [1] => self.steps(steps),
                [other] => self.wrong(format!("a struct that may be null begins with {other}")),
            },
            Step::Tags(known) => self.tags(known),
        }
    }

    fn tags(&mut self, known: &[(u32, Vec<Step>)]) -> Result<(), Illegible> {
        let count = self.varint()?;
        let mut last = None;
        for _ in 0..count {
            let tag = self.varint()?;
            if last.is_some_and(|last| last >= tag) {
                return self.wrong(format!("tag {tag} behind tag {last:?}"));
            }
            last = Some(tag);
            let len = self.varint()? as usize;
            let end = self.at + len;
            match known.iter().find(|(known, _)| *known == tag) {
                Some((_, steps)) => self.steps(steps)?,
                None if self.key.is_some() => {
                    return self.wrong(format!("tag {tag} is unknown here"));
                }
                None => drop(self.take(len)?),
            }
            if self.at != end {
                let at = self.at;
                return self
                    .wrong(format!("tag {tag} should end at {end}, its field ends at {at}"));
            }
        }
        Ok(())
    }

    /// The length of text, bytes or an array, which older versions write with `wide` bytes; none if it is null.
    fn length(&mut self, null: bool, wide: usize) -> Result<Option<usize>, Illegible> {
        let length = match (self.flexible, wide) {
            (true, _) => i64::from(self.varint()?) - 1,
            (false, 2) => i64::from(i16::from_be_bytes(self.fixed()?)),
            (false, _) => i64::from(i32::from_be_bytes(self.fixed()?)),
        };
        match length {
            -1 if null => Ok(None),
            0.. => Ok(Some(length as usize)),
            _ => self.wrong(format!("a length of {length}")),
        }
    }

    fn varint(&mut self) -> Result<u32, Illegible> {
        let mut value = 0u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            if shift == 28 && byte > 15 {
                break;
            }
            value |= u32::from(byte & 127) << shift;
            if byte < 128 {
                return Ok(value);
            }
        }
        self.wrong("a variable-length number of more than 32 bits")
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Illegible> {
        match self.frame[self.at..].split_at_checked(len) {
            Some((taken, _)) => {
                self.at += len;
                Ok(taken)
            }
            None => self.wrong(format!(
                "expected {len} bytes more, there are {}",
                self.frame.len() - self.at
            )),
        }
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Illegible> {
        Ok(self.take(N)?.try_into().expect("so many were taken"))
    }
}
