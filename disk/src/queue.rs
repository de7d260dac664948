//! The two kinds of queue between the loop and the disk threads.
//!
//! Waking a thread on another CPU costs about 20 us, more than most writes to a page cache. So a
//! lane's queue notifies only when somebody sleeps on it, a whole turn's operations enter under one
//! lock, and the completions wake the loop only when it may have gone to sleep: when their queue goes
//! from empty to non-empty.

use sordini_log::disk::Completion;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// Work of one lane, in the order of submission.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    ready: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    /// Taken and not yet reported as finished.
    running: usize,
    /// Threads asleep on `ready`.
    asleep: usize,
    /// No more items come; those that are here are still taken.
    closed: bool,
}

/// What [`Queue::take_within`] found.
pub(crate) enum Taken<T> {
    /// The next item; [`Queue::finish`] must follow.
    Item(T),
    /// Nothing for now.
    Nothing,
    /// Closed and empty.
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        let state = State { items: VecDeque::new(), running: 0, asleep: 0, closed: false };
        Queue { state: Mutex::new(state), ready: Condvar::new() }
    }

    /// Adds `items`, which enter together.
    pub(crate) fn append(&self, items: impl ExactSizeIterator<Item = T>) {
        let count = items.len();
        if count == 0 {
            return;
        }
        let mut state = self.lock();
        let wake = state.asleep.min(count);
        state.items.extend(items);
        drop(state);
        for _ in 0..wake {
            self.ready.notify_one();
        }
    }

    /// Adds one item; gives it back if the queue is closed. A thread that sleeps is woken for it if fewer than `awake` run:
    /// one of those that do takes it otherwise.
    pub(crate) fn push(&self, item: T, awake: usize) -> Result<(), T> {
        let mut state = self.lock();
        if state.closed {
            return Err(item);
        }
        state.items.push_back(item);
        let wake = state.asleep > 0 && state.running < awake.max(1);
        drop(state);
        if wake {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// The next item, waited for; `None` once closed and empty. [`Queue::finish`] must follow.
    pub(crate) fn take(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                state.running += 1;
                return Some(item);
            }
            if state.closed {
                return None;
            }
            state.asleep += 1;
            state = self.ready.wait(state).expect("a disk thread panicked");
            state.asleep -= 1;
        }
    }

    /// The next item, waited for no longer than `wait`.
    pub(crate) fn take_within(&self, wait: Duration) -> Taken<T> {
        let mut state = self.lock();
        if state.items.is_empty() && !state.closed && !wait.is_zero() {
            state.asleep += 1;
            state = self.ready.wait_timeout(state, wait).expect("a disk thread panicked").0;
            state.asleep -= 1;
        }
        match state.items.pop_front() {
            Some(item) => {
                state.running += 1;
                Taken::Item(item)
            }
            None if state.closed => Taken::Closed,
            None => Taken::Nothing,
        }
    }

    /// An item that was taken is done with.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.running = state.running.checked_sub(1).expect("finished more than was taken");
    }

    /// Whether nothing waits and nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.lock();
        state.items.is_empty() && state.running == 0
    }

    /// No more items will come. Threads end once they have taken those that are here.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("a disk thread panicked")
    }
}

/// Answers on their way to the loop.
pub(crate) struct Completions {
    answers: Mutex<Vec<Completion>>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// Says that the loop may sleep and must be woken.
#[must_use]
pub(crate) struct MustWake(bool);

impl Completions {
    pub(crate) fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Completions {
        Completions { answers: Mutex::new(Vec::new()), wake }
    }

    /// Adds an answer; [`Completions::wake`] must follow, after whatever the loop should find done.
    pub(crate) fn add(&self, answer: Completion) -> MustWake {
        let mut answers = self.answers.lock().expect("a disk thread panicked");
        answers.push(answer);
        MustWake(answers.len() == 1)
    }

    /// Wakes the loop if it needs that.
    pub(crate) fn wake(&self, must: MustWake) {
        if must.0 {
            (self.wake)();
        }
    }

    /// Moves all answers to the end of `into`.
    pub(crate) fn drain(&self, into: &mut Vec<Completion>) {
        into.append(&mut self.answers.lock().expect("a disk thread panicked"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_runs_takes_what_nobody_is_woken_for() {
        let queue = Queue::new();
        let taken = Mutex::new(Vec::new());
        let (begun, begins) = std::sync::mpsc::sync_channel(0);
        let (go_on, goes_on) = std::sync::mpsc::channel::<()>();
        let goes_on = Mutex::new(goes_on);
        std::thread::scope(|threads| {
            let work = || {
                while let Some(item) = queue.take() {
                    begun.send(item).expect("the test waits");
                    goes_on.lock().expect("alone").recv().expect("the test says so");
                    taken.lock().expect("alone").push((item, std::thread::current().id()));
                    queue.finish();
                }
            };
            threads.spawn(work);
            threads.spawn(work);
            while queue.lock().asleep < 2 {
                std::thread::yield_now();
            }
            queue.push(1, 1).expect("open");
            assert_eq!(begins.recv(), Ok(1));
            queue.push(2, 1).expect("open");
            assert_eq!(queue.lock().asleep, 1, "one is enough");
            go_on.send(()).expect("it waits");
            assert_eq!(begins.recv(), Ok(2));
            go_on.send(()).expect("it waits");
            queue.close();
        });
        let taken = taken.into_inner().expect("over");
        assert_eq!(taken[0].1, taken[1].1, "by the same thread: {taken:?}");
    }
}
