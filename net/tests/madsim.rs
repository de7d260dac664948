//! The loop and its adapters in madsim's world, where a seed decides every latency, every order and every partial read and write.
//!
//! `RUSTFLAGS="--cfg madsim" cargo test -p sordini-net --test madsim --target-dir target/madsim`; without the cfg there is
//! nothing here. `SORDINI_MADSIM_SEEDS=from..to` says which seeds (default 0..40). Each story is lived twice with each.

#![cfg(madsim)]

#[path = "world/echo.rs"]
mod echo;
mod story;

use bytes::Bytes;
use echo::{file_part, frame, memory_part, pattern};
use madsim::task::spawn;
use madsim::time::{Duration, Instant, sleep};
use sordini_net::{Exit, Options, ReadReply};
use std::net::SocketAddr;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use story::{Came, Client, Play, Stage, Trace, doze, draw, live, repeats};
use tokio::sync::{mpsc::unbounded_channel, oneshot};

const PATIENCE: Duration = Duration::from_secs(60);

fn options() -> Options {
    Options { signals: false, ..Options::default() }
}

/// So many seeds show each thing at least once that a story is about.
const MANY: usize = 40;

/// Asserts that one of many lives had this in it.
fn among(traces: &[Trace], what: &str) {
    let n = traces.iter().filter(|trace| trace.says(what)).count();
    println!("{what}: in {n} of {} lives", traces.len());
    assert!(n > 0 || traces.len() < MANY, "no life had {what}");
}

/// Length of a made-up segment.
const SEGMENT_BYTES: usize = 512 << 10;

/// An echo that answers `f` from files, and its answer.
fn with_files(options: Options) -> (Play, Vec<u8>) {
    let segment = Bytes::from(pattern(SEGMENT_BYTES, 9));
    let mut play = Play::new(options);
    play.echo.file = vec![
        memory_part(b"head"),
        file_part(1000, 300_000),
        memory_part(b"between"),
        file_part(5, 1),
        file_part(400_000, 100_000),
        memory_part(b"tail"),
    ];
    let mut answer = b"head".to_vec();
    answer.extend_from_slice(&segment[1000..301_000]);
    answer.extend_from_slice(b"between");
    answer.extend_from_slice(&segment[5..6]);
    answer.extend_from_slice(&segment[400_000..500_000]);
    answer.extend_from_slice(b"tail");
    play.files = Box::new(move |slice, len, reply: ReadReply| {
        // Batches do not end where chunks do, and a disk takes its time.
        let len = draw(1..=u64::from(len) * 3 / 2 + 1).min(u64::from(slice.len)) as usize;
        let bytes = segment.slice(slice.at as usize..slice.at as usize + len);
        drop(spawn(async move {
            doze(0..20_000).await;
            reply(Ok(bytes));
        }));
    });
    (play, answer)
}

/// The longest that a client says: too long for one read and for the first room made for it.
const LONG: u64 = 3 << 19;

/// What a client says next, and what it is answered.
fn utterance(files: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let len = match draw(0..10) {
        0 => return (frame(b"f"), files.to_vec()),
        1 => 0,
        2 => 65_531 + draw(0..3),
        3 => draw(1..LONG),
        4 | 5 => draw(1..100_000),
        _ => draw(1..5000),
    };
    let said = frame(&pattern(len as usize, len + 1));
    (said.clone(), said)
}

async fn frames_in_pieces(stage: Stage, loses_a_byte: bool) {
    let (play, files) = with_files(Options { file_chunk_bytes: 30_000, ..options() });
    let server = stage.serve(Play { loses_a_byte, ..play });
    let clients = (0..5u8).map(|n| {
        let (stage, files) = (stage.clone(), files.clone());
        stage.node([10, 0, 1, n]).spawn(async move {
            doze(0..50_000).await;
            let mut client =
                Client::connect(&stage, format!("client {n}")).await.expect("it is there");
            let said: Vec<_> = (0..draw(3..10)).map(|_| utterance(&files)).collect();
            let (mut writer, mut reader) = client.halves();
            let write = async {
                for (said, _) in &said {
                    assert!(writer.send(said, 3000).await, "the broker hung up");
                }
            };
            let read = async {
                for (_, answer) in &said {
                    assert_eq!(reader.expect(answer, PATIENCE).await, Came::All);
                }
            };
            tokio::join!(biased; write, read);
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("the client's task");
    }
    server.wait("all to have left", |seen| seen.closed.len() == 5).await;
    // The machine's limit, the longest frame, and one read.
    let most = server.seen.lock().unwrap().unsent_max;
    assert!(most <= (1 << 20) + LONG + (256 << 10), "{most} bytes were owed");
    server.bell.shutdown();
    assert_eq!(server.end().await, Exit::Drained);
}

#[test]
fn frames_in_any_pieces_come_back_whole_and_in_order() {
    repeats("frames in pieces", |stage| frames_in_pieces(stage, false));
    let planted = catch_unwind(|| live(1, |stage| frames_in_pieces(stage, true)));
    assert!(planted.is_err(), "a byte was lost and nobody noticed");
}

/// Who may be inside at once, and from one address.
const INSIDE_MAX: usize = 12;
const INSIDE_OF_ONE_MAX: u32 = 4;

async fn reconnect_storm(stage: Stage, more: usize) {
    let limits = Options {
        connections_max: INSIDE_MAX + more,
        connections_per_ip_max: INSIDE_OF_ONE_MAX,
        ..options()
    };
    let (play, files) = with_files(limits);
    let server = stage.serve(play);
    let mut tasks = Vec::new();
    let nodes: Vec<_> = (0..5u8).map(|n| stage.node([10, 0, 1, n])).collect();
    for (n, node) in nodes.iter().enumerate() {
        for c in 0..5 {
            let (stage, files) = (stage.clone(), files.clone());
            tasks.push(node.spawn(async move {
                for round in 0..8 {
                    storm_round(&stage, format!("client {n}.{c}.{round}"), &files).await;
                }
            }));
        }
    }
    let weather = async {
        for _ in 0..6 {
            let node = &nodes[draw(0..5) as usize];
            doze(0..200_000).await;
            stage.cut(node);
            doze(0..500_000).await;
            stage.heal(node);
        }
    };
    weather.await;
    for task in tasks {
        task.await.expect("the client's task");
    }
    server.wait("all to have left", |seen| seen.closed.len() == seen.opened).await;
    let inside_max = server.seen.lock().unwrap().inside_max;
    assert!(inside_max <= INSIDE_MAX, "{inside_max} were inside at once");
    all_places_are_free(&stage, &nodes[..INSIDE_MAX / INSIDE_OF_ONE_MAX as usize]).await;
    server.bell.shutdown();
    assert_eq!(server.end().await, Exit::Drained);
}

/// A client comes, says something, listens for a while, and leaves in the middle of anything.
async fn storm_round(stage: &Stage, name: String, files: &[u8]) {
    doze(0..20_000).await;
    let Some(mut client) = Client::connect(stage, name).await else { return };
    let said: Vec<_> = (0..draw(1..4)).map(|_| utterance(files)).collect();
    let (all, answers): (Vec<_>, Vec<_>) = said.into_iter().unzip();
    let (all, answers) = (all.concat(), answers.concat());
    // Often it leaves within a frame, or within an answer.
    let (said, heard) = match draw(0..4) {
        0 => (all.len(), answers.len()),
        1 => (draw(0..=all.len() as u64) as usize, 0),
        _ => (all.len(), draw(0..=answers.len() as u64) as usize),
    };
    let (mut writer, mut reader) = client.halves();
    let write = writer.send(&all[..said], 1000);
    let read = reader.expect(&answers[..heard], Duration::from_secs(2));
    tokio::join!(biased; write, read);
}

/// From each of these nodes as many are let in and served as may be, and no more.
async fn all_places_are_free(stage: &Stage, nodes: &[madsim::runtime::NodeHandle]) {
    let mut guests = Vec::new();
    for (n, node) in nodes.iter().enumerate() {
        let stage = stage.clone();
        let served = node.spawn(async move {
            let mut inside = Vec::new();
            for c in 0..INSIDE_OF_ONE_MAX {
                let mut client = Client::connect(&stage, format!("guest {n}.{c}")).await.unwrap();
                let (mut writer, mut reader) = client.halves();
                assert!(writer.send(&frame(b"let me in"), 0).await);
                assert_eq!(reader.expect(&frame(b"let me in"), PATIENCE).await, Came::All);
                inside.push(client);
            }
            inside
        });
        guests.extend(served.await.expect("the guests' task"));
    }
    assert_eq!(guests.len(), INSIDE_MAX);
}

#[test]
fn a_storm_of_reconnects_leaves_every_place_free() {
    let traces = repeats("reconnect storm", |stage| reconnect_storm(stage, 0));
    among(&traces, "does not connect");
    among(&traces, "End");
    let planted = catch_unwind(|| live(1, |stage| reconnect_storm(stage, 5)));
    assert!(planted.is_err(), "too many were let in and nobody noticed");
}

/// How long an orderly end may take here.
const GRACE: Duration = Duration::from_secs(3);

async fn shutdown_under_load(stage: Stage, linger: Duration) {
    let options = Options { signals: true, grace: GRACE, linger, ..options() };
    let (play, files) = with_files(options);
    let server = stage.serve(play);
    let clients: Vec<_> = (0..8u8)
        .map(|n| {
            let (stage, files) = (stage.clone(), files.clone());
            stage.node([10, 0, 1, n]).spawn(pour(stage.clone(), n, files))
        })
        .collect();
    // Half a frame keeps this machine from being drained.
    let half = draw(0..4) == 0;
    let (far, word) = (stage.clone(), frame(b"half"));
    let half_said = stage.node([10, 0, 1, 100]).spawn(async move {
        let mut client = Client::connect(&far, "half".into()).await.expect("it is there");
        let (mut writer, mut reader) = client.halves();
        assert!(writer.send(if half { &word[..6] } else { &word }, 0).await);
        reader.expect(&[&word[..], &word].concat(), PATIENCE).await
    });
    doze(50_000..1_500_000).await;
    stage.note("the orderly end is asked for".into());
    madsim::runtime::Handle::current().send_ctrl_c(server.node.id());
    let asked = Instant::now();
    let ask_again = || {
        stage.note("and asked for again".into());
        madsim::runtime::Handle::current().send_ctrl_c(server.node.id());
    };
    // Within the first second that counts for nothing.
    for _ in 0..draw(0..3) {
        doze(0..400_000).await;
        ask_again();
    }
    let insists = draw(0..2) == 0;
    if insists {
        sleep(Duration::from_secs(1).saturating_sub(asked.elapsed())).await;
        doze(1_000..100_000).await;
        ask_again();
    }
    let answered = server.answered.clone();
    let exit = server.end().await;
    let took = asked.elapsed();
    assert!(took <= GRACE + linger + Duration::from_millis(50), "{exit:?} after {took:?}");
    match exit {
        Exit::GraceOver => assert!(took >= GRACE, "patience was over after {took:?}"),
        Exit::Insisted => assert!(insists && took >= Duration::from_secs(1), "nobody insisted"),
        Exit::Drained => assert!(!half, "half a frame is still under way"),
    }
    assert_eq!(half_said.await.expect("the client's task"), Came::End);
    for client in clients {
        let (local, got) = client.await.expect("the client's task");
        let answered = answered.lock().unwrap().get(&local).copied().unwrap_or(0);
        assert!(got <= answered, "{local}: {got} bytes of {answered}");
        if exit == Exit::Drained {
            assert_eq!(got, answered, "{local}: an answer was lost");
        }
    }
}

/// Sends frame after frame until the broker has gone; gives its address and the number of bytes that came back.
async fn pour(stage: Stage, n: u8, files: Vec<u8>) -> (SocketAddr, u64) {
    doze(0..20_000).await;
    let mut client = Client::connect(&stage, format!("client {n}")).await.expect("it is there");
    let (mut writer, mut reader) = client.halves();
    let (tell, mut told) = unbounded_channel();
    let write = async move {
        loop {
            let (said, answer) = utterance(&files);
            // The answer may be late, or never come; what was not said is not waited for.
            if tell.send(answer).is_err() || !writer.send(&said, 20_000).await {
                break;
            }
            doze(0..60_000).await;
        }
    };
    let read = async move {
        while let Some(answer) = told.recv().await
            && reader.expect(&answer, PATIENCE).await == Came::All
        {}
    };
    tokio::join!(biased; write, read);
    (client.local, client.got)
}

#[test]
fn shutdown_under_load_loses_no_answer() {
    let traces =
        repeats("shutdown under load", |stage| shutdown_under_load(stage, Duration::from_secs(30)));
    for exit in ["Ok(Drained)", "Ok(Insisted)", "Ok(GraceOver)"] {
        among(&traces, exit);
    }
    let hasty =
        || (0..12).for_each(|seed| drop(live(seed, |s| shutdown_under_load(s, Duration::ZERO))));
    assert!(catch_unwind(hasty).is_err(), "answers were thrown away and nobody noticed");
}

/// How long silence may last here.
const IDLE: Duration = Duration::from_secs(2);

async fn silence(stage: Stage, idle_max: Option<Duration>) {
    let server = stage.serve(Play::new(Options { idle_max, ..options() }));
    let mut tasks = Vec::new();
    for n in 0..12u8 {
        let far = stage.clone();
        tasks.push(stage.node([10, 0, 1, n]).spawn(async move {
            doze(0..1_000_000).await;
            let mut client =
                Client::connect(&far, format!("client {n}")).await.expect("it is there");
            let (mut writer, mut reader) = client.halves();
            // Pauses that are short enough, then silence: behind an answer, within a frame, or for an answer that never comes.
            for _ in 0..draw(0..8) {
                assert!(writer.send(&frame(b"word"), 0).await);
                assert_eq!(reader.expect(&frame(b"word"), PATIENCE).await, Came::All);
                doze(0..1_500_000).await;
            }
            let owed = n % 3 == 2;
            match n % 3 {
                0 => {}
                1 => assert!(writer.send(&frame(&pattern(50_000, 1))[..20_000], 1000).await),
                _ => assert!(writer.send(&frame(b"wait"), 0).await),
            }
            let start = Instant::now();
            let came = reader.expect(b"x", 3 * IDLE).await;
            let took = start.elapsed();
            assert_eq!(came, if owed { Came::Silence } else { Came::End }, "after {took:?}");
            let (soon, late) = (Duration::from_millis(450), 2 * IDLE);
            assert!(owed || (soon..late).contains(&took), "it was closed after {took:?}");
        }));
    }
    for task in tasks {
        task.await.expect("the client's task");
    }
    server.wait("all to have left", |seen| seen.closed.len() == 12).await;
    server.bell.shutdown();
    // Half a frame that was given up is no longer waited for.
    assert_eq!(server.end().await, Exit::Drained);
}

#[test]
fn who_is_silent_for_too_long_is_closed_and_nobody_else() {
    let traces = repeats("silence", |stage| silence(stage, Some(IDLE)));
    among(&traces, "Idle");
    let planted = catch_unwind(|| live(1, |stage| silence(stage, None)));
    assert!(planted.is_err(), "the silent stayed and nobody noticed");
}

#[test]
fn who_is_cut_off_gets_all_in_the_end_and_slows_nobody_down() {
    repeats("cut off", |stage| async move {
        let server = stage.serve(Play::new(options()));
        let node = stage.node([10, 0, 1, 1]);
        let (far, near) = (stage.clone(), stage.clone());
        let (tell, connected) = oneshot::channel();
        let cut_off = node.spawn(async move {
            let mut client = Client::connect(&far, "far".into()).await.expect("it is there");
            tell.send(()).expect("the story waits");
            let said: Vec<u8> = (0..20).flat_map(|n| frame(&pattern(100_000, n))).collect();
            let (mut writer, mut reader) = client.halves();
            let read = reader.expect(&said, PATIENCE);
            let (sent, came) = tokio::join!(biased; writer.send(&said, 50_000), read);
            assert!(sent && came == Came::All, "{sent} {came:?}");
        });
        let neighbour = stage.node([10, 0, 1, 2]).spawn(async move {
            let mut client = Client::connect(&near, "near".into()).await.expect("it is there");
            let (mut writer, mut reader) = client.halves();
            for _ in 0..100 {
                let start = Instant::now();
                assert!(writer.send(&frame(b"small"), 0).await);
                assert_eq!(reader.expect(&frame(b"small"), PATIENCE).await, Came::All);
                // Two ways of the network, and a buffer that is full for each of thirteen bytes at the worst.
                let took = start.elapsed();
                assert!(took < Duration::from_millis(20 + 13 * 20), "{took:?}");
                doze(0..30_000).await;
            }
        });
        // Who is cut off while it connects is refused, which is another story.
        connected.await.expect("the client's task");
        doze(0..100_000).await;
        stage.cut(&node);
        sleep(Duration::from_secs(3)).await;
        stage.heal(&node);
        cut_off.await.expect("the client's task");
        neighbour.await.expect("the client's task");
        server.bell.shutdown();
        assert_eq!(server.end().await, Exit::Drained);
    });
}

#[test]
fn a_choice_that_no_seed_made_is_caught_and_shown() {
    static LIVES: AtomicU64 = AtomicU64::new(0);
    let told = catch_unwind(|| {
        repeats("planted", |stage| async move {
            for _ in 0..60 {
                doze(0..1000).await;
                stage.note("as usual".into());
            }
            stage.note(format!("life {}", LIVES.fetch_add(1, Ordering::Relaxed)));
        })
    });
    let cause = told.expect_err("two different lives were taken for one");
    let text = cause.downcast_ref::<String>().expect("a text");
    assert!(text.contains("part at event 60:") && text.contains("life 0 /"), "{text}");
}
