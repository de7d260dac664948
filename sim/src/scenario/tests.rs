//! Scenarios that people write: what is read, and what is said of mistakes.

use super::{Scenario, draw};

const GOOD: &str = r#"
title = "good"
span = "10s"
topic = { name = "orders", partitions = 3 }
[storage]
size = "tiny"
[[load]]
kind = "produce"
rate = "50/s"
[[fault]]
kind = "power_loss"
when = "1s..9s"
times = 2
[[check]]
kind = "converged"
within = "5s"
"#;

#[track_caller]
fn mistake(from: &str, to: &str, expected: &str) {
    let text = GOOD.replace(from, to);
    assert_ne!(text, GOOD);
    let error = Scenario::parse("x.toml", &text).expect_err("a mistake").to_string();
    assert_eq!(error, expected);
}

#[test]
fn a_good_one_is_read() {
    let scenario = Scenario::parse("x.toml", GOOD).expect("good");
    assert_eq!(scenario.topics, [("orders".to_owned(), 3)]);
    assert_eq!((scenario.loads.len(), scenario.faults[0].times), (1, 2));
    assert_eq!(scenario.checks.converged_within, 5_000_000_000);
}

#[test]
fn mistakes_are_named_with_file_line_and_what_was_expected() {
    mistake(
        "rate = \"50/s\"",
        "rate = \"fast\"",
        "x.toml:9: rate: expected a rate such as \"50/s\" or \"3/m\", at most \"1000000/s\"; came \"fast\"",
    );
    mistake(
        "times = 2",
        "tines = 2",
        "x.toml:13: fault: no key is called tines; known here: kind, where, when, stream, mend, times, torn",
    );
    mistake(
        "rate = \"50/s\"",
        "rate = \"99999999999/s\"",
        "x.toml:9: rate: expected a rate such as \"50/s\" or \"3/m\", at most \"1000000/s\"; came \"99999999999/s\"",
    );
    mistake(
        "size = \"tiny\"",
        "journal_file_bytes = 0x10",
        "x.toml:6: journal_file_bytes: expected a number from 8192 to 2147483647; came 0x10",
    );
    mistake("size = \"tiny\"", "size = \"huge\"", {
        "x.toml:6: size: expected one of tiny, small, default; came huge"
    });
    mistake(
        "when = \"1s..9s\"",
        "when = \"9s..1s\"",
        "x.toml:12: when: expected times such as \"5s..40s\", or one time; came \"9s..1s\"",
    );
}

#[test]
fn an_unknown_kind_is_told_which_there_are() {
    let text = GOOD.replace("power_loss", "earthquake");
    let error = Scenario::parse("x.toml", &text).expect_err("a mistake").to_string();
    assert!(error.starts_with("x.toml:11: kind: expected one of "), "{error}");
    assert!(error.contains("power_loss") && error.ends_with("came earthquake"), "{error}");
}

#[test]
fn what_is_no_toml_is_refused_where_it_breaks() {
    let error = Scenario::parse("x.toml", "title = \"a\"\nspan = = 3\n").expect_err("broken");
    assert_eq!((error.file.as_str(), error.line), ("x.toml", 2));
}

#[test]
fn every_seed_of_the_swarm_draws_a_scenario_that_can_be_read() {
    let drawn: Vec<Scenario> = (0..300).map(draw).collect();
    assert!(drawn.iter().all(|s| !s.faults.is_empty() && !s.loads.is_empty()));
}
