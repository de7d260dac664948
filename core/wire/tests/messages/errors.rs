//! A decode error says where and what.

use bytes::Bytes;
use sordini_wire::message::Message;
use sordini_wire::message::fetch::FetchRequest;
use sordini_wire::message::metadata::{MetadataRequest, MetadataResponse};
use sordini_wire::message::produce::ProduceRequest;
use sordini_wire::primitive::Reader;

#[track_caller]
fn check<M: Message + std::fmt::Debug>(version: i16, bytes: &[u8], expected: &str) {
    let mut r = Reader::new(Bytes::copy_from_slice(bytes));
    let error = M::decode(&mut r, version).expect_err("these bytes are wrong");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_short_field_is_named_with_its_path() {
    // No transactional id, acks, timeout, one topic "t", one partition of which two bytes are
    // there.
    let bytes = [0, 0, 1, 0, 0, 0, 9, 2, 2, b't', 2, 0, 0];
    check::<ProduceRequest>(
        9,
        &bytes,
        "ProduceRequest v9, field topic_data.partition_data at byte 11: \
         expected at most 0 elements in the 2 bytes that remain, 1 were announced",
    );
    let bytes = [0, 0, 1, 0, 0, 0, 9, 2, 2, b't', 2, 0, 0, 0, 1, 9, 1, 2];
    check::<ProduceRequest>(
        9,
        &bytes,
        "ProduceRequest v9, field topic_data.partition_data.records at byte 16: \
         expected 8 bytes, 2 remain",
    );
}

#[test]
fn a_null_where_none_is_allowed_is_named() {
    check::<MetadataResponse>(
        0,
        &[0xff, 0xff, 0xff, 0xff],
        "MetadataResponse v0, field brokers at byte 0: expected a value, null (length -1) came",
    );
    check::<MetadataRequest>(
        0,
        &[0xff, 0xff, 0xff, 0xff],
        "MetadataRequest v0, field topics at byte 0: expected a value, null (length -1) came",
    );
}

#[test]
fn any_negative_array_length_is_null_where_null_is_allowed() {
    for length in [[0xff; 4], [0x80, 0, 0, 0], [0xff, 0xff, 0xff, 0xf0]] {
        let mut r = Reader::new(Bytes::copy_from_slice(&length));
        assert_eq!(MetadataRequest::decode(&mut r, 1).map(|m| m.topics), Ok(None));
    }
}

#[test]
fn a_version_that_does_not_exist_is_refused() {
    check::<FetchRequest>(3, &[], "FetchRequest v3 at byte 0: expected version 4 to 18");
    check::<FetchRequest>(19, &[], "FetchRequest v19 at byte 0: expected version 4 to 18");
}

#[test]
fn a_tagged_field_must_have_its_announced_size() {
    // Everything empty, then tag 0 (cluster id) of 5 bytes, of which the string takes 2.
    let mut bytes = vec![0; 25];
    bytes.extend([1, 1, 1]);
    bytes.extend([1, 0, 5, 2, b'c', 0, 0, 0]);
    check::<FetchRequest>(
        12,
        &bytes,
        "FetchRequest v12 at byte 33: expected a tagged field of 5 bytes, it ended after 2",
    );
}
