//! The loop over real sockets.

mod world;

use socket2::SockRef;
use sordini_core::seam::{CloseReason, ConnId, ListenerId, Mono};
use sordini_net::{Exit, Listeners, NetError, Options};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};
use world::{Broker, Echo, echo, expect, frame, options, pattern};

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

#[test]
fn large_frames_arrive_in_one_allocation() {
    let broker = Broker::start(options());
    let mut stream = broker.connect();
    for seed in 0..20 {
        echo(&mut stream, &pattern((1 << 20) + 77 * seed as usize, seed));
    }
    let seen = broker.seen.lock().unwrap();
    assert_eq!(seen.large, 20);
    assert!(seen.copied <= 2, "{} of 20 frames came in pieces that lay apart", seen.copied);
    assert!(seen.piece_max <= 256 << 10, "one read took {} bytes", seen.piece_max);
}

#[test]
fn a_connection_at_rest_holds_no_memory_of_its_last_frame() {
    let broker = Broker::start(options());
    let (mut large, mut other) = (broker.connect(), broker.connect());
    // First through the shared buffer, then straight, whole and in the middle of a frame; each length twice.
    for len in [40_000, 60_000, 200_000, 1 << 20, 3 << 20, 100_000, 33_000, 65_532] {
        for seed in 0..2 {
            echo(&mut large, &pattern(len, seed));
            echo(&mut other, b"look");
        }
    }
    let seen = broker.seen.lock().unwrap();
    assert_eq!((seen.large, seen.looks), (16, 16));
    assert_eq!(seen.pinned, 0, "frames whose memory was still held");
}

#[test]
fn a_peer_that_does_not_read_owes_a_bounded_amount_and_gets_all_in_the_end() {
    let broker = Broker::start(options());
    let stream = broker.connect();
    let sent: Vec<u8> = (0..512).flat_map(|i| frame(&pattern(64 << 10, i))).collect();
    let mut writer = stream.try_clone().unwrap();
    let (want, mut reader) = (sent.clone(), stream);
    let writer = std::thread::spawn(move || writer.write_all(&sent).unwrap());
    // The neighbours do not notice.
    let mut neighbour = broker.connect();
    for _ in 0..50 {
        echo(&mut neighbour, b"still there?");
    }
    // Nothing is read until the machine has had enough of it.
    broker.wait("a full queue", |seen| seen.unsent_max > 1 << 20);
    expect(&mut reader, &want);
    writer.join().unwrap();
    // The limit of the machine, and one read more.
    let most = broker.seen.lock().unwrap().unsent_max;
    assert!(most <= (1 << 20) + (256 << 10) + (64 << 10), "{most} bytes were owed");
}

#[test]
fn a_greedy_peer_does_not_starve_its_neighbours() {
    let broker = Broker::start(options());
    let greedy = broker.connect();
    let mut writer = greedy.try_clone().unwrap();
    let mut reader = greedy.try_clone().unwrap();
    let flood = frame(&pattern(4 << 20, 1));
    let writer = std::thread::spawn(move || while writer.write_all(&flood).is_ok() {});
    let reader = std::thread::spawn(move || {
        let mut buf = vec![0; 1 << 20];
        while matches!(reader.read(&mut buf), Ok(1..)) {}
    });
    let mut neighbour = broker.connect();
    let mut times: Vec<_> = (0..100)
        .map(|_| {
            let start = Instant::now();
            echo(&mut neighbour, b"small");
            start.elapsed()
        })
        .collect();
    times.sort();
    assert!(times[50] < Duration::from_millis(100), "the median took {:?}", times[50]);
    greedy.shutdown(Shutdown::Both).unwrap();
    writer.join().unwrap();
    reader.join().unwrap();
}

#[test]
fn silence_half_a_frame_and_a_reset_harm_nobody_else() {
    let broker = Broker::start(options());
    let _silent = broker.connect();
    let mut half = broker.connect();
    half.write_all(&frame(&pattern(1 << 20, 3))[..1000]).unwrap();
    let mut torn = broker.connect();
    torn.write_all(&frame(&pattern(1 << 20, 4))[..70_000]).unwrap();
    echo(&mut broker.connect(), b"before");
    SockRef::from(&torn).set_linger(Some(Duration::ZERO)).unwrap();
    drop(torn);
    broker.wait("the reset", |seen| seen.closed.iter().any(|(conn, _)| conn.0 == 3));
    let closed = broker.seen.lock().unwrap().closed.clone();
    assert!(closed.iter().all(|(_, why)| *why == CloseReason::Peer), "{closed:?}");
    echo(&mut broker.connect(), b"after");
    half.write_all(&frame(&pattern(1 << 20, 3))[1000..]).unwrap();
    expect(&mut half, &frame(&pattern(1 << 20, 3)));
}

#[test]
fn a_refused_frame_closes_after_the_answers_before_it() {
    let mut machine = Echo::new();
    machine.frame_max = 1 << 20;
    let broker = Broker::with(machine, options(), |_, _, _| panic!("no files here"));
    let mut stream = broker.connect();
    let mut sent = frame(&pattern(500_000, 1));
    let good = sent.clone();
    sent.extend_from_slice(&i32::MAX.to_be_bytes());
    // Unread bytes behind the refusal must not cost the client the answer before it.
    sent.extend_from_slice(&pattern(300_000, 2));
    let mut writer = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || writer.write_all(&sent));
    expect(&mut stream, &good);
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "then comes the end");
    writer.join().unwrap().ok();
    broker.wait("the end", |seen| seen.closed.len() == 1);
    let why = broker.seen.lock().unwrap().closed[0].1.clone();
    assert_eq!(why, CloseReason::Refused("frame too long".into()));
}

#[test]
fn a_closing_peer_that_never_reads_is_given_up() {
    let mut machine = Echo::new();
    machine.frame_max = 1 << 20;
    machine.unsent_max = 64 << 20;
    let options = Options { linger: Duration::from_millis(50), ..options() };
    let broker = Broker::with(machine, options, |_, _, _| panic!("no files here"));
    let mut stream = broker.connect();
    // More than both kernels hold, so that some of it stays queued.
    let sent: Vec<u8> = (0..40).flat_map(|i| frame(&pattern(1 << 20, i))).collect();
    stream.write_all(&sent).unwrap();
    stream.write_all(&u32::MAX.to_be_bytes()).unwrap();
    broker.wait("the end", |seen| seen.closed.len() == 1);
}

#[test]
fn beyond_the_limit_nobody_is_let_in_until_somebody_leaves() {
    let broker = Broker::start(Options { connections_max: 2, ..options() });
    let (mut a, mut b) = (broker.connect(), broker.connect());
    echo(&mut a, b"a");
    echo(&mut b, b"b");
    let mut c = broker.connect();
    c.write_all(&frame(b"c")).unwrap();
    c.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let error = c.read(&mut [0; 1]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    assert_eq!(broker.seen.lock().unwrap().opened, 2);
    drop(a);
    c.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    expect(&mut c, &frame(b"c"));
}

#[test]
fn beyond_the_limit_of_one_address_a_connection_is_closed_at_once() {
    let broker = Broker::start(Options { connections_per_ip_max: 1, ..options() });
    let mut a = broker.connect();
    echo(&mut a, b"a");
    assert!(matches!(broker.connect().read(&mut [0; 1]), Ok(0) | Err(_)));
    echo(&mut a, b"a");
    drop(a);
    broker.wait("the first to leave", |seen| seen.closed.len() == 1);
    echo(&mut broker.connect(), b"next");
    assert_eq!(broker.seen.lock().unwrap().opened, 2);
}

#[test]
fn who_says_nothing_and_is_owed_nothing_is_closed_after_a_while() {
    let idle = Duration::from_millis(300);
    let broker = Broker::start(Options { idle_max: Some(idle), ..options() });
    let (mut owed, mut talks) = (broker.connect(), broker.connect());
    let (mut silent, mut half) = (broker.connect(), broker.connect());
    owed.write_all(&frame(b"wait")).unwrap();
    half.write_all(&frame(&pattern(100_000, 1))[..50_000]).unwrap();
    let start = Instant::now();
    while start.elapsed() < idle * 3 {
        echo(&mut talks, b"still here");
        std::thread::sleep(idle / 10);
    }
    for stream in [&mut silent, &mut half] {
        assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)), "it is closed");
    }
    echo(&mut talks, b"and here");
    // An answer may take longer than silence.
    echo(&mut owed, b"is listened to");
    let closed = broker.seen.lock().unwrap().closed.clone();
    let ids: BTreeSet<_> = closed.iter().map(|(conn, _)| conn.0).collect();
    assert_eq!(ids, BTreeSet::from([3, 4]), "{closed:?}");
    assert!(closed.iter().all(|(_, why)| *why == CloseReason::Idle), "{closed:?}");
}

#[test]
fn a_peer_that_takes_nothing_of_its_answers_is_closed_too() {
    let mut machine = Echo::new();
    machine.unsent_max = 64 << 20;
    let options = Options {
        idle_max: Some(Duration::from_secs(1)),
        linger: Duration::from_millis(50),
        ..options()
    };
    let broker = Broker::with(machine, options, |_, _, _| panic!("no files here"));
    // More than both kernels hold, so that some of it stays queued.
    let sent: Vec<u8> = (0..40).flat_map(|i| frame(&pattern(1 << 20, i))).collect();
    let mut stream = broker.connect();
    stream.write_all(&sent).unwrap();
    broker.wait("the end", |seen| seen.closed.len() == 1);
    assert_eq!(broker.seen.lock().unwrap().closed[0].1, CloseReason::Idle);
}

#[test]
fn unfinished_requests_of_all_together_are_bounded_and_the_longest_silent_one_goes() {
    let broker = Broker::start(Options { unfinished_bytes_max: 3 << 20, ..options() });
    let sent = frame(&pattern(2 << 20, 1));
    let (head, tail) = sent.split_at(1 << 20);
    // Each has said all of its first part before the next begins; then the first says a little more.
    let mut streams: Vec<_> = (0..3)
        .map(|n| {
            let mut stream = broker.connect();
            stream.write_all(&head[..900_000]).unwrap();
            let come = (n + 1) * 900_000;
            broker.wait("the part", |seen| seen.bytes >= come);
            stream
        })
        .collect();
    streams[0].write_all(&head[900_000..]).unwrap();
    broker.wait("a little more", |seen| seen.bytes >= 2_700_000 + (head.len() - 900_000));
    let mut fourth = broker.connect();
    fourth.write_all(head).unwrap();
    broker.wait("one to be closed", |seen| !seen.closed.is_empty());
    let closed = broker.seen.lock().unwrap().closed.clone();
    assert!(matches!(&closed[..], [(ConnId(2), CloseReason::Refused(_))]), "{closed:?}");
    // There is room for the rest of what is whole soon, at the cost of those that are not.
    fourth.write_all(tail).unwrap();
    expect(&mut fourth, &sent);
    echo(&mut broker.connect(), b"and for others");
}

#[test]
fn an_address_in_use_is_refused_by_name_and_with_the_remedy() {
    let broker = Broker::start(options());
    let error = Listeners::bind(&[(ListenerId(0), broker.addr)], 16).err().expect("it is in use");
    let text = error.to_string();
    assert!(text.contains(&broker.addr.to_string()), "{text}");
    assert!(text.contains("in use") && text.contains("choose another port"), "{text}");
}

#[test]
fn what_was_answered_before_the_end_still_arrives() {
    let broker = Broker::start(options());
    let mut stream = broker.connect();
    let sent = frame(&pattern(8 << 20, 5));
    stream.write_all(&sent).unwrap();
    broker.wait("the answer", |seen| seen.unsent_max > 0);
    let reader = std::thread::spawn(move || {
        expect(&mut stream, &sent);
        stream.read(&mut [0; 1])
    });
    assert_eq!(broker.stop().unwrap(), Exit::Drained);
    assert!(matches!(reader.join().unwrap(), Ok(0) | Err(_)));
}

#[test]
fn sigterm_ends_the_loop_in_order() {
    let mut broker = Broker::start(Options { signals: true, ..options() });
    echo(&mut broker.connect(), b"up");
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(broker.join().unwrap(), Exit::Drained);
    assert!(TcpStream::connect(broker.addr).is_err(), "the port is free again");
}

#[test]
fn an_end_that_never_comes_is_cut_short() {
    let broker = Broker::start(Options { grace: Duration::from_millis(50), ..options() });
    let mut stream = broker.connect();
    stream.write_all(&frame(b"half")[..6]).unwrap();
    // The machine of this test waits for the other half.
    broker.wait("half a frame", |seen| seen.piece_max > 0);
    assert_eq!(broker.stop().unwrap(), Exit::GraceOver);
}

#[test]
fn on_a_fatal_fact_nothing_more_is_sent() {
    let mut broker = Broker::start(options());
    let mut stream = broker.connect();
    let mut sent = frame(b"an answer of the same turn");
    sent.extend(frame(b"fatal"));
    stream.write_all(&sent).unwrap();
    assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)), "not a byte");
    match broker.join() {
        Err(NetError::Fatal(text)) => assert_eq!(text, "the frame said so"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_machine_is_woken_at_its_deadline() {
    let mut machine = Echo::new();
    machine.tick = Some(Mono(30_000_000));
    let broker = Broker::with(machine, options(), |_, _, _| panic!("no files here"));
    // The boot and the tick; the machine checks that the tick is not early.
    broker.wait("the tick", |seen| seen.events == 2);
}

#[test]
fn only_a_connection_that_is_alone_makes_the_loop_idle() {
    let broker = Broker::start(options());
    let (mut a, mut b) = (broker.connect(), broker.connect());
    echo(&mut a, b"a");
    echo(&mut b, b"b");
    let idle = broker.seen.lock().unwrap().idle;
    for _ in 0..10 {
        echo(&mut a, b"a");
        echo(&mut b, b"b");
    }
    assert_eq!(broker.seen.lock().unwrap().idle, idle, "two take turns");
    for _ in 0..10 {
        echo(&mut a, b"a");
    }
    assert!(broker.seen.lock().unwrap().idle > idle + 5, "one is alone");
}
