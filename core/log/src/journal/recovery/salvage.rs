//! What can be saved of a group that was durable and is damaged.
//!
//! Every frame carries checksums over all of itself, so a frame that proves right is right,
//! whatever the block around it looks like. Where each frame begins is known from the footer, or,
//! without it, from the frame before. What the group held in all is known from its footer, or from
//! the echo in the next group's.

use super::super::frame::{Frame, FrameError, FrameKind, Identity};
use super::super::group::{Echo, Footer};
use crate::id::Offset;
use bytes::Bytes;

/// What is left of a group.
pub(super) struct Saved {
    /// Frames in order, lost appends replaced by marks. What an identity says in full is not lost with its frame.
    pub frames: Vec<Frame>,
    /// What is lost.
    pub lost: Vec<Identity>,
    /// Whether more is lost than `lost` names.
    pub unknown: bool,
}

pub(super) fn salvage(payload: &Bytes, footer: Option<&Footer>, echo: Option<&Echo>) -> Saved {
    let mut saved = Saved { frames: vec![], lost: vec![], unknown: false };
    match footer {
        Some(footer) => {
            for entry in footer.entries() {
                match prove(payload, &entry) {
                    Some(frame) => saved.frames.push(frame),
                    None => saved.lose(entry),
                }
            }
        }
        None => {
            let found = saved.walk(payload);
            saved.miss(&found, echo);
        }
    }
    saved
}

/// The frame that `entry` speaks of, if all of it is right.
fn prove(payload: &Bytes, entry: &Identity) -> Option<Frame> {
    let at = entry.at as usize;
    let (frame, _) = Frame::decode(payload, at).ok()?;
    frame.prove(at).ok()?;
    (frame.identity(entry.at, &frame.head()) == *entry).then_some(frame)
}

impl Saved {
    /// Takes frames from the beginning until one cannot be read. Returns the identity of each, lost
    /// or not.
    fn walk(&mut self, payload: &Bytes) -> Vec<Identity> {
        let mut found = vec![];
        let mut at = 0;
        while let Ok((frame, next)) = Frame::decode(payload, at) {
            let identity = frame.identity(at as u32, &frame.head());
            found.push(identity);
            match frame.prove(at) {
                Ok(()) => self.frames.push(frame),
                Err(FrameError::Batch { .. }) => self.lose(identity),
                Err(_) => break,
            }
            at = next;
        }
        found
    }

    /// Loses what the echo names and the walk did not find.
    fn miss(&mut self, found: &[Identity], echo: Option<&Echo>) {
        self.unknown = !echo.is_some_and(|e| e.whole);
        let mut found = found.to_vec();
        for entry in echo.iter().flat_map(|e| &e.entries) {
            // The frames of a log are in the same order in both lists, so the first that is left is
            // the one meant.
            let mut take = |base: u64| {
                let i =
                    found.iter().position(|f| f.log == entry.log && f.kind != FrameKind::Seal)?;
                let same = (found[i].kind, found[i].base) == (entry.kind, base);
                same.then(|| found.remove(i))
            };
            if entry.kind != FrameKind::Append {
                if take(entry.base).is_none() {
                    self.lose(*entry);
                }
                continue;
            }
            let mut base = entry.base;
            while base <= entry.last
                && let Some(piece) = take(base)
            {
                base = piece.last + 1;
            }
            if base <= entry.last {
                self.lose(Identity { base, ..*entry });
            }
        }
    }

    fn lose(&mut self, id: Identity) {
        let Identity { kind, log, base, last, .. } = id;
        let frame = match kind {
            FrameKind::Append => {
                Frame::FaultyMark { log, from: Offset(base), to: Offset(last + 1) }
            }
            // Their identity says all that they say.
            FrameKind::LogStart => Frame::LogStart { log, start: Offset(base) },
            FrameKind::FaultyMark => {
                Frame::FaultyMark { log, from: Offset(base), to: Offset(last) }
            }
            FrameKind::Boot => Frame::Boot { boot: base },
            _ => return self.lost.push(id),
        };
        self.frames.push(frame);
        self.lost.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Epoch, LogId};

    /// Nothing of the group can be read, and the next one's echo names these frames.
    #[test]
    fn what_an_identity_says_in_full_is_not_lost_with_its_frame() {
        let id = |kind, base, last| Identity {
            kind,
            at: 0,
            log: LogId(7),
            epoch: Epoch(0),
            base,
            last,
            crc: 0,
        };
        let entries = vec![
            id(FrameKind::Append, 4, 5),
            id(FrameKind::LogStart, 3, 0),
            id(FrameKind::FaultyMark, 1, 2),
            id(FrameKind::Boot, 9, 0),
            id(FrameKind::HardState, 0, 0),
        ];
        let lost = entries.len();
        let saved = salvage(&Bytes::new(), None, Some(&Echo { entries, whole: true }));
        let log = LogId(7);
        let expected = [
            Frame::FaultyMark { log, from: Offset(4), to: Offset(6) },
            Frame::LogStart { log, start: Offset(3) },
            Frame::FaultyMark { log, from: Offset(1), to: Offset(2) },
            Frame::Boot { boot: 9 },
        ];
        assert_eq!(saved.frames, expected);
        assert_eq!((saved.lost.len(), saved.unknown), (lost, false));
    }
}
