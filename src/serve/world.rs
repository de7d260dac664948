//! What the loop needs of the world besides sockets: disk, clocks, and somebody who writes down what happens.

use sordini_core::seam::{Completion, Fact, FileSlice, Mono, Now, Wall};
use sordini_disk::{FileReader, RealDisk};
use sordini_net::{Host, ReadReply};
use std::io::{self, Write};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// See the module.
pub struct World {
    disk: RealDisk,
    reader: FileReader,
    started: Instant,
    /// What was said last of the free space: the same again is no news.
    read_only: bool,
    /// What standard output says when the broker is ready.
    announce: String,
}

impl World {
    /// A world around a disk. `started` is when this life began.
    pub fn new(disk: RealDisk, started: Instant, announce: String) -> World {
        World { reader: disk.reader(), disk, started, read_only: false, announce }
    }

    fn read_only(&mut self, now: bool) {
        self.read_only = now;
        match now {
            true => tracing::warn!(
                "the disk is nearly full: records are refused until space is freed; delete topics, \
                 lower their retention, or enlarge the file system"
            ),
            false => tracing::info!("the disk has room: records are taken again"),
        }
    }

    fn ready(&self) {
        let mut out = io::stdout().lock();
        // Nobody may be reading; the broker runs all the same.
        let _ = writeln!(out, "{}", self.announce).and_then(|()| out.flush());
    }
}

impl Host for World {
    type Disk = RealDisk;

    fn now(&mut self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            mono: Mono(self.started.elapsed().as_nanos() as u64),
            wall: Wall(wall.as_millis() as i64),
            disk_free: self.disk.free(),
        }
    }

    fn disk(&mut self) -> &mut RealDisk {
        &mut self.disk
    }

    fn completions(&mut self, into: &mut Vec<Completion>) {
        self.disk.completions(into);
    }

    fn read(&mut self, slice: &FileSlice, len: u32, reply: ReadReply) {
        self.reader.read_checked(slice.file.clone(), slice.at, slice.len, len, reply);
    }

    fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Recovered { boot, logs, groups, replayed_bytes } => {
                let ms = self.started.elapsed().as_millis() as u64;
                tracing::info!(boot, logs, groups, replayed_bytes, ms, "recovered");
                self.ready();
            }
            Fact::Warning(what) => tracing::warn!("{what}"),
            // The loop ends with it, and the program says it last.
            Fact::Fatal(why) => tracing::error!("{why}"),
            Fact::Faulty { log, from, to } => {
                tracing::error!(%log, %from, %to, "these offsets cannot be read");
            }
            Fact::ReadOnly(now) if now == self.read_only => {}
            Fact::ReadOnly(now) => self.read_only(now),
            Fact::PartitionCreated { topic, partition, log } => {
                tracing::debug!(topic, partition, %log, "partition created");
            }
            Fact::PartitionDeleted { log } => tracing::debug!(%log, "partition deleted"),
            Fact::Client { conn, what } => tracing::info!(%conn, "{what}"),
            Fact::Drained => tracing::debug!("drained"),
            Fact::HighWatermark { log, offset } => {
                tracing::trace!(%log, offset, "high watermark");
            }
        }
    }
}
