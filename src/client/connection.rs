//! One socket to one broker.
//!
//! Opening asks for the broker's versions; after that every request goes out in the newest version that
//! both sides have. Answers come in the order of the requests, so several may be under way: [`Connection::send`]
//! and [`Connection::receive`] are the halves of [`Connection::call`].

use super::Address;
use super::request::Request;
use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use sordini_wire::api::{Api, ApiKey};
use sordini_wire::error::ErrorCode;
use sordini_wire::message::Message;
use sordini_wire::message::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use sordini_wire::message::header::{RequestHeader, ResponseHeader};
use sordini_wire::primitive::{Part, Parts, Reader, Str, Writer};
use std::collections::BTreeMap;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What we call ourselves in every request.
pub const CLIENT_ID: &str = "sordini";

/// How long a broker may take for an answer, beyond what the request itself allows it.
pub const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// The longest answer that is read. Far above what our fetches ask for.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// A connected broker.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: Address,
    /// Oldest and newest version of each API that the broker has, by key.
    versions: BTreeMap<i16, (i16, i16)>,
    correlation: i32,
}

/// A request under way: what is needed to read its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    correlation: i32,
    version: i16,
}

impl Connection {
    /// Connects and learns the broker's versions.
    pub fn open(address: &Address) -> Result<Connection> {
        let stream = address.connect()?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        stream.set_write_timeout(Some(ANSWER_WAIT))?;
        let mut connection = Connection {
            stream,
            address: address.clone(),
            versions: BTreeMap::new(),
            correlation: 0,
        };
        let answer = connection.learn().with_context(|| {
            format!("{address} did not answer as a Kafka broker does; is this its plaintext port?")
        })?;
        connection.versions =
            answer.api_keys.iter().map(|v| (v.api_key, (v.min_version, v.max_version))).collect();
        Ok(connection)
    }

    /// The broker at the other end.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The newest version of a request that both sides have, but at most `newest`.
    pub fn version<R: Request>(&self, newest: i16) -> Result<i16> {
        let api = row::<R>();
        let (ours_min, ours_max) = (*R::VERSIONS.start(), api.stable.min(newest));
        let Some(&(min, max)) = self.versions.get(&R::API_KEY) else {
            bail!("the broker at {} does not have the API {}", self.address, api.name);
        };
        let version = ours_max.min(max);
        ensure!(
            version >= ours_min.max(min),
            "the broker at {} has {} in versions {min}-{max}, this program needs {ours_min}-{ours_max}",
            self.address,
            api.name
        );
        Ok(version)
    }

    /// Sends a request and waits for its answer.
    pub fn call<R: Request>(&mut self, request: &R) -> Result<R::Answer> {
        let version = self.version::<R>(i16::MAX)?;
        self.call_at(request, version)
    }

    /// [`Connection::call`] in a version of the caller's choice.
    pub fn call_at<R: Request>(&mut self, request: &R, version: i16) -> Result<R::Answer> {
        let ticket = self.send(request, version)?;
        self.receive::<R>(ticket)
    }

    /// Sends a request. The answer must be fetched with [`Connection::receive`], unless there is none
    /// (a Produce with acks=0).
    pub fn send<R: Request>(&mut self, request: &R, version: i16) -> Result<Ticket> {
        self.correlation = self.correlation.wrapping_add(1) & i32::MAX;
        let ticket = Ticket { correlation: self.correlation, version };
        let parts = encode(request, version, ticket.correlation);
        write_parts(&mut self.stream, &parts).map_err(|error| {
            lost(error).context(format!("cannot send {} to {}", R::NAME, self.address))
        })?;
        Ok(ticket)
    }

    /// The answer to the oldest request under way.
    pub fn receive<R: Request>(&mut self, ticket: Ticket) -> Result<R::Answer> {
        let mut reader = self.answer::<R>(ticket)?;
        R::Answer::decode(&mut reader, ticket.version)
            .with_context(|| format!("cannot read what {} answered", self.address))
    }

    fn answer<R: Request>(&mut self, ticket: Ticket) -> Result<Reader> {
        let frame = read_frame(&mut self.stream).map_err(|error| {
            lost(error).context(format!("no answer to {} from {}", R::NAME, self.address))
        })?;
        let mut reader = Reader::new(frame);
        let version = row::<R>().response_header_version(ticket.version);
        let header = ResponseHeader::decode(&mut reader, version)?;
        ensure!(
            header.correlation_id == ticket.correlation,
            "expected the answer to request {} from {}, that to {} came",
            ticket.correlation,
            self.address,
            header.correlation_id
        );
        Ok(reader)
    }

    /// Asks for the versions, if need be in the oldest version, which every broker has (KIP-511).
    fn learn(&mut self) -> Result<ApiVersionsResponse> {
        let request = ApiVersionsRequest {
            client_software_name: Str::of(CLIENT_ID),
            client_software_version: Str::of(env!("CARGO_PKG_VERSION")),
            ..ApiVersionsRequest::default()
        };
        for version in [4, 3, 0] {
            let ticket = self.send(&request, version)?;
            let mut reader = self.answer::<ApiVersionsRequest>(ticket)?;
            // A broker that does not have the version says so in version 0.
            let refused = reader.clone().i16()? == ErrorCode::UNSUPPORTED_VERSION.0;
            if !refused {
                let answer = ApiVersionsResponse::decode(&mut reader, version)?;
                super::accepted(answer.error_code, None, || "learn the broker's versions".into())?;
                return Ok(answer);
            }
        }
        bail!("it refuses every version of ApiVersions")
    }
}

/// A whole frame: length, header, request.
pub fn encode<R: Request>(request: &R, version: i16, correlation: i32) -> Parts {
    let header = RequestHeader {
        request_api_key: R::API_KEY,
        request_api_version: version,
        correlation_id: correlation,
        client_id: Some(Str::of(CLIENT_ID)),
        ..RequestHeader::default()
    };
    let mut writer = Writer::frame();
    header.encode(&mut writer, row::<R>().request_header_version(version));
    request.encode(&mut writer, version);
    writer.finish()
}

/// A frame as it comes, without its length.
pub fn read_frame(stream: &mut impl Read) -> io::Result<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > ANSWER_BYTES_MAX {
        let why = format!(
            "expected an answer of at most {ANSWER_BYTES_MAX} bytes, one of {length} was announced"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut frame = Vec::new();
    let read = stream.take(length as u64).read_to_end(&mut frame)?;
    match read == length {
        true => Ok(Bytes::from(frame)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Writes all parts, as many as the kernel takes in one call.
pub fn write_parts(stream: &mut impl Write, parts: &Parts) -> io::Result<()> {
    fn slice(part: &Part) -> IoSlice<'_> {
        match part {
            Part::Bytes(bytes) => IoSlice::new(bytes),
            Part::External { .. } => unreachable!("requests hold their records in memory"),
        }
    }
    let mut slices: Vec<IoSlice<'_>> = parts.iter().map(slice).collect();
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        match stream.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The connection is gone, or as good as gone: who can may connect again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection was lost")
    }
}

impl std::error::Error for Lost {}

/// Whether an error says that the broker is away, or the connection to it: the same may go well later.
pub fn is_away(error: &anyhow::Error) -> bool {
    error.chain().any(|e| e.is::<Lost>() || e.is::<io::Error>())
}

/// An error of the socket as one that says what happened.
fn lost(error: io::Error) -> anyhow::Error {
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the broker closed the connection".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("the broker said nothing for {} s", ANSWER_WAIT.as_secs())
        }
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the broker broke the connection off".to_owned()
        }
        _ => error.to_string(),
    };
    anyhow!(Lost).context(text)
}

fn row<R: Request>() -> &'static Api {
    ApiKey(R::API_KEY).api().expect("every request of ours is an API of Kafka's")
}
