//! File bytes between memory bytes, read when their turn to be sent comes.

mod world;

use bytes::Bytes;
use sordini_core::seam::{CloseReason, DiskError, DiskErrorKind};
use sordini_net::{Options, ReadReply};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use world::{Broker, Echo, echo, expect, file_part, frame, memory_part, options, pattern, slice};

/// Length of the made-up segment.
const SEGMENT_BYTES: usize = 6 << 20;

/// A machine whose answer to the frame `f` is made of memory, file, memory, file, file; and the bytes of it.
fn machine(segment: &Bytes) -> (Echo, Vec<u8>) {
    let mut echo = Echo::new();
    echo.unsent_max = 64 << 20;
    echo.file = vec![
        memory_part(b"head"),
        file_part(1000, 3_000_000),
        memory_part(b""),
        memory_part(b"between"),
        file_part(5, 1),
        file_part(4_000_000, 2_000_000),
        memory_part(b"tail"),
    ];
    let mut want = b"head".to_vec();
    want.extend_from_slice(&segment[1000..3_001_000]);
    want.extend_from_slice(b"between");
    want.extend_from_slice(&segment[5..6]);
    want.extend_from_slice(&segment[4_000_000..6_000_000]);
    want.extend_from_slice(b"tail");
    (echo, want)
}

fn options_small_chunks() -> Options {
    Options { file_chunk_bytes: 100_000, ..options() }
}

#[test]
fn file_and_memory_parts_leave_in_order_whoever_reads_them() {
    let segment = Bytes::from(pattern(SEGMENT_BYTES, 9));
    let (echo, want) = machine(&segment);
    let mut n = 0;
    let files = segment.clone();
    let broker = Broker::with(echo, options_small_chunks(), move |slice, len, reply: ReadReply| {
        n += 1;
        // Batches do not end where chunks do: sometimes less comes, sometimes more, never beyond the slice.
        let len = (len as usize * [1, 3, 2][n % 3] / 2).clamp(1, slice.len as usize);
        let at = slice.at as usize;
        let bytes = files.slice(at..at + len);
        match n % 3 {
            0 => reply(Ok(bytes)),
            _ => drop(std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(300));
                reply(Ok(bytes));
            })),
        }
    });
    let mut stream = broker.connect();
    for _ in 0..3 {
        stream.write_all(&frame(b"f")).unwrap();
        stream.write_all(&frame(b"after")).unwrap();
        expect(&mut stream, &want);
        expect(&mut stream, &frame(b"after"));
    }
}

#[test]
fn a_peer_that_does_not_read_holds_two_chunks_at_most() {
    let segment = Bytes::from(pattern(SEGMENT_BYTES, 9));
    let (mut echo, _) = machine(&segment);
    // More than both kernels take.
    echo.file = vec![file_part(0, 6 << 20); 6];
    let asked = Arc::new(AtomicUsize::new(0));
    let (files, count) = (segment.clone(), asked.clone());
    let broker = Broker::with(echo, options_small_chunks(), move |slice, len, reply: ReadReply| {
        count.fetch_add(len as usize, Ordering::Relaxed);
        reply(Ok(files.slice(slice.at as usize..slice.at as usize + len as usize)));
    });
    let mut stream = broker.connect();
    stream.write_all(&frame(b"f")).unwrap();
    let mut last = 0;
    loop {
        std::thread::sleep(Duration::from_millis(100));
        let now = asked.load(Ordering::Relaxed);
        if now == last && now > 0 {
            break;
        }
        last = now;
    }
    let sent = broker.seen.lock().unwrap().sent as usize;
    assert!(sent > 0 && last < 36 << 20, "the kernels took {sent} bytes, {last} were read");
    assert!(last - sent <= 2 * 100_000, "{} bytes are held", last - sent);
    let mut taken = 0;
    let mut buf = vec![0; 1 << 20];
    while taken < 36 << 20 {
        let n = stream.read(&mut buf).unwrap();
        assert!(n > 0, "the answer ends early");
        taken += n;
    }
}

#[test]
fn file_bytes_that_cannot_be_read_are_reported_and_close_the_connection() {
    for how in ["error", "dropped", "nothing", "too much"] {
        let segment = Bytes::from(pattern(SEGMENT_BYTES, 9));
        let (machine, want) = machine(&segment);
        let files = segment.clone();
        let broker =
            Broker::with(machine, options_small_chunks(), move |slice, len, reply: ReadReply| {
                let at = slice.at as usize;
                if at < 1_001_000 {
                    return reply(Ok(files.slice(at..at + len as usize)));
                }
                match how {
                    "error" => reply(Err(DiskError {
                        kind: DiskErrorKind::Corrupt,
                        detail: "bad CRC".into(),
                    })),
                    "dropped" => drop(reply),
                    "nothing" => reply(Ok(Bytes::new())),
                    _ => reply(Ok(files.slice(at..at + slice.len as usize + 1))),
                }
            });
        let mut stream = broker.connect();
        stream.write_all(&frame(b"f")).unwrap();
        let mut got = Vec::new();
        // The end comes in the middle, with or without a reset.
        stream.read_to_end(&mut got).ok();
        assert!(got.len() < want.len() && want.starts_with(&got), "{how}: {} bytes", got.len());
        broker.wait("the end", |seen| seen.closed.len() == 1);
        let seen = broker.seen.lock().unwrap();
        assert_eq!(seen.closed[0].1, CloseReason::BadFile, "{how}");
        assert_eq!(seen.failed, [slice(1_001_000, 2_000_000)], "{how}");
        drop(seen);
        echo(&mut broker.connect(), b"the others go on");
    }
}

#[test]
fn an_answer_that_comes_after_the_connection_is_gone_is_dropped() {
    let segment = Bytes::from(pattern(SEGMENT_BYTES, 9));
    let (machine, _) = machine(&segment);
    let late: Arc<Mutex<Vec<ReadReply>>> = Arc::default();
    let kept = late.clone();
    let broker = Broker::with(machine, options(), move |_, _, reply| {
        kept.lock().unwrap().push(reply);
    });
    let mut stream = broker.connect();
    stream.write_all(&frame(b"f")).unwrap();
    broker.wait("the read", |_| late.lock().unwrap().len() == 1);
    drop(stream);
    broker.wait("the end", |seen| seen.closed.len() == 1);
    for reply in late.lock().unwrap().drain(..) {
        reply(Ok(segment.slice(1000..2000)));
    }
    echo(&mut broker.connect(), b"the others go on");
}

#[test]
fn the_head_of_a_response_leaves_with_its_first_chunk() {
    let segment = Bytes::from(pattern(SEGMENT_BYTES, 9));
    let (machine, want) = machine(&segment);
    let (asked, reads) = std::sync::mpsc::channel();
    let broker = Broker::with(machine, options(), move |slice, len, reply: ReadReply| {
        asked.send((slice.at as usize, len as usize, reply)).unwrap();
    });
    let mut stream = broker.connect();
    stream.write_all(&frame(b"f")).unwrap();
    let (at, len, reply) = reads.recv().unwrap();
    let patience = stream.read_timeout().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(stream.read(&mut [0; 1]).is_err(), "the head came alone");
    stream.set_read_timeout(patience).unwrap();
    reply(Ok(segment.slice(at..at + len)));
    // The next chunk is asked for whether or not the peer takes this one.
    let (next, ..) = reads.recv().unwrap();
    assert_eq!(next, at + len);
    expect(&mut stream, &want[..4 + len]);
}
