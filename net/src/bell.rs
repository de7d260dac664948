//! What wakes the loop: a bell that any thread may ring, and the list of sockets that became ready.
//!
//! The loop is one future. Every socket has a waker of its own which puts the socket's connection on
//! the ready list before it wakes the loop, so that a turn looks at those sockets that have something
//! to say and at no others.

use bytes::Bytes;
use sordini_core::seam::{ConnId, DiskError, DiskErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// Wakes the loop from any thread. Clones are handles to the same bell.
#[derive(Clone, Default)]
pub struct Bell {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The bell was rung since the loop last looked.
    rung: AtomicBool,
    /// Somebody asked for the orderly end.
    stop: AtomicBool,
    /// Wakes the loop's future; none before it sleeps for the first time.
    sleeper: Mutex<Option<Waker>>,
    ready: Mutex<Vec<Token>>,
    answers: Mutex<Vec<FileAnswer>>,
}

/// Whose socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Conn(ConnId),
    Listener(usize),
}

/// What came of a read of file bytes for a connection.
pub(crate) struct FileAnswer {
    pub conn: ConnId,
    pub result: Result<Bytes, DiskError>,
}

/// The waker of one socket.
pub(crate) struct SocketWaker {
    bell: Bell,
    token: Token,
    /// Whether the token is on the ready list.
    listed: AtomicBool,
}

/// Owed to a connection: dropped unused, it answers with an error, so that no connection waits for ever.
pub(crate) struct FileReply {
    bell: Bell,
    conn: ConnId,
    given: bool,
}

impl Bell {
    /// A bell that nobody listens to yet.
    pub fn new() -> Bell {
        Bell::default()
    }

    /// Makes the loop look for disk completions. Cheap if it is awake.
    pub fn ring(&self) {
        if !self.shared.rung.swap(true, Ordering::AcqRel)
            && let Some(waker) = &*lock(&self.shared.sleeper)
        {
            waker.wake_by_ref();
        }
    }

    /// Asks for the orderly end, as SIGTERM does.
    pub fn shutdown(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.ring();
    }

    /// Whether the orderly end was asked for.
    pub(crate) fn shutdown_asked(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Whether the bell was rung since the last call; if not, `waker` is woken when it is.
    pub(crate) fn listen(&self, waker: &Waker) -> bool {
        {
            let mut sleeper = lock(&self.shared.sleeper);
            if !sleeper.as_ref().is_some_and(|w| w.will_wake(waker)) {
                *sleeper = Some(waker.clone());
            }
        }
        self.shared.rung.swap(false, Ordering::AcqRel)
    }

    /// Whether a socket or a file answer waits.
    pub(crate) fn is_quiet(&self) -> bool {
        lock(&self.shared.ready).is_empty() && lock(&self.shared.answers).is_empty()
    }

    /// Moves the ready list to the end of `into`.
    pub(crate) fn take_ready(&self, into: &mut Vec<Token>) {
        into.append(&mut lock(&self.shared.ready));
    }

    /// Moves the file answers to the end of `into`.
    pub(crate) fn take_answers(&self, into: &mut Vec<FileAnswer>) {
        into.append(&mut lock(&self.shared.answers));
    }

    /// A waker for one socket.
    pub(crate) fn socket(&self, token: Token) -> Arc<SocketWaker> {
        Arc::new(SocketWaker { bell: self.clone(), token, listed: AtomicBool::new(false) })
    }

    /// The promise of an answer to `conn`.
    pub(crate) fn reply(&self, conn: ConnId) -> FileReply {
        FileReply { bell: self.clone(), conn, given: false }
    }
}

impl SocketWaker {
    /// The token was taken off the ready list: the next wake puts it on again.
    pub fn taken(&self) {
        self.listed.store(false, Ordering::Release);
    }
}

impl Wake for SocketWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::AcqRel) {
            lock(&self.bell.shared.ready).push(self.token);
            self.bell.ring();
        }
    }
}

impl FileReply {
    /// Answers.
    pub fn give(mut self, result: Result<Bytes, DiskError>) {
        self.given = true;
        self.push(result);
    }

    fn push(&self, result: Result<Bytes, DiskError>) {
        lock(&self.bell.shared.answers).push(FileAnswer { conn: self.conn, result });
        self.bell.ring();
    }
}

impl Drop for FileReply {
    fn drop(&mut self) {
        if !self.given {
            let detail = "the reader gave up on the read".into();
            self.push(Err(DiskError { kind: DiskErrorKind::NotFound, detail }));
        }
    }
}

/// The lists hold plain values, so a panic elsewhere leaves them whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
