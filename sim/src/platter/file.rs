//! One simulated file: what the process sees of it, and what the device may hold of it.
//!
//! The process reads its own writes at once (the page cache). The device holds the content of the
//! last sync for sure; of every sector written since, it may hold any of the contents that the
//! sector had, whatever became of its neighbours, since a page cache writes back when and in which
//! order it likes. The same holds for the length.

use super::Fate;
use super::image::{Image, SECTOR_BYTES, Sector};
use crate::digest::Digest;
use sordini_log::disk::{DiskError, ReadAt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A file's bytes with their versions since the last sync.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// What the process sees.
    cached: Image,
    /// Sectors changed since the last sync, with all their contents but the newest, which `cached`
    /// has. The first is what the device holds for sure.
    dirty: BTreeMap<u64, Vec<Arc<Sector>>>,
    /// Sectors whose sync failed: the cache believes them clean, the device holds this.
    forgotten: BTreeMap<u64, Arc<Sector>>,
    /// Lengths since the last sync but the newest; the first is durable. Empty when nothing changed.
    lens: Vec<u64>,
}

impl File {
    /// Length as the process sees it.
    pub fn len(&self) -> u64 {
        self.cached.len()
    }

    /// Up to `len` bytes at `at` as the process sees them; fewer at the end.
    pub fn read(&self, at: u64, len: u64) -> Vec<u8> {
        self.cached.read(at, len)
    }

    /// The same past the page cache: sectors whose sync failed show what the device really holds.
    pub fn read_direct(&self, at: u64, len: u64) -> Vec<u8> {
        if self.forgotten.is_empty() {
            return self.cached.read(at, len);
        }
        let mut image = self.cached.clone();
        self.forgotten.iter().for_each(|(n, sector)| image.set_sector(*n, sector));
        image.read(at, len)
    }

    /// Writes into the page cache.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = at + bytes.len() as u64;
        let old: Vec<(u64, Sector)> = (at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES))
            .map(|n| (n, self.cached.sector(n)))
            .collect();
        self.resized(self.len().max(end));
        self.cached.write(at, bytes);
        for (n, old) in old {
            if old != self.cached.sector(n) || self.forgotten.contains_key(&n) {
                self.changed(n, old);
            }
        }
    }

    /// Cuts or extends to `len` bytes in the page cache.
    pub fn truncate(&mut self, len: u64) {
        for n in len / SECTOR_BYTES..self.len().div_ceil(SECTOR_BYTES) {
            self.changed(n, self.cached.sector(n));
        }
        self.resized(len);
        self.cached.set_len(len);
    }

    /// All that was written is durable.
    pub fn sync(&mut self) {
        self.dirty.clear();
        self.lens.clear();
    }

    /// The sync fails and the cache forgets that the pages were never written (as Linux does): a
    /// second sync would succeed and change nothing.
    pub fn sync_fails(&mut self) {
        for (n, versions) in std::mem::take(&mut self.dirty) {
            self.forgotten
                .insert(n, versions.into_iter().next().expect("a dirty sector has a past"));
        }
    }

    /// Flips the bits `mask` of the byte at `at`, on the device and in the cache.
    pub fn rot(&mut self, at: u64, mask: u8) {
        let (n, within) = (at / SECTOR_BYTES, (at % SECTOR_BYTES) as usize);
        let mut sector = self.cached.sector(n);
        sector[within] ^= mask;
        self.cached.set_sector(n, &sector);
        for versions in self.dirty.get_mut(&n).into_iter().flatten() {
            Arc::make_mut(versions)[within] ^= mask;
        }
        if let Some(held) = self.forgotten.get_mut(&n) {
            Arc::make_mut(held)[within] ^= mask;
        }
    }

    /// Numbers of the sectors that a crash decides about.
    pub fn unsynced(&self) -> impl Iterator<Item = u64> {
        self.dirty.keys().copied()
    }

    /// Whether a crash decides about the length.
    pub fn length_unsynced(&self) -> bool {
        self.lens.first().is_some_and(|&durable| durable != self.len())
    }

    /// The power fails: `fate` is asked about the length (`None`) and then each unsynced sector.
    pub fn crash(&mut self, mut fate: impl FnMut(Option<u64>) -> Fate) {
        let newest = self.len();
        let len = match self.length_unsynced() {
            false => newest,
            true => pick(fate(None), &self.lens).copied().unwrap_or(newest),
        };
        let longest = self.lens.iter().copied().max().unwrap_or(0).max(newest);
        self.cached.set_len(longest);
        for (n, sector) in std::mem::take(&mut self.forgotten) {
            self.cached.set_sector(n, &sector);
        }
        for (n, versions) in std::mem::take(&mut self.dirty) {
            let fate = fate(Some(n));
            if let Fate::Torn(bytes) = fate {
                let cut = usize::from(bytes) % SECTOR_BYTES as usize;
                let mut sector = *versions[0];
                sector[..cut].copy_from_slice(&self.cached.sector(n)[..cut]);
                self.cached.set_sector(n, &sector);
            } else if let Some(sector) = pick(fate, &versions) {
                self.cached.set_sector(n, sector);
            }
        }
        self.cached.set_len(len);
        self.lens.clear();
    }

    /// Adds what the process sees to `digest`.
    pub fn digest(&self, digest: &mut Digest) {
        self.cached.digest(digest);
    }

    fn changed(&mut self, n: u64, old: Sector) {
        match self.forgotten.remove(&n) {
            Some(held) => self.dirty.insert(n, vec![held, Arc::new(old)]).map_or((), |_| ()),
            None => self.dirty.entry(n).or_default().push(Arc::new(old)),
        }
    }

    fn resized(&mut self, len: u64) {
        if len != self.len() {
            self.lens.push(self.len());
        }
    }
}

impl ReadAt for File {
    fn read_at(&self, at: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        let count = self.len().saturating_sub(at).min(buf.len() as u64) as usize;
        self.cached.read_into(at, &mut buf[..count]);
        Ok(count)
    }
}

/// Which of the older versions a fate picks; none means the newest.
fn pick<T>(fate: Fate, older: &[T]) -> Option<&T> {
    match fate {
        Fate::Kept => None,
        Fate::Lost | Fate::Torn(_) => older.first(),
        Fate::Older(n) => older.get(usize::from(n) % older.len().max(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn synced(bytes: &[u8]) -> File {
        let mut file = File::default();
        file.write(0, bytes);
        file.sync();
        file
    }

    #[test]
    fn each_sector_has_its_own_fate() {
        let mut file = synced(&[1; 1536]);
        file.write(0, &[2; 1536]);
        file.crash(|n| if n == Some(1) { Fate::Lost } else { Fate::Kept });
        assert_eq!(file.read(0, 512), vec![2; 512]);
        assert_eq!(file.read(512, 512), vec![1; 512]);
        assert_eq!(file.read(1024, 512), vec![2; 512]);
    }

    #[test]
    fn a_torn_sector_begins_new_and_ends_old() {
        let mut file = synced(&[1; 512]);
        file.write(0, &[2; 512]);
        file.crash(|_| Fate::Torn(100));
        assert_eq!(file.read(0, 512), [vec![2; 100], vec![1; 412]].concat());
    }

    #[test]
    fn a_truncation_that_is_not_synced_may_come_undone() {
        let mut file = synced(&[1; 1000]);
        file.truncate(100);
        let mut undone = file.clone();
        undone.crash(|_| Fate::Lost);
        assert_eq!(undone.read(0, 2000), vec![1; 1000]);
        file.crash(|_| Fate::Kept);
        assert_eq!(file.read(0, 2000), vec![1; 100]);
    }

    #[test]
    fn a_longer_file_may_hold_zeroes_where_its_data_was_lost() {
        let mut file = synced(&[1; 512]);
        file.write(512, &[2; 512]);
        file.crash(|n| if n.is_none() { Fate::Kept } else { Fate::Lost });
        assert_eq!(file.read(0, 2000), [vec![1; 512], vec![0; 512]].concat());
    }

    #[test]
    fn an_older_version_may_be_the_one_that_reached_the_device() {
        let mut file = synced(&[1; 512]);
        file.write(0, &[2; 512]);
        file.write(0, &[3; 512]);
        file.crash(|_| Fate::Older(1));
        assert_eq!(file.read(0, 1), vec![2]);
    }

    #[test]
    fn after_a_failed_sync_a_second_one_saves_nothing() {
        let mut file = synced(&[1; 512]);
        file.write(0, &[2; 512]);
        file.sync_fails();
        file.sync();
        assert_eq!(file.read(0, 1), vec![2]);
        assert_eq!(file.read_direct(0, 1), vec![1]);
        file.crash(|_| Fate::Kept);
        assert_eq!(file.read(0, 1), vec![1]);
    }
}
