//! The system as madsim has it: one seed decides every latency, every order of tasks, and what is said here.
//!
//! madsim's streams take whatever is written, send it as one piece when flushed, and deliver it whole and in order. A kernel does none of that,
//! so this is where a stream becomes as capricious as a socket: a write is taken in part and sent at once, now and then the buffer is full and
//! room comes later, and a read brings less than there is. What remains untrue: a peer that does not read never
//! fills the buffer for good, and our end closes both directions at once, when the connection is dropped. Real sockets are
//! asked about these (`tests/loop.rs`, `tests/files.rs`).

use crate::NetError;
use bytes::{Buf, Bytes};
use madsim::net::{TcpListener, TcpStream};
use madsim::rand::{Rng, thread_rng};
use madsim::time::{Duration, sleep};
use sordini_core::seam::ListenerId;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use madsim::time::{Instant, Sleep, sleep_until};

/// One call in so many moves all that it is asked to.
const WHOLE: u32 = 3;
/// A partial read or write moves less than two to this power of bytes.
const PART_LOG: u32 = 17;
/// One write in so many finds the buffer full.
const FULL: u32 = 8;
/// Microseconds until a full buffer has room.
const ROOM_AFTER_US: std::ops::Range<u64> = 1..20_000;
/// Bytes that a look whether there is something to read takes out of the stream, for the next read.
const PEEK_BYTES: usize = 16;

/// Addresses that will be ours: madsim binds while it runs.
pub struct Listeners {
    addrs: Vec<(ListenerId, SocketAddr)>,
}

/// One of them. What it is busy with: to bind, then to accept, again and again.
pub(crate) struct Listener(Pin<Box<dyn Future<Output = Accepted> + Send>>);

type Accepted = (TcpListener, io::Result<(TcpStream, SocketAddr)>);

/// A connection.
pub(crate) struct Stream {
    inner: TcpStream,
    /// Looked at by [`Stream::poll_read_ready`] and not read yet.
    ahead: Bytes,
    /// Until then the buffer is full.
    full: Option<Pin<Box<Sleep>>>,
}

/// The end of a node's process that was asked for.
pub(crate) struct Signals(Option<Asked>);

type Asked = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

impl Listeners {
    /// Takes the addresses. That one cannot be had shows when the loop starts.
    pub fn bind(addrs: &[(ListenerId, SocketAddr)], _backlog: u32) -> Result<Listeners, NetError> {
        Ok(Listeners { addrs: addrs.to_vec() })
    }

    /// The addresses.
    pub fn addrs(&self) -> io::Result<Vec<(ListenerId, SocketAddr)>> {
        Ok(self.addrs.clone())
    }

    pub(crate) fn open(self) -> io::Result<Vec<(ListenerId, Listener)>> {
        let open = |(id, addr)| {
            let first = async move {
                let listener = TcpListener::bind(addr).await.expect("the address is free");
                accept(listener).await
            };
            (id, Listener(Box::pin(first)))
        };
        Ok(self.addrs.into_iter().map(open).collect())
    }
}

impl Listener {
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        let Poll::Ready((listener, guest)) = self.0.as_mut().poll(cx) else { return Poll::Pending };
        self.0 = Box::pin(accept(listener));
        let stream = |inner| Stream { inner, ahead: Bytes::new(), full: None };
        Poll::Ready(guest.map(|(inner, peer)| (stream(inner), peer)))
    }
}

async fn accept(listener: TcpListener) -> Accepted {
    let guest = listener.accept().await;
    (listener, guest)
}

/// madsim has no delayed segments and no keepalive.
pub(crate) fn tune(stream: &Stream) -> io::Result<()> {
    stream.inner.set_nodelay(true)
}

impl Stream {
    /// Whether a read would bring something.
    pub fn poll_read_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            let mut bytes = [0; PEEK_BYTES];
            let mut buf = ReadBuf::new(&mut bytes);
            let poll = Pin::new(&mut self.inner).poll_read(cx, &mut buf);
            self.ahead = Bytes::copy_from_slice(buf.filled());
            return poll;
        }
        Poll::Ready(Ok(()))
    }

    /// Whether the buffer has room; if not, `cx` is woken when it has.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.full.is_none() && thread_rng().gen_ratio(1, FULL) {
            let wait = Duration::from_micros(thread_rng().gen_range(ROOM_AFTER_US));
            self.full = Some(Box::pin(sleep(wait)));
        }
        if let Some(full) = &mut self.full
            && full.as_mut().poll(cx).is_pending()
        {
            return Poll::Pending;
        }
        self.full = None;
        Poll::Ready(())
    }
}

/// How many of `len` bytes a call moves; at least one, if there is one.
fn part(len: usize) -> usize {
    let mut rng = thread_rng();
    if len == 0 || rng.gen_ratio(1, WHOLE) {
        return len;
    }
    let most = 1usize << rng.gen_range(0..=PART_LOG);
    rng.gen_range(1..=most).min(len)
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let most = part(buf.remaining());
        let ahead = most.min(self.ahead.len());
        buf.put_slice(&self.ahead[..ahead]);
        self.ahead.advance(ahead);
        if ahead > 0 && ahead == most {
            return Poll::Ready(Ok(()));
        }
        let mut fewer = ReadBuf::new(buf.initialize_unfilled_to(most - ahead));
        let poll = Pin::new(&mut self.inner).poll_read(cx, &mut fewer);
        let n = fewer.filled().len();
        buf.advance(n);
        if ahead > 0 { Poll::Ready(Ok(())) } else { poll }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.poll_room(cx).is_pending() {
            return Poll::Pending;
        }
        let taken = part(slices.iter().map(|slice| slice.len()).sum());
        let mut left = taken;
        let mut inner = Pin::new(&mut self.inner);
        for slice in slices {
            let n = left.min(slice.len());
            left -= n;
            // It has room for all, always.
            let poll = inner.as_mut().poll_write(cx, &slice[..n]);
            assert!(matches!(poll, Poll::Ready(Ok(m)) if m == n), "{poll:?}");
        }
        inner.poll_flush(cx).map_ok(|()| taken)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Signals {
    /// Listens to madsim's only signal if `wanted`; else it kills the node.
    pub fn new(wanted: bool) -> io::Result<Signals> {
        Ok(Signals(wanted.then(|| Box::pin(madsim::signal::ctrl_c()) as Asked)))
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let mut came = false;
        while let Some(asked) = &mut self.0
            && asked.as_mut().poll(cx).is_ready()
        {
            self.0 = Some(Box::pin(madsim::signal::ctrl_c()));
            came = true;
        }
        came
    }
}
