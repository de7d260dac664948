//! Consumers of a load: each reads partitions from the beginning to the end, over and over, and checks
//! every batch's CRC.

use super::engine::{Dialogue, Worth};
use super::produce::{joined, open};
use super::stage::Stage;
use crate::client::accepted;
use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use sordini_wire::api::ApiKey;
use sordini_wire::batch::walk;
use sordini_wire::message::Message;
use sordini_wire::message::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use sordini_wire::primitive::{Str, Uuid};

/// A consumer.
pub struct Consumer {
    topic: (Str, Uuid),
    version: i16,
    /// The partitions it reads, and where it is.
    partitions: Vec<i32>,
    current: usize,
    offset: i64,
    fetch_bytes: i32,
    frame: Vec<u8>,
    sent: i32,
    answered: i32,
}

impl Consumer {
    /// Consumer number `number` of `consumers`, who share the partitions of the stage among them.
    pub fn new(stage: &Stage, number: usize, consumers: usize, fetch_bytes: i32) -> Consumer {
        let topic = &stage.topics[number % stage.topics.len()];
        let all = topic.partitions.len();
        let mine = (0..all).filter(|p| p % consumers == number % all.min(consumers));
        Consumer {
            topic: (topic.name.clone(), topic.id),
            version: stage.fetch_version,
            partitions: mine.map(|p| p as i32).collect(),
            current: 0,
            offset: 0,
            fetch_bytes,
            frame: Vec::new(),
            sent: 0,
            answered: 0,
        }
    }
}

impl Dialogue for Consumer {
    fn request(&mut self) -> &[u8] {
        let request = FetchRequest {
            max_wait_ms: 100,
            min_bytes: 0,
            max_bytes: self.fetch_bytes,
            topics: vec![FetchTopic {
                topic: self.topic.0.clone(),
                topic_id: self.topic.1,
                partitions: vec![FetchPartition {
                    partition: self.partitions[self.current],
                    fetch_offset: self.offset,
                    partition_max_bytes: self.fetch_bytes,
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        self.sent += 1;
        self.frame = joined(&request, self.version);
        super::produce::put(&mut self.frame, 8, self.sent);
        &self.frame
    }

    fn answer(&mut self, frame: Bytes) -> Result<Worth> {
        self.answered += 1;
        let mut reader = open(frame, ApiKey::FETCH, self.version, self.answered)?;
        let answer = FetchResponse::decode(&mut reader, self.version)?;
        accepted(answer.error_code, None, || "fetch".into())?;
        let Some(data) = answer.responses.first().and_then(|t| t.partitions.first()) else {
            bail!("expected one partition in the answer, none came");
        };
        accepted(data.error_code, None, || format!("fetch at offset {}", self.offset))?;
        let records = data.records.as_ref().and_then(|r| r.contiguous()).unwrap_or_default();
        let mut worth = Worth::default();
        for placed in walk(&records) {
            let batch = placed?.batch;
            batch.check_crc()?;
            ensure!(
                batch.next_offset() > self.offset,
                "expected records from offset {} on, a batch that ends at {} came",
                self.offset,
                batch.next_offset()
            );
            self.offset = batch.next_offset();
            worth.records += batch.records_count() as u64;
            worth.bytes += batch.size() as u64;
        }
        if self.offset >= data.high_watermark {
            self.current = (self.current + 1) % self.partitions.len();
            self.offset = 0;
        }
        Ok(worth)
    }
}
