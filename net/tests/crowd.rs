//! Many connections at once; alone in its process, whose memory it measures.

mod world;

use sordini_net::Exit;
use std::io::Write;
use world::{Broker, echo, expect, frame, options};

#[test]
fn ten_thousand_connections_cost_little_at_rest_and_within_a_frame() {
    // Both ends are in this process.
    let n = (files_max() / 2).saturating_sub(200).min(10_000);
    let broker = Broker::start(options());
    echo(&mut broker.connect(), b"warm");
    let before = resident_bytes();
    let mut streams: Vec<_> = (0..n).map(|_| broker.connect()).collect();
    for stream in &mut streams {
        stream.write_all(&frame(b"hello")).unwrap();
    }
    for stream in &mut streams {
        expect(stream, &frame(b"hello"));
    }
    let each = resident_bytes().saturating_sub(before) / n;
    assert!(each < 6 * 1024, "a connection costs {each} bytes");
    // Frames that never go on: the memory is for what has come.
    let mut half = 50_000_000u32.to_be_bytes().to_vec();
    half.resize(1000, 7);
    for part in [&half[..], &half[4..]] {
        for stream in &mut streams {
            stream.write_all(part).unwrap();
        }
        echo(&mut broker.connect(), b"all of that has been read");
    }
    let each = (resident_bytes().saturating_sub(before) / n, mapped_bytes() / n);
    assert!(each.0 < 16 * 1024, "half a frame of 2 KiB costs {} bytes", each.0);
    assert!(each.1 < 256 * 1024, "half a frame of 2 KiB reserves {} bytes", each.1);
    drop(streams);
    broker.wait("all to be closed", |seen| seen.closed.len() == n + 3);
    assert_eq!(broker.seen.lock().unwrap().opened, n + 3);
    assert_eq!(broker.stop().unwrap(), Exit::Drained);
}

/// Files that this process may have open.
fn files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|l| l.starts_with("Max open files")).unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX)
}

/// Memory of this process that is really there.
fn resident_bytes() -> usize {
    statm(1)
}

/// Memory that this process has asked for.
fn mapped_bytes() -> usize {
    statm(0)
}

fn statm(column: usize) -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(column).unwrap().parse::<usize>().unwrap() * 4096
}
