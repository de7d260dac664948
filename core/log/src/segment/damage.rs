//! Which batches of a segment are bad: answers [`Query::Damage`](crate::disk::Query::Damage) where the bytes are.
//!
//! Every batch is read again and its CRC checked, so that what could not be read a moment ago, and now can, is not
//! called lost. A batch whose header is bad does not say where the next one begins. That is looked for byte by byte: a
//! place where a whole batch stands with a good CRC and a later base offset, and behind it others, up to one that the index names,
//! or the end. (A record may hold a batch as its value, and a misdirected write leaves good batches where they do not belong;
//! what stands behind those is no batch.) Better to refuse a good batch between two bad places than to serve a wrong one.

use super::locate::{Head, Walker};
use crate::disk::{DiskError, DiskErrorKind, Found};
use crate::id::Offset;
use sordini_wire::batch::{HEADER_SIZE, Header};

/// Bytes that are searched at a time for the beginning of a batch.
const PIECE_BYTES: usize = 64 << 10;
/// What fails to be read is read in pieces that end at multiples of this, and those that cannot be are passed over.
const SECTOR_BYTES: usize = 4096;

/// Whether the bytes are bad, rather than out of reach for the moment.
pub(super) fn is_damage(e: &DiskError) -> bool {
    matches!(e.kind, DiskErrorKind::Corrupt | DiskErrorKind::Io)
}

/// The first bad batches of `from .. until`, next to each other and nothing beyond, among the `bytes_max` bytes from the batch at `at`
/// on, which begins with offset `due` or is bad.
pub(super) fn find(
    walker: &mut Walker,
    (at, due): (u64, u64),
    (from, until): (Offset, Offset),
    bytes_max: u64,
) -> Result<Found, DiskError> {
    let (mut at, mut due) = (at, due);
    let end = walker.len.min(at.saturating_add(bytes_max));
    let mut bad: Option<Offset> = None;
    while at < end && due < until.0 {
        let (good, next) = match standing(walker, at, due)? {
            Standing::Sound(head) => {
                let read = head.next <= from.0 || is_good(walker, &head)?;
                (read, Some((head.end(), head.next)))
            }
            Standing::Bad(next, _) => (false, next.map(|head| (head.at, head.base))),
        };
        if good && bad.is_some() {
            break;
        }
        // Where nothing good follows, all that the file should hold is bad.
        let (place, next) = next.unwrap_or((walker.len, until.0.max(due + 1)));
        if !good && next > from.0 {
            bad.get_or_insert(Offset(due));
        }
        (at, due) = (place, next);
    }
    // A base offset that rotted may name a batch of far behind. What nobody asked for may be in no file yet.
    Ok(bad.map_or(Found::Nothing, |from| Found::Damage { from, to: until.min(Offset(due)) }))
}

/// What stands where a batch should.
pub(super) enum Standing {
    /// A header that says where the next batch begins, and with which offset: that one is there, or the CRC proves it. The
    /// records may be bad.
    Sound(Head),
    /// Something whose header cannot be believed; the first batch behind it, if there is one, and what is wrong.
    Bad(Option<Head>, DiskError),
}

/// What stands at `at`, where the batch with base offset `due` should. What looks bad is read once more before it is believed: a read
/// may have brought the wrong bytes.
pub(super) fn standing(walker: &mut Walker, at: u64, due: u64) -> Result<Standing, DiskError> {
    match sound(walker, at, due) {
        Err(e) if is_damage(&e) => walker.forget(),
        found => return found.map(Standing::Sound),
    }
    match sound(walker, at, due) {
        Err(e) if is_damage(&e) => Ok(Standing::Bad(next_good(walker, at, due), e)),
        found => found.map(Standing::Sound),
    }
}

/// The header at `at`, which is that of the batch with base offset `due`. Length and base offset are covered by no CRC, and what a
/// CRC covers is not believed before it was checked: else one bad header would hide the good batches behind it. But a header that
/// leads to the next batch is right.
fn sound(walker: &mut Walker, at: u64, due: u64) -> Result<Head, DiskError> {
    let wrong = |what: String| super::locate::corrupt(at, what);
    let head = walker.head(at)?.ok_or_else(|| wrong("the segment ends".into()))?;
    if head.base != due {
        return Err(wrong(format!("offset {} where {due} should be", head.base)));
    }
    if head.end() == walker.len || !is_followed(walker, &head) {
        walker.batch(&head)?;
    }
    Ok(head)
}

/// The first batch behind the bad one at `at`: the one that it names, if there is one, or whatever is certain to be one.
fn next_good(walker: &mut Walker, at: u64, due: u64) -> Option<Head> {
    let bad = walker.head(at).ok().flatten().filter(|bad| bad.base == due);
    let named = bad.and_then(|bad| {
        let next = walker.head(bad.end()).ok().flatten()?;
        (next.base == bad.next && walker.batch(&next).is_ok()).then_some(next)
    });
    named.or_else(|| resync(walker, at, due))
}

/// Whether the CRC is right, at the first look or the second.
fn is_good(walker: &mut Walker, head: &Head) -> Result<bool, DiskError> {
    match walker.batch(head).or_else(|_| walker.batch(head)) {
        Ok(_) => Ok(true),
        Err(e) if is_damage(&e) => Ok(false),
        Err(e) => Err(e),
    }
}

/// The first batch behind `at` that is certain to be one of this log, with a base offset above `due`.
fn resync(walker: &mut Walker, at: u64, due: u64) -> Option<Head> {
    let mut from = at + 1;
    while from + HEADER_SIZE as u64 <= walker.len {
        let bytes = bytes(walker, from);
        let places = bytes.len().saturating_sub(HEADER_SIZE - 1);
        for i in 0..places {
            let Ok(Some(header)) = Header::peek(&bytes[i..]) else { continue };
            let (base, at) = (header.base_offset(), from + i as u64);
            if base > due as i64
                && base as u64 - due <= i32::MAX as u64
                && let Ok(Some(head)) = walker.head(at)
                && walker.batch(&head).is_ok()
                && walker.is_confirmed(&head)
            {
                return Some(head);
            }
        }
        from += places.max(1) as u64;
    }
    None
}

/// Whether another batch stands behind this one, or nothing.
fn is_followed(walker: &mut Walker, head: &Head) -> bool {
    match walker.head(head.end()) {
        Ok(next) => next.is_none_or(|next| next.base == head.next),
        Err(_) => false,
    }
}

/// Bytes of the file; zeroes where it cannot be read.
fn bytes(walker: &Walker, at: u64) -> Vec<u8> {
    let mut bytes = vec![0; (walker.len - at).min(PIECE_BYTES as u64) as usize];
    if walker.log.read_at(at, &mut bytes).is_err() {
        let (mut place, mut rest) = (at, &mut bytes[..]);
        while !rest.is_empty() {
            let to_boundary = SECTOR_BYTES - (place as usize % SECTOR_BYTES);
            let (sector, behind) = rest.split_at_mut(to_boundary.min(rest.len()));
            if walker.log.read_at(place, sector).is_err() {
                sector.fill(0);
            }
            (place, rest) = (place + sector.len() as u64, behind);
        }
    }
    bytes
}
