//! A real broker in a process of its own, for one test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sordini");

/// A running broker; killed when it is dropped.
pub struct Broker {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
    /// From its start to its word that it is ready.
    pub ready_after: Duration,
}

impl Broker {
    /// Starts a broker on any free port.
    pub fn start(data: &Path, args: &[&str]) -> Broker {
        Broker::start_at("127.0.0.1:0", data, args)
    }

    /// Starts a broker; waits until it says that it listens.
    pub fn start_at(listen: &str, data: &Path, args: &[&str]) -> Broker {
        Broker::start_by(Command::new(PROGRAM), listen, data, args)
    }

    /// Starts a broker that may have so many file descriptors.
    pub fn start_with_descriptors(limit: u32, data: &Path, args: &[&str]) -> Broker {
        let mut shell = Command::new("sh");
        let limit = limit.to_string();
        shell.args(["-c", "ulimit -n \"$0\" && exec \"$@\"", &limit, PROGRAM]);
        Broker::start_by(shell, "127.0.0.1:0", data, args)
    }

    fn start_by(mut command: Command, listen: &str, data: &Path, args: &[&str]) -> Broker {
        let started = Instant::now();
        let mut child = command
            .args(["serve", "--listen", listen, "--data"])
            .arg(data)
            .args(args)
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        out.read_line(&mut line).expect("a line of text");
        let said = line.strip_prefix("sordini is listening on ");
        let addr = said.and_then(|rest| rest.split_whitespace().next()).map(str::parse);
        let Some(Ok(addr)) = addr else {
            let _ = child.kill();
            panic!("expected the broker to say where it listens, it said {line:?}");
        };
        Broker { child, addr, ready_after: started.elapsed() }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory, KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("the broker runs");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("a VmRSS line");
        line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Sends a signal, as `-TERM`.
    pub fn signal(&self, which: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args([which, &pid]).status().expect("kill").success());
    }

    /// SIGTERM, then its exit; panics if it takes longer than ten seconds or does not end well.
    pub fn stop(mut self) {
        self.signal("-TERM");
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().expect("waited for") {
                assert!(status.success(), "the broker ended with {status}");
                return;
            }
            assert!(Instant::now() < until, "the broker does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
