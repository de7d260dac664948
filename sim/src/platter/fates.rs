//! Ways for the fates of a crash to be drawn.
//!
//! Uniform draws alone are a poor adversary: with forty unsynced sectors they never lose all but one.
//! So a crash first draws a temper, then its fates.

use super::image::PAGE_BYTES;
use super::{Fate, NodeId, SECTOR_BYTES, Unsynced};
use crate::chance::Chance;

/// What stands where new bytes should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    Zeroes,
    /// What the device held there before.
    Garbage,
    /// The same, or a wrong bit, also where the journal was being written over.
    GarbageAnywhere,
}

/// How the fates of one crash are drawn.
#[derive(Clone, Debug)]
pub struct Fates {
    kept_of_16: u64,
    torn: bool,
    /// With this, all sectors of a page share the fate of the first, as they do where the cache writes pages back.
    pages: bool,
    /// The last page with a fate, and that.
    page: Option<(NodeId, u64, Fate)>,
    /// With this, names are kept up to a point, as file systems with one journal do.
    names_until: Option<usize>,
    /// With this, files keep their new lengths and lose their new bytes.
    tail: Option<Tail>,
    chance: Chance,
}

impl Fates {
    /// Draws a temper: all lost, all kept, nearly all lost, nearly all kept, or even odds. With `torn`, some crashes
    /// also tear inside of sectors.
    pub fn draw(mut chance: Chance, torn: bool) -> Fates {
        let kept_of_16 = [0, 16, 1, 15, 8, 8][chance.index(6)];
        let torn = torn && chance.odds(1, 3);
        let names_until = chance.odds(1, 2).then(|| chance.index(6));
        let pages = chance.odds(1, 2);
        Fates { kept_of_16, torn, pages, page: None, names_until, tail: None, chance }
    }

    /// The power fails at the moment that a file system's own order is worst for: names survive and no data, or the other
    /// way round; or all, or nothing.
    pub fn extreme(chance: Chance, names: bool, data: bool) -> Fates {
        let names_until = Some(if names { usize::MAX } else { 0 });
        Fates {
            kept_of_16: if data { 16 } else { 0 },
            torn: false,
            pages: false,
            page: None,
            names_until,
            tail: None,
            chance,
        }
    }

    /// The power fails, names and lengths are kept, and most of the bytes are not.
    pub fn tail(mut chance: Chance, tail: Tail) -> Fates {
        let kept_of_16 = match tail {
            Tail::GarbageAnywhere => [0, 1, 8, 15][chance.index(4)],
            _ => [0, 0, 1, 8][chance.index(4)],
        };
        let names_until = chance.odds(3, 4).then_some(usize::MAX);
        let (pages, page, tail) = (false, None, Some(tail));
        Fates { kept_of_16, torn: false, pages, page, names_until, tail, chance }
    }

    /// The fate of one thing.
    pub fn fate(&mut self, what: Unsynced) -> Fate {
        if let (Unsynced::Length { .. }, Some(_)) = (what, self.tail) {
            return Fate::Kept;
        }
        if let (Unsynced::Name { n }, Some(until)) = (what, self.names_until) {
            return if n < until { Fate::Kept } else { Fate::Lost };
        }
        let Unsynced::Sector { file, n } = what else { return self.drawn() };
        let page = n * SECTOR_BYTES / PAGE_BYTES;
        match self.page {
            Some((of, known, fate)) if self.pages && (of, known) == (file, page) => fate,
            _ => {
                let fate = self.drawn();
                self.page = Some((file, page, fate));
                fate
            }
        }
    }

    fn drawn(&mut self) -> Fate {
        match self.chance.below(16) {
            draw if draw < self.kept_of_16 => Fate::Kept,
            _ if let Some(tail) = self.tail => match tail {
                Tail::Zeroes => Fate::Lost,
                Tail::Garbage => Fate::Garbage { seed: self.chance.bits(), over: false },
                Tail::GarbageAnywhere => Fate::Garbage { seed: self.chance.bits(), over: true },
            },
            _ if self.torn && self.chance.odds(1, 2) => {
                Fate::Torn(1 + self.chance.below(511) as u16)
            }
            _ if self.chance.odds(1, 4) => Fate::Older(self.chance.below(8) as u8),
            _ => Fate::Lost,
        }
    }

    /// The fates spelled by the bits of `bits`, one each in the order of asking: 1 is kept, 0 is lost.
    /// Walking all numbers below 2^n walks all subsets of n unsynced things.
    pub fn bits(mut bits: u64) -> impl FnMut(Unsynced) -> Fate {
        move |_| {
            let kept = bits & 1 == 1;
            bits >>= 1;
            if kept { Fate::Kept } else { Fate::Lost }
        }
    }
}
