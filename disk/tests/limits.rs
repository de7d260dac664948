//! Limits that the system sets to a process: each in a process of its own, which is this test binary again.

use bytes::Bytes;
use smallvec::smallvec;
use sordini_disk::{Options, RealDisk};
use sordini_log::disk::{
    Data, DirName, Disk, DiskErrorKind, DiskOk, DiskOp, DiskResult, Done, FileName, LogFile, OpKind,
};
use sordini_log::{LogDir, LogId, Offset};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Says in a child process which directory it works in.
const CHILD: &str = "SORDINI_DISK_LIMITS_CHILD";

/// Runs the test of this name again in a process that sets its own limits. In that process: its directory.
fn in_child(test: &str) -> Option<String> {
    if let Ok(dir) = std::env::var(CHILD) {
        return Some(dir);
    }
    let dir = tempfile::tempdir().expect("a scratch directory");
    // A write beyond the limit also raises a signal, which kills who does not ignore it.
    let output = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; exec "$@""#, "sh"])
        .arg(std::env::current_exe().expect("this binary"))
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, dir.path())
        .output()
        .expect("a shell");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    None
}

struct Rig {
    disk: RealDisk,
    woken: Receiver<()>,
}

impl Rig {
    fn new(dir: &str, options: Options) -> Rig {
        let (wake, woken) = channel();
        let wake = Arc::new(move || wake.send(()).unwrap_or(()));
        Rig { disk: RealDisk::open(Path::new(dir), options, wake).expect("an open disk"), woken }
    }

    fn one(&mut self, kind: OpKind) -> DiskResult {
        self.disk.submit(&mut vec![DiskOp { kind, done: Done::Nothing }], false);
        let mut came = Vec::new();
        loop {
            self.disk.completions(&mut came);
            if let Some(completion) = came.pop() {
                return completion.result;
            }
            self.woken.recv_timeout(Duration::from_secs(20)).expect("a wake-up");
        }
    }

    fn log(&mut self, dir: &LogDir) {
        assert_eq!(self.one(OpKind::MakeDir { dir: DirName::Log(dir.clone()) }), Ok(DiskOk::Unit));
        let text = sordini_log::home::encode(dir, &[0; 16]);
        let file = FileName::Log(dir.clone(), LogFile::Metadata);
        assert_eq!(self.one(write(file, 0, text.into())), Ok(DiskOk::Unit));
    }
}

fn write(file: FileName, at: u64, bytes: Bytes) -> OpKind {
    OpKind::Write { file, at, data: Data::Slices(smallvec![bytes]), sync: true }
}

fn log_dir(n: u64) -> LogDir {
    LogDir { name: format!("t-{n}").into(), log: LogId(n + 1) }
}

fn segment(dir: &LogDir, base: u64) -> FileName {
    FileName::Log(dir.clone(), LogFile::Segment(Offset(base)))
}

#[test]
fn a_write_cut_short_by_the_file_size_limit_is_an_error_not_a_short_file() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let name = "a_write_cut_short_by_the_file_size_limit_is_an_error_not_a_short_file";
    let Some(home) = in_child(name) else { return };
    let mut rig = Rig::new(&home, Options::default());
    let dir = log_dir(0);
    rig.log(&dir);
    let limit = Some(1 << 20);
    setrlimit(Resource::Fsize, Rlimit { current: limit, maximum: limit }).expect("a lower limit");
    let e = rig.one(write(segment(&dir, 0), 0, vec![1; 3 << 20].into())).unwrap_err();
    assert_eq!(e.kind, DiskErrorKind::Io);
    assert!(e.detail.contains("cannot write 3145728 bytes at 0 of t-0/"), "{e}");
    assert!(e.detail.contains("File too large"), "{e}");
    let e = rig.one(OpKind::Create { file: segment(&dir, 1), len: 2 << 20 }).unwrap_err();
    assert!(e.detail.contains("File too large"), "{e}");
    rig.one(write(segment(&dir, 2), 0, vec![1; 1 << 20].into())).expect("within the limit");
}

#[test]
fn a_process_out_of_handles_gives_up_its_idle_files_first() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let name = "a_process_out_of_handles_gives_up_its_idle_files_first";
    let Some(home) = in_child(name) else { return };
    let mut rig = Rig::new(&home, Options { files_open_max: Some(1000), ..Options::default() });
    let dirs: Vec<LogDir> = (0..40).map(log_dir).collect();
    dirs.iter().for_each(|dir| rig.log(dir));
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(32), maximum }).expect("a lower limit");
    for round in 0..3u64 {
        for dir in &dirs {
            rig.one(write(segment(dir, 0), round, vec![round as u8].into())).expect("room is made");
        }
    }
    for dir in &dirs {
        let kind = OpKind::Read { file: segment(dir, 0), at: 0, len: 9 };
        assert_eq!(rig.one(kind), Ok(DiskOk::Bytes(Bytes::from_static(&[0, 1, 2]))));
    }
}
