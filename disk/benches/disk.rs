//! What the disk lanes cost beside the bare system calls, in one run: `cargo bench -p sordini-disk`.
//!
//! Every line is a median and a 99th percentile of a few hundred operations. The bare numbers are the limit; what
//! the lanes add is the difference. The directory is the first argument, by default the system's scratch directory.

use bytes::Bytes;
use rustix::fs::{Mode, OFlags, fdatasync, open};
use rustix::io::{ReadWriteFlags, pwritev, pwritev2};
use smallvec::smallvec;
use sordini_disk::{Options, RealDisk};
use sordini_log::disk::{
    Block, Completion, Data, DirName, Disk, DiskOp, Done, FileName, LogFile, OpKind,
};
use sordini_log::{LogDir, LogId, Offset};
use sordini_wire::batch::BatchBuilder;
use sordini_wire::codec::Codec;
use std::fs::File;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const FILE_BYTES: u64 = 16 << 20;
const SIZES: [usize; 3] = [4 << 10, 64 << 10, 1 << 20];

fn main() {
    let base = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let dir = match base {
        Some(base) => tempfile::tempdir_in(base),
        None => tempfile::tempdir(),
    };
    let dir = dir.expect("a scratch directory");
    let mut rig = Rig::new(dir.path());
    rig.one(OpKind::MakeDir { dir: DirName::Journal });
    rig.one(OpKind::Create { file: FileName::Journal(0), len: FILE_BYTES });
    println!("append + sync to a zero-filled O_DIRECT file, us      p50     p99");
    SIZES.into_iter().for_each(|size| commits(&mut rig, dir.path(), size));
    beside(&mut rig);
    reads(&mut rig);
}

/// The system calls alone, three ways to the same promise, and through the lanes. The ways take turns, so that
/// what else the machine does harms them alike.
fn commits(rig: &mut Rig, dir: &Path, size: usize) {
    const WAYS: [&str; 6] = [
        "bare pwritev + fdatasync",
        "bare pwrite of one slice + fdatasync",
        "bare pwritev, O_DSYNC",
        "bare pwritev2, RWF_DSYNC",
        "lane, inline",
        "lane, thread",
    ];
    let path = dir.join("data/journal/00000000.journal");
    let file = |flags| {
        let flags = OFlags::RDWR | OFlags::DIRECT | flags;
        File::from(open(&path, flags, Mode::empty()).expect("the journal file"))
    };
    let (plain, dsync) = (file(OFlags::empty()), file(OFlags::DSYNC));
    let blocks = Arc::new(vec![Block([1; 4096]); size / 4096]);
    let slices: Vec<IoSlice> = blocks.iter().map(|b| IoSlice::new(&b.0)).collect();
    let one = vec![1u8; size + 4096];
    let one = [IoSlice::new(&one[one.as_ptr().align_offset(4096)..][..size])];
    let mut times = WAYS.map(|_| Vec::new());
    let (mut at, begin) = (0, Instant::now());
    while begin.elapsed() < Duration::from_millis(1200) {
        for (way, times) in times.iter_mut().enumerate() {
            let start = Instant::now();
            let wrote = match way {
                0 => pwritev(&plain, &slices, at).and_then(|n| fdatasync(&plain).map(|()| n)),
                1 => pwritev(&plain, &one, at).and_then(|n| fdatasync(&plain).map(|()| n)),
                2 => pwritev(&dsync, &slices, at),
                3 => pwritev2(&plain, &slices, at, ReadWriteFlags::DSYNC),
                _ => Ok(rig.group(&blocks, at, way == 4)),
            };
            assert_eq!(wrote.expect("a commit"), size);
            times.push(start.elapsed());
            at = (at + size as u64) % FILE_BYTES;
        }
    }
    for (way, times) in times.into_iter().enumerate() {
        report(WAYS[way], size, times);
    }
}

fn report(name: &str, size: usize, mut times: Vec<Duration>) {
    times.sort();
    let us = |d: Duration| d.as_nanos() as f64 / 1e3;
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    let max = times[times.len() - 1];
    let (n, p50, p99, max) = (times.len(), us(p50), us(p99), us(max));
    println!("{:>5} KiB  {name:<36} {p50:>8.1} {p99:>7.1}   max {max:.0}, n {n}", size >> 10);
}

/// Commits of 4 KiB while the store lane is busy.
fn beside(rig: &mut Rig) {
    println!("\n4 KiB commits, inline, while the store lane works, us");
    let log = LogDir { name: "big-0".into(), log: LogId(1) };
    rig.log(&log);
    let segment = |n| FileName::Log(log.clone(), LogFile::Segment(Offset(n)));
    rig.one(OpKind::Create { file: FileName::Journal(1), len: FILE_BYTES });
    rig.watch("nothing", Vec::new());
    rig.watch(
        "makes 64 MiB of journal",
        vec![OpKind::Create { file: FileName::Journal(1), len: 64 << 20 }],
    );
    let piece = Bytes::from(vec![7; 512 << 10]);
    let pieces = |n: u64| (0..256).map(move |i| (n, i << 19));
    let write = |(n, at)| OpKind::Write {
        file: segment(n),
        at,
        data: Data::Slices(smallvec![piece.clone()]),
        sync: true,
    };
    rig.watch("writes 128 MiB in synced pieces", pieces(0).map(write).collect());
    for n in 1..8 {
        let kinds: Vec<_> = pieces(n).map(write).collect();
        let count = kinds.len();
        rig.send(kinds, false);
        rig.wait(count);
    }
    let deleted = DirName::Deleted(log.clone());
    rig.one(OpKind::RenameDir { from: DirName::Log(log.clone()), to: deleted.clone() });
    rig.watch("removes 1 GiB in eight files", vec![OpKind::RemoveDir { dir: deleted }]);
    rig.log(&log);
    rig.one(OpKind::Create { file: segment(0), len: 1 << 30 });
    let deleted = DirName::Deleted(log.clone());
    rig.one(OpKind::RenameDir { from: DirName::Log(log.clone()), to: deleted.clone() });
    rig.watch("removes 1 GiB in one file", vec![OpKind::RemoveDir { dir: deleted }]);
}

/// Page cache to checked bytes, one reading thread kept busy.
fn reads(rig: &mut Rig) {
    println!("\npage cache to checked bytes, one thread");
    let log = LogDir { name: "cold-0".into(), log: LogId(2) };
    rig.log(&log);
    let file = FileName::Log(log, LogFile::Segment(Offset(0)));
    let (mut batch, value) = (BatchBuilder::new(Codec::None), vec![5; 1000]);
    for _ in 0..64 {
        batch.push(1, None, Some(&value), &[]);
    }
    let batch = batch.build();
    let count = (256 << 20) / batch.len();
    for n in 0..count {
        let at = (n * batch.len()) as u64;
        let data = Data::Slices(smallvec![batch.clone()]);
        rig.send(vec![OpKind::Write { file: file.clone(), at, data, sync: false }], false);
    }
    rig.wait(count);
    let reader = rig.disk.reader();
    for per_read in [1, 4, 16, 64, 256] {
        let len = per_read * batch.len();
        let answered = Arc::new(AtomicU64::new(0));
        let (tell, told) = channel();
        let begin = Instant::now();
        let reads = count / per_read;
        let total = (reads * len) as u64;
        for n in 0..reads {
            let (answered, tell) = (answered.clone(), tell.clone());
            reader.read_checked(
                file.clone(),
                (n * len) as u64,
                len as u32,
                len as u32,
                Box::new(move |bytes| {
                    let bytes = bytes.expect("good batches").len() as u64;
                    if answered.fetch_add(bytes, Ordering::Relaxed) + bytes == total {
                        tell.send(()).unwrap();
                    }
                }),
            );
        }
        told.recv().unwrap();
        let speed = total as f64 / begin.elapsed().as_secs_f64() / 1e9;
        println!("{:>5} KiB a read   {speed:.2} GB/s", len >> 10);
    }
}

struct Rig {
    disk: RealDisk,
    woken: Receiver<()>,
}

impl Rig {
    fn new(dir: &Path) -> Rig {
        let (wake, woken) = channel();
        let options = Options { inline_bytes_max: 16 << 20, read_threads: 1, ..Options::default() };
        let wake = Arc::new(move || wake.send(()).unwrap_or(()));
        Rig { disk: RealDisk::open(&dir.join("data"), options, wake).unwrap(), woken }
    }

    fn send(&mut self, kinds: Vec<OpKind>, idle: bool) {
        let done = Done::Nothing;
        self.disk.submit(&mut kinds.into_iter().map(|kind| DiskOp { kind, done }).collect(), idle);
    }

    fn wait(&mut self, mut count: usize) {
        let mut came: Vec<Completion> = Vec::new();
        while count > 0 {
            self.disk.completions(&mut came);
            count -= came.len();
            came.drain(..).for_each(|c| assert!(c.result.is_ok(), "{:?}", c.result));
            if count > 0 {
                self.woken.recv().unwrap();
            }
        }
    }

    fn log(&mut self, dir: &LogDir) {
        self.one(OpKind::MakeDir { dir: DirName::Log(dir.clone()) });
        let file = FileName::Log(dir.clone(), LogFile::Metadata);
        let data = Data::Slices(smallvec![Bytes::from(format!("log_id: {}\n", dir.log.0))]);
        self.one(OpKind::Write { file, at: 0, data, sync: true });
    }

    fn one(&mut self, kind: OpKind) {
        self.send(vec![kind], false);
        self.wait(1);
    }

    fn group(&mut self, blocks: &Arc<Vec<Block>>, at: u64, idle: bool) -> usize {
        let data = Data::Blocks(blocks.clone());
        let file = FileName::Journal(0);
        self.send(vec![OpKind::Write { file, at, data, sync: true }], idle);
        self.wait(1);
        blocks.len() * 4096
    }

    /// Times commits until `kinds` are all done, or for a while if there are none.
    fn watch(&mut self, name: &str, kinds: Vec<OpKind>) {
        let (mut left, begin) = (kinds.len(), Instant::now());
        let idle = left == 0;
        let done = Done::Ticket(1);
        self.disk.submit(&mut kinds.into_iter().map(|kind| DiskOp { kind, done }).collect(), false);
        let (mut times, mut at, mut came) = (Vec::new(), 0, Vec::new());
        while left > 0 || idle && begin.elapsed() < Duration::from_millis(300) {
            let blocks = Data::Blocks(Arc::new(vec![Block([1; 4096])]));
            let file = FileName::Journal(0);
            let kind = OpKind::Write { file, at, data: blocks, sync: true };
            at = (at + 4096) % FILE_BYTES;
            let start = Instant::now();
            self.disk.submit(&mut vec![DiskOp { kind, done: Done::Nothing }], true);
            self.disk.completions(&mut came);
            times.push(start.elapsed());
            for c in came.drain(..) {
                assert!(c.result.is_ok(), "{:?}", c.result);
                left -= usize::from(c.done == done);
            }
            // A loop that writes without a pause leaves no disk to anybody else.
            std::thread::sleep(Duration::from_micros(100));
        }
        let took = begin.elapsed().as_millis();
        report(&format!("{name} ({took} ms)"), 4096, times);
    }
}
