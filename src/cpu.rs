//! CPU time and memory of a process on this machine, from /proc.

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Linux shows CPU time in hundredths of a second, whatever its own tick is.
const TICKS_PER_SECOND: u32 = 100;
/// State of a listening socket in /proc/net/tcp.
const LISTENING: &str = "0A";

/// CPU time that a process has used so far, all its threads together.
pub fn used(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in the second field may hold anything; the last parenthesis ends it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
}

/// Memory of a process that is in RAM now, bytes.
pub fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Which process of this machine listens on a port, if any does and we may know.
pub fn listener(port: u16) -> Option<u32> {
    let mut inodes = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        inodes.extend(text.lines().skip(1).filter_map(|line| inode(line, port)));
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        let mut targets = open.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
        targets.any(|target| {
            let target = target.to_string_lossy();
            let socket = target.strip_prefix("socket:[").and_then(|t| t.strip_suffix(']'));
            socket.and_then(|inode| inode.parse().ok()).is_some_and(|i: u64| inodes.contains(&i))
        })
    })
}

/// Inode of the socket in a line of /proc/net/tcp, if it listens on the port.
fn inode(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, hex) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(3)? == LISTENING && u16::from_str_radix(hex, 16).ok()? == port;
    if listens { fields.get(9)?.parse().ok() } else { None }
}

/// Whether a host is this machine, as far as its name tells.
pub fn is_local(host: &str) -> bool {
    let loopback = |ip: Ipv4Addr| ip.is_loopback();
    host == "localhost" || host == "::1" || host.parse::<Ipv4Addr>().is_ok_and(loopback)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_is_found_by_its_port() {
        let listener_socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener_socket.local_addr().unwrap().port();
        assert_eq!(listener(port), Some(std::process::id()));
        drop(listener_socket);
        assert_eq!(listener(port), None);
    }

    #[test]
    fn our_own_use_is_known() {
        assert!(used(std::process::id()).is_some());
        assert!(resident(std::process::id()).unwrap() > 1 << 20);
    }
}
