//! What was read is written to the same bytes, and to the same values in every other version.

use crate::generate::{Generator, samples};
use crate::trace::trace;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sordini_wire::message::{Descriptor, MESSAGES};
use sordini_wire::primitive::{Reader, Writer};

/// Runs a property for each message and version, with choices to make messages of.
fn for_all(cases: u32, property: impl Fn(&Descriptor, i16, &[u8]) -> Result<(), TestCaseError>) {
    for message in MESSAGES {
        for version in message.versions.clone() {
            let mut config = ProptestConfig::with_cases(cases);
            config.failure_persistence = None;
            let choices = prop::collection::vec(any::<u8>(), 0..600);
            TestRunner::new(config)
                .run(&choices, |choices| property(message, version, &choices))
                .unwrap_or_else(|e| panic!("{} v{version}: {e}", message.name));
        }
    }
}

fn copy(message: &Descriptor, from: i16, bytes: &bytes::Bytes, to: i16) -> bytes::Bytes {
    let (mut r, mut w) = (Reader::new(bytes.clone()), Writer::new());
    (message.copy)(&mut r, from, &mut w, to).expect("generated messages are valid");
    assert_eq!(r.remaining(), 0, "a message is read to its end");
    w.finish_joined()
}

#[test]
fn messages_without_tags_are_written_to_the_same_bytes() {
    for_all(48, |message, version, choices| {
        let bytes = Generator::new(choices, false).message(message, version);
        prop_assert_eq!(&copy(message, version, &bytes, version), &bytes);
        Ok(())
    });
}

#[test]
fn messages_with_tags_are_written_to_the_same_values() {
    for_all(48, |message, version, choices| {
        let bytes = Generator::new(choices, true).message(message, version);
        let back = copy(message, version, &bytes, version);
        let seen = |b: &bytes::Bytes| trace(message, version, &mut Reader::new(b.clone()));
        prop_assert_eq!(seen(&back), seen(&bytes));
        prop_assert_eq!(&copy(message, version, &back, version), &back);
        Ok(())
    });
}

/// Fields that a version lacks are left out, nulls that it lacks become empty: the result is valid.
#[test]
fn any_message_can_be_written_in_any_version() {
    for message in MESSAGES {
        for from in message.versions.clone() {
            for bytes in samples(message, from, 8) {
                for to in message.versions.clone() {
                    let other = copy(message, from, &bytes, to);
                    assert_eq!(
                        copy(message, to, &other, to),
                        other,
                        "{} {from} to {to}",
                        message.name
                    );
                }
            }
        }
    }
}

#[test]
fn trailing_bytes_are_left_to_the_caller() {
    for message in MESSAGES {
        let version = *message.versions.end();
        for bytes in samples(message, version, 4) {
            let mut longer = bytes.to_vec();
            longer.extend_from_slice(&[0xff; 9]);
            let mut r = Reader::new(longer.into());
            trace(message, version, &mut r).expect("what follows does not matter");
            assert_eq!(r.remaining(), 9);
        }
    }
}
