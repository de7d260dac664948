//! A broker without Kafka: frames go back as they came, and a few of them are orders.
//!
//! A frame is a length of four bytes (big endian, itself not counted) and so many bytes.

#![allow(dead_code)] // each test binary uses its part

use bytes::{Bytes, BytesMut};
use sordini_core::seam::{
    Body, CloseReason, Completion, ConnId, Disk, DiskOp, Event, Fact, FileName, FileSlice,
    Generation, LogId, Machine, Mono, NetOp, Now, Offset, Outbox, Part, Wall,
};
use sordini_net::{Host, ReadReply};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What a test may look at while the machine runs.
#[derive(Debug, Default)]
pub struct Seen {
    pub opened: usize,
    /// Most that were open at once.
    pub inside_max: usize,
    pub closed: Vec<(ConnId, CloseReason)>,
    pub events: u64,
    /// Most bytes that any connection owed its peer.
    pub unsent_max: u64,
    /// Bytes that the kernel took.
    pub sent: u64,
    /// Bytes that came.
    pub bytes: usize,
    /// Most bytes that any event carried.
    pub piece_max: usize,
    /// Frames whose pieces lay apart, and all frames of more than 32 KiB.
    pub copied: usize,
    pub large: usize,
    pub failed: Vec<FileSlice>,
    /// Looks at the last large frame, and those that found that the network still held its memory.
    pub looks: usize,
    pub pinned: usize,
    pub idle: u64,
}

/// The machine.
pub struct Echo {
    conns: BTreeMap<ConnId, State>,
    pub seen: Arc<Mutex<Seen>>,
    /// Reading stops beyond so many unsent bytes.
    pub unsent_max: u64,
    /// Frames up to this length are answered; a longer one closes the connection.
    pub frame_max: usize,
    /// The response to a frame of one byte `f` is made of these parts.
    pub file: Vec<Part>,
    /// The last large frame, as a cache would keep it.
    kept: Option<(ConnId, Bytes)>,
    stopping: bool,
    /// When [`Event::Tick`] is wanted.
    pub tick: Option<Mono>,
    /// Ends the process at the first frame that says so.
    pub fatal: &'static [u8],
}

#[derive(Default)]
struct State {
    held: BytesMut,
    apart: bool,
    expected: bool,
    unsent: u64,
    off: bool,
    /// A frame has come that is never answered.
    owed: bool,
    closing: bool,
}

impl Echo {
    pub fn new() -> Echo {
        Echo {
            conns: BTreeMap::new(),
            seen: Arc::default(),
            unsent_max: 1 << 20,
            frame_max: 100 << 20,
            file: Vec::new(),
            kept: None,
            stopping: false,
            tick: None,
            fatal: b"fatal",
        }
    }

    fn bytes(&mut self, conn: ConnId, bytes: BytesMut, out: &mut Outbox) {
        let mut seen = self.seen.lock().unwrap();
        let state = self.conns.get_mut(&conn).expect("bytes of an open connection");
        assert!(!state.closing || state.held.is_empty(), "nothing is read after a close");
        if let Some((_, frame)) = self.kept.as_ref().filter(|(of, _)| *of != conn) {
            seen.looks += 1;
            seen.pinned += usize::from(!frame.is_unique());
        }
        seen.bytes += bytes.len();
        seen.piece_max = seen.piece_max.max(bytes.len());
        if state.held.is_empty() {
            state.held = bytes;
        } else {
            let adjoins = state.held.as_ptr_range().end == bytes.as_ptr();
            state.apart |= !adjoins;
            state.held.unsplit(bytes);
        }
        while state.held.len() >= 4 {
            let len = u32::from_be_bytes(state.held[..4].try_into().unwrap()) as usize;
            if len > self.frame_max {
                let why = CloseReason::Refused("frame too long".into());
                out.net.push(NetOp::Close { conn, why });
                state.closing = true;
                state.held.clear();
                return;
            }
            if state.held.len() < 4 + len {
                if !state.expected {
                    state.expected = true;
                    let bytes = (4 + len - state.held.len()) as u32;
                    out.net.push(NetOp::Expect { conn, bytes });
                }
                break;
            }
            let frame = state.held.split_to(4 + len).freeze();
            if len > 32 << 10 {
                seen.large += 1;
                seen.copied += usize::from(state.apart);
                self.kept = Some((conn, frame.clone()));
            }
            (state.apart, state.expected) = (false, false);
            if &frame[4..] == self.fatal {
                out.facts.push(Fact::Fatal("the frame said so".into()));
            }
            if &frame[4..] == b"wait" {
                state.owed = true;
                continue;
            }
            let body = match &frame[4..] {
                b"f" => Body { parts: self.file.iter().cloned().collect() },
                _ => Body::from(frame),
            };
            state.unsent += body.len();
            seen.unsent_max = seen.unsent_max.max(state.unsent);
            out.net.push(NetOp::Send { conn, body });
        }
        if state.held.is_empty() {
            state.held = BytesMut::new();
        }
        if state.unsent > self.unsent_max && !state.off {
            state.off = true;
            out.net.push(NetOp::ReadOff { conn });
        }
    }
}

impl Machine for Echo {
    fn step(&mut self, now: Now, event: Event, out: &mut Outbox) {
        self.seen.lock().unwrap().events += 1;
        match event {
            Event::Boot => out.net.push(NetOp::Listen),
            Event::Opened { conn, .. } => {
                assert!(self.conns.insert(conn, State::default()).is_none(), "ids are new");
                let mut seen = self.seen.lock().unwrap();
                seen.opened += 1;
                seen.inside_max = seen.inside_max.max(self.conns.len());
            }
            Event::Bytes { conn, bytes } => self.bytes(conn, bytes, out),
            Event::Sent { conn, bytes } => {
                let state = self.conns.get_mut(&conn).expect("sent to an open connection");
                state.unsent -= bytes;
                self.seen.lock().unwrap().sent += bytes;
                if state.off && state.unsent <= self.unsent_max {
                    state.off = false;
                    out.net.push(NetOp::ReadOn { conn });
                }
            }
            Event::Closed { conn, why } => {
                self.conns.remove(&conn).expect("closed once");
                self.seen.lock().unwrap().closed.push((conn, why));
            }
            Event::FileFailed { slice, .. } => self.seen.lock().unwrap().failed.push(slice),
            Event::Shutdown => {
                self.stopping = true;
                out.net.push(NetOp::Deafen);
            }
            Event::Tick => {
                assert!(self.tick.is_some_and(|at| at <= now.mono), "ticks come when asked for");
                self.tick = None;
            }
            Event::Disk(_) => {}
        }
    }

    fn flush(&mut self, _: Now, out: &mut Outbox) {
        if self.stopping && self.conns.values().all(|c| c.held.is_empty()) {
            out.facts.push(Fact::Drained);
        }
    }

    fn deadline(&self) -> Option<Mono> {
        self.tick
    }

    fn owes(&self, conn: ConnId) -> bool {
        self.conns.get(&conn).is_some_and(|state| state.owed)
    }
}

/// Nothing is written here; it notes whether the loop believed that one connection was alone.
pub struct NoDisk(pub Arc<Mutex<Seen>>);

impl Disk for NoDisk {
    fn submit(&mut self, ops: &mut Vec<DiskOp>, idle: bool) {
        assert!(ops.is_empty());
        self.0.lock().unwrap().idle += u64::from(idle);
    }
}

/// A frame that holds `payload`.
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(payload);
    frame
}

/// Bytes that show when they are misplaced.
pub fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes.extend_from_slice(&x.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A slice of a made-up segment.
pub fn slice(at: u64, len: u32) -> FileSlice {
    FileSlice { file: FileName::Checkpoint, at, len, base: Offset(0), next: Offset(0) }
}

/// A file part of a response.
pub fn file_part(at: u64, len: u32) -> Part {
    Part::File { log: LogId(7), generation: Generation::default(), slice: slice(at, len) }
}

/// A memory part of a response.
pub fn memory_part(bytes: &[u8]) -> Part {
    Part::Memory(Bytes::copy_from_slice(bytes))
}

/// What the loop stands on besides sockets: a clock, a disk that is never asked for anything, and files made up by a function.
pub struct World {
    pub clock: Box<dyn FnMut() -> Mono + Send>,
    pub disk: NoDisk,
    pub files: Files,
}

/// Stands for the disk's reader.
pub type Files = Box<dyn FnMut(&FileSlice, u32, ReadReply) + Send>;

impl Host for World {
    type Disk = NoDisk;

    fn now(&mut self) -> Now {
        Now { mono: (self.clock)(), wall: Wall(0), disk_free: u64::MAX }
    }

    fn disk(&mut self) -> &mut NoDisk {
        &mut self.disk
    }

    fn completions(&mut self, _: &mut Vec<Completion>) {}

    fn read(&mut self, slice: &FileSlice, len: u32, reply: ReadReply) {
        (self.files)(slice, len, reply);
    }

    fn fact(&mut self, _: Fact) {}
}
