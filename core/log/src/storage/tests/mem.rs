//! A disk in memory for unit tests: every file and directory twice, as the process sees it and as it
//! would be after the power went. The simulated platter has the fine-grained fates; this one has two.

use crate::disk::{
    Data, DirEntry, DiskError, DiskErrorKind, DiskOk, DiskResult, FileName, LogFile, OpKind, ReadAt,
};
use crate::segment::locate;
use bytes::Bytes;
use std::collections::BTreeMap;

type Names = BTreeMap<String, usize>;

#[derive(Clone, Debug)]
enum Node {
    File { live: Vec<u8>, durable: Vec<u8> },
    Dir { live: Names, durable: Names },
}

#[derive(Clone, Debug)]
pub struct Mem {
    nodes: Vec<Node>,
    /// Every write that would make a file longer, and every new journal file, is refused.
    pub full: bool,
    /// Directories cannot be renamed for want of space.
    pub no_rename: bool,
    /// Directories that were renamed.
    pub renamed: u32,
    /// Reads that touch this byte of this file fail.
    pub unreadable: Option<(String, u64)>,
    /// A file of which nothing can be read.
    pub withheld: Option<String>,
}

struct Bytes0(Vec<u8>);

impl ReadAt for Bytes0 {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let from = (at as usize).min(self.0.len());
        let len = buf.len().min(self.0.len() - from);
        buf[..len].copy_from_slice(&self.0[from..from + len]);
        Ok(len)
    }
}

fn error(kind: DiskErrorKind, detail: &str) -> DiskError {
    DiskError { kind, detail: detail.into() }
}

impl Default for Mem {
    fn default() -> Mem {
        let root = Node::Dir { live: Names::new(), durable: Names::new() };
        Mem {
            nodes: vec![root],
            full: false,
            no_rename: false,
            renamed: 0,
            unreadable: None,
            withheld: None,
        }
    }
}

impl Mem {
    fn names(&mut self, dir: usize) -> &mut Names {
        match &mut self.nodes[dir] {
            Node::Dir { live, .. } => live,
            Node::File { .. } => panic!("not a directory"),
        }
    }

    fn find(&self, path: &str) -> Option<usize> {
        let mut at = 0;
        for part in path.split('/').filter(|p| !p.is_empty()) {
            match &self.nodes[at] {
                Node::Dir { live, .. } => at = *live.get(part)?,
                Node::File { .. } => return None,
            }
        }
        Some(at)
    }

    fn parent(&self, path: &str) -> Result<(usize, String), DiskError> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.find(dir).ok_or_else(|| error(DiskErrorKind::NotFound, path))?;
        Ok((dir, name.to_string()))
    }

    /// The file's bytes as the process sees them.
    pub fn file(&mut self, path: &str) -> Option<&mut Vec<u8>> {
        let node = self.find(path)?;
        match &mut self.nodes[node] {
            Node::File { live, .. } => Some(live),
            Node::Dir { .. } => None,
        }
    }

    /// Makes a file behind everybody's back.
    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        *self.open(path).expect("its directory is there") = bytes.to_vec();
    }

    /// Takes a file away.
    pub fn remove(&mut self, path: &str) {
        let (dir, name) = self.parent(path).expect("its directory is there");
        self.names(dir).remove(&name);
    }

    /// Names of everything below `dir`.
    pub fn list(&self, dir: &str) -> Vec<String> {
        let Some(node) = self.find(dir) else { return Vec::new() };
        match &self.nodes[node] {
            Node::Dir { live, .. } => live.keys().cloned().collect(),
            Node::File { .. } => Vec::new(),
        }
    }

    fn open(&mut self, path: &str) -> Result<&mut Vec<u8>, DiskError> {
        if self.find(path).is_none() {
            let (dir, name) = self.parent(path)?;
            let node = self.nodes.len();
            self.nodes.push(Node::File { live: Vec::new(), durable: Vec::new() });
            self.names(dir).insert(name, node);
        }
        Ok(self.file(path).expect("it was just made"))
    }

    fn sync(&mut self, path: &str) -> Result<(), DiskError> {
        let node = self.find(path).ok_or_else(|| error(DiskErrorKind::NotFound, path))?;
        if let Node::File { live, durable } = &mut self.nodes[node] {
            durable.clone_from(live);
        }
        Ok(())
    }

    /// The power goes: what was not synced is lost, contents and names.
    pub fn lose_power(&mut self) {
        for node in &mut self.nodes {
            match node {
                Node::File { live, durable } => live.clone_from(durable),
                Node::Dir { live, durable } => live.clone_from(durable),
            }
        }
    }

    /// Does one operation.
    pub fn run(&mut self, op: &OpKind) -> DiskResult {
        self.apply(op).inspect_err(|_| {})
    }

    fn apply(&mut self, op: &OpKind) -> DiskResult {
        match op {
            OpKind::Create { file, .. } if self.full => {
                return Err(error(DiskErrorKind::Full, &file.path()));
            }
            OpKind::Create { file, len } => {
                let path = file.path();
                *self.open(&path)? = vec![0; *len as usize];
                self.sync(&path)?;
            }
            OpKind::Write { file, at, data, sync } => self.write(file, *at, data, *sync)?,
            OpKind::Sync { file } => self.sync(&file.path())?,
            OpKind::Truncate { file, len } => {
                if let Some(bytes) = self.file(&file.path()) {
                    bytes.truncate(*len as usize);
                }
            }
            OpKind::Rename { from, to } => {
                let (dir, name) = self.parent(&from.path())?;
                let node = self.names(dir).remove(&name);
                let node = node.ok_or_else(|| error(DiskErrorKind::NotFound, &name))?;
                let (dir, name) = self.parent(&to.path())?;
                self.names(dir).insert(name, node);
            }
            OpKind::RenameDir { from, .. } if self.no_rename => {
                return Err(error(DiskErrorKind::Full, &from.path()));
            }
            OpKind::RenameDir { from, to } => {
                if self.find(&from.path()).is_some() && self.find(&to.path()).is_some() {
                    return Err(error(DiskErrorKind::Io, "directory not empty"));
                }
                self.renamed += 1;
                if let Some(node) = self.names(0).remove(&from.path()) {
                    self.names(0).insert(to.path(), node);
                }
            }
            OpKind::Unlink { file } => {
                if let Ok((dir, name)) = self.parent(&file.path()) {
                    self.names(dir).remove(&name);
                }
            }
            OpKind::MakeDir { dir } => {
                if self.find(&dir.path()).is_none() {
                    let node = self.nodes.len();
                    self.nodes.push(Node::Dir { live: Names::new(), durable: Names::new() });
                    self.names(0).insert(dir.path(), node);
                }
            }
            OpKind::RemoveDir { dir } => _ = self.names(0).remove(&dir.path()),
            OpKind::SyncDir { dir } => {
                let path = dir.path();
                let node = self.find(&path).ok_or_else(|| error(DiskErrorKind::NotFound, &path))?;
                if let Node::Dir { live, durable } = &mut self.nodes[node] {
                    durable.clone_from(live);
                }
            }
            OpKind::List { dir } => return self.entries(&dir.path()).map(DiskOk::Entries),
            OpKind::Read { file, at, len } => {
                let path = file.path();
                let bad = |(file, byte): &(String, u64)| {
                    *file == path && (*at..at.saturating_add(*len)).contains(byte)
                };
                let is_withheld = self.withheld.as_ref() == Some(&path);
                if is_withheld || self.unreadable.as_ref().is_some_and(bad) {
                    return Err(error(DiskErrorKind::Io, &path));
                }
                let bytes =
                    self.file(&path).ok_or_else(|| error(DiskErrorKind::NotFound, &path))?;
                let from = (*at as usize).min(bytes.len());
                let to = (at.saturating_add(*len) as usize).min(bytes.len());
                return Ok(DiskOk::Bytes(Bytes::copy_from_slice(&bytes[from..to])));
            }
            OpKind::Find { dir, segment, len, query } => {
                let mut read = |file| {
                    let path = FileName::Log(dir.clone(), file).path();
                    Bytes0(self.file(&path).cloned().unwrap_or_default())
                };
                let log = read(LogFile::Segment(*segment));
                let index = read(LogFile::Index(*segment));
                let time = read(LogFile::TimeIndex(*segment));
                return locate(query, *segment, &log, &index, &time, *len).map(DiskOk::Found);
            }
        }
        Ok(DiskOk::Unit)
    }

    pub fn entries(&self, path: &str) -> Result<Vec<DirEntry>, DiskError> {
        let node = self.find(path).ok_or_else(|| error(DiskErrorKind::NotFound, path))?;
        let Node::Dir { live, .. } = &self.nodes[node] else { panic!("not a directory") };
        let entry = |(name, node): (&String, &usize)| match &self.nodes[*node] {
            Node::File { live, .. } => {
                DirEntry { name: name.clone(), is_dir: false, len: live.len() as u64 }
            }
            Node::Dir { .. } => DirEntry { name: name.clone(), is_dir: true, len: 0 },
        };
        Ok(live.iter().map(entry).collect())
    }

    fn write(
        &mut self,
        file: &FileName,
        at: u64,
        data: &Data,
        sync: bool,
    ) -> Result<(), DiskError> {
        let path = file.path();
        let end = at as usize + data.len() as usize;
        if self.full && self.file(&path).is_none_or(|bytes| bytes.len() < end) {
            return Err(error(DiskErrorKind::Full, &path));
        }
        let bytes = self.open(&path)?;
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        let mut at = at as usize;
        let mut put = |from: &[u8]| {
            bytes[at..at + from.len()].copy_from_slice(from);
            at += from.len();
        };
        match data {
            Data::Blocks(blocks) => blocks.iter().for_each(|b| put(&b.0)),
            Data::Slices(slices) => slices.iter().for_each(|s| put(s)),
        }
        if sync { self.sync(&path) } else { Ok(()) }
    }
}
