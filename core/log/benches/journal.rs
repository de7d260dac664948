//! What the journal costs on the loop's thread: `put` and `flush`, as bytes per second, beside a
//! copy of the same bytes in the same run; and the recovery of a full ring.
//!
//! `cargo bench -p sordini-log --bench journal`

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use sordini_log::disk::{BLOCK_BYTES, Block, Data, DiskOp, Done, FileName, OpKind};
use sordini_log::journal::{Frame, Journal, JournalConfig, recover};
use sordini_log::{Epoch, GroupSeq, LogId, Now, Offset};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

/// A disk that keeps what is written, or forgets it.
struct Platter {
    files: BTreeMap<u32, Vec<u8>>,
    keeps: bool,
}

impl Platter {
    /// Does everything that is asked, until nothing more is.
    fn run(&mut self, journal: &mut Journal, ops: &mut Vec<DiskOp>) {
        let mut more = vec![];
        while !ops.is_empty() {
            for DiskOp { kind, done } in ops.drain(..) {
                match kind {
                    OpKind::Create { file: FileName::Journal(n), len } if self.keeps => {
                        self.files.insert(n, vec![0; len as usize]);
                    }
                    OpKind::Write { file: FileName::Journal(n), at, data, .. } if self.keeps => {
                        let Data::Blocks(blocks) = data else {
                            unreachable!("journal writes are blocks")
                        };
                        self.keep(n, at as usize, &blocks);
                    }
                    _ => {}
                }
                match done {
                    Done::Group(seq) => {
                        journal.done(Now::default(), seq, &mut more);
                    }
                    Done::JournalFile(n) => journal.file_made(n, &mut more),
                    _ => {}
                }
            }
            std::mem::swap(ops, &mut more);
        }
    }

    fn keep(&mut self, number: u32, at: usize, blocks: &Arc<Vec<Block>>) {
        let file = self.files.get_mut(&number).expect("the file was made");
        for (to, from) in file[at..].chunks_mut(BLOCK_BYTES).zip(blocks.iter()) {
            to.copy_from_slice(&from.0);
        }
    }
}

fn batches(count: u64, len: usize) -> Vec<Frame> {
    let bytes = Bytes::from((0..len).map(|i| (i * 31) as u8).collect::<Vec<u8>>());
    let frame = |i: u64| Frame::Append {
        log: LogId(i % 12),
        epoch: Epoch(1),
        base: Offset(i),
        last: Offset(i),
        crc: 1,
        bytes: Bytes::copy_from_slice(&bytes),
    };
    (0..count).map(frame).collect()
}

fn put_and_flush(c: &mut Criterion) {
    for (name, count, len) in
        [("1x1KiB", 1, 1 << 10), ("64x4KiB", 64, 4 << 10), ("1x1MiB", 1, 1 << 20)]
    {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(count * len as u64));
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        let frames = batches(count, len);

        let mut to = vec![0u8; count as usize * len];
        group.bench_function("memcpy", |b| {
            b.iter(|| {
                for (to, frame) in to.chunks_mut(len).zip(&frames) {
                    let Frame::Append { bytes, .. } = frame else { unreachable!("appends only") };
                    to.copy_from_slice(black_box(bytes));
                }
                black_box(&mut to);
            })
        });

        let mut journal = Journal::create(JournalConfig::default());
        let mut platter = Platter { files: BTreeMap::new(), keeps: false };
        let mut ops = vec![];
        journal.flush(Now::default(), &mut ops);
        platter.run(&mut journal, &mut ops);
        group.bench_function("put_and_flush", |b| {
            b.iter(|| {
                for frame in &frames {
                    journal.put(frame.clone());
                }
                journal.flush(Now::default(), &mut ops);
                platter.run(&mut journal, &mut ops);
                journal.recycle(journal.open_seq());
            })
        });
        group.finish();
    }
}

fn recovery(c: &mut Criterion) {
    for (name, count, len) in [("groups of 64x4KiB", 64, 4 << 10), ("groups of 1x1KiB", 1, 1 << 10)]
    {
        let mut journal = Journal::create(JournalConfig::default());
        let mut platter = Platter { files: BTreeMap::new(), keeps: true };
        let mut ops = vec![];
        journal.flush(Now::default(), &mut ops);
        platter.run(&mut journal, &mut ops);
        let frames = batches(count, len);
        while journal.room() > 0 {
            for frame in &frames {
                journal.put(frame.clone());
            }
            journal.flush(Now::default(), &mut ops);
            platter.run(&mut journal, &mut ops);
        }
        let files: Vec<(u32, Bytes)> =
            platter.files.into_iter().map(|(n, b)| (n, Bytes::from(b))).collect();
        let bytes: u64 = files.iter().map(|f| f.1.len() as u64).sum();
        let mut group = c.benchmark_group(format!("recover {} MiB, {name}", bytes >> 20));
        group.throughput(Throughput::Bytes(bytes));
        group.sample_size(10).warm_up_time(Duration::from_millis(300));
        group.measurement_time(Duration::from_secs(2));
        group.bench_function("recover", |b| {
            b.iter_batched(
                || files.iter().map(|(n, f)| (*n, Bytes::from(f.to_vec()))).collect(),
                |files| recover(files, GroupSeq(1)).expect("intact").groups.len(),
                BatchSize::PerIteration,
            )
        });
        group.bench_function("memcpy", |b| {
            b.iter(|| files.iter().map(|(_, f)| black_box(f.to_vec()).len()).sum::<usize>())
        });
        group.finish();
    }
}

criterion_group!(benches, put_and_flush, recovery);
criterion_main!(benches);
