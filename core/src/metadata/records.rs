//! What the metadata log says, record by record.
//!
//! A record is the value of one Kafka record in the log [`LogId::METADATA`]; the key is null. The encoding
//! is our own and written by hand, so that a data directory can be read by every later version:
//!
//! ```text
//! u16 kind | u16 version | fields
//! ```
//!
//! All integers are big-endian. A string is `u16 length | UTF-8`; a config value is `u32 length | UTF-8`; a
//! list is `u32 count | elements`. A kind or version that is not listed here is refused: it was written by
//! a newer program, and to skip it would build another state than its writer had.

use super::{NodeId, Resource, ResourceKind, TopicId};
use bytes::{BufMut, Bytes, BytesMut};
use sordini_log::LogId;

/// One change of the cluster's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum MetadataRecord {
    /// The cluster got its id; once, before anything else.
    ClusterId { id: String },
    /// A topic came to be, still without partitions.
    TopicCreated { topic: TopicId, name: String },
    /// A topic's next partition came to be: `partition` is the number of those before it.
    PartitionCreated { topic: TopicId, partition: i32, log: LogId, replicas: Vec<NodeId> },
    /// A topic went, with its partitions and configs.
    TopicDeleted { topic: TopicId },
    /// A config was set on a resource.
    ConfigSet { resource: Resource, key: String, value: String },
    /// A config of a resource was taken away.
    ConfigRemoved { resource: Resource, key: String },
    /// All producer ids below `next` may have been given out.
    ProducerIdBlock { next: i64 },
}

/// Why bytes are no metadata record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer program.
    #[error(
        "metadata record of kind {kind} version {version} is not known: it was written by a newer sordini; start that one"
    )]
    Unknown {
        /// Kind as read.
        kind: u16,
        /// Version as read.
        version: u16,
    },
    /// A checkpoint's section written by a newer program.
    #[error(
        "metadata section of version {version} is not known: it was written by a newer sordini; start that one"
    )]
    UnknownSave {
        /// Version as read.
        version: u16,
    },
    /// The bytes end early, or hold what cannot be.
    #[error("metadata record is damaged: {what} at byte {at} of {len}")]
    Damaged {
        /// Which field, and what is wrong with it.
        what: &'static str,
        /// Where the field starts.
        at: usize,
        /// Length of the whole.
        len: usize,
    },
    /// The record is sound, but contradicts the state that it is applied to.
    #[error("metadata record contradicts what came before it: {0}")]
    Contradiction(String),
}

const CLUSTER_ID: u16 = 1;
const TOPIC_CREATED: u16 = 2;
const PARTITION_CREATED: u16 = 3;
const TOPIC_DELETED: u16 = 4;
const CONFIG_SET: u16 = 5;
const CONFIG_REMOVED: u16 = 6;
const PRODUCER_ID_BLOCK: u16 = 7;

impl MetadataRecord {
    /// The record's bytes, all of them in the newest version.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(64);
        match self {
            MetadataRecord::ClusterId { id } => {
                head(&mut out, CLUSTER_ID);
                put_str(&mut out, id);
            }
            MetadataRecord::TopicCreated { topic, name } => {
                head(&mut out, TOPIC_CREATED);
                out.put_slice(&topic.0);
                put_str(&mut out, name);
            }
            MetadataRecord::PartitionCreated { topic, partition, log, replicas } => {
                head(&mut out, PARTITION_CREATED);
                out.put_slice(&topic.0);
                out.put_i32(*partition);
                out.put_u64(log.0);
                out.put_u32(replicas.len() as u32);
                replicas.iter().for_each(|r| out.put_i32(r.0));
            }
            MetadataRecord::TopicDeleted { topic } => {
                head(&mut out, TOPIC_DELETED);
                out.put_slice(&topic.0);
            }
            MetadataRecord::ConfigSet { resource, key, value } => {
                head(&mut out, CONFIG_SET);
                put_resource(&mut out, resource);
                put_str(&mut out, key);
                put_text(&mut out, value);
            }
            MetadataRecord::ConfigRemoved { resource, key } => {
                head(&mut out, CONFIG_REMOVED);
                put_resource(&mut out, resource);
                put_str(&mut out, key);
            }
            MetadataRecord::ProducerIdBlock { next } => {
                head(&mut out, PRODUCER_ID_BLOCK);
                out.put_i64(*next);
            }
        }
        out.freeze()
    }

    /// Reads one record; every byte must belong to it.
    pub fn decode(bytes: &[u8]) -> Result<MetadataRecord, RecordError> {
        let mut r = Reader::new(bytes);
        let (kind, version) = (r.u16("kind")?, r.u16("version")?);
        if version != 0 {
            return Err(RecordError::Unknown { kind, version });
        }
        let record = match kind {
            CLUSTER_ID => MetadataRecord::ClusterId { id: r.str("cluster id")? },
            TOPIC_CREATED => {
                MetadataRecord::TopicCreated { topic: r.topic()?, name: r.str("topic name")? }
            }
            PARTITION_CREATED => MetadataRecord::PartitionCreated {
                topic: r.topic()?,
                partition: r.i32("partition")?,
                log: LogId(r.u64("log")?),
                replicas: r.nodes()?,
            },
            TOPIC_DELETED => MetadataRecord::TopicDeleted { topic: r.topic()? },
            CONFIG_SET => MetadataRecord::ConfigSet {
                resource: r.resource()?,
                key: r.str("config key")?,
                value: r.text("config value")?,
            },
            CONFIG_REMOVED => {
                MetadataRecord::ConfigRemoved { resource: r.resource()?, key: r.str("config key")? }
            }
            PRODUCER_ID_BLOCK => MetadataRecord::ProducerIdBlock { next: r.i64("producer id")? },
            _ => return Err(RecordError::Unknown { kind, version }),
        };
        r.finish()?;
        Ok(record)
    }
}

fn head(out: &mut BytesMut, kind: u16) {
    out.put_u16(kind);
    out.put_u16(0);
}

/// Writes a short string: names and keys. All of them are checked to be short long before they come here.
pub(super) fn put_str(out: &mut BytesMut, s: &str) {
    out.put_u16(u16::try_from(s.len()).expect("names and keys are shorter than 64 KiB"));
    out.put_slice(s.as_bytes());
}

/// Writes a config value, which may be long.
pub(super) fn put_text(out: &mut BytesMut, s: &str) {
    out.put_u32(
        u32::try_from(s.len()).expect("a value came in a frame, so it is shorter than 2 GiB"),
    );
    out.put_slice(s.as_bytes());
}

/// Writes which resource.
pub(super) fn put_resource(out: &mut BytesMut, resource: &Resource) {
    out.put_u8(resource.kind.code() as u8);
    put_str(out, &resource.name);
}

/// Takes fields off the front of a slice; says which one was wrong, and where.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    fn damaged(&self, what: &'static str) -> RecordError {
        RecordError::Damaged { what, at: self.at, len: self.bytes.len() }
    }

    pub(super) fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], RecordError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.damaged(what))?;
        let piece = &self.bytes[self.at..end];
        self.at = end;
        Ok(piece)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], RecordError> {
        Ok(self.take(N, what)?.try_into().expect("take gives what was asked"))
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, RecordError> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(super) fn u16(&mut self, what: &'static str) -> Result<u16, RecordError> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, RecordError> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    pub(super) fn i32(&mut self, what: &'static str) -> Result<i32, RecordError> {
        Ok(i32::from_be_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, RecordError> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, RecordError> {
        Ok(i64::from_be_bytes(self.array(what)?))
    }

    fn utf8(&mut self, len: usize, what: &'static str) -> Result<String, RecordError> {
        let at = self.at;
        let bytes = self.take(len, what)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| RecordError::Damaged {
            what,
            at,
            len: self.bytes.len(),
        })
    }

    pub(super) fn str(&mut self, what: &'static str) -> Result<String, RecordError> {
        let len = self.u16(what)?;
        self.utf8(usize::from(len), what)
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<String, RecordError> {
        let len = self.u32(what)?;
        self.utf8(len as usize, what)
    }

    pub(super) fn topic(&mut self) -> Result<TopicId, RecordError> {
        Ok(TopicId(self.array("topic id")?))
    }

    pub(super) fn nodes(&mut self) -> Result<Vec<NodeId>, RecordError> {
        let count = self.u32("number of replicas")?;
        // The vector grows as its elements are read, so a wrong count costs nothing.
        (0..count).map(|_| Ok(NodeId(self.i32("replica")?))).collect()
    }

    pub(super) fn resource(&mut self) -> Result<Resource, RecordError> {
        let code = self.u8("resource type")?;
        let kind =
            ResourceKind::from_code(code as i8).ok_or_else(|| self.damaged("resource type"))?;
        Ok(Resource { kind, name: self.str("resource name")? })
    }

    pub(super) fn finish(&self) -> Result<(), RecordError> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(self.damaged("bytes after the last field"))
        }
    }
}
