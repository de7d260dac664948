//! A story in madsim's world: one seed decides it, and what happened in it is written down.
//!
//! The broker is the loop of this room with an echo on it, on a node of its own. Its adapters are those of production down to
//! `src/system`. Clients are tasks on other nodes.

use crate::echo::{Echo, Files, NoDisk, Seen, World};
use madsim::net::{NetSim, TcpStream};
use madsim::rand::{Rng, thread_rng};
use madsim::runtime::{Handle, NodeHandle, Runtime};
use madsim::task::JoinHandle;
use madsim::time::{Duration, Instant, TimeHandle, sleep, timeout};
use sordini_core::seam::{ConnId, Event, ListenerId, Machine, Mono, NetOp, Now, Outbox, Part};
use sordini_net::{Bell, Exit, Listeners, NetError, Options, drive};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};

/// Where the broker listens.
pub const BROKER: &str = "10.0.0.1:9092";
/// No story goes on for longer.
const TIME_MAX: Duration = Duration::from_secs(600);

/// What happened, and when: nanoseconds since the story began.
#[derive(Debug, Default)]
pub struct Trace {
    pub lines: Vec<(u64, String)>,
}

impl Trace {
    /// One number for all of it (FNV-1a).
    pub fn hash(&self) -> u64 {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        let all = self
            .lines
            .iter()
            .flat_map(|(at, what)| at.to_le_bytes().into_iter().chain(what.bytes()).chain([b'\n']));
        all.fold(0xcbf2_9ce4_8422_2325, step)
    }

    /// The first event of which the two do not say the same.
    pub fn parts_from(&self, other: &Trace) -> Option<String> {
        let len = self.lines.len().max(other.lines.len());
        let at = (0..len).find(|&i| self.lines.get(i) != other.lines.get(i))?;
        let show = |trace: &Trace| match trace.lines.get(at) {
            Some((at, what)) => format!("{at} ns {what}"),
            None => "the end".into(),
        };
        Some(format!("event {at}: {} / {}", show(self), show(other)))
    }

    /// Whether somebody noted this.
    pub fn says(&self, what: &str) -> bool {
        self.lines.iter().any(|(_, line)| line.contains(what))
    }
}

/// What a story is told with.
#[derive(Clone)]
pub struct Stage {
    lines: Arc<Mutex<Vec<(u64, String)>>>,
}

/// Lives a story.
pub fn live<S, F>(seed: u64, story: S) -> Trace
where
    S: FnOnce(Stage) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    // A thread of its own: the maps of std take their order from the seed on a thread's first use.
    let life = std::thread::spawn(move || {
        let stage = Stage { lines: Arc::default() };
        let mut runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
        runtime.set_time_limit(TIME_MAX);
        runtime.block_on(story(stage.clone()));
        drop(runtime);
        Trace { lines: std::mem::take(&mut stage.lines.lock().unwrap()) }
    });
    life.join().unwrap_or_else(|cause| {
        eprintln!("the story fails with seed {seed}: SORDINI_MADSIM_SEEDS={seed}..{}", seed + 1);
        std::panic::resume_unwind(cause)
    })
}

/// Lives a story twice with each seed: the same happens. With another seed something else does. Gives the traces.
pub fn repeats<S, F>(name: &str, story: S) -> Vec<Trace>
where
    S: FnOnce(Stage) -> F + Clone + Send + 'static,
    F: Future<Output = ()>,
{
    let (mut traces, mut hashes) = (Vec::new(), BTreeSet::new());
    let seeds = seeds();
    for seed in seeds.clone() {
        let (one, other) = (live(seed, story.clone()), live(seed, story.clone()));
        if let Some(first) = one.parts_from(&other) {
            panic!("{name}, seed {seed}: two lives part at {first}");
        }
        assert_eq!(one.hash(), other.hash());
        assert!(one.lines.len() > 50, "{name}, seed {seed}: hardly anything happened");
        assert!(hashes.insert(one.hash()), "{name}: seed {seed} does what another seed did");
        traces.push(one);
    }
    let mut events: Vec<_> = traces.iter().map(|t| t.lines.len()).collect();
    events.sort_unstable();
    println!(
        "{name}: seeds {seeds:?}, each twice, {} events in the median",
        events[events.len() / 2]
    );
    traces
}

/// `SORDINI_MADSIM_SEEDS=from..to`, else the first forty.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("SORDINI_MADSIM_SEEDS") else { return 0..40 };
    let range =
        text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.unwrap_or_else(|| panic!("SORDINI_MADSIM_SEEDS={text}: expected from..to, as 0..40"))
}

/// Draws from the story's seed.
pub fn draw<R: madsim::rand::distributions::uniform::SampleRange<u64>>(range: R) -> u64 {
    thread_rng().gen_range(range)
}

/// Sleeps for a drawn number of microseconds.
pub async fn doze(us: std::ops::Range<u64>) {
    sleep(Duration::from_micros(draw(us))).await;
}

impl Stage {
    /// Writes down what just happened.
    pub fn note(&self, what: String) {
        let at = TimeHandle::current().elapsed().as_nanos() as u64;
        self.lines.lock().unwrap().push((at, what));
    }

    /// A machine in the network.
    pub fn node(&self, ip: [u8; 4]) -> NodeHandle {
        Handle::current().create_node().ip(IpAddr::from(ip)).build()
    }

    /// Starts the broker.
    pub fn serve(&self, play: Play) -> Server {
        let Play { echo, options, files, loses_a_byte } = play;
        let addr: SocketAddr = BROKER.parse().unwrap();
        let node = self.node([10, 0, 0, 1]);
        let (bell, seen) = (Bell::new(), echo.seen.clone());
        let listeners = Listeners::bind(&[(ListenerId(0), addr)], 128).unwrap();
        let answered = Answered::default();
        let mut machine = Told {
            echo,
            stage: self.clone(),
            peers: BTreeMap::new(),
            answered: answered.clone(),
            loses_a_byte,
        };
        let clock = Box::new(|| Mono(TimeHandle::current().elapsed().as_nanos() as u64));
        let mut world = World { clock, disk: NoDisk(seen.clone()), files };
        let (ours, stage) = (bell.clone(), self.clone());
        let end = node.spawn(async move {
            let end = drive(&mut machine, &mut world, listeners, ours, options).await;
            stage.note(format!("the loop ends: {end:?}"));
            end
        });
        Server { node, bell, seen, answered, end }
    }

    /// Cuts a node off, for good until [`Stage::heal`].
    pub fn cut(&self, node: &NodeHandle) {
        self.note(format!("{} is cut off", node.id()));
        NetSim::current().clog_node(node.id());
    }

    /// Ends that.
    pub fn heal(&self, node: &NodeHandle) {
        self.note(format!("{} is back", node.id()));
        NetSim::current().unclog_node(node.id());
    }
}

/// What is served, and how.
pub struct Play {
    pub echo: Echo,
    pub options: Options,
    pub files: Files,
    /// A planted bug: one byte of a long answer does not arrive.
    pub loses_a_byte: bool,
}

/// Bytes that the machine answered each peer.
pub type Answered = Arc<Mutex<BTreeMap<SocketAddr, u64>>>;

impl Play {
    pub fn new(options: Options) -> Play {
        let files: Files = Box::new(|_, _, _| panic!("no files here"));
        Play { echo: Echo::new(), options, files, loses_a_byte: false }
    }
}

/// A running broker.
pub struct Server {
    pub node: NodeHandle,
    pub bell: Bell,
    pub seen: Arc<Mutex<Seen>>,
    pub answered: Answered,
    pub end: JoinHandle<Result<Exit, NetError>>,
}

impl Server {
    /// Waits until `holds` of what was seen; panics after a virtual minute.
    pub async fn wait(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let start = Instant::now();
        while !holds(&self.seen.lock().unwrap()) {
            let seen = format!("{:?}", self.seen.lock().unwrap());
            assert!(start.elapsed() < Duration::from_secs(60), "in vain for {what}: {seen}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for the end.
    pub async fn end(self) -> Exit {
        self.end.await.expect("the loop's task").expect("the loop ends well")
    }
}

/// An echo of which every step is written down.
struct Told {
    echo: Echo,
    stage: Stage,
    peers: BTreeMap<ConnId, SocketAddr>,
    answered: Answered,
    loses_a_byte: bool,
}

impl Machine for Told {
    fn step(&mut self, now: Now, event: Event, out: &mut Outbox) {
        let line = match &event {
            Event::Bytes { conn, bytes } => format!("{conn} brings {}", digest(bytes)),
            other => format!("{other:?}"),
        };
        self.stage.note(line);
        if let Event::Opened { conn, peer, .. } = &event {
            self.peers.insert(*conn, *peer);
        }
        self.echo.step(now, event, out);
    }

    fn flush(&mut self, now: Now, out: &mut Outbox) {
        self.echo.flush(now, out);
        for op in &mut out.net {
            if let NetOp::Send { conn, body } = op {
                *self.answered.lock().unwrap().entry(self.peers[conn]).or_default() += body.len();
                self.stage.note(format!("{conn} is answered {} bytes", body.len()));
                if self.loses_a_byte
                    && body.len() > 1000
                    && let Some(Part::Memory(bytes)) = body.parts.last_mut()
                {
                    bytes.truncate(bytes.len() - 1);
                    self.loses_a_byte = false;
                }
            } else {
                self.stage.note(format!("{op:?}"));
            }
        }
        for fact in &out.facts {
            self.stage.note(format!("{fact:?}"));
        }
    }

    fn deadline(&self) -> Option<Mono> {
        self.echo.deadline()
    }

    fn owes(&self, conn: ConnId) -> bool {
        self.echo.owes(conn)
    }
}

/// Bytes in a few letters.
fn digest(bytes: &[u8]) -> String {
    format!("{} bytes {:016x}", bytes.len(), hash_of(bytes))
}

/// The hasher's keys are constants.
fn hash_of(what: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// A client's connection, and what it may expect to read.
pub struct Client {
    pub name: String,
    pub local: SocketAddr,
    stage: Stage,
    read: ReadHalf<TcpStream>,
    write: WriteHalf<TcpStream>,
    /// Bytes that came.
    pub got: u64,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// All that was wanted.
    All,
    /// The broker's end, before that.
    End,
    /// Nothing for too long.
    Silence,
}

impl Client {
    /// Connects; none if nobody is there.
    pub async fn connect(stage: &Stage, name: String) -> Option<Client> {
        match TcpStream::connect(BROKER).await {
            Ok(stream) => {
                let local = stream.local_addr().unwrap();
                stage.note(format!("{name} connects from {local}"));
                let (read, write) = split(stream);
                Some(Client { name, local, stage: stage.clone(), read, write, got: 0 })
            }
            Err(error) => {
                stage.note(format!("{name} does not connect: {error}"));
                None
            }
        }
    }

    /// Both directions of a conversation, to be used at once.
    pub fn halves(&mut self) -> (Writer<'_>, Reader<'_>) {
        let writer = Writer { stage: &self.stage, name: &self.name, half: &mut self.write };
        let reader = Reader {
            stage: &self.stage,
            name: &self.name,
            half: &mut self.read,
            got: &mut self.got,
        };
        (writer, reader)
    }
}

/// What a client sends.
pub struct Writer<'a> {
    stage: &'a Stage,
    name: &'a str,
    half: &'a mut WriteHalf<TcpStream>,
}

impl Writer<'_> {
    /// Sends bytes in pieces of drawn lengths, with drawn pauses of up to `pause_us` between them. False if the broker has gone.
    pub async fn send(&mut self, mut bytes: &[u8], pause_us: u64) -> bool {
        while !bytes.is_empty() {
            let most = 1 << draw(0..=21);
            let n = (draw(1..=most) as usize).min(bytes.len());
            let sent = self.half.write_all(&bytes[..n]).await.is_ok();
            if !(sent && self.half.flush().await.is_ok()) {
                self.stage.note(format!("{} writes to nobody", self.name));
                return false;
            }
            self.stage.note(format!("{} sends {n}", self.name));
            bytes = &bytes[n..];
            if pause_us > 0 && draw(0..3) == 0 {
                doze(0..pause_us).await;
            }
        }
        true
    }
}

/// What a client receives.
pub struct Reader<'a> {
    stage: &'a Stage,
    name: &'a str,
    half: &'a mut ReadHalf<TcpStream>,
    got: &'a mut u64,
}

impl Reader<'_> {
    /// Reads these bytes, or the beginning of them. Panics if others come.
    pub async fn expect(&mut self, want: &[u8], patience: Duration) -> Came {
        let mut buf = vec![0; 64 << 10];
        let mut come = 0;
        while come < want.len() {
            let most = buf.len().min(want.len() - come);
            let n = match timeout(patience, self.half.read(&mut buf[..most])).await {
                Err(_) => return self.ended(Came::Silence),
                Ok(Ok(0) | Err(_)) => return self.ended(Came::End),
                Ok(Ok(n)) => n,
            };
            assert!(buf[..n] == want[come..come + n], "{}: other bytes came back", self.name);
            come += n;
            *self.got += n as u64;
        }
        self.ended(Came::All)
    }

    fn ended(&self, how: Came) -> Came {
        self.stage.note(format!("{} has {} bytes: {how:?}", self.name, self.got));
        how
    }
}
