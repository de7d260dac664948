//! What the loop costs: its echo beside that of bare tokio, over loopback, in the same run.
//!
//! `cargo run --profile quick -p sordini-net --example echo_limits [MILLISECONDS [CONNECTIONSxBYTES..]]`
//!
//! Each server has a thread of its own, and so have the clients together. Every connection has one request in
//! flight. The two servers take turns, several rounds each; medians are printed.

use bytes::{Bytes, BytesMut};
use sordini_core::seam::{
    Body, Completion, ConnId, Disk, DiskOp, Event, Fact, FileSlice, ListenerId, Machine, Mono,
    NetOp, Now, Outbox, Wall,
};
use sordini_net::{Bell, Host, Listeners, Options, ReadReply, run};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Measurements of each server and load.
const ROUNDS: usize = 5;

fn main() {
    let ms = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(300);
    let (bare, ours) = (bare(), ours());
    let run = |addr, server, conns, len| {
        let before = cpu_us(server);
        let rate = rate(addr, conns, len, Duration::from_millis(ms));
        (rate, (cpu_us(server) - before) / (rate * ms as f64 / 1e3))
    };
    println!("             -- requests/s --           -- us a request --  -- server's CPU us --");
    println!("conns  bytes      bare      ours  ratio      bare     ours        bare     ours");
    let chosen: Vec<_> = std::env::args().skip(2).filter_map(|load| parse(&load)).collect();
    let all = [(1, 100), (1, 4096), (64, 100), (64, 4096), (4, 1 << 20)];
    for (conns, len) in if chosen.is_empty() { all.to_vec() } else { chosen } {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            a.push(run(bare, "bare", conns, len));
            b.push(run(ours, "ours", conns, len));
        }
        let rates = [&a, &b].map(|runs| median(runs.iter().map(|r| r.0).collect()));
        let cpus = [&a, &b].map(|runs| median(runs.iter().map(|r| r.1).collect()));
        let us = rates.map(|rate| 1e6 * conns as f64 / rate);
        println!(
            "{conns:5} {len:7} {:8.0} {:9.0}  {:5.2} {:9.1} {:8.1} {:11.2} {:8.2}",
            rates[0],
            rates[1],
            rates[1] / rates[0],
            us[0],
            us[1],
            cpus[0],
            cpus[1]
        );
    }
}

/// `64x4096` is 64 connections with 4096 bytes each.
fn parse(load: &str) -> Option<(usize, usize)> {
    let (conns, len) = load.split_once('x')?;
    Some((conns.parse().ok()?, len.parse().ok()?))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// CPU time of the thread of that name, in microseconds.
fn cpu_us(name: &str) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let named = tasks.filter_map(|task| {
        let path = task.ok()?.path();
        let comm = std::fs::read_to_string(path.join("comm")).ok()?;
        let stat = std::fs::read_to_string(path.join("schedstat")).ok()?;
        let ns = stat.split(' ').next()?.parse::<f64>().ok()?;
        (comm.trim() == name).then_some(ns / 1e3)
    });
    named.sum()
}

/// Requests a second of `conns` connections with one request of `len` bytes in flight each.
fn rate(addr: SocketAddr, conns: usize, len: usize, time: Duration) -> f64 {
    runtime().block_on(async move {
        let client = |_| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(addr).await.expect("the server listens");
                stream.set_nodelay(true).expect("a socket option");
                let mut frame = (len as u32 - 4).to_be_bytes().to_vec();
                frame.resize(len, 7);
                let mut back = vec![0; len];
                let (start, mut n) = (Instant::now(), 0u64);
                while start.elapsed() < time {
                    stream.write_all(&frame).await.expect("the server reads");
                    stream.read_exact(&mut back).await.expect("the server answers");
                    n += 1;
                }
                n as f64 / start.elapsed().as_secs_f64()
            })
        };
        let mut sum = 0.0;
        for client in (0..conns).map(client).collect::<Vec<_>>() {
            sum += client.await.expect("a client does not panic");
        }
        sum
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A thread that a profiler can tell from the others.
fn named<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) {
    std::thread::Builder::new().name(name.into()).spawn(body).expect("a thread");
}

/// Bytes back as they come: a task a connection, and no idea of frames.
fn bare() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    named("bare", move || {
        runtime().block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            tell.send(listener.local_addr().expect("bound")).expect("main listens");
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a socket option");
                tokio::spawn(async move {
                    let mut buf = vec![0; 64 << 10];
                    while let Ok(n @ 1..) = stream.read(&mut buf).await {
                        if stream.write_all(&buf[..n]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        })
    });
    told.recv().expect("the server has started")
}

/// Whole frames back, by a machine on our loop.
fn ours() -> SocketAddr {
    let any = [(ListenerId(0), "127.0.0.1:0".parse().expect("an address"))];
    let listeners = Listeners::bind(&any, 1024).expect("a port");
    let addr = listeners.addrs().expect("bound")[0].1;
    named("ours", move || {
        let mut world = World(Instant::now(), NoDisk);
        let options = Options { signals: false, ..Options::default() };
        run(&mut Echo::default(), &mut world, listeners, Bell::new(), options)
    });
    addr
}

/// Sends frames back.
#[derive(Default)]
struct Echo {
    held: HashMap<ConnId, BytesMut>,
}

impl Machine for Echo {
    fn step(&mut self, _: Now, event: Event, out: &mut Outbox) {
        match event {
            Event::Boot => out.net.push(NetOp::Listen),
            Event::Opened { conn, .. } => {
                self.held.insert(conn, BytesMut::new());
            }
            Event::Closed { conn, .. } => {
                self.held.remove(&conn);
            }
            Event::Bytes { conn, bytes } => {
                let held = self.held.get_mut(&conn).expect("an open connection");
                let known = held.len() >= 4;
                if held.is_empty() {
                    *held = bytes;
                } else {
                    held.unsplit(bytes);
                }
                while held.len() >= 4 {
                    let len = u32::from_be_bytes(held[..4].try_into().expect("four")) as usize + 4;
                    if held.len() < len {
                        if !known {
                            let bytes = (len - held.len()) as u32;
                            out.net.push(NetOp::Expect { conn, bytes });
                        }
                        break;
                    }
                    let frame: Bytes = held.split_to(len).freeze();
                    out.net.push(NetOp::Send { conn, body: Body::from(frame) });
                }
            }
            _ => {}
        }
    }

    fn flush(&mut self, _: Now, _: &mut Outbox) {}

    fn deadline(&self) -> Option<Mono> {
        None
    }
}

struct World(Instant, NoDisk);

struct NoDisk;

impl Disk for NoDisk {
    fn submit(&mut self, _: &mut Vec<DiskOp>, _: bool) {}
}

impl Host for World {
    type Disk = NoDisk;

    fn now(&mut self) -> Now {
        let mono = Mono(self.0.elapsed().as_nanos() as u64);
        Now { mono, wall: Wall(0), disk_free: u64::MAX }
    }

    fn disk(&mut self) -> &mut NoDisk {
        &mut self.1
    }

    fn completions(&mut self, _: &mut Vec<Completion>) {}

    fn read(&mut self, _: &FileSlice, _: u32, _: ReadReply) {}

    fn fact(&mut self, _: Fact) {}
}
