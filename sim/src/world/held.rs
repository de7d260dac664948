//! What a data directory holds that a run began on: read through the wire, as an auditor reads everything else.

use super::World;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::image::Held;
use crate::ledger::{Part, TopicNo, Views};
use crate::load::wire;
use sordini_wire::message::Message;
use sordini_wire::message::metadata::{MetadataRequest, MetadataResponse};

/// The node that stands on the image.
pub(super) const NODE: u32 = 0;

/// Version of the question for all topics.
const METADATA: i16 = 12;

impl World {
    /// What the image's topics hold now. Topics that loads made are not among them.
    pub fn held(&mut self) -> Result<Held, Failure> {
        let mut held = Held::new();
        for (name, partitions) in self.foreign_topics()? {
            for partition in 0..partitions {
                let part = self.part_of(&name, partition);
                let mut conn = self.connect(None, NODE);
                let view = self.view(&mut conn, &name, part, wire::by_checksum, 0)?;
                self.hang_up(conn);
                held.insert((name.clone(), partition), view);
            }
        }
        Ok(held)
    }

    /// The auditor reads the image's topics once more.
    pub(super) fn audit_image(&mut self) -> Result<(), Failure> {
        if self.ledger.image.is_empty() || self.nodes[NODE as usize].is_lost() {
            return Ok(());
        }
        let parts: Vec<Part> = self.ledger.image.keys().copied().collect();
        let mut found = Views::new();
        let mut conn = self.connect(None, NODE);
        for part in parts {
            let name = self.ledger.topics[usize::from(part.topic.0)].name.clone();
            found.insert(part, self.view(&mut conn, &name, part, wire::by_checksum, 0)?);
        }
        self.hang_up(conn);
        self.ledger.image_now = found;
        Ok(())
    }

    /// The first node's disk is what the scenario's image is.
    pub(super) fn stand_on_image(&mut self) {
        let Some(image) = self.scenario.image.clone() else { return };
        for node in &mut self.nodes {
            node.clock = Clock::beginning(image.wall_ms);
        }
        let node = &mut self.nodes[NODE as usize];
        node.platter.stand_on(&image.dirs, &image.files);
        node.founded = true;
        for (log, dir) in node.platter.logs() {
            if let Some((topic, partition)) = dir.rsplit_once('-')
                && let Ok(partition) = partition.parse()
            {
                self.logs.insert((NODE, log), (topic.to_owned(), partition));
            }
        }
        for ((name, partition), view) in &image.held {
            let part = self.part_of(name, *partition);
            self.ledger.image.insert(part, view.clone());
        }
    }

    /// Name and partitions of every topic that no load made.
    fn foreign_topics(&mut self) -> Result<Vec<(String, i32)>, Failure> {
        let conn = self.connect(None, NODE);
        let request = MetadataRequest { topics: None, ..Default::default() };
        let mut body = self.ask(conn, &request, METADATA, MetadataRequest::API_KEY)?;
        self.hang_up(conn);
        let answer: MetadataResponse = wire::decoded(&mut body, METADATA)?;
        let mut topics = Vec::new();
        for topic in answer.topics {
            let name = topic.name.as_deref().unwrap_or_default().to_owned();
            if topic.error_code != 0 {
                let what = format!("topic {name}: {}", topic.error_code);
                return Err(Failure::new("legal_answers", what));
            }
            topics.push((name, topic.partitions.len() as i32));
        }
        Ok(topics)
    }

    /// The ledger's name for a partition of the image.
    fn part_of(&mut self, name: &str, partition: i32) -> Part {
        let known = self.ledger.topics.iter().position(|t| t.node == NODE && t.name == name);
        let topic = match known {
            Some(number) => TopicNo(number as u16),
            None => self.ledger.topic(name, partition + 1, NODE),
        };
        Part { topic, partition }
    }
}
