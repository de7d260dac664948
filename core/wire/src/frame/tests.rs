use super::*;
use bytes::BufMut;
use proptest::prelude::*;

/// One frame around a body.
fn framed(body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::with_capacity(4 + body.len());
    frame.put_u32(body.len() as u32);
    frame.put_slice(body);
    frame
}

fn all(splitter: &mut FrameSplitter) -> Vec<BytesMut> {
    std::iter::from_fn(|| splitter.next_frame().expect("the lengths are fine")).collect()
}

#[test]
fn small_frames_in_one_piece_are_not_copied() {
    let mut stream = BytesMut::new();
    for n in 0..100u8 {
        stream.extend_from_slice(&framed(&vec![n; usize::from(n)]));
    }
    let memory = stream.as_ptr_range();
    let mut splitter = FrameSplitter::default();
    splitter.push(stream);
    for (n, frame) in all(&mut splitter).iter().enumerate() {
        assert_eq!(frame[..], vec![n as u8; n]);
        assert!(frame.is_empty() || memory.contains(&frame.as_ptr()), "frame {n} was copied");
    }
    assert_eq!((splitter.held(), splitter.wanted()), (0, 4));
}

#[test]
fn a_frame_read_into_one_buffer_piece_by_piece_is_not_copied() {
    let body = vec![7; 100_000];
    let stream = framed(&body);
    let mut buffer = BytesMut::with_capacity(stream.len());
    let memory = buffer.as_ptr();
    let mut splitter = FrameSplitter::default();
    for piece in stream.chunks(30_000) {
        assert_eq!(splitter.next_frame(), Ok(None));
        buffer.put_slice(piece);
        splitter.push(buffer.split());
    }
    let frame = splitter.next_frame().unwrap().expect("it is complete");
    assert_eq!(frame[..], body);
    assert_eq!(frame.as_ptr(), memory.wrapping_add(4));
}

#[test]
fn a_frame_in_strange_pieces_is_joined_and_the_rest_stays() {
    let mut stream = framed(&[1; 50_000]).to_vec();
    stream.extend_from_slice(&framed(b"next"));
    let mut splitter = FrameSplitter::default();
    for piece in stream.chunks(20_000) {
        splitter.push(BytesMut::from(piece));
    }
    let frames = all(&mut splitter);
    assert_eq!(frames.iter().map(BytesMut::len).collect::<Vec<_>>(), [50_000, 4]);
    assert_eq!(frames[1][..], *b"next");
}

#[test]
fn what_is_wanted_is_told() {
    let mut splitter = FrameSplitter::default();
    assert_eq!(splitter.wanted(), 4);
    splitter.push(BytesMut::from(&[0, 0][..]));
    assert_eq!((splitter.wanted(), splitter.next_frame()), (2, Ok(None)));
    splitter.push(BytesMut::from(&[0, 5, b'h'][..]));
    assert_eq!((splitter.wanted(), splitter.next_frame()), (4, Ok(None)));
    splitter.push(BytesMut::from(&b"ello"[..]));
    assert_eq!(splitter.wanted(), 0);
    assert_eq!(splitter.next_frame(), Ok(Some(BytesMut::from(&b"hello"[..]))));
}

#[test]
fn a_length_out_of_bounds_is_refused_as_soon_as_it_is_there() {
    for (length, fine) in [(0, true), (1000, true), (1001, false), (i32::MAX, false), (-1, false)] {
        let mut splitter = FrameSplitter::new(1000);
        splitter.push(BytesMut::from(&length.to_be_bytes()[..]));
        let refused = Err(FrameError { length, limit: 1000 });
        match (fine, length) {
            (true, 0) => assert_eq!(splitter.next_frame(), Ok(Some(BytesMut::new()))),
            (true, _) => assert_eq!(splitter.next_frame(), Ok(None)),
            (false, _) => assert_eq!((splitter.next_frame(), splitter.wanted()), (refused, 0)),
        }
    }
    let error = FrameError { length: -1, limit: 1000 };
    assert!(error.to_string().contains("0 to 1000 bytes (socket.request.max.bytes)"), "{error}");
}

#[test]
fn tiny_pieces_do_not_keep_their_read_buffers_alive() {
    let stream = framed(&[9; 3000]);
    let mut splitter = FrameSplitter::default();
    for byte in stream.iter() {
        let mut read = BytesMut::with_capacity(65_536);
        read.put_u8(*byte);
        splitter.push(read);
    }
    assert_eq!(splitter.pieces.len(), 1);
    assert_eq!(all(&mut splitter), [BytesMut::from(&[9; 3000][..])]);
}

proptest! {
    /// However the stream is cut, and whether the pieces adjoin or not, the frames are the same.
    #[test]
    fn frames_do_not_depend_on_the_pieces(
        sizes in prop::collection::vec(0usize..5000, 1..8),
        cuts in prop::collection::vec((1usize..4000, any::<bool>()), 1..40),
    ) {
        let bodies: Vec<_> = sizes.iter().enumerate().map(|(i, s)| vec![i as u8; *s]).collect();
        let mut buffer = BytesMut::new();
        bodies.iter().for_each(|body| buffer.extend_from_slice(&framed(body)));
        let (mut splitter, mut got) = (FrameSplitter::default(), Vec::new());
        for (len, apart) in cuts.iter().cycle() {
            if buffer.is_empty() {
                break;
            }
            let piece = buffer.split_to(buffer.len().min(*len));
            splitter.push(if *apart { BytesMut::from(&piece[..]) } else { piece });
            got.extend(all(&mut splitter));
        }
        prop_assert_eq!(got, bodies);
        prop_assert_eq!(splitter.held(), 0);
    }
}
