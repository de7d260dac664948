//! The loop over real sockets.

mod world;

use sordini_net::Exit;
use std::io::Write;
use world::{Broker, expect, frame, options, pattern};

#[test]
fn frames_of_all_lengths_come_back_whole_in_pieces_of_any_size() {
    let broker = Broker::start(options());
    let mut stream = broker.connect();
    for len in [0, 1, 100, 4096, 65_531, 65_532, 65_533, 300_000, 1 << 20, 5 << 20] {
        let payload = pattern(len, len as u64);
        let sent = frame(&payload);
        let piece = [1, 3, 777, 4096, 65_536, 1 << 20][len % 6].max(sent.len() / 2000 + 1);
        let mut back = stream.try_clone().unwrap();
        let want = sent.clone();
        let reader = std::thread::spawn(move || expect(&mut back, &want));
        for piece in sent.chunks(piece) {
            stream.write_all(piece).unwrap();
        }
        reader.join().unwrap();
    }
    assert_eq!(broker.stop().unwrap(), Exit::Drained);
}
