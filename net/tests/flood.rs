//! A load that never pauses; alone in its process, which gets a signal.

mod world;

use sordini_net::{Exit, Options};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use world::{Broker, frame, options, pattern};

/// An orderly end may take so long here.
const GRACE: Duration = Duration::from_secs(1);

#[test]
fn sigterm_is_heard_under_a_load_that_never_pauses() {
    let mut broker = Broker::start(Options { signals: true, grace: GRACE, ..options() });
    let streams: Vec<_> = (0..4).map(|_| broker.connect()).collect();
    let threads: Vec<_> = streams.iter().flat_map(flood).collect();
    broker.wait("the flood", |seen| seen.sent > 64 << 20);
    let asked = Instant::now();
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    // Whether there is a moment without half a frame is a matter of luck.
    let exit = broker.join().unwrap();
    assert!(matches!(exit, Exit::Drained | Exit::GraceOver), "{exit:?}");
    let most = GRACE + options().linger + Duration::from_secs(2);
    assert!(asked.elapsed() < most, "{exit:?} after {:?}", asked.elapsed());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Writes and reads as fast as it goes, until the end.
fn flood(stream: &TcpStream) -> [std::thread::JoinHandle<()>; 2] {
    let (mut writer, mut reader) = (stream.try_clone().unwrap(), stream.try_clone().unwrap());
    let frame = frame(&pattern(1 << 20, 1));
    let writer = std::thread::spawn(move || while writer.write_all(&frame).is_ok() {});
    let reader = std::thread::spawn(move || {
        let mut buf = vec![0; 1 << 20];
        while matches!(reader.read(&mut buf), Ok(1..)) {}
    });
    [writer, reader]
}
