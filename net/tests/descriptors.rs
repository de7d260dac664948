//! No file descriptors left; alone in its process, whose limit it lowers.

mod world;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::time::Duration;
use world::{Broker, echo, expect, frame, options};

#[test]
fn who_cannot_be_accepted_waits_until_a_descriptor_is_free() {
    let broker = Broker::start(options());
    let mut inside = broker.connect();
    echo(&mut inside, b"inside");
    let stat = File::open("/proc/self/stat").expect("a file");
    // Their own ends are open before there are too few.
    let sockets: Vec<_> =
        (0..20).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket")).collect();
    let current = Some(limit_that_leaves(5));
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("a lower limit");
    let mut clients: Vec<TcpStream> = sockets
        .into_iter()
        .map(|socket| {
            socket.connect(&broker.addr.into()).expect("a place in the queue");
            let mut stream = TcpStream::from(socket);
            stream.write_all(&frame(b"in")).expect("sent");
            stream
        })
        .collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let patience = Duration::from_millis(if n < 5 { 20_000 } else { 1 });
        client.set_read_timeout(Some(patience)).expect("a timeout");
        if n < 5 {
            expect(client, &frame(b"in"));
        } else {
            let error = client.read(&mut [0; 1]).expect_err("there is no descriptor for it");
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
        }
    }
    let before = cpu_ticks(&stat);
    for _ in 0..50 {
        echo(&mut inside, b"still served");
        std::thread::sleep(Duration::from_millis(10));
    }
    let spent = cpu_ticks(&stat) - before;
    assert!(spent <= 20, "half a second of waiting took {spent} hundredths of CPU time");
    // Each that leaves frees both of its ends.
    let mut waiting = clients.split_off(5);
    drop(clients);
    for client in &mut waiting[..5] {
        client.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        expect(client, &frame(b"in"));
    }
    echo(&mut inside, b"and nobody is harmed");
}

/// The limit below which so many numbers are free.
fn limit_that_leaves(places: usize) -> u64 {
    let is_open =
        |fd: &u64| std::fs::exists(format!("/proc/self/fd/{fd}")).expect("it can be asked");
    let last = (0..).filter(|fd| !is_open(fd)).nth(places - 1).expect("there is no end of numbers");
    last + 1
}

/// CPU time of this process, in hundredths of a second.
fn cpu_ticks(stat: &File) -> u64 {
    let mut text = [0; 1024];
    let len = stat.read_at(&mut text, 0).expect("it can be read again");
    let text = String::from_utf8_lossy(&text[..len]);
    let fields: Vec<_> = text.rsplit(") ").next().expect("a name").split(' ').collect();
    fields[11..13].iter().map(|n| n.parse::<u64>().expect("a number")).sum()
}
