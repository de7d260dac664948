//! The loop: gather, turn, sleep.
//!
//! The loop is one future on a runtime of one thread; sockets, timers, machine and journal hand-over all live on it, since
//! every hop between threads costs more than the work of a request. While there is something to do it does
//! not give up the thread except to let the runtime look at the sockets, every few turns.

use crate::bell::Bell;
use crate::conns::Conns;
use crate::system::{Instant, Listeners, Signals, Sleep, sleep_until};
use crate::{Exit, Host, NetError, Options};
use sordini_core::seam::{Completion, ConnId, Event, Fact, Machine, Mono, Outbox, turn};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Turns in a row before the runtime looks at the sockets again.
const TURNS_AWAKE_MAX: u32 = 8;
/// Turns in a row that were about one and the same connection, before we believe that it is alone.
const TURNS_ALONE_MIN: u32 = 3;

/// A second signal that comes sooner is the first again: `timeout` signals its child and then the whole group.
const INSIST_MIN: Duration = Duration::from_secs(1);

/// Runs the loop on the current runtime, which must be of the current-thread kind, until the end; see [`crate::run`].
pub async fn drive<M: Machine, H: Host>(
    machine: &mut M,
    host: &mut H,
    listeners: Listeners,
    bell: Bell,
    options: Options,
) -> Result<Exit, NetError> {
    let mut drive = Loop {
        conns: Conns::new(listeners, bell.clone(), options.clone())?,
        alarm: Alarm::new(bell, options.signals)?,
        options,
        machine,
        host,
        batch: vec![Event::Boot],
        completions: Vec::new(),
        out: Outbox::default(),
        stop: None,
        alone: Alone::default(),
    };
    // The runtime's budget of a task would count all connections as one.
    tokio::task::unconstrained(drive.run()).await
}

struct Loop<'a, M, H> {
    machine: &'a mut M,
    host: &'a mut H,
    conns: Conns,
    alarm: Alarm,
    options: Options,
    batch: Vec<Event>,
    completions: Vec<Completion>,
    out: Outbox,
    /// When patience with an orderly end is over; none before it was asked for.
    stop: Option<Mono>,
    alone: Alone,
}

impl<M: Machine, H: Host> Loop<'_, M, H> {
    async fn run(&mut self) -> Result<Exit, NetError> {
        let mut awake = 0;
        loop {
            let now = self.host.now();
            self.gather(now.mono);
            if self.stop.is_some_and(|grace| grace <= now.mono) {
                return Ok(Exit::GraceOver);
            }
            if self.alarm.insists() {
                return Ok(Exit::Insisted);
            }
            if self.batch.is_empty() {
                awake = 0;
                self.start_reads();
                if self.conns.is_idle() {
                    self.alarm.wait(now.mono, self.deadline()).await;
                } else {
                    self.alarm.breathe().await;
                }
                continue;
            }
            let idle = self.alone.see(&self.batch) && self.conns.is_idle();
            let mut events = self.batch.drain(..);
            let disk = self.host.disk();
            let ok =
                turn(self.machine, now, &mut events, idle, &mut self.conns, disk, &mut self.out);
            drop(events);
            let drained = self.tell(ok)?;
            self.start_reads();
            if drained {
                return self.finish().await;
            }
            awake += 1;
            if awake == TURNS_AWAKE_MAX {
                awake = 0;
                self.alarm.breathe().await;
            }
        }
    }

    /// Collects the events of the next turn.
    fn gather(&mut self, now: Mono) {
        self.host.completions(&mut self.completions);
        self.batch.extend(self.completions.drain(..).map(Event::Disk));
        self.alarm.note(now);
        if self.stop.is_none() && self.alarm.rings() {
            self.stop = Some(now + self.options.grace);
            self.batch.push(Event::Shutdown);
        }
        self.conns.hear(now);
        self.start_reads();
        let machine = &*self.machine;
        let owes = |conn| machine.owes(conn);
        self.conns.gather(&mut self.batch, self.options.turn_events_max, owes);
        if self.machine.deadline().is_some_and(|at| at <= now) {
            self.batch.push(Event::Tick);
        }
    }

    fn deadline(&self) -> Option<Mono> {
        [self.machine.deadline(), self.conns.deadline(), self.stop].into_iter().flatten().min()
    }

    /// Hands the facts on; says whether the machine is drained.
    fn tell(&mut self, ok: bool) -> Result<bool, NetError> {
        let mut drained = false;
        let mut fatal = None;
        for fact in self.out.facts.drain(..) {
            match &fact {
                Fact::Drained => drained = true,
                Fact::Fatal(text) => fatal = fatal.or_else(|| Some(text.clone())),
                _ => {}
            }
            self.host.fact(fact);
        }
        assert_eq!(ok, fatal.is_none(), "a turn fails by a fatal fact only");
        fatal.map_or(Ok(drained), |text| Err(NetError::Fatal(text)))
    }

    fn start_reads(&mut self) {
        let host = &mut *self.host;
        self.conns.start_reads(|want, reply| {
            host.read(&want.slice, want.len, Box::new(|result| reply.give(result)));
        });
    }

    /// Nothing is under way any more; the last responses leave.
    async fn finish(&mut self) -> Result<Exit, NetError> {
        let start = self.host.now().mono;
        let until = start + self.options.linger;
        self.conns.close_all();
        loop {
            let now = self.host.now().mono;
            self.conns.hear(now);
            self.start_reads();
            self.conns.gather(&mut self.batch, self.options.turn_events_max, |_| false);
            self.batch.clear();
            self.start_reads();
            if self.conns.is_flushed() || now >= until {
                return Ok(Exit::Drained);
            }
            if self.conns.is_idle() {
                self.alarm.wait(now, Some(until)).await;
            } else {
                self.alarm.breathe().await;
            }
        }
    }
}

/// Whether one connection has the broker to itself, in which case a write to the disk on this thread keeps nobody waiting.
#[derive(Default)]
struct Alone {
    last: Option<ConnId>,
    turns: u32,
}

impl Alone {
    /// Looks at a turn's events.
    fn see(&mut self, batch: &[Event]) -> bool {
        let mut heard = false;
        for event in batch {
            if let Event::Bytes { conn, .. } = event {
                if self.last != Some(*conn) {
                    (self.last, self.turns) = (Some(*conn), 0);
                }
                heard = true;
            }
        }
        self.turns = self.turns.saturating_add(u32::from(heard));
        self.last.is_none() || self.turns >= TURNS_ALONE_MIN
    }
}

/// What ends a sleep: the bell, a signal, the deadline.
struct Alarm {
    bell: Bell,
    signals: Signals,
    /// A signal has come that [`Alarm::note`] has not seen.
    heard: bool,
    /// When the first one came.
    first: Option<Mono>,
    /// Another one came long enough after it.
    insisted: bool,
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` ends; none if it has. It is left alone when the deadline moves back.
    set: Option<Mono>,
}

impl Alarm {
    fn new(bell: Bell, signals: bool) -> Result<Alarm, NetError> {
        Ok(Alarm {
            bell,
            signals: Signals::new(signals).map_err(NetError::Runtime)?,
            heard: false,
            first: None,
            insisted: false,
            sleep: Box::pin(sleep_until(Instant::now())),
            set: None,
        })
    }

    /// Whether the orderly end was asked for.
    fn rings(&self) -> bool {
        self.first.is_some() || self.bell.shutdown_asked()
    }

    /// Whether it was asked for twice: somebody does not want to wait.
    fn insists(&self) -> bool {
        self.insisted
    }

    /// Takes what was heard as having come now.
    fn note(&mut self, now: Mono) {
        if std::mem::take(&mut self.heard) {
            let first = *self.first.get_or_insert(now);
            self.insisted |= now >= first + INSIST_MIN;
        }
    }

    /// Sleeps.
    async fn wait(&mut self, now: Mono, deadline: Option<Mono>) {
        if let Some(at) = deadline
            && self.set.is_none_or(|set| at < set)
        {
            self.sleep.as_mut().reset(Instant::now() + (at - now));
            self.set = Some(at);
        }
        poll_fn(|cx| self.poll(cx)).await;
    }

    /// Lets the runtime look at the sockets. A load that never lets us sleep must not keep signals out.
    async fn breathe(&mut self) {
        tokio::task::yield_now().await;
        poll_fn(|cx| Poll::Ready(self.hear(cx))).await;
    }

    /// Says whether a signal has come, and remembers it for [`Alarm::note`].
    fn hear(&mut self, cx: &mut Context<'_>) -> bool {
        let came = self.signals.poll(cx);
        self.heard |= came;
        came
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut woken = self.bell.listen(cx.waker());
        woken |= self.hear(cx);
        if self.set.is_some() && self.sleep.as_mut().poll(cx).is_ready() {
            self.set = None;
            woken = true;
        }
        if woken { Poll::Ready(()) } else { Poll::Pending }
    }
}
