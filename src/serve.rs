//! `sordini serve`: the broker, composed of its rooms.
//!
//! The shard, the disk and the sockets know nothing of each other; here they meet. Everything that may go
//! wrong before the first event (a port in use, a directory that another process holds) is said in one line
//! with its remedy.

use anyhow::{Context, Result, bail};
use sordini_core::Shard;
use sordini_core::config::broker::BrokerConfig;
use sordini_core::limits::Limits;
use sordini_core::seam::{Completion, Fact, FileSlice, ListenerId, Mono, Now, Wall};
use sordini_disk::{FileReader, RealDisk};
use sordini_log::StorageConfig;
use sordini_net::{Bell, Exit, Host, Listeners, ReadReply};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Connections that the kernel queues before they are accepted.
const BACKLOG: u32 = 4096;

/// What `sordini serve` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9092")]
    listen: String,
    /// Address that clients are told to connect to [default: the address listened on].
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Directory for all data; made where it is missing.
    #[arg(long, value_name = "DIR", default_value = "sordini-data")]
    data: PathBuf,
    /// A file of Kafka's keys and ours, one `key = value` a line, in TOML.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One key; wins over the file. May be given again.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// What the loop needs of the world besides sockets.
struct World {
    disk: RealDisk,
    reader: FileReader,
    started: Instant,
    announce: String,
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
        let reply = Box::new(move |result: Result<_, sordini_log::disk::DiskError>| {
            reply(result.map_err(|e| e.detail));
        });
        self.reader.read_checked(slice.file.clone(), slice.at, slice.len, len, reply);
    }

    fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Recovered { boot, logs, groups, replayed_bytes } => {
                let ms = self.started.elapsed().as_millis();
                tracing::info!(boot, logs, groups, replayed_bytes, ms, "recovered");
                println!("{}", self.announce);
                let _ = std::io::stdout().flush();
            }
            Fact::Warning(what) => tracing::warn!("{what}"),
            Fact::Fatal(why) => tracing::error!("{why}"),
            Fact::Faulty { log, from, to } => {
                tracing::error!(%log, %from, %to, "offsets cannot be read");
            }
            Fact::ReadOnly(true) => tracing::warn!("the disk is nearly full: read-only"),
            Fact::ReadOnly(false) => tracing::info!("writes are taken again"),
            Fact::PartitionCreated { topic, partition, log } => {
                tracing::debug!(topic, partition, %log, "partition created");
            }
            Fact::PartitionDeleted { log } => tracing::debug!(%log, "partition deleted"),
            Fact::Client { conn, what } => tracing::info!(%conn, "{what}"),
            Fact::Drained => tracing::info!("drained"),
            Fact::HighWatermark { .. } => {}
        }
    }
}

/// Runs the broker until it is told to end.
pub fn run(args: &ServeArgs) -> Result<()> {
    let started = Instant::now();
    let addr = resolve(&args.listen)?;
    let listeners = Listeners::bind(&[(ListenerId(0), addr)], BACKLOG)?;
    let bound = listeners.addrs()?[0].1;
    let mut config = configure(args, bound)?;
    for key in config.inert() {
        tracing::warn!("{key} is known and has no effect here");
    }
    let bell = Bell::new();
    let wake = {
        let bell = bell.clone();
        Arc::new(move || bell.ring())
    };
    let disk = RealDisk::open(&args.data, sordini_disk::Options::default(), wake)?;
    config.disk_bytes = disk_bytes(&args.data);
    let options = sordini_net::Options {
        connections_max: config.connections_max as usize,
        ..sordini_net::Options::default()
    };
    let mut storage = StorageConfig::default();
    storage.journal.bytes = config.journal_bytes;
    storage.journal.file_bytes = u64::from(config.journal_file_bytes);
    let limits = Limits {
        request_bytes_max: config.request_bytes_max,
        fetch_bytes_max: config.fetch_bytes_max,
        fetch_sessions_max: config.fetch_sessions_max as usize,
        ..Limits::default()
    };
    let mut shard = Shard::new(config, limits, storage, seed()?);
    let reader = disk.reader();
    let announce = format!("sordini is listening on {bound} (data in {})", args.data.display());
    let mut world = World { disk, reader, started, announce };
    match sordini_net::run(&mut shard, &mut world, listeners, bell, options)? {
        Exit::Drained => tracing::info!("stopped"),
        Exit::GraceOver => tracing::warn!("stopped before every answer was sent"),
        Exit::Insisted => tracing::warn!("stopped at once, as asked twice"),
    }
    Ok(())
}

/// The settings: the file's, then `--set`, then the addresses and the directory.
fn configure(args: &ServeArgs, bound: SocketAddr) -> Result<BrokerConfig> {
    let mut given = match &args.config {
        Some(path) => from_file(path)?,
        None => BTreeMap::new(),
    };
    for pair in &args.set {
        let Some((key, value)) = pair.split_once('=') else {
            bail!("--set {pair}: expected KEY=VALUE");
        };
        given.insert(key.trim().into(), value.trim().into());
    }
    let advertise = args.advertise.clone().unwrap_or_else(|| bound.to_string());
    given.insert("advertised.listeners".into(), format!("PLAINTEXT://{advertise}"));
    given.insert("log.dirs".into(), args.data.display().to_string());
    Ok(BrokerConfig::new(given)?)
}

fn from_file(path: &Path) -> Result<BTreeMap<String, String>> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let table: toml::Table = text.parse().with_context(|| format!("{shown} is not TOML"))?;
    let mut given = BTreeMap::new();
    flatten("", &table, &mut given).with_context(|| format!("in {shown}"))?;
    Ok(given)
}

/// `a.b = 1` and `[a] b = 1` are the same key.
fn flatten(prefix: &str, table: &toml::Table, into: &mut BTreeMap<String, String>) -> Result<()> {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            toml::Value::Table(inner) => flatten(&format!("{key}."), inner, into)?,
            toml::Value::String(text) => drop(into.insert(key, text.clone())),
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                into.insert(key, value.to_string());
            }
            other => bail!("{key} = {other}: expected text, a number, true or false"),
        }
    }
    Ok(())
}

fn resolve(address: &str) -> Result<SocketAddr> {
    let mut found = address
        .to_socket_addrs()
        .with_context(|| format!("--listen {address}: expected HOST:PORT"))?;
    found.next().with_context(|| format!("--listen {address}: the host has no address"))
}

/// Size of the file system that holds the data, if it says.
fn disk_bytes(dir: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(dir).ok()?;
    stat.f_blocks.checked_mul(stat.f_frsize)
}

/// Chance for this run.
fn seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    let mut source = std::fs::File::open("/dev/urandom").context("cannot open /dev/urandom")?;
    std::io::Read::read_exact(&mut source, &mut seed).context("cannot read /dev/urandom")?;
    Ok(seed)
}
