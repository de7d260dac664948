//! Damage to what a device holds, as veils over pristine bytes.
//!
//! A veiled sector shows other bytes than those that were written, or cannot be read at all. What was written stays below,
//! so that a veil can be lifted, and so that the simulator always knows the truth: which batches lie under a veil
//! that somebody has looked at. A sector that is written again as a whole is a sector without a veil.
//!
//! A veil does harm when it is read and not before ([`Platter::take_damage`]): then the fault that laid it counts, and the
//! offsets whose bytes it hides are known to be damaged, which excuses a broker that cannot serve them, and
//! excuses nothing else.

use super::file::File;
use super::image::{SECTOR_BYTES, Sector};
use super::names::NodeId;
use super::{Platter, Role};
use bytes::Bytes;
use sordini_log::LogId;
use sordini_log::disk::{BLOCK_BYTES, DiskError, DiskErrorKind, FileName, LogFile, OpKind, ReadAt};
use sordini_log::journal::Frame;
use sordini_log::journal::block::{self, Found, Head};
use sordini_wire::batch::walk;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// What a sector shows instead of what was written there.
#[derive(Clone, Debug)]
pub enum Shown {
    /// Other bytes.
    Bytes(Arc<Sector>),
    /// Nothing: reading it is EIO.
    Unreadable,
}

/// A veil over one sector.
#[derive(Clone, Debug)]
pub struct Veil {
    /// What is shown.
    pub shown: Shown,
    /// Number of the strike that laid it.
    pub owner: u32,
    /// Whether it is gone once it was read.
    pub once: bool,
    /// Whether anybody has looked at it.
    pub bitten: bool,
    /// Whether the file ended inside a batch that it hides when somebody looked last: which one that is shows later.
    pub open: bool,
}

impl Veil {
    /// A veil that stays, and that nobody has looked at.
    pub fn new(shown: Shown, owner: u32) -> Veil {
        Veil { shown, owner, once: false, bitten: false, open: false }
    }
}

/// A veil that somebody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bite {
    /// Number of the strike that laid it.
    pub owner: u32,
    /// Whether nobody looked before.
    pub first: bool,
    /// Whether it may hide a batch that was not there as a whole when somebody did.
    pub open: bool,
}

/// Offsets of a log whose bytes lie under a veil that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// The log.
    pub log: LogId,
    /// First offset.
    pub from: u64,
    /// Offset after the last.
    pub to: u64,
}

/// What was read of damage since somebody asked last.
#[derive(Clone, Debug, Default)]
pub struct Harmed {
    /// Batches that cannot be read any more.
    pub batches: Vec<Damaged>,
    /// Something that recovery needs showed other bytes: it may be unable to go on.
    pub vital: bool,
}

/// A place that a veil can be laid over: a file, and some of its sectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: NodeId,
    /// The sectors.
    pub sectors: Range<u64>,
}

/// A file as reads see it, which remembers the veils they met.
pub(super) struct Veiled<'a> {
    pub file: &'a File,
    pub met: RefCell<BTreeSet<u64>>,
}

impl<'a> Veiled<'a> {
    pub fn new(file: &'a File) -> Veiled<'a> {
        Veiled { file, met: RefCell::default() }
    }
}

impl ReadAt for Veiled<'_> {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        self.file.read_veiled_into(at, buf, &mut self.met.borrow_mut()).map_err(unreadable)
    }
}

/// Reading met this sector.
pub(super) fn unreadable(sector: u64) -> DiskError {
    let at = sector * SECTOR_BYTES;
    DiskError { kind: DiskErrorKind::Io, detail: format!("EIO: cannot read the sector at {at}") }
}

impl Platter {
    /// Lays a veil over a sector. False if what it hides is not durable, or is the same.
    pub fn veil(&mut self, file: NodeId, sector: u64, shown: Shown, owner: u32) -> bool {
        self.lay(file, sector, Veil::new(shown, owner))
    }

    /// The same until it was read.
    pub fn veil_once(&mut self, file: NodeId, sector: u64, shown: Shown, owner: u32) -> bool {
        self.lay(file, sector, Veil { once: true, ..Veil::new(shown, owner) })
    }

    fn lay(&mut self, file: NodeId, sector: u64, veil: Veil) -> bool {
        self.files.get_mut(&file).is_some_and(|file| file.veil(sector, veil))
    }

    /// Lifts every veil of a strike: what was written shows again.
    pub fn unveil(&mut self, owner: u32) {
        self.files.values_mut().for_each(|file| file.unveil(owner));
    }

    /// Lays veils over sectors that show what those held before they were last synced. False if that is the same everywhere, or is
    /// nowhere durable.
    pub fn supersede(&mut self, file: NodeId, sectors: Range<u64>, owner: u32) -> bool {
        let mut laid = false;
        for sector in sectors {
            let old = self.superseded(file, sector);
            laid |= self.veil(file, sector, Shown::Bytes(Arc::new(old)), owner);
        }
        laid
    }

    /// What a sector was told to keep.
    pub fn pristine(&self, file: NodeId, sector: u64) -> Sector {
        self.files[&file].pristine(sector)
    }

    /// How many bytes of a sector lie before the end of the file.
    pub fn len_within(&self, file: NodeId, sector: u64) -> u64 {
        self.files[&file].len().saturating_sub(sector * SECTOR_BYTES).min(SECTOR_BYTES)
    }

    /// Whether all of a place is durable, is before the end of a file that may grow, and has no veil.
    pub fn is_settled(&self, spot: &Spot) -> bool {
        let file = &self.files[&spot.file];
        let end = spot.sectors.end * SECTOR_BYTES;
        (end <= file.len() || self.is_plate(spot.file))
            && !file.is_dirty(spot.sectors.clone())
            && !file.has_veil(spot.sectors.clone())
    }

    /// Whether it is a `partition.metadata`, which is written once and as a whole.
    fn is_plate(&self, file: NodeId) -> bool {
        let mut paths = self.names.paths().into_iter();
        paths.any(|(path, node)| node == file && role_of(&path) == Some(Role::Metadata))
    }

    /// What a sector held before it was last synced; zeroes if that is not known.
    pub fn superseded(&self, file: NodeId, sector: u64) -> Sector {
        self.files[&file].superseded(sector)
    }

    /// Everything durable of a role that may be destroyed: of the journal only blocks of groups that a later one, which is
    /// durable too, proves to have been durable. Of anything else, every page.
    pub fn spots(&self, role: Role) -> Vec<Spot> {
        let mut spots = Vec::new();
        for (path, file) in self.names.paths() {
            let Some(bytes) = self.files.get(&file).filter(|_| role_of(&path) == Some(role)) else {
                continue;
            };
            let pages = bytes.len().div_ceil(BLOCK_BYTES as u64);
            // A plate has one sector.
            let sectors = if role == Role::Metadata { 1 } else { 8 };
            let page = |n: u64| Spot { file, sectors: n * 8..(n * 8 + sectors) };
            spots.extend((0..pages).map(page));
        }
        if role == Role::Journal {
            let heads: Vec<Option<Head>> = spots.iter().map(|spot| self.head(spot)).collect();
            let newest = heads.iter().flatten().map(|head| head.group.0).max().unwrap_or(0);
            // The newest may not be synced yet. The one before it was when it began, and says that of those before.
            let covered =
                |head: &Head| head.group.0 + 2 <= newest && head.group.0 + JOURNAL_RECENT > newest;
            let mut heads = heads.iter();
            spots.retain(|_| heads.next().expect("one each").as_ref().is_some_and(covered));
        }
        spots
    }

    /// The sectors of the journal group that a block belongs to; `None` if that is not whole any more: what is left of a group of an
    /// earlier lap may lie around the newest one, which nothing proves to have been durable.
    pub fn group_of(&self, spot: &Spot) -> Option<Range<u64>> {
        let head = self.head(spot)?;
        let first = u64::from(head.group_at());
        let is_its = |n: u64| {
            let at = Spot { file: spot.file, sectors: n * 8..n * 8 + 8 };
            self.head(&at).is_some_and(|other| (other.group, other.lap) == (head.group, head.lap))
        };
        let end = first + u64::from(head.blocks);
        (first..end).all(is_its).then_some(first * 8..end * 8)
    }

    /// Whether what the sectors from this one on held before is a valid block of a journal.
    pub fn is_superseded_block(&self, file: NodeId, sector: u64) -> bool {
        let sectors = (sector..sector + 8).map(|n| self.superseded(file, n));
        matches!(block::read(&sectors.collect::<Vec<_>>().concat()), Found::Valid(_))
    }

    /// For each journal file, the sectors that may be lost although they were synced, if the sync lied: those of groups that a
    /// later one, which is durable, says were synced before.
    pub(super) fn deniable(&self) -> BTreeMap<NodeId, BTreeSet<u64>> {
        let mut lied = BTreeMap::new();
        let (mut durable, mut heads) = (0, Vec::new());
        for (path, node) in self.names.paths() {
            let Some(file) =
                self.files.get(&node).filter(|_| role_of(&path) == Some(Role::Journal))
            else {
                continue;
            };
            let mut group = (0, 0);
            for n in 0..file.len() / BLOCK_BYTES as u64 {
                let spot = Spot { file: node, sectors: n * 8..n * 8 + 8 };
                let Some(head) = self.head(&spot) else { continue };
                let lies = file.has_lied(spot.sectors.clone());
                if lies {
                    heads.push((head.group.0, spot.clone()));
                }
                let sure = !lies && !file.is_dirty(spot.sectors);
                // As many blocks of one group in a row as it has.
                group = match (sure, group.0 == head.group.0) {
                    (true, true) => (group.0, group.1 + 1),
                    (true, false) => (head.group.0, 1),
                    (false, _) => (0, 0),
                };
                if sure && group.1 == head.blocks {
                    durable = durable.max(head.group.0);
                }
            }
            lied.insert(node, BTreeSet::new());
        }
        for (_, spot) in heads.into_iter().filter(|(group, _)| *group < durable) {
            lied.get_mut(&spot.file).expect("it was looked at").extend(spot.sectors);
        }
        lied
    }

    fn head(&self, spot: &Spot) -> Option<Head> {
        let at = spot.sectors.start * SECTOR_BYTES;
        let bytes = self.files[&spot.file].read(at, BLOCK_BYTES as u64);
        match (bytes.len() == BLOCK_BYTES).then(|| block::read(&bytes))? {
            Found::Valid(head) => Some(head),
            _ => None,
        }
    }

    /// Somebody read these sectors of a file.
    pub(super) fn met(&mut self, name: &FileName, file: NodeId, sectors: BTreeSet<u64>) {
        for sector in sectors {
            let Some(content) = self.files.get_mut(&file) else { return };
            let Some(Bite { owner, first, open }) = content.bite(sector) else { continue };
            self.counts.bites += 1;
            self.harmed.vital |= is_vital(name);
            match name {
                FileName::Log(dir, LogFile::Metadata) => self.nameless.insert(dir.log),
                FileName::Log(dir, _) => self.bitten.insert(dir.log),
                _ => false,
            };
            if !first && !open {
                continue;
            }
            if first && !self.struck.contains(&owner) {
                self.struck.push(owner);
            }
            let lost = match name {
                FileName::Log(dir, LogFile::Segment(_)) => {
                    let segment = content.read(0, content.len());
                    let (lost, open) = batches_at(dir.log, &segment, sector, content);
                    content.leave_open(sector, open);
                    lost
                }
                FileName::Journal(_) => self.appends_at(file, sector),
                _ => Vec::new(),
            };
            self.harmed.batches.extend(lost);
        }
    }

    /// A read failed: of the journal a recovery asks for a single block only after it did not get the file, and what it does not get
    /// then is lost to it.
    pub(super) fn withhold(&mut self, kind: &OpKind) {
        if let OpKind::Read { file: file @ FileName::Journal(_), at, len } = kind
            && *len == BLOCK_BYTES as u64
            && let Some(node) = self.names.find(&file.path())
        {
            let lost = self.appends_at(node, at / SECTOR_BYTES);
            self.harmed.batches.extend(lost);
        }
    }

    /// Whether anything is not durable although its sync succeeded.
    pub fn has_lies(&self) -> bool {
        self.files.values().any(File::has_lies)
    }

    /// What was read of damage since this was asked last.
    pub fn take_damage(&mut self) -> Harmed {
        std::mem::take(&mut self.harmed)
    }

    /// Whether damage was ever read in a file of this log: where its batches are may be answered wrongly then.
    pub fn is_bitten(&self, log: LogId) -> bool {
        self.bitten.contains(&log)
    }

    /// Whether the log's directory was ever found not to say whose it is, for its plate is damaged: its files cannot be opened until it
    /// says so again.
    pub fn is_nameless(&self, log: LogId) -> bool {
        self.nameless.contains(&log)
    }

    /// The appends of the journal group that a sector belongs to.
    fn appends_at(&self, file: NodeId, sector: u64) -> Vec<Damaged> {
        let block = sector / block::SECTORS as u64;
        let spot = |n: u64| Spot { file, sectors: n * 8..n * 8 + 8 };
        let Some(head) = self.head(&spot(block)) else { return Vec::new() };
        let first = u64::from(head.group_at());
        let content = &self.files[&file];
        let mut payload = Vec::new();
        for n in first..first + u64::from(head.blocks) {
            let bytes = content.read(n * BLOCK_BYTES as u64, BLOCK_BYTES as u64);
            if bytes.len() == BLOCK_BYTES {
                block::unstripe(&bytes, &mut payload);
            }
        }
        let payload = Bytes::from(payload);
        let (mut at, mut found) = (0, Vec::new());
        while let Ok((frame, next)) = Frame::decode(&payload, at) {
            if let Frame::Append { log, base, last, .. } = frame {
                found.push(Damaged { log, from: base.0, to: last.0 + 1 });
            }
            at = next;
        }
        found
    }
}

/// Whether recovery needs what a file says: without it, it cannot go on.
fn is_vital(name: &FileName) -> bool {
    match name {
        FileName::Log(_, LogFile::Metadata) => false, // it is written again
        FileName::Log(dir, _) => &*dir.name == METADATA_DIR,
        _ => true,
    }
}

/// Directory of the log that says which topics there are.
const METADATA_DIR: &str = "__cluster_metadata-0";

/// Only so many of the newest groups are struck: what lies further back is rarely read again.
const JOURNAL_RECENT: u64 = 40;

/// Batches between two bad ones that begin within so many bytes prove nothing: what the index names may be far, and a page that was
/// misdirected is full of good ones.
const PROOF_BYTES: u64 = 16 << 10;

/// The batches of a segment that veils spoil together with the one or two that this sector holds a piece of, and whether
/// the file ends inside another such batch.
fn batches_at(log: LogId, segment: &[u8], sector: u64, file: &File) -> (Vec<Damaged>, bool) {
    let struck = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
    // Those since the last that are proof enough, how many up to the last bad one, and where the good ones behind it begin.
    let (mut found, mut spoilt, mut good_from) = (Vec::new(), 0, None);
    let mut is_here = false;
    let mut batches = walk(segment);
    for placed in batches.by_ref().map_while(Result::ok) {
        let (start, header) = (placed.position as u64, placed.batch.header());
        let bytes = start..start + header.size() as u64;
        let (from, to) = (header.base_offset() as u64, header.next_offset() as u64);
        let is_struck = bytes.start < struck.end && struck.start < bytes.end;
        if is_struck || file.hides(&bytes) {
            found.push(Damaged { log, from, to });
            (spoilt, good_from) = (found.len(), None);
            is_here |= is_struck;
        } else if start - *good_from.get_or_insert(start) < PROOF_BYTES {
            if spoilt > 0 {
                found.push(Damaged { log, from, to });
            }
        } else if is_here {
            break;
        } else {
            found.clear();
            spoilt = 0;
        }
    }
    found.truncate(if is_here { spoilt } else { 0 });
    let rest = batches.position() as u64..segment.len() as u64;
    let is_open = !rest.is_empty() && rest.start < struck.end && struck.start < rest.end;
    (found, is_open)
}

/// What a path is for, as far as veils are laid.
fn role_of(path: &str) -> Option<Role> {
    match path.rsplit_once('.') {
        Some((_, "journal")) => Some(Role::Journal),
        Some((_, "log")) => Some(Role::Segment),
        Some((_, "index")) => Some(Role::Index),
        Some((_, "timeindex")) => Some(Role::TimeIndex),
        Some((_, "metadata")) => Some(Role::Metadata),
        _ if path == "checkpoint/current" => Some(Role::Checkpoint),
        _ => None,
    }
}
