//! HOST:PORT as people write it, and a socket to it.

use anyhow::{Context, Result, anyhow};
use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::Duration;

/// How long a broker may take to accept a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// A host, by name or by number, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Name or number, an IPv6 number without its brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Address> {
        let wrong = || anyhow!("expected HOST:PORT such as 127.0.0.1:9092, got {text:?}");
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').ok_or_else(wrong)?,
            None if host.contains(':') => {
                return Err(anyhow!("expected an IPv6 host in brackets, [::1]:9092, got {text:?}"));
            }
            None => host,
        };
        let port = port.parse().map_err(|_| wrong())?;
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Address { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Address {
    /// A connected socket that does not wait for small packets to gather. Tries every number that the
    /// name stands for; the error is that of the last one.
    pub fn connect(&self) -> Result<TcpStream> {
        let numbers = (self.host.as_str(), self.port).to_socket_addrs().with_context(|| {
            format!(
                "cannot resolve the host name {:?}; check the spelling or use a number",
                self.host
            )
        })?;
        let mut last = None;
        for number in numbers {
            match TcpStream::connect_timeout(&number, CONNECT_WAIT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.ok_or_else(|| anyhow!("{:?} stands for no address", self.host))?;
        Err(self.unreachable(error))
    }

    fn unreachable(&self, error: io::Error) -> anyhow::Error {
        let remedy = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                "nothing listens there; start a broker with `sordini serve`, or name another with \
                 --broker HOST:PORT"
            }
            io::ErrorKind::TimedOut => {
                "no answer within 10 s; check the address, the broker's --advertise and any firewall"
            }
            _ => "check the address and the network",
        };
        anyhow::Error::new(error).context(format!("cannot connect to {self}: {remedy}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_shown() {
        for text in ["127.0.0.1:9092", "[::1]:9092", "broker.example:1", "localhost:0"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_says_what_one_looks_like() {
        for text in ["", "localhost", ":9092", "h:x", "h:70000", "::1:9092", "[::1:9092"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.starts_with("expected "), "{text:?}: {error}");
        }
    }
}
