//! The bytes of one simulated file: sparse pages, shared between forks until written, over a base that nobody writes to.

use crate::digest::Digest;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Bytes of a page, the unit that forks share.
pub const PAGE_BYTES: u64 = 4096;

/// What a device writes whole or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// Content of a sector.
pub type Sector = [u8; SECTOR_BYTES as usize];

/// What a file held before the run: somebody else's bytes, which stay as they are.
pub trait Base: fmt::Debug + Send + Sync {
    /// How many there are.
    fn len(&self) -> u64;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Fills `out` with those at `at`; all of it lies before their end.
    fn read(&self, at: u64, out: &mut [u8]);
}

/// Bytes that lie in memory.
impl Base for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }
    fn read(&self, at: u64, out: &mut [u8]) {
        out.copy_from_slice(&self[at as usize..at as usize + out.len()]);
    }
}

/// A file's length and bytes; a page that is not there is that of the base, and all zero behind its end. Bytes beyond the length are
/// zero.
#[derive(Clone, Debug, Default)]
pub struct Image {
    len: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE_BYTES as usize]>>,
    base: Option<Under>,
}

/// A base, as far as it still shows.
#[derive(Clone, Debug)]
struct Under {
    bytes: Arc<dyn Base>,
    len: u64,
}

impl Under {
    /// Fills `out`, which is all zero, with the bytes at `at`, as far as there are any.
    fn read(&self, at: u64, out: &mut [u8]) {
        let end = (at + out.len() as u64).min(self.len);
        if at < end {
            self.bytes.read(at, &mut out[..(end - at) as usize]);
        }
    }
}

/// `len` zeroes, written by hand. `vec![0; len]` would ask the system for fresh pages, which the trace's hash has then made one at a time:
/// a third of a swarm's time, since a start reads journals of megabytes, nearly all zeroes.
fn zeroes(len: usize) -> Vec<u8> {
    const PAGE: [u8; PAGE_BYTES as usize] = [0; PAGE_BYTES as usize];
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        out.extend_from_slice(&PAGE[..PAGE.len().min(len - out.len())]);
    }
    out
}

impl Image {
    /// All of a base, and nothing written.
    pub fn over(bytes: Arc<dyn Base>) -> Image {
        let len = bytes.len();
        Image { len, pages: BTreeMap::new(), base: Some(Under { bytes, len }) }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Up to `len` bytes at `at`, fewer at the end.
    pub fn read(&self, at: u64, len: u64) -> Vec<u8> {
        let end = at.saturating_add(len).min(self.len).max(at);
        let mut out = zeroes((end - at) as usize);
        if let Some(base) = &self.base {
            base.read(at, &mut out);
        }
        for (page, bytes) in self.pages.range(at / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let begins = page * PAGE_BYTES;
            let (from, to) = (at.max(begins), end.min(begins + PAGE_BYTES));
            out[(from - at) as usize..(to - at) as usize]
                .copy_from_slice(&bytes[(from - begins) as usize..(to - begins) as usize]);
        }
        out
    }

    /// Fills `out` with the bytes at `at`, with zeroes where there are none.
    pub fn read_into(&self, at: u64, out: &mut [u8]) {
        let mut at = at;
        let mut out = out;
        while !out.is_empty() {
            let (page, from) = (at / PAGE_BYTES, (at % PAGE_BYTES) as usize);
            let n = out.len().min(PAGE_BYTES as usize - from);
            match self.pages.get(&page) {
                Some(bytes) => out[..n].copy_from_slice(&bytes[from..from + n]),
                None => {
                    out[..n].fill(0);
                    if let Some(base) = &self.base {
                        base.read(at, &mut out[..n]);
                    }
                }
            }
            at += n as u64;
            out = &mut out[n..];
        }
    }

    /// Writes `bytes` at `at`; the file grows as far as needed.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        self.len = self.len.max(at + bytes.len() as u64);
        let mut at = at;
        let mut bytes = bytes;
        while !bytes.is_empty() {
            let (page, from) = (at / PAGE_BYTES, (at % PAGE_BYTES) as usize);
            let n = bytes.len().min(PAGE_BYTES as usize - from);
            self.page(page)[from..from + n].copy_from_slice(&bytes[..n]);
            at += n as u64;
            bytes = &bytes[n..];
        }
    }

    /// Sets the length; what is cut off reads as zero if the file grows again.
    pub fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.pages.split_off(&len.div_ceil(PAGE_BYTES));
            let within = (len % PAGE_BYTES) as usize;
            if within > 0 && (self.pages.contains_key(&(len / PAGE_BYTES)) || self.base.is_some()) {
                self.page(len / PAGE_BYTES)[within..].fill(0);
            }
            if let Some(base) = &mut self.base {
                base.len = base.len.min(len);
            }
        }
        self.len = len;
    }

    /// Content of a sector, zero-filled beyond the end.
    pub fn sector(&self, n: u64) -> Sector {
        let mut out = [0; SECTOR_BYTES as usize];
        self.read_into(n * SECTOR_BYTES, &mut out);
        out
    }

    /// Replaces a sector without moving the end of the file; what lies beyond the end stays zero.
    pub fn set_sector(&mut self, n: u64, sector: &Sector) {
        let at = n * SECTOR_BYTES;
        let len = self.len;
        if at < len {
            self.write(at, &sector[..(len - at).min(SECTOR_BYTES) as usize]);
        }
    }

    /// Adds length and content to `digest`.
    pub fn digest(&self, digest: &mut Digest) {
        digest.number(self.len);
        let mut add = |n: u64, page: &[u8; PAGE_BYTES as usize]| {
            if page.iter().any(|&b| b != 0) {
                digest.number(n);
                digest.bytes(page.as_slice());
            }
        };
        if self.base.is_none() {
            return self.pages.iter().for_each(|(n, page)| add(*n, page));
        }
        let mut page = [0; PAGE_BYTES as usize];
        for n in 0..self.len.div_ceil(PAGE_BYTES) {
            self.read_into(n * PAGE_BYTES, &mut page);
            add(n, &page);
        }
    }

    fn page(&mut self, n: u64) -> &mut [u8; PAGE_BYTES as usize] {
        let base = &self.base;
        let page = self.pages.entry(n).or_insert_with(|| {
            let mut page = [0; PAGE_BYTES as usize];
            if let Some(base) = base {
                base.read(n * PAGE_BYTES, &mut page);
            }
            Arc::new(page)
        });
        Arc::make_mut(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Chance;

    #[test]
    fn what_was_cut_off_does_not_come_back() {
        let mut image = Image::default();
        image.write(4000, &[7; 5000]);
        image.set_len(4100);
        image.set_len(9000);
        let mut expected = vec![0; 9000];
        expected[4000..4100].fill(7);
        assert_eq!(image.read(0, 10_000), expected);
    }

    /// Whatever is done, over a base it comes to the same as over the same bytes written first.
    #[test]
    fn over_a_base_everything_is_as_if_its_bytes_had_been_written() {
        let mut chance = Chance::new(7, 1);
        for _ in 0..300 {
            let bytes: Vec<u8> = (0..chance.below(20_000)).map(|n| n as u8 | 1).collect();
            let mut over = Image::over(Arc::new(bytes.clone()));
            let mut plain = Image::default();
            plain.write(0, &bytes);
            for _ in 0..8 {
                let at = chance.below(25_000);
                match chance.below(3) {
                    0 => {
                        over.set_len(at);
                        plain.set_len(at);
                    }
                    1 => {
                        let new = vec![chance.bits() as u8; chance.below(9000) as usize];
                        over.write(at, &new);
                        plain.write(at, &new);
                    }
                    _ => {
                        let sector = [chance.bits() as u8; SECTOR_BYTES as usize];
                        over.set_sector(at / SECTOR_BYTES, &sector);
                        plain.set_sector(at / SECTOR_BYTES, &sector);
                    }
                }
                assert_eq!(over.read(0, 50_000), plain.read(0, 50_000));
                assert_eq!(over.sector(at / SECTOR_BYTES), plain.sector(at / SECTOR_BYTES));
                let digests = [&over, &plain].map(|image| {
                    let mut digest = Digest::default();
                    image.digest(&mut digest);
                    digest.finish()
                });
                assert_eq!(digests[0], digests[1]);
            }
        }
    }

    #[test]
    fn a_fork_does_not_see_what_the_other_writes() {
        let mut one = Image::default();
        one.write(0, b"before");
        let two = one.clone();
        one.write(0, b"after!");
        assert_eq!(two.read(0, 6), b"before");
        assert_eq!(one.read(0, 6), b"after!");
    }
}
