//! `--image DIR`: a run that begins on the data directory of a stopped broker.
//!
//! The directory is read and never written to. As long as the command runs no broker can start on it. Its files are
//! opened when bytes of them are wanted, so that a directory of any size will do.

use anyhow::{Context, Result, anyhow};
use sordini_sim::image::Image;
use sordini_sim::platter::Base;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// An image, and what keeps brokers from its directory.
pub struct Opened {
    /// What runs begin on.
    pub image: Arc<Image>,
    _lock: Option<File>,
}

/// Opens a data directory and reads what it holds.
pub fn open(dir: &Path) -> Result<Opened> {
    let lock = crate::check::hold(dir)?;
    let mut found = Found::default();
    found.walk(dir, "").with_context(|| format!("cannot read {}", dir.display()))?;
    let Found { dirs, files, wall_ms } = found;
    let image = Image::survey(dirs, files, wall_ms).map_err(|failure| {
        anyhow!(
            "expected a data directory that a broker starts from; from {} one does not: {failure}; `sordini check` \
             names what is wrong with it",
            dir.display()
        )
    })?;
    Ok(Opened { image: Arc::new(image), _lock: lock })
}

/// What lies in a data directory.
#[derive(Default)]
struct Found {
    dirs: Vec<String>,
    files: Vec<(String, Arc<dyn Base>)>,
    /// When the newest file was written.
    wall_ms: i64,
}

impl Found {
    fn walk(&mut self, root: &Path, below: &str) -> Result<()> {
        let mut entries: Vec<_> = fs::read_dir(root.join(below))?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let meta = entry.metadata()?;
            if meta.is_dir() {
                self.dirs.push(path.clone());
                self.walk(root, &path)?;
            } else if !below.is_empty() {
                // What lies beside the directories is the process's own, not its machine's.
                let since = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
                self.wall_ms = self.wall_ms.max(since.as_millis() as i64);
                let file = RealFile { path: root.join(&path), len: meta.len() };
                self.files.push((path, Arc::new(file)));
            }
        }
        Ok(())
    }
}

/// A file of the directory.
#[derive(Debug)]
struct RealFile {
    path: PathBuf,
    len: u64,
}

impl Base for RealFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, at: u64, out: &mut [u8]) {
        let read = File::open(&self.path).and_then(|file| file.read_exact_at(out, at));
        // A run that cannot go on fails with these words.
        read.unwrap_or_else(|e| panic!("cannot read {} at {at}: {e}", self.path.display()));
    }
}
