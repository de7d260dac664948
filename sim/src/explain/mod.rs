//! Explaining: a run as one page that a browser shows without a network.
//!
//! The page is `page.html` with the run as data in it: a lane for each node and client, messages as arrows, faults and deaths
//! as bars, syncs, acknowledgements and facts as marks, and the failed check at its moment. Everything that a
//! person does there (zoom, filter, search) happens in the browser.

use crate::failure::Failure;
use crate::scenario::Scenario;
use crate::world::{Actor, Kind, Line};
use std::fmt::Write;

/// Styles, drawing and controls; the data go where it says `DATA`.
const PAGE: &str = include_str!("page.html");

/// The page of a run.
pub fn html(scenario: &Scenario, seed: u64, story: &[Line], failure: Option<&Failure>) -> String {
    let mut lanes: Vec<Actor> = story.iter().flat_map(actors).collect();
    // Clients above, nodes below: a request goes down and its answer up.
    lanes.sort_by_key(|actor| match actor {
        Actor::World => (0, 0),
        Actor::Client(n) => (1, *n),
        Actor::Node(n) => (2, *n),
    });
    lanes.dedup();
    let lane =
        |actor: &Actor| lanes.iter().position(|l| l == actor).expect("every actor has a lane");
    let mut data = String::from("{");
    let _ = write!(data, "\"title\":{},\"seed\":{seed},", quoted(&scenario.title));
    let _ = write!(data, "\"scenario\":{},", quoted(&scenario.text));
    if let Some(failure) = failure {
        let (check, what) = (quoted(failure.check), quoted(&failure.what));
        let _ = write!(
            data,
            "\"failure\":{{\"check\":{check},\"what\":{what},\"at\":{}}},",
            failure.at
        );
    }
    let names: Vec<String> = lanes.iter().map(|actor| quoted(&actor.to_string())).collect();
    let _ = writeln!(data, "\"lanes\":[{}],\"lines\":[", names.join(","));
    for (n, line) in story.iter().enumerate() {
        let comma = if n == 0 { "" } else { ",\n" };
        let (at, lane_of) = (line.at, lane(&line.actor));
        let _ =
            write!(data, "{comma}[{at},{lane_of},\"{}\",{}", name(line.kind), quoted(&line.text));
        if let Kind::Send { to, arrives } = line.kind {
            let _ = write!(data, ",{},{arrives}", lane(&to));
        }
        data.push(']');
    }
    data.push_str("\n]}");
    PAGE.replacen("DATA", &data, 1)
}

/// Who has a part in a line.
fn actors(line: &Line) -> impl Iterator<Item = Actor> + use<> {
    let to = match line.kind {
        Kind::Send { to, .. } => Some(to),
        _ => None,
    };
    std::iter::once(line.actor).chain(to)
}

/// What the page calls it.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Pop => "pop",
        Kind::Take => "take",
        Kind::Send { .. } => "send",
        Kind::Submit => "submit",
        Kind::Disk => "disk",
        Kind::Sync => "sync",
        Kind::Fact => "fact",
        Kind::Watermark => "watermark",
        Kind::Fault => "fault",
        Kind::Mended => "mended",
        Kind::Down => "down",
        Kind::Boot => "boot",
        Kind::Ask => "ask",
        Kind::Ack => "ack",
        Kind::Refused => "refused",
        Kind::Unknown => "unknown",
        Kind::Note => "note",
    }
}

/// As a text of JSON that may stand within a script.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // A script ends at `</script>` wherever that stands.
            '<' => out.push_str("\\u003c"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
