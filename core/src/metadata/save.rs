//! The fold in a checkpoint: [`Metadata::save`] and [`Metadata::load`].
//!
//! ```text
//! u16 version = 1
//! u64 end | u64 log_next | i64 producer_id_next
//! u8 has cluster id | str cluster id
//! u32 topics:    16 bytes id | str name | u32 partitions: u64 log | u32 replicas: i32 node
//! u32 resources: u8 type | str name | u32 configs: str key | text value
//! ```
//!
//! Integers, `str` and `text` are those of [`super::records`]. Topics come sorted by id, the rest by name,
//! so that equal states have equal bytes.

use super::records::{Reader, put_resource, put_str, put_text};
use super::{Metadata, Partition, RecordError, Resource, Topic};
use bytes::{BufMut, Bytes, BytesMut};
use sordini_log::{LogId, Offset};
use std::collections::BTreeMap;

/// Version of the section that [`Metadata::save`] writes.
pub const VERSION: u16 = 1;

impl Metadata {
    /// The whole state, for the checkpoint.
    pub fn save(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u16(VERSION);
        out.put_u64(self.end.0);
        out.put_u64(self.log_next.0);
        out.put_i64(self.producer_id_next);
        out.put_u8(u8::from(self.cluster_id.is_some()));
        put_str(&mut out, self.cluster_id.as_deref().unwrap_or_default());
        out.put_u32(self.topics.len() as u32);
        for topic in self.topics.values() {
            out.put_slice(&topic.id.0);
            put_str(&mut out, &topic.name);
            out.put_u32(topic.partitions.len() as u32);
            for partition in &topic.partitions {
                out.put_u64(partition.log.0);
                out.put_u32(partition.replicas.len() as u32);
                partition.replicas.iter().for_each(|r| out.put_i32(r.0));
            }
        }
        out.put_u32(self.configs.len() as u32);
        for (resource, set) in &self.configs {
            put_resource(&mut out, resource);
            out.put_u32(set.len() as u32);
            for (key, value) in set {
                put_str(&mut out, key);
                put_text(&mut out, value);
            }
        }
        out.freeze()
    }

    /// Reads what [`Metadata::save`] wrote.
    pub fn load(bytes: &[u8]) -> Result<Metadata, RecordError> {
        let mut r = Reader::new(bytes);
        let version = r.u16("version")?;
        if version != VERSION {
            return Err(RecordError::UnknownSave { version });
        }
        let mut metadata = Metadata {
            end: Offset(r.u64("end")?),
            log_next: LogId(r.u64("next log")?),
            producer_id_next: r.i64("next producer id")?,
            ..Metadata::default()
        };
        let named = r.u8("whether there is a cluster id")? != 0;
        let cluster_id = r.str("cluster id")?;
        metadata.cluster_id = named.then_some(cluster_id);
        for _ in 0..r.u32("number of topics")? {
            let topic = load_topic(&mut r)?;
            metadata.add(topic);
        }
        for _ in 0..r.u32("number of resources")? {
            let (resource, set) = load_configs(&mut r)?;
            metadata.configs.insert(resource, set);
        }
        r.finish()?;
        Ok(metadata)
    }
}

fn load_topic(r: &mut Reader<'_>) -> Result<Topic, RecordError> {
    let (id, name) = (r.topic()?, r.str("topic name")?);
    let mut partitions = Vec::new();
    for _ in 0..r.u32("number of partitions")? {
        partitions.push(Partition { log: LogId(r.u64("log")?), replicas: r.nodes()? });
    }
    Ok(Topic { id, name: name.into(), partitions })
}

fn load_configs(r: &mut Reader<'_>) -> Result<(Resource, BTreeMap<String, String>), RecordError> {
    let resource = r.resource()?;
    let mut set = BTreeMap::new();
    for _ in 0..r.u32("number of configs")? {
        let key = r.str("config key")?;
        set.insert(key, r.text("config value")?);
    }
    Ok((resource, set))
}
