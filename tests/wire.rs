//! A client of a hundred lines, for tests that must know exactly what was sent and what came back.

use bytes::Bytes;
use sordini_wire::api::{ApiKey, request_header_version, response_header_version};
use sordini_wire::batch::Batch;
use sordini_wire::message::Message;
use sordini_wire::message::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use sordini_wire::message::header::{RequestHeader, ResponseHeader};
use sordini_wire::message::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use sordini_wire::primitive::{Reader, Writer};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A connection. Requests may be sent ahead of the answers.
pub struct Wire {
    stream: TcpStream,
    correlation: i32,
}

impl Wire {
    /// Connects, trying for as long as `patience`.
    pub fn connect(addr: SocketAddr, patience: Duration) -> io::Result<Wire> {
        let until = Instant::now() + patience;
        loop {
            match TcpStream::connect(addr) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
                    return Ok(Wire { stream, correlation: 0 });
                }
                Err(e) if Instant::now() > until => return Err(e),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// The frame of a request, its length included.
    pub fn frame<M: Message>(correlation: i32, request: &M, version: i16) -> Bytes {
        let mut out = Wire::head(correlation, M::API_KEY, version);
        request.encode(&mut out, version);
        out.finish_joined()
    }

    /// The frame of a request whose body is there already.
    pub fn frame_of(correlation: i32, key: i16, version: i16, body: &[u8]) -> Bytes {
        let mut out = Wire::head(correlation, key, version);
        out.raw(body);
        out.finish_joined()
    }

    fn head(correlation: i32, key: i16, version: i16) -> Writer {
        let mut out = Writer::frame();
        let header = RequestHeader {
            request_api_key: key,
            request_api_version: version,
            correlation_id: correlation,
            client_id: Some("test".into()),
            ..RequestHeader::default()
        };
        header.encode(&mut out, request_header_version(ApiKey(key), version).expect("known"));
        out
    }

    /// Sends a request.
    pub fn send<M: Message>(&mut self, request: &M, version: i16) -> io::Result<()> {
        self.correlation += 1;
        self.stream.write_all(&Wire::frame(self.correlation, request, version))
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// From now on an answer has so long to come.
    pub fn wait_at_most(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    /// The next frame, without its length.
    pub fn receive_raw(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame.into())
    }

    /// The next answer.
    pub fn receive<M: Message>(&mut self, version: i16) -> io::Result<M> {
        let mut reader = Reader::new(self.receive_raw()?);
        let header = response_header_version(ApiKey(M::API_KEY), version).expect("known");
        let bad = |e| io::Error::new(io::ErrorKind::InvalidData, format!("{e}"));
        ResponseHeader::decode(&mut reader, header).map_err(bad)?;
        M::decode(&mut reader, version).map_err(bad)
    }

    /// Asks and waits.
    pub fn ask<Q: Message, A: Message>(&mut self, request: &Q, version: i16) -> io::Result<A> {
        self.send(request, version)?;
        self.receive(version)
    }

    /// Asks for a topic's metadata until all its partitions have a leader; creates it on the way.
    pub fn create(&mut self, topic: &str) -> io::Result<usize> {
        let asked = MetadataRequestTopic { name: Some(topic.into()), ..Default::default() };
        let request = MetadataRequest {
            topics: Some(vec![asked]),
            allow_auto_topic_creation: true,
            ..MetadataRequest::default()
        };
        for _ in 0..500 {
            let answer: MetadataResponse = self.ask(&request, 12)?;
            if answer.topics[0].error_code == 0 {
                return Ok(answer.topics[0].partitions.len());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(io::Error::other(format!("topic {topic} does not come to be")))
    }

    /// Reads a partition from an offset to its high watermark: (offset, value) of each record.
    pub fn read_all(&mut self, topic: &str, partition: i32) -> io::Result<Vec<(i64, Bytes)>> {
        let mut records: Vec<(i64, Bytes)> = Vec::new();
        loop {
            let next = records.last().map_or(0, |r| r.0 + 1);
            let partitions = vec![FetchPartition {
                partition,
                fetch_offset: next,
                partition_max_bytes: 1 << 20,
                ..FetchPartition::default()
            }];
            let topics =
                vec![FetchTopic { topic: topic.into(), partitions, ..FetchTopic::default() }];
            let request = FetchRequest { topics, ..FetchRequest::default() };
            let mut answer: FetchResponse = self.ask(&request, 11)?;
            let part = answer.responses.remove(0).partitions.remove(0);
            if part.error_code != 0 {
                return Err(io::Error::other(format!(
                    "{topic}-{partition} at {next}: error {}",
                    part.error_code
                )));
            }
            let bytes = part.records.and_then(|r| r.contiguous()).unwrap_or_default();
            let (batches, _) = sordini_wire::batch::split_prefix(bytes).expect("sound batches");
            for batch in &batches {
                batch.check_crc().expect("a right checksum");
                push(&mut records, batch, next);
            }
            if records.last().map_or(0, |r| r.0 + 1) >= part.high_watermark {
                return Ok(records);
            }
        }
    }
}

fn push(records: &mut Vec<(i64, Bytes)>, batch: &Batch, from: i64) {
    for record in batch.records(1 << 26).expect("records that can be opened") {
        let record = record.expect("a sound record");
        if record.offset >= from {
            records.push((record.offset, record.value.unwrap_or_default()));
        }
    }
}
