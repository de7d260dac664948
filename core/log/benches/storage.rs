//! What storage costs besides the disk: an append on top of the journal's copy, and a restart with
//! 1,000 logs and a full journal. The journal alone runs beside it, so that the ratio can be seen.

#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // a benchmark has a clock

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sordini_log::disk::{
    Completion, Data, DirEntry, DirName, DiskOk, DiskOp, Done, FileName, OpKind,
};
use sordini_log::journal::{Frame, Journal, JournalConfig};
use sordini_log::{
    Epoch, LogConfig, LogDir, LogId, Note, Now, Offset, Section, Storage, StorageConfig,
};
use sordini_wire::batch::{Batch, BatchBuilder};
use sordini_wire::codec::Codec;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

/// Keeps journal and checkpoint, and says yes to everything else.
#[derive(Clone, Default)]
struct Disk {
    files: BTreeMap<String, Vec<u8>>,
    keep: bool,
}

impl Disk {
    fn run(&mut self, op: &OpKind) -> DiskOk {
        match op {
            OpKind::Create { file, len } if self.keep => {
                self.files.insert(file.path(), vec![0; *len as usize]);
            }
            OpKind::Write { file, at, data, .. } if self.keep => match file {
                FileName::Log(..) => {}
                _ => self.write(file.path(), *at as usize, data),
            },
            OpKind::Rename { from, to } => {
                if let Some(bytes) = self.files.remove(&from.path()) {
                    self.files.insert(to.path(), bytes);
                }
            }
            OpKind::List { dir } => return DiskOk::Entries(self.list(dir)),
            OpKind::Read { file, .. } => {
                let bytes = self.files.get(&file.path()).cloned().unwrap_or_default();
                return DiskOk::Bytes(Bytes::from(bytes));
            }
            _ => {}
        }
        DiskOk::Unit
    }

    fn write(&mut self, path: String, at: usize, data: &Data) {
        let bytes = self.files.entry(path).or_default();
        bytes.resize(bytes.len().max(at + data.len() as usize), 0);
        let mut at = at;
        let mut put = |from: &[u8]| {
            bytes[at..at + from.len()].copy_from_slice(from);
            at += from.len();
        };
        match data {
            Data::Blocks(blocks) => blocks.iter().for_each(|b| put(&b.0)),
            Data::Slices(slices) => slices.iter().for_each(|s| put(s)),
        }
    }

    fn list(&self, dir: &DirName) -> Vec<DirEntry> {
        let prefix = format!("{}/", dir.path());
        let entry = |(path, bytes): (&String, &Vec<u8>)| {
            let name = path.strip_prefix(&prefix)?.to_string();
            Some(DirEntry { name, is_dir: false, len: bytes.len() as u64 })
        };
        self.files.iter().filter_map(entry).collect()
    }
}

struct Rig {
    storage: Storage,
    disk: Disk,
    out: Vec<DiskOp>,
    notes: Vec<Note>,
    now: Now,
}

impl Rig {
    fn booted(disk: Disk) -> Rig {
        let now = Now { disk_free: 1 << 40, ..Now::default() };
        let storage = Storage::new(StorageConfig::default());
        let mut rig = Rig { storage, disk, out: vec![], notes: vec![], now };
        rig.storage.boot(now, &mut rig.out);
        rig.settle();
        rig
    }

    fn settle(&mut self) {
        loop {
            self.storage.flush(self.now, &mut self.out);
            if self.out.is_empty() {
                break;
            }
            for op in std::mem::take(&mut self.out) {
                let result = Ok(self.disk.run(&op.kind));
                let completion = Completion { done: op.done, result };
                self.storage.done(self.now, completion, &mut self.out, &mut self.notes);
            }
        }
    }

    fn create(&mut self, logs: u64) {
        for id in 1..=logs {
            let dir = LogDir { name: Arc::from(format!("bench-{id}")), log: LogId(id) };
            self.storage.create(dir, [1; 16], 0, LogConfig::default());
        }
        self.settle();
    }

    fn checkpoint(&mut self) {
        let sections: Vec<Section> = vec![];
        self.storage.checkpoint(self.now, sections, &mut self.out);
        self.settle();
    }
}

fn batch(base: u64, bytes: usize) -> Batch {
    let mut builder = BatchBuilder::new(Codec::None).base_offset(base as i64).leader_epoch(1);
    builder.push(1, None, Some(&vec![7; bytes]), &[]);
    builder.build_batch()
}

/// Says yes to whatever the journal asks for, until it asks for nothing.
fn run(journal: &mut Journal, ops: &mut Vec<DiskOp>) {
    let (now, mut more) = (Now::default(), vec![]);
    while !ops.is_empty() {
        for op in ops.drain(..) {
            match op.done {
                Done::Group(seq) => _ = journal.done(now, seq, &mut more),
                Done::JournalFile(n) => journal.file_made(n, &mut more),
                _ => {}
            }
        }
        std::mem::swap(ops, &mut more);
    }
}

/// One batch for every offset, so that the measurement appends what is ready.
fn append(c: &mut Criterion) {
    let mut group = c.benchmark_group("append");
    for bytes in [100, 1000] {
        group.throughput(Throughput::Elements(1000));
        group.bench_function(format!("journal alone, {bytes} B"), |b| {
            let mut journal = Journal::create(JournalConfig::default());
            let mut out = vec![];
            let mut base = 0;
            journal.flush(Now::default(), &mut out);
            run(&mut journal, &mut out);
            b.iter_custom(|rounds| {
                let mut took = std::time::Duration::ZERO;
                for _ in 0..rounds {
                    let batches: Vec<_> = (base..base + 1000).map(|o| batch(o, bytes)).collect();
                    let start = std::time::Instant::now();
                    for batch in batches {
                        let (first, crc) = (Offset(batch.base_offset() as u64), batch.crc());
                        journal.put(Frame::Append {
                            log: LogId(1),
                            epoch: Epoch(1),
                            base: first,
                            last: first,
                            crc,
                            bytes: batch.into_bytes(),
                        });
                    }
                    journal.flush(Now::default(), &mut out);
                    run(&mut journal, &mut out);
                    journal.recycle(journal.open_seq());
                    took += start.elapsed();
                    base += 1000;
                }
                took
            });
        });
        for logs in [1, 1000] {
            group.bench_function(format!("storage, {logs} logs, {bytes} B"), |b| {
                let mut rig = Rig::booted(Disk::default());
                rig.create(logs);
                let mut round = 0;
                b.iter_custom(|rounds| {
                    let mut took = std::time::Duration::ZERO;
                    for _ in 0..rounds {
                        let per = 1000 / logs;
                        let ready: Vec<_> = (0..1000)
                            .map(|i| {
                                let log = LogId(1 + i % logs);
                                (log, batch(round * per + i / logs, bytes))
                            })
                            .collect();
                        let start = std::time::Instant::now();
                        for (log, batch) in ready {
                            black_box(rig.storage.append(rig.now, log, Epoch(1), batch));
                        }
                        rig.settle();
                        took += start.elapsed();
                        round += 1;
                        rig.notes.clear();
                        if !rig.storage.is_checkpointing() && round % 20 == 0 {
                            rig.checkpoint();
                        }
                    }
                    took
                });
            });
        }
    }
}

fn restart(c: &mut Criterion) {
    let mut rig = Rig::booted(Disk { keep: true, ..Disk::default() });
    rig.create(1000);
    rig.checkpoint();
    let mut offsets = vec![0; 1000];
    while rig.storage.room() == sordini_log::Room::Free {
        for (id, offset) in (1..).zip(&mut offsets) {
            rig.storage.append(rig.now, LogId(id), Epoch(1), batch(*offset, 1000));
            *offset += 1;
            if id % 100 == 0 {
                rig.settle();
            }
        }
    }
    let disk = rig.disk;
    let bytes: usize = disk.files.values().map(Vec::len).sum();
    println!("{} MiB of files", bytes >> 20);
    c.benchmark_group("restart").sample_size(10).bench_function(
        "1000 logs and a full journal",
        |b| {
            b.iter_batched(
                || disk.clone(),
                |disk| {
                    let rig = Rig::booted(disk);
                    assert!(matches!(rig.notes[0], Note::Recovered(_)), "{:?}", rig.notes[0]);
                    rig
                },
                criterion::BatchSize::PerIteration,
            );
        },
    );
}

criterion_group!(benches, append, restart);
criterion_main!(benches);
