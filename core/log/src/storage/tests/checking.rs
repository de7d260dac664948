//! `check` finds what is wrong with a stopped data directory, and nothing where nothing is.

use super::*;
use crate::disk::{DirEntry, DiskError, ReadAt};
use crate::storage::check::{Checked, Problem, Severity, Tree, check};
use std::cell::RefCell;

/// The directory at rest.
struct Rest(RefCell<Mem>);

struct Whole(Bytes);

impl ReadAt for Whole {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let from = (at as usize).min(self.0.len());
        let len = buf.len().min(self.0.len() - from);
        buf[..len].copy_from_slice(&self.0[from..from + len]);
        Ok(len)
    }
}

impl Tree for Rest {
    fn list(&self, dir: &str) -> Result<Vec<DirEntry>, DiskError> {
        self.0.borrow().entries(dir)
    }

    fn open(&self, file: &str) -> Result<Box<dyn ReadAt + '_>, DiskError> {
        self.read(file).map(|bytes| Box::new(Whole(bytes)) as Box<dyn ReadAt>)
    }

    fn read(&self, file: &str) -> Result<Bytes, DiskError> {
        let mut disk = self.0.borrow_mut();
        let missing = DiskError { kind: DiskErrorKind::NotFound, detail: file.into() };
        disk.file(file).map(|bytes| Bytes::from(bytes.clone())).ok_or(missing)
    }
}

pub fn checked(disk: &Mem) -> (Checked, Vec<Problem>) {
    let mut problems = Vec::new();
    let rest = Rest(RefCell::new(disk.clone()));
    let checked = check(&rest, &mut |problem| problems.push(problem));
    (checked, problems)
}

/// A directory after a checkpoint and some more appends.
fn stopped() -> Mem {
    let mut rig = Rig::booted(Mem::default());
    let log = rig.create("orders-0", 1);
    for _ in 0..40 {
        rig.append(log, 3, 100);
        rig.run();
    }
    rig.checkpoint();
    rig.run();
    rig.append(log, 3, 100);
    rig.run();
    rig.wait(50);
    rig.disk
}

#[test]
fn a_good_directory_has_no_problems() {
    assert_eq!(checked(&Mem::default()), (Checked::default(), vec![]));
    let (sum, problems) = checked(&stopped());
    assert_eq!(problems, []);
    assert_eq!((sum.logs, sum.batches), (1, 40));
    assert!(sum.segments > 1 && sum.bytes > 12_000 && sum.journal_bytes > 300, "{sum:?}");
}

#[test]
fn each_kind_of_damage_is_named() {
    let first = "orders-0/00000000000000000000";
    let one = |change: &dyn Fn(&mut Mem), severity, file: &str, what: &str| {
        let mut disk = stopped();
        change(&mut disk);
        let (_, problems) = checked(&disk);
        let fits = |p: &Problem| p.severity == severity && p.file == file && p.what.contains(what);
        assert!(problems.iter().any(fits), "{file} {what}: {problems:?}");
        assert!(problems.iter().all(|p| p.severity == severity), "{problems:?}");
    };
    let log = format!("{first}.log");
    let flip = |path: &'static str, at: usize| {
        move |disk: &mut Mem| disk.file(path).expect("there")[at] ^= 1
    };
    use Severity::{Damage, Remark};
    one(&flip("orders-0/00000000000000000000.log", 100), Damage, &log, "CRC-32C");
    one(&flip("orders-0/00000000000000000000.log", 16), Damage, &log, "magic");
    one(&|d| d.file(&log).expect("there").truncate(500), Damage, &log, "cut off");
    one(&|d| d.remove(&log), Damage, &log, "00000");
    one(&flip("orders-0/00000000000000000000.index", 6), Remark, &format!("{first}.index"), "1 of");
    one(&|d| d.remove(&format!("{first}.timeindex")), Remark, &format!("{first}.timeindex"), "of");
    one(&flip("orders-0/partition.metadata", 46), Damage, "orders-0/partition.metadata", "log");
    one(&flip("checkpoint/current", 90), Damage, "checkpoint", "damaged");
    let all = |d: &mut Mem| {
        d.list("journal").iter().for_each(|name| d.remove(&format!("journal/{name}")));
    };
    one(&all, Damage, "journal", "needs the journal");
    one(
        &|d| {
            d.run(&OpKind::MakeDir { dir: crate::disk::DirName::Deleted(dir("x-0", 9)) })
                .expect("made");
        },
        Remark,
        "x-0.9-delete",
        "deleted",
    );
}

#[test]
fn dumps_say_what_files_hold() {
    let mut disk = stopped();
    let mut read = |path: &str| Bytes::from(disk.file(path).expect("there").clone());
    let lines: Vec<_> =
        crate::segment::dump_log(read("orders-0/00000000000000000000.log")).collect();
    assert!(lines[0].starts_with("0: offsets 0..=2 epoch 1"), "{}", lines[0]);
    assert!(lines.iter().all(|l| l.ends_with(" ok")));
    let mut index =
        crate::segment::dump_index(read("orders-0/00000000000000000000.index").slice(..9), 0);
    assert!(index.next().expect("an entry").contains("last offset"));
    assert_eq!(index.next().as_deref(), Some("1: cut off after 1 of 8 bytes"));
    let mut times =
        crate::segment::dump_timeindex(read("orders-0/00000000000000000000.timeindex"), 0);
    assert!(times.next().expect("an entry").contains("timestamp 10"));
    let lines: Vec<_> = crate::checkpoint::dump(read("checkpoint/current")).collect();
    assert!(lines[0].contains("of boot 1: replay from"), "{}", lines[0]);
    assert!(lines.iter().any(|l| l.contains("log 1 in orders-0")), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains("section 7")), "{lines:?}");
}
