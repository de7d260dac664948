//! Directories of the simulated disk: what the process sees, what is durable, and the changes between.
//!
//! A name is a file system's own data. A change of names is atomic and is durable once the directory
//! is synced; until then a crash decides about each change by itself, so a later one may survive
//! an earlier one. (File systems with one metadata journal keep a prefix: that is one of these fates.)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Number of a file or directory; never reused.
pub type NodeId = u64;

/// The data directory itself.
pub const ROOT: NodeId = 0;

/// A name within a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    dir: NodeId,
    name: Arc<str>,
}

/// One atomic change of names.
#[derive(Clone, Debug)]
enum Change {
    Link { at: Place, node: NodeId },
    Unlink { at: Place },
    Move { from: Place, to: Place, node: NodeId },
}

type Tree = BTreeMap<NodeId, BTreeMap<Arc<str>, NodeId>>;

/// All names of one disk.
#[derive(Clone, Debug)]
pub struct Names {
    seen: Tree,
    durable: Tree,
    unsynced: Vec<Change>,
}

impl Default for Names {
    fn default() -> Names {
        let root = Tree::from([(ROOT, BTreeMap::new())]);
        Names { seen: root.clone(), durable: root, unsynced: Vec::new() }
    }
}

impl Names {
    /// What a path (components separated by `/`; empty for the data directory) stands for.
    pub fn find(&self, path: &str) -> Option<NodeId> {
        path.split('/')
            .filter(|part| !part.is_empty())
            .try_fold(ROOT, |dir, part| self.seen.get(&dir)?.get(part).copied())
    }

    /// Whether `node` is a directory.
    pub fn is_dir(&self, node: NodeId) -> bool {
        self.seen.contains_key(&node)
    }

    /// Names in a directory, sorted.
    pub fn entries(&self, dir: NodeId) -> impl Iterator<Item = (&str, NodeId)> {
        self.seen.get(&dir).into_iter().flatten().map(|(name, node)| (&**name, *node))
    }

    /// Gives `node` its first name. False if the parent directory is missing.
    pub fn link(&mut self, path: &str, node: NodeId, is_dir: bool) -> bool {
        let Some(at) = self.place(path) else { return false };
        if is_dir {
            self.seen.entry(node).or_default();
            self.durable.entry(node).or_default();
        }
        self.record(Change::Link { at, node });
        true
    }

    /// Removes a name. False if there is none.
    pub fn unlink(&mut self, path: &str) -> bool {
        let Some(at) = self.find(path).and_then(|_| self.place(path)) else { return false };
        self.record(Change::Unlink { at });
        true
    }

    /// Moves a name, replacing what had the other. False if the source or a directory is missing.
    pub fn rename(&mut self, from: &str, to: &str) -> bool {
        let (Some(node), Some(from), Some(to)) =
            (self.find(from), self.place(from), self.place(to))
        else {
            return false;
        };
        self.record(Change::Move { from, to, node });
        true
    }

    /// Every change in `dir` so far is durable.
    pub fn sync(&mut self, dir: NodeId) {
        let (done, rest) =
            std::mem::take(&mut self.unsynced).into_iter().partition(|change| change.touches(dir));
        self.unsynced = rest;
        let done: Vec<Change> = done;
        done.iter().for_each(|change| change.apply(&mut self.durable));
    }

    /// Every change so far is durable.
    pub fn sync_all(&mut self) {
        std::mem::take(&mut self.unsynced)
            .iter()
            .for_each(|change| change.apply(&mut self.durable));
    }

    /// How many changes a crash decides about.
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// The power fails: the changes for which `kept` says so survive, whatever became of earlier ones.
    pub fn crash(&mut self, mut kept: impl FnMut(usize) -> bool) {
        for (n, change) in std::mem::take(&mut self.unsynced).into_iter().enumerate() {
            if kept(n) {
                change.apply(&mut self.durable);
            }
        }
        self.seen = self.durable.clone();
    }

    /// Every node that has a path, with the path, the data directory first.
    pub fn paths(&self) -> BTreeMap<String, NodeId> {
        let mut found = BTreeMap::from([(String::new(), ROOT)]);
        let mut walk = vec![(String::new(), ROOT)];
        while let Some((prefix, dir)) = walk.pop() {
            for (name, node) in self.entries(dir) {
                let path =
                    if prefix.is_empty() { name.to_string() } else { format!("{prefix}/{name}") };
                if found.insert(path.clone(), node).is_none() && self.is_dir(node) {
                    walk.push((path, node));
                }
            }
        }
        found
    }

    /// Forgets directories other than `live`; only right when nothing is unsynced.
    pub fn retain(&mut self, live: &BTreeSet<NodeId>) {
        self.seen.retain(|node, _| live.contains(node));
        self.durable.retain(|node, _| live.contains(node));
    }

    fn place(&self, path: &str) -> Option<Place> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = self.find(dir).filter(|dir| self.is_dir(*dir))?;
        Some(Place { dir, name: name.into() })
    }

    fn record(&mut self, change: Change) {
        change.apply(&mut self.seen);
        self.unsynced.push(change);
    }
}

impl Change {
    fn touches(&self, dir: NodeId) -> bool {
        match self {
            Change::Link { at, .. } | Change::Unlink { at } => at.dir == dir,
            Change::Move { from, to, .. } => from.dir == dir || to.dir == dir,
        }
    }

    fn apply(&self, tree: &mut Tree) {
        match self {
            Change::Link { at, node } => {
                tree.entry(at.dir).or_default().insert(at.name.clone(), *node);
            }
            Change::Unlink { at } => {
                tree.entry(at.dir).or_default().remove(&at.name);
            }
            Change::Move { from, to, node } => {
                let names = tree.entry(from.dir).or_default();
                if names.get(&from.name) == Some(node) {
                    names.remove(&from.name);
                }
                tree.entry(to.dir).or_default().insert(to.name.clone(), *node);
            }
        }
    }
}
