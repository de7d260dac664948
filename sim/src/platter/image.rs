//! The bytes of one simulated file: sparse pages, shared between forks until written.

use crate::digest::Digest;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of a page, the unit that forks share.
pub const PAGE_BYTES: u64 = 4096;

/// What a device writes whole or not at all.
pub const SECTOR_BYTES: u64 = 512;

/// Content of a sector.
pub type Sector = [u8; SECTOR_BYTES as usize];

/// A file's length and bytes; a page that is not there is all zero. Bytes beyond the length are zero.
#[derive(Clone, Debug, Default)]
pub struct Image {
    len: u64,
    pages: BTreeMap<u64, Arc<[u8; PAGE_BYTES as usize]>>,
}

impl Image {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Up to `len` bytes at `at`, fewer at the end. Memory for what was never written is not even touched: it comes
    /// as zeroes, and a journal is nearly all zeroes.
    pub fn read(&self, at: u64, len: u64) -> Vec<u8> {
        let end = at.saturating_add(len).min(self.len).max(at);
        let mut out = vec![0; (end - at) as usize];
        for (page, bytes) in self.pages.range(at / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let begins = page * PAGE_BYTES;
            let (from, to) = (at.max(begins), end.min(begins + PAGE_BYTES));
            out[(from - at) as usize..(to - at) as usize]
                .copy_from_slice(&bytes[(from - begins) as usize..(to - begins) as usize]);
        }
        out
    }

    /// Fills `out` with the bytes at `at`, with zeroes where nothing was written.
    pub fn read_into(&self, at: u64, out: &mut [u8]) {
        let mut at = at;
        let mut out = out;
        while !out.is_empty() {
            let (page, from) = (at / PAGE_BYTES, (at % PAGE_BYTES) as usize);
            let n = out.len().min(PAGE_BYTES as usize - from);
            match self.pages.get(&page) {
                Some(bytes) => out[..n].copy_from_slice(&bytes[from..from + n]),
                None => out[..n].fill(0),
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
            if within > 0 && self.pages.contains_key(&(len / PAGE_BYTES)) {
                self.page(len / PAGE_BYTES)[within..].fill(0);
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
        for (n, page) in self.pages.iter().filter(|(_, page)| page.iter().any(|&b| b != 0)) {
            digest.number(*n);
            digest.bytes(page.as_slice());
        }
    }

    fn page(&mut self, n: u64) -> &mut [u8; PAGE_BYTES as usize] {
        Arc::make_mut(self.pages.entry(n).or_insert_with(|| Arc::new([0; PAGE_BYTES as usize])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
