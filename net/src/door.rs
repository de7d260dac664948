//! The door: who is let in, and how many.
//!
//! As in Kafka, beyond `max.connections` nobody is accepted until somebody leaves (the kernel queues the next ones), and a
//! connection beyond `max.connections.per.ip` is closed at once.

use crate::bell::{Bell, SocketWaker, Token};
use crate::system::{self, Listeners, Stream, tune};
use crate::{NetError, Options};
use sordini_core::seam::{ListenerId, Mono};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long to wait after the system refused us another socket.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections in a row that are closed at once before the loop looks after those inside.
const TRIES_MAX: u32 = 64;

/// The listening sockets.
pub(crate) struct Door {
    listeners: Vec<Listener>,
    /// The machine wants connections.
    open: bool,
    /// Until then the system has no more sockets for us.
    pause: Option<Mono>,
    guests: HashMap<IpAddr, u32>,
    /// Nobody else fits.
    full: bool,
    /// How often that came to be, how often the system refused us a socket, and how many connections of one address too
    /// many came: a client that insists must not fill the log.
    fulls: u64,
    shortages: u64,
    refused: u64,
}

struct Listener {
    id: ListenerId,
    socket: system::Listener,
    waker: Waker,
    heard: Arc<SocketWaker>,
    /// Somebody may be waiting.
    ready: bool,
}

/// Somebody who was let in.
pub(crate) struct Guest {
    pub listener: ListenerId,
    pub stream: Stream,
    pub peer: SocketAddr,
}

impl Door {
    /// Takes the bound sockets over; accepts nobody yet.
    pub fn new(listeners: Listeners, bell: &Bell) -> Result<Door, NetError> {
        let take = |(index, (id, socket))| {
            let heard = bell.socket(Token::Listener(index));
            Listener { id, socket, waker: Waker::from(heard.clone()), heard, ready: true }
        };
        let listeners = listeners.open().map_err(NetError::Runtime)?;
        Ok(Door {
            listeners: listeners.into_iter().enumerate().map(take).collect(),
            open: false,
            pause: None,
            guests: HashMap::new(),
            full: false,
            fulls: 0,
            shortages: 0,
            refused: 0,
        })
    }

    /// Starts or stops to accept.
    pub fn open(&mut self, open: bool) {
        self.open = open;
    }

    /// A listener's waker was woken.
    pub fn wake(&mut self, index: usize) {
        let listener = &mut self.listeners[index];
        listener.heard.taken();
        listener.ready = true;
    }

    /// Whether a call of [`Door::accept`] may bring somebody.
    pub fn is_ready(&self, inside: usize, options: &Options) -> bool {
        self.open
            && self.pause.is_none()
            && inside < options.connections_max
            && self.listeners.iter().any(|l| l.ready)
    }

    /// When to try again although no socket says so.
    pub fn deadline(&self) -> Option<Mono> {
        self.pause
    }

    /// The next guest, if there is one; `inside` are here already.
    pub fn accept(&mut self, now: Mono, inside: usize, options: &Options) -> Option<Guest> {
        if self.pause.is_some_and(|until| until <= now) {
            self.pause = None;
        }
        self.tell_full(inside, options);
        for _ in 0..TRIES_MAX {
            if !self.is_ready(inside, options) {
                break;
            }
            let listener = self.listeners.iter_mut().find(|l| l.ready)?;
            match listener.socket.poll_accept(&mut Context::from_waker(&listener.waker)) {
                Poll::Pending => listener.ready = false,
                Poll::Ready(Ok((stream, peer))) => {
                    let id = listener.id;
                    if self.admit(peer.ip(), options) {
                        if let Err(error) = tune(&stream) {
                            tracing::debug!(%peer, %error, "socket options refused");
                        }
                        return Some(Guest { listener: id, stream, peer });
                    }
                }
                Poll::Ready(Err(error)) if is_guests_fault(&error) => {}
                Poll::Ready(Err(error)) => {
                    self.shortages += 1;
                    if self.shortages.is_power_of_two() {
                        let times = self.shortages;
                        tracing::warn!(%error, inside, times, "cannot accept connections: raise the limit of open files (ulimit -n)");
                    }
                    self.pause = Some(now + PAUSE);
                }
            }
        }
        None
    }

    /// A guest from `ip` has left.
    pub fn left(&mut self, ip: IpAddr) {
        if let Some(n) = self.guests.get_mut(&ip) {
            *n -= 1;
            if *n == 0 {
                self.guests.remove(&ip);
            }
        }
    }

    /// Says so when the last place is taken.
    fn tell_full(&mut self, inside: usize, options: &Options) {
        let full = inside >= options.connections_max;
        if full && !std::mem::replace(&mut self.full, full) {
            self.fulls += 1;
            if self.fulls.is_power_of_two() {
                let times = self.fulls;
                tracing::warn!(
                    inside,
                    times,
                    "no more connections are let in until one leaves (max.connections, or the limit of open files)"
                );
            }
        }
        self.full = full;
    }

    fn admit(&mut self, ip: IpAddr, options: &Options) -> bool {
        let n = self.guests.entry(ip).or_insert(0);
        if *n < options.connections_per_ip_max {
            *n += 1;
            return true;
        }
        if *n == 0 {
            self.guests.remove(&ip);
        }
        self.refused += 1;
        if self.refused.is_power_of_two() {
            let (limit, refused) = (options.connections_per_ip_max, self.refused);
            tracing::warn!(%ip, limit, refused, "too many connections (max.connections.per.ip)");
        }
        false
    }
}

/// The connection died in the queue; the next may be well.
fn is_guests_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
