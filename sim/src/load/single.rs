//! One operation at a time: what loads have in common that wait for each answer before they go on.
//!
//! What was sent and not answered is given up with its connection: to ask once more would do no harm and prove nothing. Whether it was
//! done, others will see.

use super::Desk;
use crate::failure::Failure;

/// The operation at hand: `W` is what is wanted, `S` what was known when it was sent.
#[derive(Clone, Debug)]
pub struct Single<W, S> {
    wanted: Option<W>,
    /// Live while an answer is waited for.
    sent: Option<S>,
}

impl<W, S> Default for Single<W, S> {
    fn default() -> Single<W, S> {
        Single { wanted: None, sent: None }
    }
}

impl<W: Copy, S> Single<W, S> {
    /// Whether another operation may be wanted; if so, it is counted as begun.
    pub fn begins(&self, desk: &mut Desk<'_>) -> bool {
        desk.ledger.tally.begun += u64::from(self.is_finished());
        self.is_finished()
    }

    /// This is wanted now.
    pub fn want(&mut self, wish: W) {
        self.wanted = Some(wish);
    }

    /// What is to be sent.
    pub fn due(&self) -> Option<W> {
        self.wanted.filter(|_| self.sent.is_none())
    }

    /// It was sent.
    pub fn sent(&mut self, known: S) {
        self.sent = Some(known);
    }

    /// What an answer is about.
    pub fn asked(&self) -> Result<(W, &S), Failure> {
        let asked = self.wanted.zip(self.sent.as_ref());
        asked.ok_or_else(|| Failure::new("wire", "an answer that nobody waits for"))
    }

    /// That was all of it.
    pub fn done(&mut self) {
        (self.wanted, self.sent) = (None, None);
    }

    /// The connection is gone; what was sent over it, if anything was.
    pub fn lost(&mut self, desk: &mut Desk<'_>) -> Option<S> {
        let sent = self.sent.take()?;
        desk.ledger.tally.unknown += 1;
        self.wanted = None;
        Some(sent)
    }

    /// Whether nothing is wanted.
    pub fn is_finished(&self) -> bool {
        self.wanted.is_none()
    }
}
