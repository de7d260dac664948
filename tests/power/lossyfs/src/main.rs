//! A file system in memory that loses power: for judging a real program's crash consistency from outside.
//!
//!   lossyfs MOUNTPOINT [--strict] [--bytes N]
//!
//! Needs root, /dev/fuse and fuse3; stays in the foreground until it is unmounted (`fusermount3 -u MOUNTPOINT`).
//! `--bytes` is its size (default 4 GiB). Every file is opened direct: O_DIRECT works, shared mmap does not.
//!
//! What survives a power loss is told in [`model`]: sectors that were not synced are kept or lost one by one, and names are
//! a journal of which a prefix is kept. Without `--strict` the sync of any file makes all names so far durable, as on
//! ext4; with it, only the sync of a directory does, which is all that POSIX promises.
//!
//! Commands are written to MOUNTPOINT/.ctl, one a write:
//!
//! | command | effect |
//! |---|---|
//! | `crash SEED` | the power is lost now; kill the program first |
//! | `full 1`, `full 0` | no file grows and none is created (ENOSPC), free space is 0; and back |
//! | `eio write\|sync\|read N [PART]` | the N next such operations fail (EIO), on files whose path contains PART |
//! | `rot SEED N [PART]` | N bits are flipped in what files whose path contains PART hold |
//!
//! Reading `.ctl` gives counters: a test that injects something should look whether it struck.

mod fs;
mod model;

use fuser::MountOption;
use model::Model;

const USAGE: &str = "usage: lossyfs MOUNTPOINT [--strict] [--bytes N]";
const BYTES: usize = 4 << 30;

fn main() {
    let mut mountpoint = None;
    let (mut strict, mut bytes) = (false, BYTES);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--strict" => strict = true,
            "--bytes" => {
                bytes = args.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| refuse(&arg))
            }
            _ if mountpoint.is_none() && !arg.starts_with('-') => mountpoint = Some(arg),
            _ => refuse(&arg),
        }
    }
    let Some(mountpoint) = mountpoint else { refuse("no mount point") };
    let options = [
        MountOption::FSName("lossyfs".into()),
        MountOption::AllowOther,
        MountOption::DefaultPermissions,
    ];
    if let Err(error) =
        fuser::mount2(fs::Lossy::new(Model::new(strict, bytes)), &mountpoint, &options)
    {
        eprintln!(
            "lossyfs: cannot mount {mountpoint}: {error}; it needs root, /dev/fuse and fuse3"
        );
        std::process::exit(1);
    }
}

fn refuse(what: &str) -> ! {
    eprintln!("lossyfs: {what}\n{USAGE}");
    std::process::exit(2);
}
