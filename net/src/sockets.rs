//! The system calls on sockets that tokio does not show, each behind one function.

use crate::NetError;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use sordini_core::seam::ListenerId;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

/// A peer that has vanished without a word is noticed after about two minutes, not after Linux's two hours.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(10));

/// Addresses that are ours; nobody is answered yet. The kernel queues who connects meanwhile.
pub struct Listeners {
    pub(crate) bound: Vec<(ListenerId, TcpListener)>,
}

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
}

/// Options of an accepted connection: small answers leave at once, and dead peers are noticed.
pub(crate) fn tune(stream: &tokio::net::TcpStream) -> io::Result<()> {
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
