//! From the table of fields to programs, one for each version of each message.

use super::{Program, Step};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

const TABLE: &str = include_str!("../../data/responses.txt");

/// A field with the fields of its struct, if it is one.
#[derive(Debug)]
struct Field<'a> {
    name: &'a str,
    kind: &'a str,
    tag: Option<u32>,
    versions: RangeInclusive<i16>,
    fields: Vec<Field<'a>>,
}

/// Every version of every message of the table.
pub fn programs() -> BTreeMap<(i16, i16), Program> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut lines: Vec<&str> = lines.rev().collect();
    let mut programs = BTreeMap::new();
    while let Some(message) = lines.pop() {
        let mut words = message.split(' ').skip(1);
        let mut word = || words.next().expect("a message has key, versions, flexible versions");
        let key: i16 = word().parse().expect("an API key");
        let (versions, flexible) = (word(), word());
        let flexible = (flexible != "none").then(|| range(flexible));
        let fields = fields(&mut lines, 1);
        for version in range(versions) {
            let flexible = flexible.as_ref().is_some_and(|f| f.contains(&version));
            let steps = steps(&fields, version, flexible);
            programs.insert((key, version), Program { flexible, steps });
        }
    }
    programs
}

/// The fields at this depth, off the end of `lines`.
fn fields<'a>(lines: &mut Vec<&'a str>, depth: usize) -> Vec<Field<'a>> {
    let mut found = Vec::new();
    while let Some(line) = lines.pop_if(|line| line.len() - line.trim_start().len() == depth) {
        let words: Vec<&str> = line.trim_start().split(' ').collect();
        let (name, kind, tag, versions) = match words[..] {
            [name, kind, versions] => (name, kind, None, versions),
            [name, kind, tag, versions] => {
                let tag = tag.strip_prefix("tag").expect("a tag").parse().expect("its number");
                (name, kind, Some(tag), versions)
            }
            _ => panic!("a field has name, type and versions: {line}"),
        };
        let fields = fields(lines, depth + 1);
        found.push(Field { name, kind, tag, versions: range(versions), fields });
    }
    found
}

/// `3-12`, or `13` alone.
fn range(text: &str) -> RangeInclusive<i16> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    from.parse().expect("a version")..=to.parse().expect("a version")
}

/// What a struct consists of in one version.
fn steps(fields: &[Field<'_>], version: i16, flexible: bool) -> Vec<Step> {
    let here = || fields.iter().filter(|field| field.versions.contains(&version));
    let mut steps: Vec<Step> = Vec::new();
    for field in here().filter(|field| field.tag.is_none()) {
        for step in field.steps(version, flexible) {
            match (steps.last_mut(), step) {
                (Some(Step::Skip(sum)), Step::Skip(more)) => *sum += more,
                (_, step) => steps.push(step),
            }
        }
    }
    if flexible {
        let tagged = here().filter_map(|field| Some((field.tag?, field)));
        let tagged = tagged.map(|(tag, field)| (tag, field.steps(version, flexible)));
        steps.push(Step::Tags(tagged.collect()));
    }
    steps
}

impl Field<'_> {
    fn steps(&self, version: i16, flexible: bool) -> Vec<Step> {
        let null = self.kind.ends_with('?');
        let kind = self.kind.trim_end_matches('?');
        if let Some(kind) = kind.strip_prefix('[') {
            let each = self.one(kind.trim_end_matches(']'), false, version, flexible);
            return vec![Step::Array { null, each }];
        }
        self.one(kind, null, version, flexible)
    }

    fn one(&self, kind: &str, null: bool, version: i16, flexible: bool) -> Vec<Step> {
        match kind {
            "int16" if self.name.ends_with("error_code") => vec![Step::Code],
            "boolean" => vec![Step::Flag],
            "int8" => vec![Step::Skip(1)],
            "int16" | "uint16" => vec![Step::Skip(2)],
            "int32" | "uint32" => vec![Step::Skip(4)],
            "int64" | "float64" => vec![Step::Skip(8)],
            "uuid" => vec![Step::Skip(16)],
            "string" => vec![Step::Text { null }],
            "bytes" | "records" => vec![Step::Bytes { null }],
            "struct" if null => vec![Step::Optional(steps(&self.fields, version, flexible))],
            "struct" => steps(&self.fields, version, flexible),
            other => panic!("no field is of type {other}"),
        }
    }
}
