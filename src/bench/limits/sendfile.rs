//! From the page cache to a socket by sendfile, and out of the socket again: the most that a consumer on this
//! machine could be given.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// The file that is sent over and over; it stays in the page cache.
const FILE_BYTES: usize = 128 << 20;
/// What one call sends.
const CALL_BYTES: usize = 1 << 20;

/// Bytes a second over so many connections, for so long.
pub fn stream(dir: &Path, connections: usize, length: Duration) -> Result<f64> {
    let path = dir.join(format!("bench-{}.tmp", std::process::id()));
    let made = make(&path);
    let _ = fs::remove_file(&path); // open files outlive their names; one that stays does no harm
    let file = made.with_context(|| format!("cannot write {}", path.display()))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let until = Instant::now() + length;
    let since = Instant::now();
    let mut readers = Vec::new();
    for _ in 0..connections.max(1) {
        let client = TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        let file = file.try_clone()?;
        thread::spawn(move || send(&server, &file, until));
        readers.push(thread::spawn(move || receive(client)));
    }
    let bytes: u64 = readers.into_iter().map(|r| r.join().unwrap_or(0)).sum();
    Ok(bytes as f64 / since.elapsed().as_secs_f64())
}

fn make(path: &Path) -> std::io::Result<File> {
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    let piece = vec![0x5a; 1 << 20];
    for _ in 0..FILE_BYTES / piece.len() {
        file.write_all(&piece)?;
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

fn send(socket: &TcpStream, file: &File, until: Instant) {
    let mut at = 0;
    while Instant::now() < until {
        match rustix::fs::sendfile(socket, file, Some(&mut at), CALL_BYTES) {
            Ok(0) => at = 0,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return, // the reader has gone, and counts what it got
        }
    }
}

fn receive(mut socket: TcpStream) -> u64 {
    let mut buffer = vec![0; CALL_BYTES];
    let mut bytes = 0;
    while let Ok(read @ 1..) = socket.read(&mut buffer) {
        bytes += read as u64;
    }
    bytes
}
