//! A journal on a platter in memory, for all tests of this room.

use crate::disk::{BLOCK_BYTES, Data, DiskOp, Done, FileName, OpKind};
use crate::journal::frame::{BATCH_OUTSIDE_BYTES, Frame};
use crate::journal::{Journal, JournalConfig, JournalError, JournalImage, recover};
use crate::{Epoch, GroupSeq, LogId, Mono, Now, Offset};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Content of every journal file.
pub type Platter = BTreeMap<u32, Vec<u8>>;

/// A group that is with the disk.
#[derive(Clone, Debug)]
pub struct Pending {
    pub seq: GroupSeq,
    pub file: u32,
    pub at: usize,
    pub bytes: Vec<u8>,
}

/// A journal, its platter, and what was put into each group.
#[derive(Clone)]
pub struct Rig {
    pub journal: Journal,
    pub platter: Platter,
    pub pending: Option<Pending>,
    /// A group that recovery read from a cache, and the file without it: what a power loss may
    /// still leave.
    pub volatile: Option<(Pending, Vec<u8>)>,
    /// Frames of every group that was ever put into, by this life.
    pub groups: BTreeMap<GroupSeq, Vec<Frame>>,
    pub now: Now,
}

/// A ring of few small files: every test runs several laps.
pub fn small() -> JournalConfig {
    JournalConfig {
        bytes: 24 * BLOCK_BYTES as u64,
        file_bytes: 8 * BLOCK_BYTES as u64,
        first_file_bytes: 6 * BLOCK_BYTES as u64,
        group_bytes_max: 4 * BLOCK_BYTES as u64,
        queue_bytes_max: 1 << 20,
    }
}

impl Rig {
    pub fn new(config: JournalConfig) -> Rig {
        let mut rig = Rig::on(Journal::create(config), Platter::new());
        rig.flush();
        rig
    }

    fn on(journal: Journal, platter: Platter) -> Rig {
        let (pending, volatile) = (None, None);
        let (groups, now) = (BTreeMap::new(), Now::default());
        Rig { journal, platter, pending, volatile, groups, now }
    }

    /// The next life, on what the last one left.
    pub fn boot(config: JournalConfig, platter: Platter, image: &JournalImage) -> Rig {
        let mut rig = Rig::on(Journal::resume(image, config), platter);
        rig.groups = image.groups.iter().map(|g| (g.seq, g.frames.clone())).collect();
        rig.flush();
        rig
    }

    pub fn put(&mut self, frame: Frame) -> GroupSeq {
        let seq = self.journal.put(frame.clone());
        self.groups.entry(seq).or_default().push(frame);
        seq
    }

    pub fn flush(&mut self) {
        let mut out = vec![];
        self.journal.flush(self.now, &mut out);
        self.run(out);
    }

    /// The group in flight becomes durable.
    pub fn sync(&mut self) {
        let Some(p) = self.pending.take() else { return };
        p.write(&mut self.platter);
        let mut out = vec![];
        assert_eq!(self.journal.done(self.now, p.seq, &mut out).through, p.seq);
        self.run(out);
    }

    /// Puts, flushes and syncs one group.
    pub fn group(&mut self, frames: impl IntoIterator<Item = Frame>) -> GroupSeq {
        let seqs: Vec<GroupSeq> = frames.into_iter().map(|f| self.put(f)).collect();
        self.flush();
        while self.pending.is_some() {
            self.sync();
            self.flush();
        }
        *seqs.last().expect("a group has frames")
    }

    /// Seals the journal.
    pub fn seal(&mut self) {
        let mut out = vec![];
        let seq = self.journal.seal(self.now, &mut out);
        self.groups.entry(seq).or_insert(vec![Frame::Seal]);
        self.run(out);
        self.sync();
    }

    /// Does operations at once, but for the write of a group, which waits for [`Rig::sync`].
    pub fn run(&mut self, mut ops: Vec<DiskOp>) {
        while !ops.is_empty() {
            let DiskOp { kind, done } = ops.remove(0);
            match kind {
                OpKind::Create { file: FileName::Journal(n), len } => {
                    self.platter.insert(n, vec![0; len as usize]);
                }
                OpKind::Write { file: FileName::Journal(file), at, data, sync: true } => {
                    let Data::Blocks(blocks) = data else {
                        panic!("journals are written in blocks")
                    };
                    let bytes: Vec<u8> = blocks.iter().flat_map(|b| b.0).collect();
                    let seq = if let Done::Group(seq) = done { seq } else { GroupSeq(0) };
                    let write = Pending { seq, file, at: at as usize, bytes };
                    self.volatile.take_if(|v| v.0.file == file);
                    if seq.0 == 0 {
                        write.write(&mut self.platter);
                    } else {
                        assert!(self.pending.replace(write).is_none(), "one group in flight");
                    }
                }
                OpKind::SyncDir { .. } => {}
                other => panic!("a journal does not do {other:?}"),
            }
            if let Done::JournalFile(n) = done {
                self.journal.file_made(n, &mut ops);
            }
        }
    }
}

impl Pending {
    pub fn write(&self, platter: &mut Platter) {
        let file = platter.get_mut(&self.file).expect("the file was made");
        file[self.at..self.at + self.bytes.len()].copy_from_slice(&self.bytes);
    }
}

pub fn recovered(platter: &Platter, from: GroupSeq) -> Result<JournalImage, JournalError> {
    recover(platter.iter().map(|(n, b)| (*n, Bytes::from(b.clone()))).collect(), from)
}

/// A batch of `len` bytes in all with the CRC-32C that its frame names.
pub fn append(log: u64, base: u64, last: u64, len: usize) -> Frame {
    let mut bytes: Vec<u8> = (0..len).map(|i| (i as u64 * 31 + base * 7 + log) as u8).collect();
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes[BATCH_OUTSIDE_BYTES..])
        as u32;
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    Frame::Append {
        log: LogId(log),
        epoch: Epoch(3),
        base: Offset(base),
        last: Offset(last),
        crc,
        bytes: bytes.into(),
    }
}

pub fn at_ms(ms: u64) -> Now {
    Now { mono: Mono(ms * 1_000_000), ..Now::default() }
}

/// So many cases of a property; seeds of failures are printed, not kept.
pub fn cases(cases: u32) -> proptest::test_runner::Config {
    proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() }
}
