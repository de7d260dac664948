//! What a disk without power still knows.
//!
//! *Data.* A file's bytes are durable after a sync of that file, or at once if it was opened O_DSYNC. Each 512-byte sector
//! written since then is, when the power goes, kept or lost on its own (all, none, half or most of them: the seed says);
//! the length is the old or the new one.
//!
//! *A sync that failed.* Linux reports it once and marks the pages clean: a later sync succeeds and does not write them.
//! So those sectors stay in doubt until they are written again and synced.
//!
//! *Names.* Create, unlink, rename and mkdir are a journal. A power loss keeps a prefix of it which ends at or behind the
//! last sync of a directory, and, unless strict, of any file.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

pub const ROOT: u64 = 1;
/// The control file, which has a number and no name of its own.
pub const CTL: u64 = 2;
const FIRST: u64 = 10;
const SECTOR: usize = 512;

type Names = BTreeMap<u64, BTreeMap<OsString, u64>>;
/// What durable sectors held before they were written, by their number.
type Before = BTreeMap<usize, Vec<u8>>;

#[derive(Clone, Default)]
pub struct Node {
    pub dir: bool,
    pub data: Vec<u8>,
    pub mode: u16,
    pub kids: BTreeMap<OsString, u64>,
    pub parent: u64,
    durable_len: usize,
    /// Written since the last sync.
    before: Before,
    /// In doubt since a sync that failed.
    doubtful: Before,
    /// Has no name any more, but may be open.
    gone: bool,
}

#[derive(Clone, Debug)]
pub enum Naming {
    Link(u64, OsString, u64),
    Unlink(u64, OsString),
    Move(u64, OsString, u64, OsString),
}

/// What fails, and how often.
#[derive(Clone, Copy)]
pub enum Fails {
    Write,
    Sync,
    Read,
}

#[derive(Default)]
struct Eio {
    left: u32,
    part: String,
    struck: u64,
}

#[derive(Default)]
struct Counters {
    syncs: u64,
    dir_syncs: u64,
    namings: u64,
    lost: u64,
    kept: u64,
    crashes: u64,
    refused: u64,
    rotten: u64,
}

pub struct Model {
    pub nodes: BTreeMap<u64, Node>,
    pub full: bool,
    capacity: usize,
    strict: bool,
    next: u64,
    eio: [Eio; 3],
    durable_names: Names,
    /// Names that changed since they were durable.
    journal: Vec<Naming>,
    count: Counters,
}

/// xorshift: the same seed loses the same sectors.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Chance {
        let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            chance.next();
        }
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.next() % n as u64) as usize }
    }
}

fn apply(names: &mut Names, op: Naming) {
    match op {
        Naming::Link(dir, name, node) => _ = names.entry(dir).or_default().insert(name, node),
        Naming::Unlink(dir, name) => _ = names.entry(dir).or_default().remove(&name),
        Naming::Move(from, name, to, new) => {
            if let Some(node) = names.entry(from).or_default().remove(&name) {
                names.entry(to).or_default().insert(new, node);
            }
        }
    }
}

impl Node {
    /// Remembers what is durable of the sectors that are about to change.
    fn touch(&mut self, from: usize, to: usize) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            if !self.before.contains_key(&sector) {
                let end = ((sector + 1) * SECTOR).min(self.durable_len.min(self.data.len()));
                let held = self.data.get(sector * SECTOR..end).unwrap_or_default().to_vec();
                // What is in doubt is no better known for being written once more.
                self.before.insert(sector, self.doubtful.remove(&sector).unwrap_or(held));
            }
        }
    }

    fn synced(&mut self) {
        self.before.clear();
        self.durable_len = self.data.len();
    }

    fn sync_failed(&mut self) {
        self.doubtful.append(&mut self.before);
        self.durable_len = self.data.len();
    }

    /// The power is gone: says how many sectors were lost and how many kept.
    fn lose(&mut self, mode: usize, chance: &mut Chance) -> (u64, u64) {
        let new_len = self.data.len();
        let back = new_len != self.durable_len && chance.below(2) == 0;
        let len = if back { self.durable_len } else { new_len };
        self.data.resize(len.max(new_len), 0);
        let (mut lost, mut kept) = (0, 0);
        let mut doubt = std::mem::take(&mut self.doubtful);
        doubt.append(&mut self.before);
        for (sector, old) in doubt {
            let keep = match mode {
                0 => false,
                1 => true,
                2 => chance.below(2) == 0,
                _ => chance.below(16) != 0,
            };
            if keep {
                kept += 1;
                continue;
            }
            lost += 1;
            let (from, to) = (sector * SECTOR, ((sector + 1) * SECTOR).min(self.data.len()));
            if from < to {
                self.data[from..to].fill(0);
                let len = old.len().min(to - from);
                self.data[from..from + len].copy_from_slice(&old[..len]);
            }
        }
        self.data.truncate(len);
        self.durable_len = len;
        (lost, kept)
    }
}

impl Model {
    pub fn new(strict: bool, capacity: usize) -> Model {
        let root = Node { dir: true, mode: 0o755, parent: ROOT, ..Node::default() };
        let ctl = Node { mode: 0o666, parent: ROOT, ..Node::default() };
        Model {
            nodes: BTreeMap::from([(ROOT, root), (CTL, ctl)]),
            full: false,
            capacity,
            strict,
            next: FIRST,
            eio: Default::default(),
            durable_names: Names::new(),
            journal: Vec::new(),
            count: Counters::default(),
        }
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn used(&self) -> usize {
        self.nodes.values().filter(|n| !n.gone).map(|n| n.data.len()).sum()
    }

    pub fn free(&self) -> usize {
        if self.full { 0 } else { self.capacity.saturating_sub(self.used()) }
    }

    /// Makes a file or directory.
    pub fn make(&mut self, dir: u64, name: &OsStr, mode: u16, is_dir: bool) -> Result<u64, i32> {
        if self.full {
            return Err(self.no_space());
        }
        let number = self.next;
        self.next += 1;
        let node = Node { dir: is_dir, mode, parent: dir, ..Node::default() };
        self.nodes.insert(number, node);
        self.name(Naming::Link(dir, name.into(), number));
        Ok(number)
    }

    /// Changes names, now and in the journal.
    pub fn name(&mut self, op: Naming) {
        match op.clone() {
            Naming::Link(dir, name, node) => {
                self.node(dir).kids.insert(name, node);
            }
            Naming::Unlink(dir, name) => {
                if let Some(node) = self.node(dir).kids.remove(&name) {
                    self.node(node).gone = true;
                }
            }
            Naming::Move(from, name, to, new) => {
                let node = self.node(from).kids.remove(&name).expect("looked up before");
                if let Some(replaced) = self.node(to).kids.insert(new, node) {
                    self.node(replaced).gone = true;
                }
                self.node(node).parent = to;
            }
        }
        self.journal.push(op);
        self.count.namings += 1;
    }

    fn node(&mut self, number: u64) -> &mut Node {
        self.nodes.get_mut(&number).expect("the kernel names nodes that are there")
    }

    fn no_space(&mut self) -> i32 {
        self.count.refused += 1;
        libc::ENOSPC
    }

    pub fn resize(&mut self, number: u64, len: usize) -> Result<(), i32> {
        let had = self.nodes[&number].data.len();
        let grows = len.saturating_sub(had);
        if grows > 0 && grows > self.free() {
            return Err(self.no_space());
        }
        let node = self.node(number);
        if len < had {
            node.touch(len, had);
        }
        node.data.resize(len, 0);
        Ok(())
    }

    pub fn write(&mut self, number: u64, at: usize, data: &[u8]) -> Result<(), i32> {
        self.may_fail(Fails::Write, number)?;
        let end = at + data.len();
        if end > self.nodes[&number].data.len() {
            self.resize(number, end)?;
        }
        let node = self.node(number);
        node.touch(at, end);
        node.data[at..end].copy_from_slice(data);
        Ok(())
    }

    pub fn read(&mut self, number: u64, at: usize, len: usize) -> Result<&[u8], i32> {
        self.may_fail(Fails::Read, number)?;
        let data = &self.nodes.get(&number).ok_or(libc::ENOENT)?.data;
        let from = at.min(data.len());
        Ok(&data[from..(at + len).min(data.len())])
    }

    pub fn sync(&mut self, number: u64) -> Result<(), i32> {
        if let Err(error) = self.may_fail(Fails::Sync, number) {
            self.node(number).sync_failed();
            return Err(error);
        }
        let node = self.node(number);
        node.synced();
        let dir = node.dir;
        if dir {
            self.count.dir_syncs += 1;
        } else {
            self.count.syncs += 1;
        }
        if dir || !self.strict {
            for op in std::mem::take(&mut self.journal) {
                apply(&mut self.durable_names, op);
            }
        }
        Ok(())
    }

    fn may_fail(&mut self, what: Fails, number: u64) -> Result<(), i32> {
        if self.eio[what as usize].left == 0 {
            return Ok(());
        }
        let path = self.path(number);
        let eio = &mut self.eio[what as usize];
        if !path.contains(&eio.part) {
            return Ok(());
        }
        eio.left -= 1;
        eio.struck += 1;
        Err(libc::EIO)
    }

    /// Path below the mount point.
    fn path(&self, number: u64) -> String {
        let (mut number, mut path) = (number, String::new());
        while number != ROOT {
            let Some(node) = self.nodes.get(&number) else { break };
            let Some(parent) = self.nodes.get(&node.parent) else { break };
            let named = parent.kids.iter().find(|(_, kid)| **kid == number);
            let name = named.map_or("?".into(), |(name, _)| name.to_string_lossy());
            path = format!("/{name}{path}");
            number = node.parent;
        }
        path
    }

    fn crash(&mut self, seed: u64) {
        let mut chance = Chance::new(seed);
        let keep = chance.below(self.journal.len() + 1);
        for op in std::mem::take(&mut self.journal).into_iter().take(keep) {
            apply(&mut self.durable_names, op);
        }
        let mode = chance.below(4);
        for node in self.nodes.values_mut() {
            node.kids.clear();
            node.gone = false;
            if !node.dir {
                let (lost, kept) = node.lose(mode, &mut chance);
                self.count.lost += lost;
                self.count.kept += kept;
            }
        }
        let mut living = vec![ROOT];
        let mut at = 0;
        while at < living.len() {
            let dir = living[at];
            for (name, number) in self.durable_names.get(&dir).into_iter().flatten() {
                if let Some(node) = self.nodes.get_mut(number) {
                    node.parent = dir;
                    living.push(*number);
                    self.nodes.get_mut(&dir).expect("it lives").kids.insert(name.clone(), *number);
                }
            }
            at += 1;
        }
        living.push(CTL);
        self.nodes.retain(|number, _| living.contains(number));
        self.count.crashes += 1;
    }

    fn rot(&mut self, seed: u64, bits: u64, part: &str) {
        let mut chance = Chance::new(seed);
        let files = self.nodes.iter().filter(|(_, n)| !n.dir && !n.gone && !n.data.is_empty());
        let numbers: Vec<u64> = files.map(|(number, _)| *number).collect();
        let chosen: Vec<u64> =
            numbers.into_iter().filter(|n| self.path(*n).contains(part)).collect();
        for _ in 0..if chosen.is_empty() { 0 } else { bits } {
            let data = &mut self.node(chosen[chance.below(chosen.len())]).data;
            let at = chance.below(data.len());
            data[at] ^= 1 << chance.below(8);
            self.count.rotten += 1;
        }
    }

    /// Obeys what was written to `.ctl`; whether it was understood.
    pub fn control(&mut self, command: &str) -> bool {
        let words: Vec<&str> = command.split_whitespace().collect();
        let number = |word: &str| word.parse::<u64>().ok();
        match words.as_slice() {
            ["crash", seed] => number(seed).map(|seed| self.crash(seed)).is_some(),
            ["full", "1"] => {
                self.full = true;
                true
            }
            ["full", "0"] => {
                self.full = false;
                true
            }
            ["eio", what, left, part @ ..] if part.len() <= 1 => {
                let names = ["write", "sync", "read"];
                let which = names.iter().position(|name| name == what);
                let Some((which, left)) = which.zip(number(left)) else { return false };
                self.eio[which].left = left as u32;
                self.eio[which].part = part.concat();
                true
            }
            ["rot", seed, bits, part @ ..] if part.len() <= 1 => {
                let Some((seed, bits)) = number(seed).zip(number(bits)) else { return false };
                self.rot(seed, bits, &part.concat());
                true
            }
            _ => false,
        }
    }

    /// What reading `.ctl` says.
    pub fn counters(&self) -> String {
        let c = &self.count;
        let [write, sync, read] = &self.eio;
        format!(
            "crashes {}\nsectors_lost {}\nsectors_kept {}\nfile_syncs {}\ndirectory_syncs {}\nname_operations {}\n\
             eio_writes {}\neio_syncs {}\neio_reads {}\nrefused_full {}\nbits_rotten {}\n",
            c.crashes,
            c.lost,
            c.kept,
            c.syncs,
            c.dir_syncs,
            c.namings,
            write.struck,
            sync.struck,
            read.struck,
            c.refused,
            c.rotten,
        )
    }
}
