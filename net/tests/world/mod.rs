//! A loop over real sockets, with a machine on it that echoes.

#![allow(dead_code)] // each test binary uses its part

mod echo;

pub use echo::*;
use sordini_core::seam::{FileSlice, ListenerId, Mono};
use sordini_net::{Bell, Exit, Listeners, NetError, Options, ReadReply, run};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A running loop with an [`Echo`] on it.
pub struct Broker {
    pub addr: SocketAddr,
    pub bell: Bell,
    pub seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<Result<Exit, NetError>>>,
}

pub fn options() -> Options {
    Options { signals: false, ..Options::default() }
}

impl Broker {
    pub fn start(options: Options) -> Broker {
        Broker::with(Echo::new(), options, |_, _, _| panic!("no files here"))
    }

    pub fn with(
        mut echo: Echo,
        options: Options,
        files: impl FnMut(&FileSlice, u32, ReadReply) + Send + 'static,
    ) -> Broker {
        let any = [(ListenerId(0), "127.0.0.1:0".parse().unwrap())];
        let listeners = Listeners::bind(&any, 4096).unwrap();
        let addr = listeners.addrs().unwrap()[0].1;
        let bell = Bell::new();
        let seen = echo.seen.clone();
        let start = Instant::now();
        let clock = Box::new(move || Mono(start.elapsed().as_nanos() as u64));
        let mut world = World { clock, disk: NoDisk(seen.clone()), files: Box::new(files) };
        let ours = bell.clone();
        let thread =
            std::thread::spawn(move || run(&mut echo, &mut world, listeners, ours, options));
        Broker { addr, bell, seen, thread: Some(thread) }
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Waits until `what` holds of what was seen.
    pub fn wait(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        while !holds(&self.seen.lock().unwrap()) {
            let seen = self.seen.lock().unwrap();
            assert!(start.elapsed() < Duration::from_secs(20), "in vain for {what}: {seen:?}");
            drop(seen);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Asks for the end and waits for it.
    pub fn stop(mut self) -> Result<Exit, NetError> {
        self.bell.shutdown();
        self.join()
    }

    /// Waits for the end.
    pub fn join(&mut self) -> Result<Exit, NetError> {
        self.thread.take().expect("joined once").join().expect("the loop does not panic")
    }
}

/// Sends a frame and expects it back.
pub fn echo(stream: &mut TcpStream, payload: &[u8]) {
    let sent = frame(payload);
    stream.write_all(&sent).unwrap();
    expect(stream, &sent);
}

/// Reads exactly these bytes.
pub fn expect(stream: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    stream.read_exact(&mut got).unwrap();
    assert!(got == bytes, "other bytes came back");
}
