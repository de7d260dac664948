//! `sordini serve`: the broker, composed of its rooms.
//!
//! The shard, the disk and the sockets know nothing of each other; here they meet. Everything that may go
//! wrong before the first event (a port in use, a directory that another process holds, a key that nobody
//! knows) is said in one line with its remedy.
//!
//! The order is that of what can fail without a trace: settings, port, directory. Clients may connect as soon as
//! the port is bound; they are answered when recovery is over, and then one line on standard output says so.

mod descriptors;
mod logs;
mod record;
mod settings;
mod world;

use crate::client::Address;
use crate::topic::pair;
use anyhow::{Context, Result};
use clap::Args;
use record::FileTape;
use settings::Settings;
use sordini_core::Shard;
use sordini_core::limits::Limits;
use sordini_core::seam::ListenerId;
use sordini_core::trace::recording::{Birth, Recorder};
use sordini_disk::RealDisk;
use sordini_log::StorageConfig;
use sordini_net::{Bell, Exit, Listeners};
use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use world::World;

/// Connections that the kernel queues before they are accepted.
const BACKLOG: u32 = 4096;

/// Bytes of unfinished requests, of all connections together; four of the longest must fit.
const UNFINISHED_BYTES_MAX: u64 = 256 << 20;

/// What an end that waits for nothing may cost.
const LOST: &str = "nothing that was acknowledged is lost, but for records of topics with flush=relaxed that were not on \
                    disk yet";

/// `sordini serve`
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes a free one, 0.0.0.0 all addresses of this machine [default: 127.0.0.1:9092]
    #[arg(long, short, value_name = "HOST:PORT")]
    listen: Option<Address>,
    /// Where clients are told to connect, if that is not where the broker listens
    #[arg(long, short, value_name = "HOST:PORT")]
    advertise: Option<Address>,
    /// Directory for all data; made where it is missing [default: sordini-data]
    #[arg(long, short, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A file of keys, one KEY = VALUE a line (TOML)
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A key of Kafka's broker configuration; wins over the file; may be repeated
    #[arg(long = "set", short, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Write down everything that happens to this process, for `sordini sim replay FILE`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Largest size of that file; at it the recording ends and the broker goes on
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    record_bytes: u64,
    /// How log lines look
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: logs::LogFormat,
    /// What is logged: error, warn, info, debug, or a filter such as info,sordini_log=debug [default: $RUST_LOG, info]
    #[arg(long = "log", value_name = "LEVEL")]
    log: Option<String>,
}

/// Runs the broker until it is told to end.
pub fn run(args: &ServeArgs) -> Result<()> {
    let started = Instant::now();
    logs::start(args.log_format, args.log.as_deref())?;
    let settings = Settings::gather(args)?;
    let listeners = Listeners::bind(&[(ListenerId(0), resolve(&settings.listen)?)], BACKLOG)?;
    let bound = listeners.addrs()?[0].1;
    let anywhere = bound.ip().is_unspecified() && !settings.is_advertised();
    let data = settings.data.clone();
    let mut config = settings.check(bound)?;
    if anywhere {
        tracing::warn!(
            "listening on {bound}, but clients are told {}:{}; tell those on other machines with \
             --advertise HOST:PORT",
            config.advertised_host,
            config.advertised_port
        );
    }
    for key in config.inert() {
        tracing::warn!("{key} is a key of Kafka's that has no effect here");
    }
    let bell = Bell::new();
    let wake = {
        let bell = bell.clone();
        Arc::new(move || bell.ring())
    };
    let disk = RealDisk::open(&data, sordini_disk::Options::default(), wake)?;
    config.disk_bytes =
        rustix::fs::statvfs(&data).ok().and_then(|fs| fs.f_blocks.checked_mul(fs.f_frsize));
    let mut storage = StorageConfig::default();
    storage.journal.file_bytes = u64::from(config.journal_file_bytes);
    // On a small file system the journal and the reserve leave most of it to the topics.
    let disk_bytes = config.disk_bytes.unwrap_or(u64::MAX);
    let share = (disk_bytes / 8).max(3 * storage.journal.file_bytes);
    storage.journal.bytes = config.journal_bytes.min(share);
    storage.reserve_bytes = storage.reserve_bytes.min(disk_bytes / 5);
    // While a checkpoint empties one half of the ring the other must not run full. The more may wait, the larger are the pieces.
    storage.backlog_bytes_max = storage.journal.bytes / 2;
    // Two groups fit the smallest file: what a file may lose at its end counts as lost.
    let smallest = storage.journal.file_bytes.min(storage.journal.first_file_bytes);
    storage.journal.group_bytes_max = storage.journal.group_bytes_max.min(smallest / 2);
    let options = sordini_net::Options {
        connections_max: descriptors::connections_max(&config, disk.descriptors(), &storage)?,
        connections_per_ip_max: config.connections_per_ip_max,
        unfinished_bytes_max: UNFINISHED_BYTES_MAX.max(4 * u64::from(config.request_bytes_max)),
        // As little as nothing is no time to say anything in.
        idle_max: config.connections_idle_ms_max.map(|ms| Duration::from_millis(ms.max(1))),
        ..sordini_net::Options::default()
    };
    let limits = Limits {
        request_bytes_max: config.request_bytes_max,
        fetch_bytes_max: config.fetch_bytes_max,
        fetch_sessions_max: config.fetch_sessions_max as usize,
        ..Limits::default()
    };
    let birth = Birth {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        seed: seed()?,
        given: config.given.clone(),
        disk_bytes: config.disk_bytes,
        limits: limits.clone(),
        storage: storage.clone(),
    };
    let mut shard = Shard::new(config, limits, storage, birth.seed);
    let announce = format!("sordini is listening on {bound} (data in {})", data.display());
    let mut world = World::new(disk, started, announce);
    let exit = match &args.record {
        None => sordini_net::run(&mut shard, &mut world, listeners, bell, options)?,
        Some(path) => {
            let tape = FileTape::create(path)?;
            let mut recorder = Recorder::new(shard, &birth, tape, args.record_bytes);
            sordini_net::run(&mut recorder, &mut world, listeners, bell, options)?
        }
    };
    match exit {
        Exit::Drained => tracing::info!("stopped"),
        Exit::GraceOver => tracing::warn!("stopped before all was done; {LOST}"),
        Exit::Insisted => tracing::warn!("stopped at once, as asked twice; {LOST}"),
    }
    Ok(())
}

fn resolve(listen: &Address) -> Result<SocketAddr> {
    let found = (listen.host.as_str(), listen.port).to_socket_addrs();
    found.ok().and_then(|mut all| all.next()).with_context(|| {
        format!(
            "cannot resolve the host of --listen {listen}; use a number such as 127.0.0.1, or 0.0.0.0 for all \
             addresses of this machine"
        )
    })
}

/// Chance for this run.
fn seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    let mut source = File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    source.read_exact(&mut seed).context("cannot read /dev/urandom")?;
    Ok(seed)
}
