//! The system as it is: tokio's sockets, timers and signals, and the system calls on sockets that tokio does not show.

use crate::NetError;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use sordini_core::seam::ListenerId;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use tokio::net::TcpStream as Stream;
pub(crate) use tokio::time::{Instant, Sleep, sleep_until};

/// A peer that has vanished without a word is noticed after about two minutes, not after Linux's two hours.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(10));

/// Addresses that are ours; nobody is answered yet. The kernel queues who connects meanwhile.
pub struct Listeners {
    bound: Vec<(ListenerId, TcpListener)>,
}

/// One of them, on the runtime.
pub(crate) struct Listener(tokio::net::TcpListener);

/// SIGTERM and SIGINT.
pub(crate) struct Signals(Vec<Signal>);

impl Listeners {
    /// Takes the addresses; port 0 takes any free one. `backlog` is the number of connections that the kernel
    /// queues before they are accepted. Fails on the first address that cannot be had.
    pub fn bind(addrs: &[(ListenerId, SocketAddr)], backlog: u32) -> Result<Listeners, NetError> {
        let bind = |&(id, addr): &(ListenerId, SocketAddr)| match bind(addr, backlog) {
            Ok(listener) => Ok((id, listener)),
            Err(source) => Err(NetError::Bind { addr, remedy: remedy(&source), source }),
        };
        Ok(Listeners { bound: addrs.iter().map(bind).collect::<Result<_, _>>()? })
    }

    /// The addresses, with the ports that were really taken.
    pub fn addrs(&self) -> io::Result<Vec<(ListenerId, SocketAddr)>> {
        self.bound.iter().map(|(id, l)| Ok((*id, l.local_addr()?))).collect()
    }

    /// Hands them to the current runtime.
    pub(crate) fn open(self) -> io::Result<Vec<(ListenerId, Listener)>> {
        let open = |(id, l)| Ok((id, Listener(tokio::net::TcpListener::from_std(l)?)));
        self.bound.into_iter().map(open).collect()
    }
}

impl Listener {
    /// Who is next in the kernel's queue.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        self.0.poll_accept(cx)
    }
}

impl Signals {
    /// Listens to them if `wanted`; else they do what they always do.
    pub fn new(wanted: bool) -> io::Result<Signals> {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
        let kinds = if wanted { &kinds[..] } else { &[] };
        Ok(Signals(kinds.iter().map(|kind| signal(*kind)).collect::<Result<_, _>>()?))
    }

    /// Whether any has come since the last call.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let mut came = false;
        for signal in &mut self.0 {
            while let Poll::Ready(Some(())) = signal.poll_recv(cx) {
                came = true;
            }
        }
        came
    }
}

/// Options of an accepted connection: small answers leave at once, and dead peers are noticed.
pub(crate) fn tune(stream: &Stream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE.0).with_interval(KEEPALIVE.1);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

fn bind(addr: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted broker must get its port back while connections of its last life linger.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there (is a broker running already?): stop it or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address: choose one that it has, or 0.0.0.0 for all"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: choose a higher port or grant CAP_NET_BIND_SERVICE"
        }
        _ => "choose another address",
    }
}
