//! The loopback without a broker: a tokio server on a thread of its own reads the same requests and answers
//! each with as few bytes as a broker would.

use crate::bench::engine::{Dialogue, Drive, Outcome, Worth, drive};
use anyhow::{Context, Result};
use bytes::Bytes;
use std::net::TcpStream;
use std::thread::JoinHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Bytes of an answer to a Produce request of one partition, about.
const ANSWER_BYTES: usize = 64;

/// The same drive against a bare server: so many connections, requests of so many bytes.
pub fn exchange(connections: usize, request_bytes: usize, how: Drive) -> Result<Outcome> {
    let server = Server::start()?;
    let mut frame = vec![0; request_bytes.max(4)];
    let length = (frame.len() - 4) as u32;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    let dialogue = |_| -> Result<(TcpStream, Bare)> {
        let stream = TcpStream::connect(("127.0.0.1", server.port))?;
        stream.set_nodelay(true)?;
        Ok((stream, Bare { frame: frame.clone() }))
    };
    let dialogues = (0..connections).map(dialogue).collect::<Result<_>>()?;
    drive(dialogues, how, &mut || ())
}

struct Bare {
    frame: Vec<u8>,
}

impl Dialogue for Bare {
    fn request(&mut self) -> &[u8] {
        &self.frame
    }

    fn answer(&mut self, _: Bytes) -> Result<Worth> {
        Ok(Worth { records: 1, bytes: self.frame.len() as u64 })
    }
}

/// A server that ends when it is dropped.
struct Server {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Result<Server> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(stream));
                    }
                });
                let _ = stopped.await; // an answer or a dropped sender mean the same
            });
        });
        Ok(Server { port, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has nothing to tell
        }
    }
}

/// Reads frames and answers each until the client has gone.
async fn serve(mut stream: tokio::net::TcpStream) {
    let _ = stream.set_nodelay(true); // without it this is only slower
    let mut answer = [0; ANSWER_BYTES];
    answer[..4].copy_from_slice(&(ANSWER_BYTES as u32 - 4).to_be_bytes());
    let mut input = vec![0; 64 << 10];
    let (mut filled, mut left) = (0, 0);
    loop {
        let Ok(read) = stream.read(&mut input[filled..]).await else { return };
        if read == 0 {
            return;
        }
        filled += read;
        let mut at = 0;
        // Either within a frame of which `left` bytes are still to come, or before the next one.
        loop {
            if left > 0 {
                let taken = left.min(filled - at);
                (at, left) = (at + taken, left - taken);
                if left > 0 {
                    break;
                }
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            let Some(prefix) = input[..filled].get(at..at + 4) else { break };
            left = u32::from_be_bytes(prefix.try_into().expect("four bytes")) as usize;
            at += 4;
        }
        input.copy_within(at..filled, 0);
        filled -= at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn drive_for(ms: u64, in_flight: usize, rate: Option<f64>) -> Drive {
        let length = Duration::from_millis(ms);
        Drive { in_flight, rate, warm_up: Duration::ZERO, length }
    }

    #[test]
    fn every_request_is_answered_once_whatever_its_size() {
        for (connections, bytes) in [(1, 100), (8, 4096), (2, 300_000)] {
            let outcome = exchange(connections, bytes, drive_for(50, 3, None)).unwrap();
            assert!(outcome.requests > 10, "{connections} of {bytes}: {}", outcome.requests);
            assert_eq!(outcome.worth.records, outcome.requests);
            assert_eq!(outcome.latency.len(), outcome.requests);
        }
    }

    #[test]
    fn an_open_loop_keeps_its_rate() {
        let outcome = exchange(4, 100, drive_for(300, 1, Some(2000.0))).unwrap();
        let rate = outcome.rate();
        assert!((1500.0..2500.0).contains(&rate), "{rate} requests a second, 2000 were asked for");
    }
}
