//! Many connections on one thread: the driver of every load, and of the bare loopback beside it.
//!
//! One thread with epoll and requests built beforehand costs little beyond its system calls, so that on a small
//! machine the broker is measured and not this program.
//!
//! *Closed loop*: each connection keeps so many requests under way and sends the next one when an answer
//! comes. A broker that stalls is then asked less, and the stall is counted once; the report also gives
//! the values corrected for that (HdrHistogram's way: the requests that would have come meanwhile are added).
//!
//! *Open loop*: requests are due at a fixed rate whatever the broker does, and a latency counts from when the
//! request was due, so that waiting for a free connection is in it.

use anyhow::{Context, Result, anyhow, bail};
use bytes::{Bytes, BytesMut};
use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// What one connection says and how it understands the answers.
pub trait Dialogue {
    /// The next request as a whole frame, ready to be written.
    fn request(&mut self) -> &[u8];
    /// Checks an answer (a frame without its length) and says what it was worth.
    fn answer(&mut self, frame: Bytes) -> Result<Worth>;
}

/// What an answer was worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    /// Records written or read.
    pub records: u64,
    /// Bytes of their batches.
    pub bytes: u64,
}

/// How a load is driven.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    /// Requests under way on each connection at most.
    pub in_flight: usize,
    /// Requests a second over all connections; none for a closed loop.
    pub rate: Option<f64>,
    /// Not counted, at the beginning.
    pub warm_up: Duration,
    /// Counted.
    pub length: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Answers that were counted.
    pub requests: u64,
    /// What they were worth together.
    pub worth: Worth,
    /// How long it was counted.
    pub took: Duration,
    /// Latencies, ns.
    pub latency: Histogram<u64>,
}

impl Outcome {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }

    /// Latencies of a closed loop with the requests added that a stall kept from being sent. A connection is
    /// taken to want to send every median.
    pub fn corrected(&self) -> Histogram<u64> {
        self.latency.clone_correct(self.latency.value_at_quantile(0.5))
    }
}

/// A histogram of ns up to a minute, three digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order")
}

struct Conn<D> {
    stream: TcpStream,
    dialogue: D,
    /// The request being written and how much of it is gone.
    out: Vec<u8>,
    written: usize,
    /// What was read: whole frames are taken out at once, so at most one is unfinished.
    input: BytesMut,
    filled: usize,
    /// When each request under way was sent, or was due.
    under_way: VecDeque<Instant>,
    /// Whether epoll also tells when there is room to write.
    wants_room: bool,
}

/// The load, running.
struct Engine<D> {
    epoll: OwnedFd,
    conns: Vec<Conn<D>>,
    drive: Drive,
    /// Connections with room for a request, longest idle first. Open loop only.
    idle: VecDeque<usize>,
    started: Instant,
    /// Requests that were due so far. Open loop only.
    due: u64,
    /// Whether answers count now.
    counting: bool,
    /// Nothing more is sent.
    ending: bool,
    outcome: Outcome,
}

/// Bytes of a connection's first buffer.
const INPUT_BYTES: usize = 16 << 10;
/// How long without a single answer before the broker counts as dead.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Drives the dialogues over their connections. `mark` is called when counting begins.
pub fn drive<D: Dialogue>(
    dialogues: Vec<(TcpStream, D)>,
    drive: Drive,
    mark: &mut dyn FnMut(),
) -> Result<Outcome> {
    let mut engine = Engine::new(dialogues, drive)?;
    engine.run(mark)?;
    Ok(engine.outcome)
}

impl<D: Dialogue> Engine<D> {
    fn new(dialogues: Vec<(TcpStream, D)>, drive: Drive) -> Result<Engine<D>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut conns = Vec::with_capacity(dialogues.len());
        for (index, (stream, dialogue)) in dialogues.into_iter().enumerate() {
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            conns.push(Conn {
                stream,
                dialogue,
                out: Vec::new(),
                written: 0,
                input: BytesMut::zeroed(INPUT_BYTES),
                filled: 0,
                under_way: VecDeque::new(),
                wants_room: false,
            });
        }
        let now = Instant::now();
        let outcome = Outcome {
            requests: 0,
            worth: Worth::default(),
            took: Duration::ZERO,
            latency: histogram(),
        };
        Ok(Engine {
            epoll,
            idle: (0..conns.len()).cycle().take(conns.len() * drive.in_flight).collect(),
            conns,
            drive,
            started: now,
            due: 0,
            counting: false,
            ending: false,
            outcome,
        })
    }

    fn run(&mut self, mark: &mut dyn FnMut()) -> Result<()> {
        self.started = Instant::now();
        if self.drive.rate.is_none() {
            for index in 0..self.conns.len() {
                for _ in 0..self.drive.in_flight {
                    self.send(index, Instant::now())?;
                }
            }
        }
        let mut counted_from = self.started;
        let mut heard = self.started;
        let mut events = [const { std::mem::MaybeUninit::uninit() }; 128];
        while !self.ending || self.conns.iter().any(|c| !c.under_way.is_empty()) {
            self.send_due()?;
            self.sleep()?;
            let (ready, _) =
                epoll::wait(&self.epoll, &mut events, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
            let now = Instant::now();
            if !self.counting && !self.ending && now - self.started >= self.drive.warm_up {
                self.counting = true;
                counted_from = now;
                mark();
            }
            if self.counting && now - counted_from >= self.drive.length {
                (self.counting, self.ending) = (false, true);
                self.outcome.took = now - counted_from;
            }
            if !ready.is_empty() {
                heard = now;
            } else if now - heard > SILENCE_MAX {
                bail!("the broker has not answered for {} s", SILENCE_MAX.as_secs());
            }
            for event in ready {
                let (index, flags) = (event.data.u64() as usize, event.flags);
                if flags.contains(epoll::EventFlags::OUT) {
                    self.write(index)?;
                }
                if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP) {
                    self.read(index)?;
                }
            }
        }
        Ok(())
    }

    /// Waits for a socket, or until the next request is due.
    fn sleep(&self) -> Result<()> {
        let mut wait = Duration::from_millis(100);
        if let (Some(at), false) = (self.next_due(), self.ending || self.idle.is_empty()) {
            wait = wait.min(at.saturating_duration_since(Instant::now()));
        }
        let wait = Timespec { tv_sec: 0, tv_nsec: i64::from(wait.subsec_nanos()) };
        // epoll's own timeout counts in milliseconds, poll's in nanoseconds.
        match poll(&mut [PollFd::new(&self.epoll, PollFlags::IN)], Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// When the next request of an open loop is due.
    fn next_due(&self) -> Option<Instant> {
        let rate = self.drive.rate?;
        Some(self.started + Duration::from_secs_f64(self.due as f64 / rate))
    }

    fn send_due(&mut self) -> Result<()> {
        while let (Some(at), false) = (self.next_due(), self.ending) {
            if at > Instant::now() {
                break;
            }
            let Some(index) = self.idle.pop_front() else { break };
            self.due += 1;
            self.send(index, at)?;
        }
        Ok(())
    }

    /// Sends a connection's next request, whose latency counts from `at`.
    fn send(&mut self, index: usize, at: Instant) -> Result<()> {
        let conn = &mut self.conns[index];
        conn.under_way.push_back(at);
        let request = conn.dialogue.request();
        if conn.written < conn.out.len() {
            conn.out.extend_from_slice(request);
            return Ok(());
        }
        // Most requests go out whole, straight from where they were built.
        let sent = retry(|| conn.stream.write(request)).context(GONE)?.unwrap_or(0);
        if sent < request.len() {
            conn.out.clear();
            conn.out.extend_from_slice(&request[sent..]);
            conn.written = 0;
            self.want_room(index, true)?;
        }
        Ok(())
    }

    /// Goes on writing.
    fn write(&mut self, index: usize) -> Result<()> {
        let conn = &mut self.conns[index];
        while conn.written < conn.out.len() {
            let rest = &conn.out[conn.written..];
            match retry(|| conn.stream.write(rest)).context(GONE)? {
                Some(sent) => conn.written += sent,
                None => return Ok(()),
            }
        }
        self.want_room(index, false)
    }

    fn want_room(&mut self, index: usize, wants: bool) -> Result<()> {
        let conn = &mut self.conns[index];
        if conn.wants_room != wants {
            conn.wants_room = wants;
            let out = if wants { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
            let data = epoll::EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, &conn.stream, data, epoll::EventFlags::IN | out)?;
        }
        Ok(())
    }

    /// Reads what is there and takes the whole frames out of it.
    fn read(&mut self, index: usize) -> Result<()> {
        loop {
            let conn = &mut self.conns[index];
            let wanted = conn.wanted()?;
            if conn.input.len() < wanted {
                conn.input.resize(wanted.next_power_of_two(), 0);
            }
            let filled = conn.filled;
            let room = conn.input.len() - filled;
            match retry(|| conn.stream.read(&mut conn.input[filled..])).context(GONE)? {
                None => return Ok(()),
                Some(0) => bail!("{GONE}: it closed the connection"),
                Some(read) => {
                    conn.filled += read;
                    self.take_frames(index)?;
                    // Less than there was room for: that was all.
                    if read < room {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take_frames(&mut self, index: usize) -> Result<()> {
        let now = Instant::now();
        let mut start = 0;
        let conn = &mut self.conns[index];
        if conn.filled < conn.wanted()? {
            return Ok(());
        }
        // Frozen so that frames are slices of it, and thawed again when they are gone: the same memory
        // serves every answer.
        let input = std::mem::take(&mut conn.input).freeze();
        while let Some(end) = frame_end(&input[start..conn.filled])? {
            let worth = conn.dialogue.answer(input.slice(start + 4..start + end))?;
            start += end;
            let since = conn.under_way.pop_front().context("an answer to nothing came")?;
            if self.counting {
                let ns = now.saturating_duration_since(since).as_nanos() as u64;
                self.outcome.latency.saturating_record(ns.max(1));
                self.outcome.requests += 1;
                self.outcome.worth.records += worth.records;
                self.outcome.worth.bytes += worth.bytes;
            }
        }
        let mut input = input.try_into_mut().map_err(|_| anyhow!("an answer was kept"))?;
        input.copy_within(start..conn.filled, 0);
        conn.filled -= start;
        conn.input = input;
        self.send_next(index)
    }

    /// Fills the places that answers have freed.
    fn send_next(&mut self, index: usize) -> Result<()> {
        let free = self.drive.in_flight - self.conns[index].under_way.len();
        if self.drive.rate.is_some() {
            let listed = self.idle.iter().filter(|i| **i == index).count();
            self.idle.extend(std::iter::repeat_n(index, free - listed));
            return self.send_due();
        }
        for _ in 0..if self.ending { 0 } else { free } {
            self.send(index, Instant::now())?;
        }
        Ok(())
    }
}

impl<D> Conn<D> {
    /// Bytes that must be there before a frame can be taken.
    fn wanted(&self) -> Result<usize> {
        match self.filled {
            0..4 => Ok(4),
            _ => frame_len(&self.input),
        }
    }
}

const GONE: &str = "lost a connection to the broker";

/// Length of a whole frame whose first four bytes are there.
fn frame_len(bytes: &[u8]) -> Result<usize> {
    let length = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    match usize::try_from(length) {
        Ok(length) if length <= 1 << 30 => Ok(4 + length),
        _ => bail!("expected an answer of at most 1 GiB, one of {length} bytes was announced"),
    }
}

/// Where the first frame ends, if all of it is there.
fn frame_end(bytes: &[u8]) -> Result<Option<usize>> {
    if bytes.len() < 4 {
        return Ok(None);
    }
    Ok(Some(frame_len(bytes)?).filter(|end| *end <= bytes.len()))
}

/// `None` if the socket is not ready.
fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
