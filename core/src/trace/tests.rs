//! What is written is what is read, and what is cut short says so.

use super::recording::{Birth, Next, Reader, Recorder, Tape, hash};
use super::{BadTrace, Traced, decode, encode};
use crate::config::broker::BrokerConfig;
use crate::limits::Limits;
use crate::seam::{
    Body, CloseReason, Completion, ConnId, DiskError, DiskErrorKind, DiskOp, Done, Event, Fact,
    FileName, FileSlice, Generation, ListenerId, LogId, Machine, Mono, NetOp, Now, Offset, Outbox,
    Part, Wall,
};
use bytes::{Bytes, BytesMut};
use sordini_log::disk::{
    Block, Data, DirEntry, DirName, DiskOk, Found, LogFile, OpKind, Query, SegmentStep,
};
use sordini_log::{GroupSeq, LogDir, StorageConfig};
use std::fmt::Debug;
use std::sync::Arc;

fn dir() -> LogDir {
    LogDir { name: "orders-0".into(), log: LogId(17) }
}

fn segment() -> FileName {
    FileName::Log(dir(), LogFile::Segment(Offset(1 << 40)))
}

fn slice() -> FileSlice {
    FileSlice { file: segment(), at: 7, len: 99, base: Offset(3), next: Offset(70_000) }
}

fn error() -> DiskError {
    DiskError { kind: DiskErrorKind::Corrupt, detail: "orders-0: bad".into() }
}

fn events() -> Vec<Event> {
    let results = [
        Ok(DiskOk::Unit),
        Ok(DiskOk::Bytes(Bytes::from_static(b"read"))),
        Ok(DiskOk::Entries(vec![DirEntry { name: "a".into(), is_dir: true, len: 9 }])),
        Ok(DiskOk::Found(Found::Damage { from: Offset(1), to: Offset(2) })),
        Ok(DiskOk::Found(Found::Indexes { index: Bytes::new(), time: Bytes::from_static(b"t") })),
        Err(error()),
    ];
    let generation = Generation { boot: 4, cut: 2 };
    let step = SegmentStep::Synced { next: Offset(300) };
    let done = [
        Done::Group(GroupSeq(5)),
        Done::Segment { log: LogId(3), generation, step },
        Done::Checkpoint { number: 9, step: 3 },
        Done::Remove { log: LogId(3), step: 1 },
        Done::Ticket(u64::MAX),
        Done::Nothing,
    ];
    let disk = done.into_iter().zip(results);
    let mut events: Vec<Event> =
        disk.map(|(done, result)| Event::Disk(Completion { done, result })).collect();
    let conn = ConnId(1 << 32 | 5);
    let peer = "[::1]:9092".parse().expect("an address");
    events.extend([
        Event::Boot,
        Event::Opened { conn, listener: ListenerId(2), peer },
        Event::Bytes { conn, bytes: BytesMut::from(&b"frame"[..]) },
        Event::Sent { conn, bytes: 66_000 },
        Event::Closed { conn, why: CloseReason::Refused("too large".into()) },
        Event::FileFailed { log: LogId(1), generation, slice: slice(), error: error() },
        Event::Shutdown,
        Event::Tick,
    ]);
    events
}

fn effects() -> Outbox {
    let conn = ConnId(3);
    let op = |kind| DiskOp { kind, done: Done::Boot(1) };
    let blocks = Data::Blocks(Arc::new(vec![Block([7; 4096])]));
    let slices = Data::Slices([Bytes::from_static(b"one"), Bytes::from_static(b"two")].into());
    let time = Query::Time { timestamp: -1, from: Offset(4), until: Offset(9) };
    let file = Part::File { log: LogId(2), generation: Generation::default(), slice: slice() };
    let body = Body { parts: [Part::Memory(Bytes::from_static(b"head")), file].into() };
    Outbox {
        disk: vec![
            op(OpKind::Write { file: FileName::Journal(3), at: 4096, data: blocks, sync: true }),
            op(OpKind::Write { file: segment(), at: 1, data: slices, sync: false }),
            op(OpKind::Rename { from: FileName::CheckpointNext, to: FileName::Checkpoint }),
            op(OpKind::RenameDir { from: DirName::Log(dir()), to: DirName::Deleted(dir()) }),
            op(OpKind::SyncDir { dir: DirName::Root }),
            op(OpKind::Find { dir: dir(), segment: Offset(0), len: 12, query: time }),
        ],
        net: vec![
            NetOp::Send { conn, body },
            NetOp::Close { conn, why: CloseReason::Error("reset".into()) },
            NetOp::Listen,
        ],
        facts: vec![
            Fact::HighWatermark { log: LogId(1), offset: 7 },
            Fact::Client { conn, what: "bad frame".into() },
        ],
    }
}

/// Through a trace and back, whole.
fn comes_back<T: Traced + Debug>(value: &T) {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    let mut rest = &bytes[..];
    let back: T = decode(&mut rest).expect("it was just written");
    assert!(rest.is_empty(), "{value:?}: {} bytes are left", rest.len());
    assert_eq!(format!("{value:?}"), format!("{back:?}"));
    for len in 0..bytes.len() {
        assert!(decode::<T>(&mut &bytes[..len]).is_err(), "{value:?} cut to {len} bytes");
    }
}

#[test]
fn whatever_goes_through_the_seam_comes_back_from_a_trace() {
    events().iter().for_each(comes_back);
    let out = effects();
    out.disk.iter().for_each(comes_back);
    out.net.iter().for_each(comes_back);
    out.facts.iter().for_each(comes_back);
}

#[test]
fn the_hash_sees_file_names_and_arguments() {
    let whole = hash(&effects());
    let with = |harm: &dyn Fn(&mut Outbox)| {
        let mut out = effects();
        harm(&mut out);
        hash(&out)
    };
    assert_eq!(with(&|_| {}), whole);
    let rename = OpKind::Rename { from: FileName::Checkpoint, to: FileName::Checkpoint };
    assert_ne!(with(&|out| out.disk[2].kind = rename.clone()), whole);
    assert_ne!(with(&|out| out.disk[4].kind = OpKind::SyncDir { dir: DirName::Journal }), whole);
    assert_ne!(with(&|out| out.net.truncate(2)), whole);
    assert_ne!(with(&|out| out.facts[1] = Fact::ReadOnly(true)), whole);
}

/// A machine that wants something else with every event.
#[derive(Default)]
struct Counter(u64);

impl Machine for Counter {
    fn step(&mut self, _: Now, _: Event, out: &mut Outbox) {
        self.0 += 1;
        out.facts.push(Fact::HighWatermark { log: LogId(0), offset: self.0 });
    }
    fn flush(&mut self, _: Now, out: &mut Outbox) {
        out.net.push(NetOp::ReadOn { conn: ConnId(self.0) });
    }
    fn deadline(&self) -> Option<Mono> {
        None
    }
}

struct Memory<'a>(&'a mut Vec<u8>);

impl Tape for Memory<'_> {
    fn write(&mut self, records: &[u8]) -> bool {
        self.0.extend_from_slice(records);
        true
    }
}

fn birth() -> Birth {
    Birth {
        program: "0".into(),
        seed: [9; 32],
        given: [("num.partitions".to_owned(), "3".to_owned())].into(),
        disk_bytes: None,
        limits: Limits::default(),
        storage: StorageConfig::default(),
    }
}

/// A recording of three turns.
fn recorded(bytes_max: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut machine = Recorder::new(Counter::default(), &birth(), Memory(&mut bytes), bytes_max);
    for (n, events) in events().chunks(5).enumerate() {
        let now = Now { mono: Mono(n as u64 * 1000), wall: Wall(7), disk_free: 1 << 40 };
        let mut out = Outbox::default();
        events.iter().for_each(|event| machine.step(now, event.clone(), &mut out));
        machine.flush(now, &mut out);
    }
    bytes
}

/// Turns that follow from the recorded ones as they were recorded, and how the recording ends.
fn replayed(bytes: &[u8]) -> Result<(usize, String), BadTrace> {
    let (birth, mut reader) = Reader::begin(bytes)?;
    assert_eq!(birth.seed, [9; 32]);
    let mut machine = Counter::default();
    let mut turns = 0;
    loop {
        match reader.next_turn()? {
            Next::End(why) => return Ok((turns, why)),
            Next::Turn(turn) => {
                let mut out = Outbox::default();
                turn.events.into_iter().for_each(|e| machine.step(turn.now, e, &mut out));
                machine.flush(turn.now, &mut out);
                assert_eq!(hash(&out), turn.hash, "turn {turns}");
                turns += 1;
            }
        }
    }
}

#[test]
fn a_life_that_was_recorded_is_lived_again_turn_by_turn() {
    let bytes = recorded(1 << 20);
    assert_eq!(replayed(&bytes), Ok((3, "the process ended".to_owned())));
}

#[test]
fn a_recording_that_was_cut_short_is_believed_as_far_as_it_is_whole() {
    let bytes = recorded(1 << 20);
    let (turns, why) = replayed(&bytes[..bytes.len() - 1]).expect("its front is whole");
    assert_eq!(turns, 2);
    assert!(why.contains("while it wrote"), "{why}");
    assert!(replayed(&bytes[..20]).is_err());
    assert!(replayed(b"[[fault]]").unwrap_err().to_string().contains("--record"));
}

#[test]
fn a_recording_that_is_damaged_is_no_recording_that_was_cut() {
    let whole = recorded(1 << 20);
    for at in [whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        let refused = replayed(&bytes).expect_err("a byte is another").to_string();
        assert!(refused.contains("is damaged: expected CRC"), "{refused}");
    }
}

#[test]
fn a_recording_stays_within_its_bound_and_says_so() {
    let whole = recorded(1 << 20);
    let bound = whole.len() as u64 - 10;
    let bytes = recorded(bound);
    let (turns, why) = replayed(&bytes).expect("whole turns");
    assert!((1..3).contains(&turns), "{turns}");
    assert!(why.contains("size that was asked for"), "{why}");
}

#[test]
fn a_birth_makes_the_machine_that_was_recorded() {
    let shard = birth().shard().expect("known keys");
    let config = BrokerConfig::new(birth().given).expect("known keys");
    assert_eq!(shard.node().config, config);
}
