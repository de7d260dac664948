//! All connections: what the machine asked of them, and what came of it.
//!
//! Nothing here waits. Connections with something to do stand in line; each turn looks at the first of them, one
//! read each, until the turn has its fill. One that has more to say gets in line again behind the others, so a greedy peer
//! costs its neighbours one read of their time. Writes go out at the end of the turn that caused them, straight
//! from here, all responses of a connection in one call; only what the socket refuses stays queued.

use crate::bell::{Bell, FileAnswer, FileReply, Token};
use crate::conn::{Conn, Life, Outcome, reason};
use crate::door::Door;
use crate::inflow::{Got, SCRATCH_BYTES};
use crate::outflow::{Failed, Want};
use crate::system::Listeners;
use crate::{NetError, Options};
use sordini_core::seam::{CloseReason, ConnId, Event, Mono, Net, NetOp};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

/// Bytes that one turn reads at the most.
const TURN_BYTES_MAX: usize = 4 << 20;
/// Connections that one turn accepts at the most.
const TURN_ACCEPTS_MAX: usize = 64;
/// How long a word to the machine about bytes written may wait for company, if nothing waits for it.
const SENT_DELAY: Duration = Duration::from_millis(5);
/// Bytes written to one connection that the machine hears of at once.
const SENT_BYTES_MAX: u64 = 64 << 10;
/// Length of a file chunk when file bytes are short in the whole process.
const CHUNK_BYTES_MIN: u32 = 64 << 10;

/// The network of a shard.
pub(crate) struct Conns {
    options: Options,
    bell: Bell,
    door: Door,
    conns: HashMap<ConnId, Box<Conn>, BuildHasherDefault<IdHasher>>,
    last: ConnId,
    /// Time of the turn.
    now: Mono,
    /// Those to look at; each is here at most once ([`Conn::in_line`]).
    line: VecDeque<ConnId>,
    /// What happened outside of [`Conns::gather`]: ends and failures.
    events: VecDeque<Event>,
    /// Those with bytes written that the machine has not been told of.
    sents: Vec<ConnId>,
    /// When the machine must be told of them at the latest.
    sents_due: Mono,
    /// Those whose last read may have been part of a larger frame; known after the turn.
    unsettled: Vec<ConnId>,
    /// Those that may want file bytes; looked at after the turn.
    wants: Vec<ConnId>,
    /// Ends of patience: each connection that it may end with is here once, as [`Conn::watched`] says. It is looked at then
    /// and not at each of its bytes.
    patience: BTreeSet<(Mono, ConnId)>,
    /// File bytes in memory or under way, of all connections together.
    held: u64,
    /// Bytes of requests that are not whole yet, of all open connections together, as their inflows count them.
    unfinished: u64,
    /// Connections that were closed for them.
    crowded_out: u64,
    scratch: Box<[u8]>,
    ready: Vec<Token>,
    answers: Vec<FileAnswer>,
    touched: Vec<ConnId>,
}

impl Conns {
    pub fn new(listeners: Listeners, bell: Bell, options: Options) -> Result<Conns, NetError> {
        Ok(Conns {
            door: Door::new(listeners, &bell)?,
            options,
            bell,
            conns: HashMap::default(),
            last: ConnId(0),
            now: Mono(0),
            line: VecDeque::new(),
            events: VecDeque::new(),
            sents: Vec::new(),
            sents_due: Mono(0),
            unsettled: Vec::new(),
            wants: Vec::new(),
            patience: BTreeSet::new(),
            held: 0,
            unfinished: 0,
            crowded_out: 0,
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            ready: Vec::new(),
            answers: Vec::new(),
            touched: Vec::new(),
        })
    }

    /// Puts in line whoever the bell names, and hands out file bytes. [`Conns::start_reads`] should follow: what comes
    /// next is read while these are written.
    pub fn hear(&mut self, now: Mono) {
        self.now = now;
        let mut ready = std::mem::take(&mut self.ready);
        self.bell.take_ready(&mut ready);
        for token in ready.drain(..) {
            match token {
                Token::Listener(index) => self.door.wake(index),
                Token::Conn(id) => {
                    if let Some(conn) = self.conns.get_mut(&id) {
                        conn.socket.taken();
                        line_up(&mut self.line, id, conn);
                    }
                }
            }
        }
        self.ready = ready;
        let mut answers = std::mem::take(&mut self.answers);
        self.bell.take_answers(&mut answers);
        for answer in answers.drain(..) {
            self.answer(answer);
        }
        self.answers = answers;
    }

    /// Collects what was heard, up to about `events_max` events behind what is in `batch`.
    /// `owes` says whether an answer is owed to a connection.
    pub fn gather(
        &mut self,
        batch: &mut Vec<Event>,
        events_max: usize,
        owes: impl Fn(ConnId) -> bool,
    ) {
        for id in self.unsettled.drain(..) {
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.inflow.settle();
            }
        }
        self.lose_patience(owes);
        batch.extend(self.events.drain(..));
        self.accept(batch);
        // Each connection once: the machine decides about the next read when it has seen this one.
        let mut looks = self.line.len().min(events_max);
        let mut bytes = 0;
        while looks > 0 && bytes < TURN_BYTES_MAX && batch.len() < events_max {
            let Some(id) = self.line.pop_front() else { break };
            bytes += self.look(id, batch);
            looks -= 1;
        }
        self.bound_unfinished();
        self.tell_sent(batch);
        // Ends that were found just now come after the bytes that came before them.
        batch.extend(self.events.drain(..));
    }

    /// Whether nothing waits to be looked at, as far as is known without asking the system.
    pub fn is_idle(&self) -> bool {
        self.line.is_empty()
            && self.events.is_empty()
            && (self.sents.is_empty() || self.now < self.sents_due)
            && !self.door.is_ready(self.conns.len(), &self.options)
            && self.bell.is_quiet()
    }

    /// When to look although no socket says so.
    pub fn deadline(&self) -> Option<Mono> {
        let patience = self.patience.first().map(|(at, _)| *at);
        let sents = (!self.sents.is_empty()).then_some(self.sents_due);
        [patience, sents, self.door.deadline()].into_iter().flatten().min()
    }

    /// Starts the file reads that responses now wait for; `read` is given the slice, the bytes wished for, and where to answer.
    pub fn start_reads(&mut self, mut read: impl FnMut(Want, FileReply)) {
        for id in std::mem::take(&mut self.wants) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            let ample = self.held < self.options.file_bytes_max;
            let chunk = if ample { self.options.file_chunk_bytes } else { CHUNK_BYTES_MIN };
            let before = conn.outflow.held();
            if let Some(want) = conn.outflow.want(chunk.max(1), ample) {
                self.held += conn.outflow.held() - before;
                read(want, self.bell.reply(id));
            }
        }
    }

    /// Lets nobody in any more and closes everybody once what is queued is out.
    pub fn close_all(&mut self) {
        self.door.open(false);
        let mut ids: Vec<_> = self.conns.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.close(id, CloseReason::Shutdown);
            self.flush(id);
        }
    }

    /// Whether every connection's queue is out.
    pub fn is_flushed(&self) -> bool {
        self.conns.values().all(|c| c.outflow.is_empty())
    }

    fn answer(&mut self, FileAnswer { conn: id, result }: FileAnswer) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let before = conn.outflow.held();
        let outcome = conn.outflow.answer(result);
        self.held = self.held - before + conn.outflow.held();
        match outcome {
            Ok(()) => {
                self.wants.push(id);
                line_up(&mut self.line, id, conn);
            }
            Err(failed) => {
                let Failed { log, generation, at, error } = *failed;
                let (file, why) = (at.file.path(), &error.detail);
                tracing::error!(%log, file, at = at.at, why, "file bytes not sent");
                self.events.push_back(Event::FileFailed { log, generation, slice: at, error });
                self.gone(id, CloseReason::BadFile);
            }
        }
    }

    /// Tells the machine what was written, if it waits for that or is told something anyway: most responses leave
    /// whole and at once, and a turn only to say so would cost as much as the request.
    fn tell_sent(&mut self, batch: &mut Vec<Event>) {
        if self.sents.is_empty() || batch.is_empty() && self.now < self.sents_due {
            return;
        }
        let mut sents = std::mem::take(&mut self.sents);
        for id in sents.drain(..) {
            if let Some(conn) = self.conns.get_mut(&id) {
                batch.push(Event::Sent { conn: id, bytes: std::mem::take(&mut conn.sent) });
            }
        }
        self.sents = sents;
    }

    /// Gives up on those that take too long.
    fn lose_patience(&mut self, owes: impl Fn(ConnId) -> bool) {
        while let Some(&(at, id)) = self.patience.first()
            && at <= self.now
        {
            let conn = self.conns.get_mut(&id).expect("who has left is not waited for");
            let open = matches!(conn.life, Life::Open);
            if open && (conn.is_busy() || owes(id)) {
                conn.moved = self.now;
            }
            // Something may have moved since it was put there.
            if conn.until(&self.options) > Some(self.now) {
                watch(&mut self.patience, id, conn, &self.options);
            } else if open {
                tracing::debug!(%id, peer = %conn.peer, "idle for too long (connections.max.idle.ms)");
                self.close(id, CloseReason::Idle);
                self.flush(id);
            } else {
                self.gone(id, CloseReason::Shutdown);
            }
        }
    }

    /// Closes those within a request that have been silent longest, until the memory for all such requests is bounded
    /// again. Who is not read from is not silent.
    fn bound_unfinished(&mut self) {
        while self.unfinished > self.options.unfinished_bytes_max {
            let within = self.conns.iter().filter(|(_, c)| c.reading && c.inflow.unfinished() > 0);
            let Some((&id, conn)) = within.min_by_key(|(id, c)| (c.moved, **id)) else { break };
            self.crowded_out += 1;
            // Many of them must not fill the log.
            if self.crowded_out.is_power_of_two() {
                let (peer, limit, closed) =
                    (conn.peer, self.options.unfinished_bytes_max, self.crowded_out);
                tracing::warn!(
                    %peer, limit, closed, "too many bytes of unfinished requests: the longest silent one is closed"
                );
            }
            let why = "too many bytes of unfinished requests on all connections".into();
            self.close(id, CloseReason::Refused(why));
            self.flush(id);
        }
    }

    fn accept(&mut self, batch: &mut Vec<Event>) {
        for _ in 0..TURN_ACCEPTS_MAX {
            let Some(guest) = self.door.accept(self.now, self.conns.len(), &self.options) else {
                break;
            };
            self.last.0 += 1;
            let id = self.last;
            let (listener, peer) = (guest.listener, guest.peer);
            batch.push(Event::Opened { conn: id, listener, peer });
            let socket = self.bell.socket(Token::Conn(id));
            let mut conn = Box::new(Conn::new(guest.stream, peer, socket, self.now));
            line_up(&mut self.line, id, &mut conn);
            watch(&mut self.patience, id, &mut conn, &self.options);
            self.conns.insert(id, conn);
        }
    }

    /// Writes and reads for one connection; gives the number of bytes read.
    fn look(&mut self, id: ConnId, batch: &mut Vec<Event>) -> usize {
        let Some(conn) = self.conns.get_mut(&id) else { return 0 };
        conn.in_line = false;
        if !conn.outflow.is_empty() {
            self.flush(id);
        }
        let Some(conn) = self.conns.get_mut(&id) else { return 0 };
        let open = matches!(conn.life, Life::Open);
        if !(open && conn.reading || matches!(conn.life, Life::Farewell)) {
            return 0;
        }
        let before = conn.inflow.unfinished();
        let got = conn.read(&mut self.scratch);
        if open {
            self.unfinished = self.unfinished - before + conn.inflow.unfinished();
        }
        let end = match got {
            Got::Nothing => return 0,
            Got::Bytes { bytes, more } => {
                let len = bytes.len();
                if conn.inflow.is_unsettled() {
                    self.unsettled.push(id);
                }
                if more {
                    line_up(&mut self.line, id, conn);
                }
                if open {
                    conn.moved = self.now;
                    batch.push(Event::Bytes { conn: id, bytes });
                }
                return len;
            }
            Got::End => CloseReason::Peer,
            Got::Broken(error) => reason(&error),
        };
        self.gone(id, end);
        0
    }

    /// Writes what the connection's socket takes.
    fn flush(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (held, sent) = (conn.outflow.held(), conn.sent);
        let outcome = conn.flush(self.now);
        self.held = self.held - held + conn.outflow.held();
        if sent == 0 && conn.sent > 0 {
            if self.sents.is_empty() {
                self.sents_due = self.now + SENT_DELAY;
            }
            self.sents.push(id);
        }
        if conn.sent > 0 && (!conn.reading || conn.sent >= SENT_BYTES_MAX) {
            self.sents_due = self.now;
        }
        if !conn.outflow.is_empty() {
            self.wants.push(id);
        }
        match outcome {
            Outcome::Rests => {}
            Outcome::Again => line_up(&mut self.line, id, conn),
            Outcome::Closed(why) => {
                watch(&mut self.patience, id, conn, &self.options);
                line_up(&mut self.line, id, conn);
                self.events.push_back(Event::Closed { conn: id, why });
            }
            Outcome::Gone(why) => self.gone(id, why),
        }
    }

    /// Starts to close.
    fn close(&mut self, id: ConnId, why: CloseReason) {
        if let Some(conn) = self.conns.get_mut(&id)
            && matches!(conn.life, Life::Open)
        {
            conn.life = Life::Closing(why);
            // What still comes of its request is thrown away.
            self.unfinished -= std::mem::take(&mut conn.inflow).unfinished();
            conn.moved = self.now;
            watch(&mut self.patience, id, conn, &self.options);
        }
    }

    /// Forgets a connection, and tells the machine unless it knows.
    fn gone(&mut self, id: ConnId, why: CloseReason) {
        let Some(conn) = self.conns.remove(&id) else { return };
        if let Some(at) = conn.watched {
            self.patience.remove(&(at, id));
        }
        self.door.left(conn.peer.ip());
        self.held -= conn.outflow.held();
        if matches!(conn.life, Life::Open) {
            self.unfinished -= conn.inflow.unfinished();
        }
        match conn.life {
            Life::Open => self.events.push_back(Event::Closed { conn: id, why }),
            Life::Closing(why) => self.events.push_back(Event::Closed { conn: id, why }),
            Life::Farewell => {}
        }
    }

    fn apply(&mut self, op: NetOp) {
        let (NetOp::Send { conn: id, .. }
        | NetOp::Expect { conn: id, .. }
        | NetOp::ReadOff { conn: id }
        | NetOp::ReadOn { conn: id }
        | NetOp::Close { conn: id, .. }) = &op
        else {
            return self.door.open(matches!(op, NetOp::Listen));
        };
        let id = *id;
        // The machine may not have heard of the end yet.
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !matches!(conn.life, Life::Open) {
            return;
        }
        match op {
            NetOp::Send { body, .. } => {
                conn.outflow.push(body);
                self.touched.push(id);
            }
            NetOp::Expect { bytes, .. } => {
                let before = conn.inflow.unfinished();
                conn.inflow.expect(bytes as usize);
                self.unfinished = self.unfinished - before + conn.inflow.unfinished();
            }
            NetOp::ReadOff { .. } => {
                conn.reading = false;
                // It may read on once it knows.
                if conn.sent > 0 {
                    self.sents_due = self.now;
                }
            }
            NetOp::ReadOn { .. } => {
                conn.reading = true;
                line_up(&mut self.line, id, conn);
            }
            NetOp::Close { why, .. } => {
                self.close(id, why);
                self.touched.push(id);
            }
            NetOp::Listen | NetOp::Deafen => unreachable!("they name no connection"),
        }
    }
}

impl Net for Conns {
    fn submit(&mut self, ops: &mut Vec<NetOp>) {
        for op in ops.drain(..) {
            self.apply(op);
        }
        // Several responses to one connection leave in one call.
        let mut touched = std::mem::take(&mut self.touched);
        touched.dedup();
        for id in touched.drain(..) {
            self.flush(id);
        }
        self.touched = touched;
    }
}

/// Spreads our own consecutive numbers over the table; no peer chooses them.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("connections are numbered by u64");
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Puts a connection in line unless it stands there.
fn line_up(line: &mut VecDeque<ConnId>, id: ConnId, conn: &mut Conn) {
    if !std::mem::replace(&mut conn.in_line, true) {
        line.push_back(id);
    }
}

/// Puts a connection where patience with it ends, as things stand.
fn watch(patience: &mut BTreeSet<(Mono, ConnId)>, id: ConnId, conn: &mut Conn, options: &Options) {
    if let Some(at) = conn.watched.take() {
        patience.remove(&(at, id));
    }
    conn.watched = conn.until(options);
    patience.extend(conn.watched.map(|at| (at, id)));
}
