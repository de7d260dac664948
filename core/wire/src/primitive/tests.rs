use super::*;
use bytes::Bytes;

fn reader(bytes: &[u8]) -> Reader {
    Reader::new(Bytes::copy_from_slice(bytes))
}

#[test]
fn varints_of_every_length_come_back() {
    for shift in 0..64 {
        for value in [1i64 << shift, (1i64 << shift).wrapping_sub(1), -(1i64 << (shift % 63))] {
            let mut w = Writer::new();
            w.varlong(value);
            w.varint(value as i32);
            w.uvarint(value as u32);
            let mut r = Reader::new(w.finish_joined());
            assert_eq!(r.varlong(), Ok(value));
            assert_eq!(r.varint(), Ok(value as i32));
            assert_eq!(r.uvarint(), Ok(value as u32));
            assert_eq!(r.remaining(), 0);
        }
    }
}

#[test]
fn endless_varints_are_refused() {
    let at = |e: DecodeError| e.problem().clone();
    assert_eq!(reader(&[0x80; 5]).uvarint().map_err(at), Err(Problem::LongVarint { max: 5 }));
    assert_eq!(reader(&[0x80; 10]).varlong().map_err(at), Err(Problem::LongVarint { max: 10 }));
    assert_eq!(
        reader(&[0x80; 3]).uvarint().map_err(at),
        Err(Problem::Short { wanted: 4, remain: 3 })
    );
}

#[test]
fn strings_are_checked() {
    assert_eq!(reader(&[0, 2, b'o', b'k']).string(false), Ok(Some(Str::from("ok"))));
    assert_eq!(reader(&[3, b'o', b'k']).string(true), Ok(Some(Str::from("ok"))));
    assert_eq!(reader(&[0x80, 0]).string(false), Ok(None));
    let error = reader(&[0, 2, b'o', 0xff]).string(false).unwrap_err();
    assert_eq!((error.at(), error.problem()), (2, &Problem::NotUtf8 { valid: 1 }));
    let error = reader(&[0xff, 0xff, 3, 0]).string(true).unwrap_err();
    assert_eq!(error.problem(), &Problem::LongString { length: 65534 });
}

#[test]
fn long_strings_are_cut_at_a_character() {
    let mut w = Writer::new();
    w.string(Some(&"ä".repeat(20_000)), false);
    let text = Reader::new(w.finish_joined()).string(false).unwrap().unwrap();
    assert_eq!(text.len(), 32_766);
}

#[test]
fn uuids_look_like_kafkas() {
    let text = "EQqDE_Ykaw4TpgPAZcQWAg";
    let uuid: Uuid = text.parse().unwrap();
    assert_eq!(uuid.0[..4], [0x11, 0x0a, 0x83, 0x13]);
    assert_eq!(uuid.to_string(), text);
    assert_eq!(Uuid::ZERO.to_string(), "A".repeat(22));
    assert_eq!(Uuid([0xff; 16]).to_string().parse(), Ok(Uuid([0xff; 16])));
    assert!("EQqDE_Ykaw4TpgPAZcQW".parse::<Uuid>().is_err());
    assert!("EQqDE+Ykaw4TpgPAZcQWAg".parse::<Uuid>().is_err());
}

#[test]
fn records_keep_their_place_uncopied() {
    let batch = Bytes::from(vec![7; 1000]);
    let mut records = Records::from(batch.clone());
    records.push_external(3, 500);
    let mut w = Writer::frame();
    w.records(Some(&records), true);
    w.i8(9);
    assert_eq!(w.len(), 4 + 2 + 1500 + 1);
    let parts = w.finish();
    let [Part::Bytes(head), Part::Bytes(body), hole, Part::Bytes(tail)] = parts.as_slice() else {
        panic!("{parts:?}")
    };
    assert_eq!(head[..], [0, 0, 0x05, 0xdf, 0xdd, 0x0b]);
    assert_eq!(body.as_ptr(), batch.as_ptr());
    assert_eq!(*hole, Part::External { token: 3, len: 500 });
    assert_eq!(tail[..], [9]);
}

#[test]
fn sizes_in_front_grow_with_the_content() {
    for len in [0, 1, 127, 128, 300] {
        let mut w = Writer::new();
        w.i8(1);
        w.sized(|w| w.raw(&vec![5; len]));
        let mut r = Reader::new(w.finish_joined());
        r.i8().unwrap();
        assert_eq!(r.uvarint(), Ok(len as u32));
        assert_eq!(r.slice(len).unwrap(), vec![5; len]);
        assert_eq!(r.remaining(), 0);
    }
}

#[test]
fn announced_elements_must_fit() {
    let mut r = reader(&[0; 100]);
    let error = r.room::<u64>(26, 4).unwrap_err();
    assert_eq!(error.problem(), &Problem::LongArray { count: 26, fit: 25, remain: 100 });
    assert!(r.room::<u64>(25, 4).is_ok());
    let bloated = r.room::<[u8; 1 << 20]>(2, 1).unwrap_err();
    assert!(matches!(bloated.problem(), Problem::Bloated { .. }), "{bloated}");
}
