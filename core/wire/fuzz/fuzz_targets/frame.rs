//! A stream of frames, cut into any pieces.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use sordini_wire::frame::FrameSplitter;

const FRAME_BYTES_MAX: u32 = 4096;

fuzz_target!(|input: &[u8]| {
    let [count, rest @ ..] = input else { return };
    let (lengths, stream) = rest.split_at(rest.len().min(usize::from(*count)));
    let mut lengths =
        lengths.iter().map(|l| usize::from(*l) * 16 + 1).chain(std::iter::repeat(777));
    let mut buffer = BytesMut::from(stream);
    let mut splitter = FrameSplitter::new(FRAME_BYTES_MAX);
    let mut seen = Vec::new();
    while !buffer.is_empty() {
        let len = lengths.next().expect("they never end");
        let piece = buffer.split_to(len.min(buffer.len()));
        // Every other piece lies apart from its neighbours.
        let apart = len % 32 == 1;
        splitter.push(if apart { BytesMut::from(&piece[..]) } else { piece });
        loop {
            let wanted = splitter.wanted();
            match splitter.next_frame() {
                Ok(Some(frame)) => {
                    assert_eq!(wanted, 0);
                    seen.extend_from_slice(&(frame.len() as u32).to_be_bytes());
                    seen.extend_from_slice(&frame);
                }
                Ok(None) => {
                    assert!(wanted > 0);
                    break;
                }
                Err(error) => {
                    assert!(error.length < 0 || error.length as u32 > FRAME_BYTES_MAX);
                    assert_eq!(wanted, 0);
                    return;
                }
            }
        }
    }
    assert_eq!(seen, stream[..seen.len()]);
    assert_eq!(seen.len() + splitter.held(), stream.len());
});
