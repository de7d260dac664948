//! One simulated file: what the process sees of it, and what the device may hold of it.
//!
//! The process reads its own writes at once (the page cache). The device holds the content of the
//! last sync for sure; of every sector written since, it may hold any of the contents that the
//! sector had, whatever became of its neighbours, since a page cache writes back when and in which
//! order it likes. The same holds for the length.

use super::Fate;
use super::image::{Base, Image, PAGE_BYTES, SECTOR_BYTES, Sector};
use super::veil::{Bite, Shown, Veil};
use crate::digest::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

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
    /// What sectors held before they were last synced.
    past: BTreeMap<u64, Arc<Sector>>,
    /// Damage over what the device holds.
    veils: BTreeMap<u64, Veil>,
    /// Sectors of which a sync said that they are durable, and they are not.
    lied: BTreeMap<u64, Lie>,
}

/// Sectors of a page.
const PAGE_SECTORS: u64 = PAGE_BYTES / SECTOR_BYTES;

/// The sectors of the page that a sector lies in.
fn page_of(sector: u64) -> Range<u64> {
    let first = sector / PAGE_SECTORS * PAGE_SECTORS;
    first..first + PAGE_SECTORS
}

/// A sector that only a device's cache holds.
#[derive(Clone, Debug)]
struct Lie {
    /// What the device holds.
    held: Arc<Sector>,
    /// Number of the strike.
    owner: u32,
    /// Whether an honest sync leaves it out, because its page is clean.
    forgets: bool,
}

impl File {
    /// A file that holds a base, all of it durable.
    pub fn over(base: Arc<dyn Base>) -> File {
        File { cached: Image::over(base), ..File::default() }
    }

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
            return self.read(at, len);
        }
        let mut image = self.cached.clone();
        self.forgotten.iter().for_each(|(n, sector)| image.set_sector(*n, sector));
        image.read(at, len)
    }

    /// What a read brings, past the page cache if `direct`, or the first sector that cannot be read. `met` takes every veil
    /// that it meets.
    pub fn read_veiled(
        &self,
        at: u64,
        len: u64,
        direct: bool,
        met: &mut BTreeSet<u64>,
    ) -> Result<Vec<u8>, u64> {
        let mut bytes = if direct { self.read_direct(at, len) } else { self.read(at, len) };
        self.show(at, &mut bytes, met)?;
        Ok(bytes)
    }

    /// The same through the page cache into `buf`: how many bytes came, fewer only at the end.
    pub fn read_veiled_into(
        &self,
        at: u64,
        buf: &mut [u8],
        met: &mut BTreeSet<u64>,
    ) -> Result<usize, u64> {
        let len = self.len().saturating_sub(at).min(buf.len() as u64) as usize;
        self.cached.read_into(at, &mut buf[..len]);
        self.show(at, &mut buf[..len], met)?;
        Ok(len)
    }

    /// Lays what veils show over bytes that were read at `at`.
    fn show(&self, at: u64, bytes: &mut [u8], met: &mut BTreeSet<u64>) -> Result<(), u64> {
        let end = at + bytes.len() as u64;
        if self.veils.is_empty() || end == at {
            return Ok(());
        }
        for (n, veil) in self.veils.range(at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)) {
            met.insert(*n);
            let Shown::Bytes(shown) = &veil.shown else {
                // Pages are read whole or not at all.
                met.extend(self.veils.range(page_of(*n)).map(|(n, _)| *n));
                return Err(*n);
            };
            let start = n * SECTOR_BYTES;
            let (from, to) = (start.max(at), (start + SECTOR_BYTES).min(end));
            bytes[(from - at) as usize..(to - at) as usize]
                .copy_from_slice(&shown[(from - start) as usize..(to - start) as usize]);
        }
        Ok(())
    }

    /// Lays a veil over a sector. False if it is not durable, has one, or would show the same.
    pub fn veil(&mut self, n: u64, veil: Veil) -> bool {
        let same = matches!(&veil.shown, Shown::Bytes(shown) if **shown == self.cached.sector(n));
        let unsure = self.dirty.contains_key(&n) || self.forgotten.contains_key(&n);
        let fits =
            !same && !unsure && n * SECTOR_BYTES < self.len() && !self.veils.contains_key(&n);
        if fits {
            self.veils.insert(n, veil);
        }
        fits
    }

    /// Lifts every veil of a strike, and makes true what it lied about.
    pub fn unveil(&mut self, owner: u32) {
        self.veils.retain(|_, veil| veil.owner != owner);
        self.lied.retain(|_, lie| lie.owner != owner);
    }

    /// A veil was looked at.
    pub fn bite(&mut self, n: u64) -> Option<Bite> {
        let veil = self.veils.get_mut(&n)?;
        let first = !std::mem::replace(&mut veil.bitten, true);
        let bite = Bite { owner: veil.owner, first, open: veil.open };
        if veil.once {
            self.veils.remove(&n);
        }
        Some(bite)
    }

    /// Whether the file ends inside a batch that this veil hides.
    pub fn leave_open(&mut self, n: u64, open: bool) {
        if let Some(veil) = self.veils.get_mut(&n) {
            veil.open = open;
        }
    }

    /// Whether a veil hides anything of these bytes.
    pub fn hides(&self, bytes: &Range<u64>) -> bool {
        let sectors = bytes.start / SECTOR_BYTES..bytes.end.div_ceil(SECTOR_BYTES);
        // What cannot be read is a page.
        let pages = page_of(sectors.start).start..page_of(sectors.end.max(1) - 1).end;
        self.veils.range(pages).any(|(n, veil)| match veil.shown {
            Shown::Bytes(_) => sectors.contains(n),
            Shown::Unreadable => true,
        })
    }

    /// What a sector was told to keep, zero-filled beyond the end.
    pub fn pristine(&self, n: u64) -> Sector {
        self.cached.sector(n)
    }

    /// What it held before it was last synced; zeroes if it never held anything else.
    pub fn superseded(&self, n: u64) -> Sector {
        self.past.get(&n).map_or([0; SECTOR_BYTES as usize], |sector| **sector)
    }

    /// A sector that is written as a whole is whole again; of one that is written in part, the rest stays hidden.
    fn write_veils(&mut self, at: u64, bytes: &[u8]) {
        let end = at + bytes.len() as u64;
        let touched = at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES);
        let touched: Vec<u64> = self.veils.range(touched).map(|(n, _)| *n).collect();
        for n in touched {
            let start = n * SECTOR_BYTES;
            let (from, to) = (start.max(at), (start + SECTOR_BYTES).min(end));
            if to - from == SECTOR_BYTES {
                self.veils.remove(&n);
            } else if self.veils.get(&n).is_some_and(|veil| matches!(veil.shown, Shown::Unreadable))
            {
                self.veils.retain(|other, _| !page_of(n).contains(other)); // the device finds it a new place
            } else if let Some(Veil { shown: Shown::Bytes(shown), .. }) = self.veils.get_mut(&n) {
                Arc::make_mut(shown)[(from - start) as usize..(to - start) as usize]
                    .copy_from_slice(&bytes[(from - at) as usize..(to - at) as usize]);
            }
        }
    }

    /// Writes into the page cache.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = at + bytes.len() as u64;
        if !self.veils.is_empty() {
            self.write_veils(at, bytes);
        }
        for n in at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES) {
            let start = n * SECTOR_BYTES;
            let (from, to) = (start.max(at), (start + SECTOR_BYTES).min(end));
            let new = &bytes[(from - at) as usize..(to - at) as usize];
            let old = self.cached.sector(n);
            let same = old[(from - start) as usize..(to - start) as usize] == *new;
            if !same || self.forgotten.contains_key(&n) {
                self.changed(n, &old);
            }
        }
        self.resized(self.len().max(end));
        self.cached.write(at, bytes);
    }

    /// Cuts or extends to `len` bytes in the page cache.
    pub fn truncate(&mut self, len: u64) {
        for n in len / SECTOR_BYTES..self.len().div_ceil(SECTOR_BYTES) {
            self.changed(n, &self.cached.sector(n));
        }
        self.resized(len);
        self.cached.set_len(len);
        self.veils.retain(|n, _| n * SECTOR_BYTES < len);
    }

    /// All that was written is durable.
    pub fn sync(&mut self) {
        for (n, versions) in std::mem::take(&mut self.dirty) {
            let first = versions.into_iter().next().expect("a dirty sector has a past");
            match Arc::ptr_eq(&first, &ZEROES) {
                // Which is what a sector without a past held.
                true => self.past.remove(&n),
                false => self.past.insert(n, first),
            };
            self.lied.remove(&n);
        }
        self.lied.retain(|_, lie| lie.forgets);
        self.lens.clear();
    }

    /// The device says that all that was written is durable, and holds it in a cache that the next power failure empties.
    pub fn sync_lies(&mut self, owner: u32, forgets: bool) {
        for (n, versions) in std::mem::take(&mut self.dirty) {
            let held = versions.into_iter().next().expect("a dirty sector has a past");
            self.lied.entry(n).or_insert(Lie { held, owner, forgets });
        }
        self.lens.clear();
    }

    /// Whether a sync has lied about anything.
    pub fn has_lies(&self) -> bool {
        !self.lied.is_empty()
    }

    /// Whether any of these sectors is not durable though a sync said so.
    pub fn has_lied(&self, sectors: Range<u64>) -> bool {
        self.lied.range(sectors).next().is_some()
    }

    /// Whether any of these sectors is damaged.
    pub fn has_veil(&self, sectors: Range<u64>) -> bool {
        self.veils.range(sectors).next().is_some()
    }

    /// Whether any of these sectors waits for a sync.
    pub fn is_dirty(&self, sectors: Range<u64>) -> bool {
        self.dirty.range(sectors.clone()).next().is_some()
            || self.forgotten.range(sectors).next().is_some()
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
        let durable = self.lens.first().copied().unwrap_or(newest);
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
            self.lied.remove(&n);
            let is_new = n * SECTOR_BYTES >= durable;
            let changes = || *versions[0] != self.cached.sector(n);
            if let Fate::Garbage { seed, over } = fate
                && (is_new || over && changes())
            {
                let mut sector = self.cached.sector(n);
                match over && seed % 2 == 0 {
                    // Cut off at the end: a bit is wrong.
                    true => sector[SECTOR_BYTES as usize / 2] ^= 1,
                    false => sector = garbage(seed ^ n),
                }
                self.cached.set_sector(n, &sector);
            } else if let Fate::Torn(bytes) = fate {
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

    /// The power has failed: of the sectors that a sync lied about, those that `deniable` takes show what they held before.
    pub fn expose(&mut self, deniable: impl Fn(u64) -> bool) {
        for (n, lie) in std::mem::take(&mut self.lied) {
            if deniable(n) {
                let Lie { held, owner, .. } = lie;
                self.veil(n, Veil::new(Shown::Bytes(held), owner));
            }
        }
    }

    /// Adds what the process sees to `digest`.
    pub fn digest(&self, digest: &mut Digest) {
        self.cached.digest(digest);
    }

    fn changed(&mut self, n: u64, old: &Sector) {
        let old = shared(old);
        match self.forgotten.remove(&n) {
            Some(held) => self.dirty.insert(n, vec![held, old]).map_or((), |_| ()),
            None => self.dirty.entry(n).or_default().push(old),
        }
    }

    fn resized(&mut self, len: u64) {
        if len != self.len() {
            self.lens.push(self.len());
        }
    }
}

/// Where nothing was written yet.
static ZEROES: LazyLock<Arc<Sector>> = LazyLock::new(|| Arc::new([0; SECTOR_BYTES as usize]));

/// Most sectors are written once, over zeroes, and those are kept once for all.
fn shared(sector: &Sector) -> Arc<Sector> {
    if *sector == **ZEROES { ZEROES.clone() } else { Arc::new(*sector) }
}

/// What a device may have held in a sector that no file had.
fn garbage(seed: u64) -> Sector {
    let mut sector = [0; SECTOR_BYTES as usize];
    let mut state = seed | 1;
    for word in sector.as_chunks_mut::<8>().0 {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *word = state.to_le_bytes();
    }
    sector
}

/// Which of the older versions a fate picks; none means the newest.
fn pick<T>(fate: Fate, older: &[T]) -> Option<&T> {
    match fate {
        Fate::Kept => None,
        Fate::Lost | Fate::Torn(_) | Fate::Garbage { .. } => older.first(),
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
