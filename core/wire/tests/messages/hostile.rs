//! Bytes from somebody who means ill: prefixes, changed bytes, noise, announced sizes that are
//! lies.

use crate::generate::{noise, samples};
use crate::trace::trace;
use bytes::Bytes;
use sordini_wire::message::{Descriptor, MESSAGES};
use sordini_wire::primitive::{BUDGET_BASE, BUDGET_RATIO, Reader, Writer};

/// What decoding may allocate beside the arrays: the error with its path, and the like.
const SLACK: u64 = 4096;

/// The promise of `primitive::Reader`.
fn allowed(len: usize) -> u64 {
    (BUDGET_BASE + BUDGET_RATIO * len) as u64 + SLACK
}

/// Decodes; what decodes can be written and decodes again to the same. Allocates no more than
/// allowed.
fn survive(message: &Descriptor, version: i16, bytes: &Bytes) -> bool {
    let mut w = Writer::new();
    let mut ok = false;
    let used = allocation_counter::measure(|| {
        let mut r = Reader::new(bytes.clone());
        ok = (message.copy)(&mut r, version, &mut Writer::new(), version).is_ok();
    });
    // A message that is read is written to a buffer as well, which at most doubles while it grows.
    let written = if ok { 4 * bytes.len() as u64 + SLACK } else { 0 };
    let limit = allowed(bytes.len()) + written;
    assert!(used.bytes_max <= limit, "{} v{version}: {used:?}, allowed {limit}", message.name);
    if ok {
        let mut r = Reader::new(bytes.clone());
        (message.copy)(&mut r, version, &mut w, version).expect("as before");
        let seen = |b: Bytes| {
            trace(message, version, &mut Reader::new(b)).expect("what we write is valid")
        };
        assert_eq!(seen(w.finish_joined()), seen(bytes.clone()), "{} v{version}", message.name);
    }
    ok
}

fn for_all(check: impl Fn(&Descriptor, i16)) {
    for message in MESSAGES {
        message.versions.clone().for_each(|version| check(message, version));
    }
}

/// The oldest version, the newest, and the one in which lengths become compact.
fn at_the_edges(check: impl Fn(&Descriptor, i16)) {
    for_all(|message, version| {
        let (oldest, newest) = (message.versions.start(), message.versions.end());
        if [*oldest, message.flexible, *newest].contains(&version) {
            check(message, version);
        }
    });
}

#[test]
fn no_prefix_of_a_message_is_a_message() {
    for_all(|message, version| {
        for bytes in samples(message, version, 6) {
            for len in 0..bytes.len() {
                let r = &mut Reader::new(bytes.slice(..len));
                let seen = trace(message, version, r);
                assert!(seen.is_err(), "{} v{version}: {len} of {}", message.name, bytes.len());
            }
        }
    });
}

#[test]
fn changed_bytes_do_no_harm() {
    for_all(|message, version| {
        for bytes in samples(message, version, 2) {
            for at in 0..bytes.len().min(300) {
                for change in [0x01, 0x80, 0xff, bytes[at], bytes[at] ^ 0x7f] {
                    let mut changed = bytes.to_vec();
                    changed[at] ^= change;
                    survive(message, version, &changed.into());
                }
            }
        }
    });
}

#[test]
fn noise_does_no_harm() {
    for_all(|message, version| {
        for seed in 0..60 {
            survive(message, version, &noise(seed, 7 * seed as usize).into());
        }
    });
}

/// At every place of a message a huge length, then a quarter megabyte of the cheapest elements
/// there are.
#[test]
fn announced_sizes_are_not_believed() {
    let lies: [&[u8]; 4] = [
        &[0x7f, 0xff, 0xff, 0xff],       // a classic length of 2^31 - 1
        &[0xff, 0xff, 0xff, 0xff, 0x07], // a compact one
        &[0x00, 0x0f, 0x00, 0x00],       // 983,040 elements, which could be true
        &[0x80, 0x80, 0x3c],             // the same, compact
    ];
    at_the_edges(|message, version| {
        for bytes in samples(message, version, 1) {
            for at in 0..bytes.len().min(60) {
                for lie in lies {
                    for filling in [0, 1] {
                        let mut bomb = bytes[..at].to_vec();
                        bomb.extend_from_slice(lie);
                        bomb.resize(1 << 18, filling);
                        lies_cost_little(message, version, bomb.into());
                    }
                }
            }
        }
    });
}

fn lies_cost_little(message: &Descriptor, version: i16, bomb: Bytes) {
    let limit = allowed(bomb.len());
    struct Nobody;
    let used = allocation_counter::measure(|| {
        // Dropped as soon as it is read, so that only reading is measured.
        let _ = (message.show)(&mut Reader::new(bomb), version, &mut Nobody);
    });
    assert!(used.bytes_max <= limit, "{} v{version}: {used:?}, allowed {limit}", message.name);

    use sordini_wire::primitive::{Records, Uuid};
    use sordini_wire::table::UnknownTags;
    use sordini_wire::table::visit::{FieldName, Visitor};
    impl Visitor for Nobody {
        fn begin_struct(&mut self) {}
        fn field(&mut self, _: FieldName) {}
        fn end_struct(&mut self, _: &UnknownTags) {}
        fn begin_array(&mut self, _: usize) {}
        fn end_array(&mut self) {}
        fn null(&mut self) {}
        fn bool(&mut self, _: bool) {}
        fn int(&mut self, _: i64) {}
        fn float(&mut self, _: f64) {}
        fn uuid(&mut self, _: Uuid) {}
        fn string(&mut self, _: &str) {}
        fn bytes(&mut self, _: &[u8]) {}
        fn records(&mut self, _: &Records) {}
    }
}

/// The frame that made other codecs allocate gigabytes: 100 MB of structs of a byte or two.
#[test]
fn a_frame_of_tiny_structs_is_refused_before_it_becomes_gigabytes() {
    let message = MESSAGES.iter().find(|m| m.name == "MetadataRequest").expect("it has a table");
    let mut frame = vec![0x7f, 0xff, 0xff, 0xff];
    frame[..4].copy_from_slice(&50_000_000i32.to_be_bytes());
    frame.resize(100_000_004, 0);
    let frame = Bytes::from(frame);
    let used = allocation_counter::measure(|| {
        let error = (message.copy)(&mut Reader::new(frame.clone()), 1, &mut Writer::new(), 1)
            .expect_err("fifty million names of no letters");
        assert!(error.to_string().contains("bytes of memory"), "{error}");
    });
    assert!(used.bytes_max < SLACK, "{used:?}");
}
