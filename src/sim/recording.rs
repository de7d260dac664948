//! `sordini sim replay FILE` of what `sordini serve --record FILE` wrote: the same shard, the same events, and turn by turn
//! the same wishes, by their hash.

use super::{ReplayArgs, Verdict};
use crate::output::print;
use anyhow::{Context, Result, ensure};
use sordini_core::seam::{Machine, Outbox};
use sordini_core::trace::recording::{Next, Reader, Turn, hash};
use sordini_sim::world::trace::{operation, show_event};
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

/// Whether the file is a recording.
pub fn is_one(file: &Path) -> bool {
    let mut front = [0; 16];
    let read =
        std::fs::File::open(file).and_then(|mut file| std::io::Read::read(&mut file, &mut front));
    read.is_ok_and(|len| Reader::knows(&front[..len]))
}

/// Lives it again.
pub fn run(args: &ReplayArgs) -> Result<Verdict> {
    let begun = Instant::now();
    for (given, option) in [
        (args.seed.is_some(), "--seed"),
        (args.image.is_some(), "--image"),
        (args.html.is_some(), "--html"),
        (args.scenario, "--scenario"),
        (args.hashes, "--hashes"),
    ] {
        let file = args.file.display();
        ensure!(!given, "{file} is a recording: expected --until or --log with it, came {option}");
    }
    let named = || args.file.display().to_string();
    let bytes = std::fs::read(&args.file).with_context(named)?;
    let (birth, mut reader) = Reader::begin(&bytes).with_context(named)?;
    let here = env!("CARGO_PKG_VERSION");
    if birth.program != here {
        eprintln!(
            "recorded by sordini {}, this is {here}: differences may be those of the builds",
            birth.program
        );
    }
    let mut shard = birth.shard().with_context(named)?;
    let mut out = Outbox::default();
    let (mut turns, mut events) = (0_u64, 0);
    let mut last_ms = 0;
    let why = loop {
        let turn = match reader.next_turn().with_context(named)? {
            Next::Turn(turn) => turn,
            Next::End(why) => break why,
        };
        let at = turn.now.mono.0;
        if args.until.is_some_and(|until| u128::from(at) > until.as_nanos()) {
            break "the time that was asked for".to_owned();
        }
        last_ms = at / 1_000_000;
        for event in &turn.events {
            shard.step(turn.now, event.clone(), &mut out);
        }
        shard.flush(turn.now, &mut out);
        if args.log {
            print(&told(&turn, &out))?;
        }
        let came = hash(&out);
        if came != turn.hash {
            return super::failed(format_args!(
                "turn {turns} at {last_ms} ms: expected effects with hash {:08x}, came {came:08x}\n{}",
                turn.hash,
                told(&turn, &out).trim_end()
            ));
        }
        events += turn.events.len();
        turns += 1;
        out = Outbox::default();
    };
    print(&format!(
        "{turns} turns, {events} events, {last_ms} ms, {} bytes: every turn's effects are the recorded ones\n\
         the recording ends: {why}; replayed in {:.1} s\n",
        bytes.len(),
        begun.elapsed().as_secs_f64()
    ))?;
    Ok(Verdict::Held)
}

/// A turn in lines: what happened, and what followed.
fn told(turn: &Turn, out: &Outbox) -> String {
    let (ms, us) = (turn.now.mono.0 / 1_000_000, turn.now.mono.0 / 1000 % 1000);
    let mut text = String::new();
    let mut line = |what: String| {
        let _ = writeln!(text, "{ms:>8}.{us:03} ms  {what}");
    };
    turn.events.iter().for_each(|event| line(show_event(event)));
    out.disk.iter().for_each(|op| line(format!("  disk: {}", operation(op))));
    out.net.iter().for_each(|op| line(format!("  net: {}", short(op))));
    out.facts.iter().for_each(|fact| line(format!("  fact: {fact:?}")));
    text
}

/// A network operation without the bytes that it carries.
fn short(op: &sordini_core::seam::NetOp) -> String {
    match op {
        sordini_core::seam::NetOp::Send { conn, body } => {
            format!("send {} bytes on {conn}", body.len())
        }
        other => format!("{other:?}"),
    }
}
