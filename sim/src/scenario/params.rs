//! Reading a table of a scenario: every value is asked for by name and kind, and what is wrong is named with its line.

use crate::heap::{MS, Nanos, SECOND};
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A scenario that cannot be run: where, what was expected, what came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct BadInput {
    /// The file, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What was expected and what came.
    pub what: String,
}

/// The text of a scenario and where it came from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file.
    pub file: &'a str,
    /// All of it.
    pub text: &'a str,
}

impl Source<'_> {
    /// Something is wrong at this byte.
    pub fn bad(&self, at: usize, what: impl fmt::Display) -> BadInput {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        BadInput { file: self.file.to_owned(), line, what: what.to_string() }
    }
}

/// A table that is being read.
#[derive(Debug)]
pub struct Params<'a> {
    source: Source<'a>,
    name: String,
    at: usize,
    table: &'a DeTable<'a>,
    known: RefCell<Vec<String>>,
}

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Params<'a> {
    /// The table that begins at byte `at`; `name` is what it is called in errors.
    pub fn new(source: Source<'a>, name: &str, at: usize, table: &'a DeTable<'a>) -> Params<'a> {
        Params { source, name: name.to_owned(), at, table, known: RefCell::default() }
    }

    /// The whole of it is wrong.
    pub fn bad(&self, what: impl fmt::Display) -> BadInput {
        self.source.bad(self.at, format_args!("{}: {what}", self.name))
    }

    /// What stands at `key` is wrong.
    pub fn bad_at(&self, key: &str, what: impl fmt::Display) -> BadInput {
        let at = self.table.get_key_value(key).map_or(self.at, |(key, _)| key.span().start);
        self.source.bad(at, format_args!("{}: {what}", self.name))
    }

    /// The value of `key` is none of `choices`.
    pub fn wrong_choice(&self, key: &str, choices: &[&str]) -> BadInput {
        let came = self.table.get(key).and_then(|v| v.get_ref().as_str()).unwrap_or("nothing");
        let at = self.table.get(key).map_or(self.at, |v| v.span().start);
        let list = choices.join(", ");
        self.source.bad(at, format_args!("{key}: expected one of {list}; came {came}"))
    }

    /// Text.
    pub fn text(&self, key: &str) -> Result<Option<String>, BadInput> {
        self.read(key, "text", |v| v.as_str().map(str::to_owned))
    }

    /// Text that must be there.
    pub fn required(&self, key: &str) -> Result<String, BadInput> {
        self.text(key)?.ok_or_else(|| self.bad(format_args!("expected {key} = \"...\"")))
    }

    /// One of `choices`.
    pub fn choice(&self, key: &str, choices: &[&str]) -> Result<Option<usize>, BadInput> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let found = choices.iter().position(|c| *c == text);
        found.map(Some).ok_or_else(|| self.wrong_choice(key, choices))
    }

    /// True or false.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, BadInput> {
        self.read(key, "true or false", DeValue::as_bool)
    }

    /// A whole number of `range`.
    pub fn number(&self, key: &str, range: Range<u64>) -> Result<Option<u64>, BadInput> {
        let expected = format!("a number from {} to {}", range.start, range.end - 1);
        self.read(key, &expected, |v| integer(v).filter(|n| range.contains(n)))
    }

    /// A number that may be negative, at most `limit` either way.
    pub fn signed(&self, key: &str, limit: i64) -> Result<Option<i64>, BadInput> {
        let expected = format!("a number from -{limit} to {limit}");
        self.read(key, &expected, |v| {
            let integer = v.as_integer()?;
            let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            (-limit..=limit).contains(&number).then_some(number)
        })
    }

    /// A list of whole numbers.
    pub fn numbers(&self, key: &str) -> Result<Option<Vec<u64>>, BadInput> {
        self.read(key, "a list of numbers", |v| {
            v.as_array()?.iter().map(|n| integer(n.get_ref())).collect()
        })
    }

    /// A time such as "20us", "1.5s" or "2m".
    pub fn time(&self, key: &str) -> Result<Option<Nanos>, BadInput> {
        self.read(key, "a time such as \"20us\", \"150ms\", \"1.5s\" or \"2m\"", |v| {
            time(v.as_str()?)
        })
    }

    /// Times from and to, such as "5s..40s"; a single one stands for itself.
    pub fn time_range(&self, key: &str) -> Result<Option<Range<Nanos>>, BadInput> {
        self.read(key, "times such as \"5s..40s\", or one time", |v| {
            let text = v.as_str()?;
            match text.split_once("..") {
                Some((from, to)) => Some(time(from)?..time(to)?).filter(|r| r.start < r.end),
                None => time(text).map(|at| at..at + 1),
            }
        })
    }

    /// Counts from and below, such as "1..4".
    pub fn count_range(&self, key: &str) -> Result<Option<Range<u64>>, BadInput> {
        self.read(key, "counts such as \"1..4\" (4 not included)", |v| {
            let (from, to) = v.as_str()?.split_once("..")?;
            let range = from.trim().parse().ok()?..to.trim().parse().ok()?;
            (range.start < range.end && range.end <= 1 << 16).then_some(range)
        })
    }

    /// A rate such as "50/s"; the mean time between two.
    pub fn rate(&self, key: &str) -> Result<Option<Nanos>, BadInput> {
        self.read(key, "a rate such as \"50/s\" or \"3/m\", at most \"1000000/s\"", |v| {
            let (count, unit) = v.as_str()?.split_once('/')?;
            let whole = time(&format!("1{}", unit.trim()))?;
            let count: u64 = count.trim().parse().ok().filter(|n| *n > 0)?;
            Some(whole / count).filter(|between| *between >= 1000)
        })
    }

    /// A table within.
    pub fn table(&self, key: &str) -> Result<Option<Params<'a>>, BadInput> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let table = value.get_ref().as_table().ok_or_else(|| self.wrong(key, value, "a table"))?;
        Ok(Some(Params::new(self.source, key, value.span().start, table)))
    }

    /// The tables of a list such as `[[fault]]`; a single table is a list of one.
    pub fn tables(&self, key: &str) -> Result<Vec<Params<'a>>, BadInput> {
        let Some(value) = self.value(key) else { return Ok(Vec::new()) };
        let one = |v: Value<'a>| match v.get_ref().as_table() {
            Some(table) => Ok(Params::new(self.source, key, v.span().start, table)),
            None => Err(self.wrong(key, v, &format!("[[{key}]]"))),
        };
        match value.get_ref().as_array() {
            Some(list) => list.iter().map(one).collect(),
            None => Ok(vec![one(value)?]),
        }
    }

    /// Every key with its value as text, for tables whose keys somebody else knows.
    pub fn pairs(&self) -> Result<Vec<(String, String)>, BadInput> {
        let pair = |(key, value): (&Spanned<_>, Value<'a>)| {
            let key: &std::borrow::Cow<'_, str> = key.get_ref();
            self.known.borrow_mut().push(key.to_string());
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix())
                    .map_err(|_| self.wrong(key, value, "a number of 64 bits"))?
                    .to_string(),
                DeValue::Float(n) => n.as_str().to_owned(),
                DeValue::Boolean(flag) => flag.to_string(),
                _ => return Err(self.wrong(key, value, "text, a number, true or false")),
            };
            Ok((key.to_string(), text))
        };
        self.table.iter().map(pair).collect()
    }

    /// Everything was read; a key that nobody asked for is an error.
    pub fn finish(self) -> Result<(), BadInput> {
        let known = self.known.borrow();
        for key in self.table.keys() {
            if !known.iter().any(|k| k == key.get_ref().as_ref()) {
                let (name, list) = (&self.name, known.join(", "));
                let what =
                    format!("{name}: no key is called {}; known here: {list}", key.get_ref());
                return Err(self.source.bad(key.span().start, what));
            }
        }
        Ok(())
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        self.known.borrow_mut().push(key.to_owned());
        self.table.get(key)
    }

    fn read<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&DeValue<'a>) -> Option<T>,
    ) -> Result<Option<T>, BadInput> {
        let Some(value) = self.value(key) else { return Ok(None) };
        read(value.get_ref()).map(Some).ok_or_else(|| self.wrong(key, value, expected))
    }

    fn wrong(&self, key: &str, value: Value<'_>, expected: &str) -> BadInput {
        let span = value.span();
        let came = self.source.text.get(span.clone()).unwrap_or_default().trim();
        self.source.bad(span.start, format_args!("{key}: expected {expected}; came {came}"))
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// Reads a time. Fractions are exact: no floating point decides when something happens.
fn time(text: &str) -> Option<Nanos> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ns" => 1,
        "us" => 1000,
        "ms" => MS,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let mut nanos = whole.checked_mul(unit)?;
    let mut step = unit;
    for digit in fraction.chars() {
        step /= 10;
        nanos = nanos.checked_add(u64::from(digit.to_digit(10)?) * step)?;
    }
    Some(nanos)
}

/// A time as scenarios write it, exactly.
pub fn show(nanos: Nanos) -> String {
    match nanos {
        0 => "0s".into(),
        n if n % SECOND == 0 => format!("{}s", n / SECOND),
        n if n % MS == 0 => format!("{}ms", n / MS),
        n if n % 1000 == 0 => format!("{}us", n / 1000),
        n => format!("{n}ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_exactly() {
        for (text, nanos) in
            [("20us", 20_000), ("1.5s", 1_500_000_000), ("0.25ms", 250_000), ("2m", 120 * SECOND)]
        {
            assert_eq!(time(text), Some(nanos), "{text}");
            assert_eq!(time(&show(nanos)), Some(nanos), "{text}");
        }
        for text in ["", "5", "s", "1..2", "-1s", "1 day", "1e9s", "18446744073.9s"] {
            assert_eq!(time(text), None, "{text}");
        }
    }
}
