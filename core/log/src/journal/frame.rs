//! Frames: what a journal group says about logs, one statement each.
//!
//! All kinds have one header of 44 bytes, so that there is one encoder and one decoder. Its
//! checksum covers the header and, for an `Append`, the first 21 bytes of the batch: base offset,
//! length, leader epoch, magic and CRC, which the batch's own CRC-32C does not cover. The payload
//! of every other kind is covered whole. So any frame can be proven right without the block that it
//! lies in, which is what lets recovery save every frame of a damaged group but the damaged ones.

use super::block::{le32, le64};
use crate::id::{Epoch, LogDir, LogId, Offset};
use bytes::Bytes;
use std::fmt;

/// Length of a frame's header in bytes.
pub const FRAME_HEAD_BYTES: usize = 44;
/// How much of a batch is outside its own CRC-32C.
pub const BATCH_OUTSIDE_BYTES: usize = 21;
/// The longest hard state, in bytes.
pub const HARD_STATE_BYTES_MAX: usize = 4096;
/// The longest directory name, in bytes.
pub const DIR_NAME_BYTES_MAX: usize = 255;
/// Length of an encoded [`Identity`] in bytes.
pub const IDENTITY_BYTES: usize = 37;

/// One statement about a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum Frame {
    /// One stamped batch was appended; `crc` is the batch's own CRC-32C over its bytes from 21 on.
    Append { log: LogId, epoch: Epoch, base: Offset, last: Offset, crc: u32, bytes: Bytes },
    /// Everything from `to` on was removed.
    Truncate { log: LogId, to: Offset },
    /// Everything below `start` is no longer part of the log.
    LogStart { log: LogId, start: Offset },
    /// Replication's hard state, opaque here; at most [`HARD_STATE_BYTES_MAX`].
    HardState { log: LogId, state: Bytes },
    /// A log came into being in this directory.
    LogCreate { dir: LogDir, topic_id: [u8; 16], partition: u32 },
    /// A log ended; its id is never used again.
    LogDelete { log: LogId },
    /// Offsets `from .. to` are lost here, though they may be committed.
    FaultyMark { log: LogId, from: Offset, to: Offset },
    /// Offsets `from .. to` are no longer lost.
    Repair { log: LogId, from: Offset, to: Offset },
    /// Nothing: its group is there for its footer.
    Seal,
    /// A process started; `boot` counts them.
    Boot { boot: u64 },
}

/// Which kind of [`Frame`]; the number is the one on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)] // see Frame
pub enum FrameKind {
    Append = 1,
    Truncate = 2,
    LogStart = 3,
    HardState = 4,
    LogCreate = 5,
    LogDelete = 6,
    FaultyMark = 7,
    Repair = 8,
    Seal = 9,
    Boot = 10,
}

/// What a frame is about, without its payload: a footer repeats it, so that damage can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Kind of frame.
    pub kind: FrameKind,
    /// Byte of the group's payload at which the frame begins.
    pub at: u32,
    /// The log; 0 where the kind has none.
    pub log: LogId,
    /// Leader epoch of an `Append`, partition of a `LogCreate`.
    pub epoch: Epoch,
    /// First offset of an `Append`; `to`, `start`, `from` or `boot` of others.
    pub base: u64,
    /// Last offset (inclusive) of an `Append`; `to` of a range.
    pub last: u64,
    /// The batch's own CRC-32C of an `Append`, the frame's checksum of others.
    pub crc: u32,
}

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum FrameError {
    /// The header or the payload goes beyond the frames of the group.
    #[error("frame at byte {at} wants {want} bytes, {have} remain")]
    Short { at: usize, want: usize, have: usize },
    /// The frame's checksum is not that of its bytes.
    #[error("frame at byte {at} has a wrong checksum")]
    Checksum { at: usize },
    /// The batch is not the one whose CRC-32C the frame names.
    #[error("batch of the frame at byte {at} has a wrong CRC-32C")]
    Batch { at: usize },
    /// A kind that this version does not know.
    #[error("frame at byte {at} is of unknown kind {kind}: written by a newer version?")]
    Kind { at: usize, kind: u8 },
    /// A payload that its kind cannot have.
    #[error("frame at byte {at} ({kind}) has an impossible payload")]
    Payload { at: usize, kind: FrameKind },
    /// The footer counts otherwise.
    #[error("{have} frames where the footer counts {want}")]
    Count { have: usize, want: usize },
}

impl Frame {
    /// Which kind it is.
    pub fn kind(&self) -> FrameKind {
        match self {
            Frame::Append { .. } => FrameKind::Append,
            Frame::Truncate { .. } => FrameKind::Truncate,
            Frame::LogStart { .. } => FrameKind::LogStart,
            Frame::HardState { .. } => FrameKind::HardState,
            Frame::LogCreate { .. } => FrameKind::LogCreate,
            Frame::LogDelete { .. } => FrameKind::LogDelete,
            Frame::FaultyMark { .. } => FrameKind::FaultyMark,
            Frame::Repair { .. } => FrameKind::Repair,
            Frame::Seal => FrameKind::Seal,
            Frame::Boot { .. } => FrameKind::Boot,
        }
    }

    /// What a footer says of it, when it begins at payload byte `at` with this header.
    pub fn identity(&self, at: u32, head: &[u8; FRAME_HEAD_BYTES]) -> Identity {
        match self {
            Frame::Append { crc, .. } => Identity { crc: *crc, ..self.topic(at) },
            _ => Identity { crc: le32(head, 0), ..self.topic(at) },
        }
    }

    /// The log it is about; of what is about none, the first.
    pub fn log(&self) -> LogId {
        self.topic(0).log
    }

    /// Its identity but for the checksum.
    fn topic(&self, at: u32) -> Identity {
        let kind = self.kind();
        let plain = |log: LogId, base: u64, last: u64| Identity {
            kind,
            at,
            log,
            epoch: Epoch(0),
            base,
            last,
            crc: 0,
        };
        match self {
            Frame::Append { log, epoch, base, last, .. } => {
                Identity { epoch: *epoch, ..plain(*log, base.0, last.0) }
            }
            Frame::Truncate { log, to } => plain(*log, to.0, 0),
            Frame::LogStart { log, start } => plain(*log, start.0, 0),
            Frame::HardState { log, .. } | Frame::LogDelete { log } => plain(*log, 0, 0),
            Frame::LogCreate { dir, partition, .. } => {
                Identity { epoch: Epoch(*partition), ..plain(dir.log, 0, 0) }
            }
            Frame::FaultyMark { log, from, to } | Frame::Repair { log, from, to } => {
                plain(*log, from.0, to.0)
            }
            Frame::Seal => plain(LogId(0), 0, 0),
            Frame::Boot { boot } => plain(LogId(0), *boot, 0),
        }
    }

    /// The payload in at most two pieces.
    pub fn payload(&self) -> [&[u8]; 2] {
        match self {
            Frame::Append { bytes, .. } => [bytes, &[]],
            Frame::HardState { state, .. } => [state, &[]],
            Frame::LogCreate { dir, topic_id, .. } => [topic_id, dir.name.as_bytes()],
            _ => [&[], &[]],
        }
    }

    /// Length in the journal, header included, in bytes.
    pub fn len(&self) -> usize {
        let [a, b] = self.payload();
        FRAME_HEAD_BYTES + a.len() + b.len()
    }

    /// Never: a frame has a header.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The encoded header.
    pub fn head(&self) -> [u8; FRAME_HEAD_BYTES] {
        let id = self.topic(0);
        let [a, b] = self.payload();
        let len = u32::try_from(a.len() + b.len()).expect("a frame fits a journal file");
        let mut h = [0; FRAME_HEAD_BYTES];
        h[4] = id.kind as u8;
        h[8..12].copy_from_slice(&len.to_le_bytes());
        h[12..16].copy_from_slice(&id.epoch.0.to_le_bytes());
        h[16..24].copy_from_slice(&id.log.0.to_le_bytes());
        h[24..32].copy_from_slice(&id.base.to_le_bytes());
        h[32..40].copy_from_slice(&id.last.to_le_bytes());
        if let Frame::Append { crc, .. } = self {
            h[40..44].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = checksum(id.kind, &h, a, b);
        h[0..4].copy_from_slice(&crc.to_le_bytes());
        h
    }

    /// Decodes the frame at byte `at` of a group's frames, and says where the next one begins.
    /// Payloads are slices of `frames`. Does not look into the part of a batch that its CRC-32C
    /// covers; see [`Frame::prove`].
    pub fn decode(frames: &Bytes, at: usize) -> Result<(Frame, usize), FrameError> {
        let have = frames.len().saturating_sub(at);
        if have < FRAME_HEAD_BYTES {
            return Err(FrameError::Short { at, want: FRAME_HEAD_BYTES, have });
        }
        let start = at + FRAME_HEAD_BYTES;
        let h = &frames[at..start];
        let len = le32(h, 8) as usize;
        if len > have - FRAME_HEAD_BYTES {
            return Err(FrameError::Short { at, want: FRAME_HEAD_BYTES + len, have });
        }
        let payload = &frames[start..start + len];
        // A kind that nobody knows is covered like an Append; the checksum comes first in any case.
        let kind = FrameKind::of(h[4]);
        if checksum(kind.unwrap_or(FrameKind::Append), h, payload, &[]) != le32(h, 0) {
            return Err(FrameError::Checksum { at });
        }
        let kind = kind.ok_or(FrameError::Kind { at, kind: h[4] })?;
        let bad = FrameError::Payload { at, kind };
        let log = LogId(le64(h, 16));
        let (a, b) = (Offset(le64(h, 24)), Offset(le64(h, 32)));
        let body = || frames.slice(start..start + len);
        let has_payload =
            matches!(kind, FrameKind::Append | FrameKind::HardState | FrameKind::LogCreate);
        if len > 0 && !has_payload {
            return Err(bad);
        }
        let frame = match kind {
            FrameKind::Append => {
                if a > b || b.0 == u64::MAX || len < BATCH_OUTSIDE_BYTES {
                    return Err(bad);
                }
                let (epoch, crc) = (Epoch(le32(h, 12)), le32(h, 40));
                Frame::Append { log, epoch, base: a, last: b, crc, bytes: body() }
            }
            FrameKind::Truncate => Frame::Truncate { log, to: a },
            FrameKind::LogStart => Frame::LogStart { log, start: a },
            FrameKind::HardState if len > HARD_STATE_BYTES_MAX => return Err(bad),
            FrameKind::HardState => Frame::HardState { log, state: body() },
            FrameKind::LogCreate => {
                let (topic_id, name) = payload.split_first_chunk::<16>().ok_or(bad.clone())?;
                if name.len() > DIR_NAME_BYTES_MAX {
                    return Err(bad);
                }
                let name = std::str::from_utf8(name).map_err(|_| bad)?.into();
                let dir = LogDir { name, log };
                Frame::LogCreate { dir, topic_id: *topic_id, partition: le32(h, 12) }
            }
            FrameKind::LogDelete => Frame::LogDelete { log },
            FrameKind::FaultyMark => Frame::FaultyMark { log, from: a, to: b },
            FrameKind::Repair => Frame::Repair { log, from: a, to: b },
            FrameKind::Seal => Frame::Seal,
            FrameKind::Boot => Frame::Boot { boot: a.0 },
        };
        Ok((frame, start + len))
    }

    /// Checks the part of a batch that [`Frame::decode`] leaves to its CRC-32C.
    pub fn prove(&self, at: usize) -> Result<(), FrameError> {
        match self {
            Frame::Append { crc, bytes, .. } if crc32c(&bytes[BATCH_OUTSIDE_BYTES..]) != *crc => {
                Err(FrameError::Batch { at })
            }
            _ => Ok(()),
        }
    }
}

impl FrameKind {
    /// All kinds.
    pub const ALL: [FrameKind; 10] = [
        FrameKind::Append,
        FrameKind::Truncate,
        FrameKind::LogStart,
        FrameKind::HardState,
        FrameKind::LogCreate,
        FrameKind::LogDelete,
        FrameKind::FaultyMark,
        FrameKind::Repair,
        FrameKind::Seal,
        FrameKind::Boot,
    ];

    /// The kind with this number.
    pub fn of(number: u8) -> Option<FrameKind> {
        FrameKind::ALL.into_iter().find(|&k| k as u8 == number)
    }
}

impl Identity {
    /// Encoded as a footer has it.
    pub fn encode(&self) -> [u8; IDENTITY_BYTES] {
        let mut e = [0; IDENTITY_BYTES];
        e[0] = self.kind as u8;
        e[1..5].copy_from_slice(&self.at.to_le_bytes());
        e[5..13].copy_from_slice(&self.log.0.to_le_bytes());
        e[13..17].copy_from_slice(&self.epoch.0.to_le_bytes());
        e[17..25].copy_from_slice(&self.base.to_le_bytes());
        e[25..33].copy_from_slice(&self.last.to_le_bytes());
        e[33..37].copy_from_slice(&self.crc.to_le_bytes());
        e
    }

    /// The reverse of [`Identity::encode`]; `None` for an unknown kind or an impossible range.
    pub fn decode(e: &[u8; IDENTITY_BYTES]) -> Option<Identity> {
        let id = Identity {
            kind: FrameKind::of(e[0])?,
            at: le32(e, 1),
            log: LogId(le64(e, 5)),
            epoch: Epoch(le32(e, 13)),
            base: le64(e, 17),
            last: le64(e, 25),
            crc: le32(e, 33),
        };
        (id.kind != FrameKind::Append || (id.base <= id.last && id.last < u64::MAX)).then_some(id)
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { kind, log, epoch, base, last, crc, .. } = self;
        match kind {
            FrameKind::Append => {
                write!(f, "{kind} {log} offsets {base}..={last} epoch {epoch}")?;
                if *crc == 0 { Ok(()) } else { write!(f, " crc {crc:08x}") }
            }
            FrameKind::Truncate => write!(f, "{kind} {log} to {base}"),
            FrameKind::LogStart => write!(f, "{kind} {log} start {base}"),
            FrameKind::HardState | FrameKind::LogDelete => write!(f, "{kind} {log}"),
            FrameKind::LogCreate => write!(f, "{kind} {log} partition {epoch}"),
            FrameKind::FaultyMark | FrameKind::Repair => {
                write!(f, "{kind} {log} offsets {base}..{last}")
            }
            FrameKind::Seal => write!(f, "{kind}"),
            FrameKind::Boot => write!(f, "{kind} {base}"),
        }
    }
}

/// Checksum of a frame: its header from the kind on, and what no other checksum covers.
fn checksum(kind: FrameKind, head: &[u8], a: &[u8], b: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[4..]);
    match kind {
        FrameKind::Append => crc.update(&a[..a.len().min(BATCH_OUTSIDE_BYTES)]),
        _ => {
            crc.update(a);
            crc.update(b);
        }
    }
    crc.finalize()
}

fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}
