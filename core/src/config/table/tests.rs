use super::*;
use std::collections::BTreeSet;

#[test]
fn rows_are_sorted_and_their_defaults_and_nasty_values_fit() {
    for rows in [TOPIC, BROKER, INERT] {
        assert!(rows.windows(2).all(|w| w[0].name < w[1].name), "sorted, for binary search");
        for row in rows {
            if let Some(default) = row.default {
                row.parse(default).unwrap_or_else(|e| panic!("default: {e}"));
            }
            if !row.nasty.is_empty() {
                row.parse(row.nasty).unwrap_or_else(|e| panic!("nasty value: {e}"));
                assert_ne!(Some(row.nasty), row.default, "{}", row.name);
            }
            assert!(row.doc.len() > 20, "{} needs its documentation", row.name);
        }
    }
}

#[test]
fn no_key_is_in_two_tables_of_the_broker() {
    let obeyed: BTreeSet<_> = BROKER.iter().map(|row| row.name).collect();
    assert!(INERT.iter().all(|row| !obeyed.contains(row.name)));
}

#[test]
fn a_topics_sources_are_obeyed_keys_of_the_broker_with_the_same_default() {
    for row in TOPIC {
        for (key, factor) in row.sources {
            let source = BROKER.iter().find(|b| b.name == *key).expect("an obeyed key");
            let Some(default) = source.default else { continue };
            let scaled = match source.parse(default).unwrap() {
                Value::Number(n) => (n * factor).to_string(),
                other => other.to_string(),
            };
            assert_eq!(Some(scaled.as_str()), row.default, "{} through {key}", row.name);
        }
    }
}

#[track_caller]
fn refused(key: &str, value: &str, words: &str) {
    let row = topic(key).unwrap();
    assert_eq!(row.parse(value).unwrap_err().to_string(), words);
}

#[test]
fn values_are_refused_in_kafkas_words() {
    refused(
        "retention.ms",
        "abc",
        "Invalid value abc for configuration retention.ms: Not a number of type LONG",
    );
    refused(
        "retention.ms",
        "-2",
        "Invalid value -2 for configuration retention.ms: Value must be at least -1",
    );
    refused(
        "min.cleanable.dirty.ratio",
        "2",
        "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
    );
    refused(
        "cleanup.policy",
        "compact,bogus",
        "Invalid value bogus for configuration cleanup.policy: String must be one of: compact, delete",
    );
    refused(
        "preallocate",
        "yes",
        "Invalid value yes for configuration preallocate: Expected value to be either true or false",
    );
    refused(
        "segment.bytes",
        "4294967296",
        "Invalid value 4294967296 for configuration segment.bytes: Not a number of type INT",
    );
}

#[test]
fn values_are_shown_as_kafka_shows_them() {
    let shown = |key: &str, value: &str| topic(key).unwrap().parse(value).unwrap().to_string();
    assert_eq!(shown("retention.ms", " 1000000 "), "1000000");
    assert_eq!(shown("preallocate", "TRUE"), "true");
    assert_eq!(shown("cleanup.policy", "compact , delete"), "compact,delete");
    assert_eq!(shown("cleanup.policy", ""), "");
    assert_eq!(shown("min.cleanable.dirty.ratio", "1"), "1.0");
}

#[test]
fn not_a_number_is_no_ratio() {
    assert!(topic("min.cleanable.dirty.ratio").unwrap().parse("NaN").is_err());
}
