//! What is believed of a journal after a crash.
//!
//! [`survey`] reads every block of every file without expecting anything, and finds the groups that
//! the valid blocks speak of. Then each group from the checkpoint on gets a verdict from one table,
//! [`verdict`], by three questions: is it whole; was it *covered*, that is, does a footer that can
//! be read say that its sync had returned; and was there an incomplete group before it beyond the
//! covered ones.
//!
//! - Whole: kept.
//! - Covered and not whole: FAULTY. It may have been acknowledged, so it is never cut. [`salvage`]
//!   saves every frame that its own checksums prove, and what is lost is named from the group's own
//!   footer or from its echo in the next one; a lost append leaves a `FaultyMark` in its place.
//! - The one group beyond: if its blocks are NEW, OLD and TORN only, its sync never returned and
//!   nobody was told: cut. If one is ROTTEN, its sync may have returned; the only voter cannot ask
//!   anybody: cut, and reported as such.
//! - A second incomplete group: refused. One group is in flight at a time, so no crash does this; a
//!   disk that says "synced" too early does.
//!
//! What tells generations of the same place apart is the lap: every start of a process writes in a
//! lap of its own, so the remains of a group that was cut never pass for the group that was written
//! over it.

mod report;
mod salvage;
mod survey;

pub use report::{Damage, Finding, JournalError, Where};

use super::frame::{Frame, FrameError};
use super::group::{Echo, Footer};
use crate::disk::BLOCK_BYTES;
use crate::id::{GroupSeq, Lsn};
use crate::time::Wall;
use bytes::Bytes;
use sordini_mutant::mutant;
use survey::{Candidate, Survey};

/// A recovered journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalImage {
    /// The first group that the checkpoint does not cover.
    pub from: GroupSeq,
    /// The groups from `from` on, consecutive.
    pub groups: Vec<Group>,
    /// When the last group before `from` was written, if its footer can be read.
    pub wall_before: Option<Wall>,
    /// What was found wrong, or cut.
    pub findings: Vec<Finding>,
    /// Sequence number of the next group.
    pub next_seq: GroupSeq,
    /// Position of the next group.
    pub next_lsn: Lsn,
    /// A lap that no sector of any file names.
    pub next_lap: u32,
    /// File number and block where writing goes on, the end of the file if it must not there; `None` if no group is left.
    pub tail: Option<(u32, u32)>,
    /// The files of the ring, by number. Files that were not finished are missing here: they are
    /// made again.
    pub files: Vec<ImageFile>,
    /// What the last group holds, for the next one's footer.
    pub echo: Echo,
}

/// A file of a recovered journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// Its number.
    pub number: u32,
    /// Its length in blocks.
    pub blocks: u32,
    /// The last group in it that no checkpoint covers; `None` if there is none.
    pub last: Option<GroupSeq>,
}

/// A recovered group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its sequence number.
    pub seq: GroupSeq,
    /// Its position.
    pub lsn: Lsn,
    /// When it was written, in whole seconds, if a footer says it.
    pub wall: Option<Wall>,
    /// Its frames; in a FAULTY group a lost append is replaced by a `FaultyMark`.
    pub frames: Vec<Frame>,
}

/// How much of a group is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Every block is NEW.
    Whole,
    /// Some are not, and none is ROTTEN.
    Torn,
    /// Some are ROTTEN.
    Rotten,
    /// No block speaks of it.
    Absent,
}

/// What happens with a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Keep,
    Faulty,
    Cut,
    CutAndReport,
    End,
    Refuse,
}

/// The recovery table.
///
/// `covered`: a footer that can be read says that the group was durable. `after_cut`: a group
/// before it was cut.
pub(super) fn verdict(extent: Extent, covered: bool, after_cut: bool) -> Verdict {
    match (extent, covered, after_cut) {
        (Extent::Whole, true, _) => Verdict::Keep,
        (Extent::Torn | Extent::Rotten | Extent::Absent, true, _) => Verdict::Faulty,
        (Extent::Whole, false, false) => Verdict::Keep,
        (Extent::Torn, false, false) => Verdict::Cut,
        (Extent::Rotten, false, false) => Verdict::CutAndReport,
        (Extent::Absent, false, _) => Verdict::End,
        // One group is in flight at a time.
        (Extent::Whole | Extent::Torn | Extent::Rotten, false, true) => Verdict::Refuse,
    }
}

/// Recovers the journal from the whole content of its files, given by number. The checkpoint covers
/// all groups before `from`.
pub fn recover(files: Vec<(u32, Bytes)>, from: GroupSeq) -> Result<JournalImage, JournalError> {
    let from = GroupSeq(from.0.max(1));
    let survey = Survey::of(files)?;
    Recovery::new(&survey, from).run()
}

/// A group on its way to a verdict.
struct Suspect {
    seq: GroupSeq,
    /// Where its blocks say that it is, or else where it must have been.
    candidate: Option<Candidate>,
    damage: Damage,
    /// Payload of all its blocks, believed or not.
    payload: Bytes,
    footer: Option<Footer>,
}

struct Recovery<'a> {
    survey: &'a Survey,
    from: GroupSeq,
    image: JournalImage,
}

impl<'a> Recovery<'a> {
    fn new(survey: &'a Survey, from: GroupSeq) -> Recovery<'a> {
        let image = JournalImage {
            from,
            groups: vec![],
            wall_before: None,
            findings: survey.findings.clone(),
            next_seq: from,
            next_lsn: Lsn(0),
            next_lap: survey.lap_max + 1,
            tail: None,
            files: survey.image_files(),
            echo: Echo::default(),
        };
        Recovery { survey, from, image }
    }

    fn run(mut self) -> Result<JournalImage, JournalError> {
        let live = self.survey.live();
        let start = live.partition_point(|c| c.seq < self.from);
        let (before, wanted) = live.split_at(start);
        self.check_start(before.last(), wanted.first())?;
        self.check_chain(before.last(), wanted)?;
        if let Some(last) = before.last() {
            self.image.wall_before =
                self.suspect(last.seq, Some(*last))?.footer.and_then(|f| f.wall);
            self.go_on_behind(last);
            self.image.next_seq = self.from;
        }
        let suspects = self.suspects(before.last(), wanted)?;
        let covered = suspects.iter().filter_map(|s| Some(s.footer.as_ref()?.synced_through)).max();
        let cut = self.judge(&suspects, covered.unwrap_or_default())?;
        if !cut {
            self.judge_traces();
        }
        self.leave_needed(wanted);
        Ok(self.image)
    }

    /// Going on from an older checkpoint, what a newer one had made free is needed again: in the file that was entered last, the
    /// rest of an earlier lap may lie behind the tail. Then writing does not go on in that file.
    fn leave_needed(&mut self, wanted: &[Candidate]) {
        let Some((number, at)) = self.image.tail else { return };
        let next = self.image.next_seq;
        let lies_behind =
            |c: &Candidate| self.survey.number(c) == number && c.at >= at && c.seq < next;
        if wanted.iter().any(lies_behind) {
            let file = self.image.files.iter().find(|f| f.number == number);
            let end = file.expect("the tail lies in a file of the image").blocks;
            self.image.tail = Some((number, end));
        }
    }

    /// Whether the journal reaches back to the checkpoint.
    fn check_start(
        &self,
        before: Option<&Candidate>,
        first: Option<&Candidate>,
    ) -> Result<(), JournalError> {
        let (from, first) = (self.from, first.map(|c| c.seq));
        // One group may be rotten altogether; more than that is not damage of blocks.
        let reaches = match (before, first) {
            (_, Some(first)) => first.0 <= from.0 + 1,
            (Some(before), None) => before.seq.0 + 2 >= from.0,
            (None, None) => from.0 == 1 || (from.0 == 2 && !self.image.files.is_empty()),
        };
        if reaches { Ok(()) } else { Err(JournalError::Missing { from, first }) }
    }

    /// Whether each group begins where the one before it ends, with room for those that are missing
    /// between.
    fn check_chain(
        &self,
        before: Option<&Candidate>,
        wanted: &[Candidate],
    ) -> Result<(), JournalError> {
        let before = before.filter(|c| c.seq.0 + 1 == self.from.0);
        let chain = || before.into_iter().chain(wanted);
        for (a, b) in chain().zip(chain().skip(1)) {
            let missing = b.seq.0 - a.seq.0 - 1;
            let gap = b.lsn.0.checked_sub(a.end().0);
            let fits = gap.is_some_and(|gap| {
                gap <= self.survey.bytes
                    && gap / BLOCK_BYTES as u64 >= missing
                    && (gap == 0 || missing > 0)
            });
            if !fits || b.lap < a.lap {
                let what = format!("does not follow group {} at LSN {}", a.seq.0, a.lsn.0);
                return Err(JournalError::Inconsistent { at: self.place_of(b), what });
            }
        }
        Ok(())
    }

    /// All groups from the checkpoint to the last that any block speaks of, those that are missing
    /// included.
    fn suspects(
        &self,
        before: Option<&Candidate>,
        wanted: &[Candidate],
    ) -> Result<Vec<Suspect>, JournalError> {
        let mut suspects: Vec<Suspect> = Vec::with_capacity(wanted.len());
        let mut last = before;
        for c in wanted {
            let first = suspects.last().map_or(self.from.0, |s| s.seq.0 + 1);
            for seq in first..c.seq.0 {
                let place = self.survey.between(last, c).filter(|m| m.seq.0 == seq);
                suspects.push(self.suspect(GroupSeq(seq), place)?);
            }
            suspects.push(self.suspect(c.seq, Some(*c))?);
            last = Some(c);
        }
        Ok(suspects)
    }

    fn suspect(&self, seq: GroupSeq, at: Option<Candidate>) -> Result<Suspect, JournalError> {
        let Some(c) = at else {
            let (damage, payload) = (Damage::default(), Bytes::new());
            return Ok(Suspect { seq, candidate: None, damage, payload, footer: None });
        };
        let damage = self.survey.damage(&c);
        let payload = self.survey.payload(&c);
        let mine = |f: &Footer| (f.seq, f.lsn, f.lap) == (c.seq, c.lsn, c.lap);
        let footer = Footer::decode(&payload).filter(mine);
        if footer.as_ref().is_some_and(|f| f.synced_through >= f.seq) {
            let what = "says that it was durable before it was written".into();
            return Err(JournalError::Inconsistent { at: self.place_of(&c), what });
        }
        Ok(Suspect { seq, candidate: at, damage, payload, footer })
    }

    /// Says what becomes of each; whether one was cut.
    fn judge(&mut self, suspects: &[Suspect], covered: GroupSeq) -> Result<bool, JournalError> {
        let mut cut: Option<Where> = None;
        for (i, s) in suspects.iter().enumerate() {
            let extent = match (s.candidate, s.damage) {
                (None, _) | (_, Damage { new: 0, torn: 0, rotten: 0, .. }) => Extent::Absent,
                (_, Damage { rotten: 1.., .. }) => Extent::Rotten,
                (_, Damage { old: 0, torn: 0, .. }) => Extent::Whole,
                _ => Extent::Torn,
            };
            let proven = mutant!(S03, s.seq <= covered, extent == Extent::Whole);
            match verdict(extent, proven, cut.is_some()) {
                Verdict::Keep => self.keep(s)?,
                Verdict::Faulty => self.keep_faulty(s, suspects.get(i + 1)),
                Verdict::Cut | Verdict::CutAndReport => {
                    let c = s.candidate.expect("what is absent is not cut");
                    cut = Some(self.place_of(&c));
                    let at = (self.survey.number(&c), c.at);
                    let (seq, lsn, damage) = (s.seq, c.lsn, s.damage);
                    self.image.findings.push(Finding::Cut { seq, lsn, at, damage });
                    self.image.next_lsn = c.lsn;
                    self.image.tail.get_or_insert(at);
                    mutant!(S03, (), break);
                }
                Verdict::End => {
                    // A group that nothing is left of and nothing proves, in front of one that is
                    // there.
                    let lsn = self.image.next_lsn;
                    cut.get_or_insert(Where { seq: s.seq, lsn, file: 0 });
                    mutant!(S03, (), break);
                }
                Verdict::Refuse => {
                    let c = s.candidate.or(suspects[i..].iter().find_map(|s| s.candidate));
                    let second = self.place_of(&c.expect("the last suspect has a place"));
                    let first = cut.expect("refused for the second incomplete group");
                    return Err(JournalError::Incomplete { first, second });
                }
            }
        }
        let last = suspects.iter().rfind(|s| s.seq < self.image.next_seq);
        if let Some(footer) = last.and_then(|s| s.footer.as_ref()) {
            self.image.echo = Echo::of(footer.entries());
        }
        Ok(cut.is_some())
    }

    fn keep(&mut self, s: &Suspect) -> Result<(), JournalError> {
        let c = s.candidate.expect("a whole group has a place");
        let wrong = |what: String| JournalError::Inconsistent { at: self.place_of(&c), what };
        let footer = s.footer.as_ref().ok_or_else(|| wrong("has no footer".into()))?;
        let frames =
            frames_of(&s.payload, footer).map_err(|e| wrong(format!("is unreadable: {e}")))?;
        self.image.groups.push(Group { seq: s.seq, lsn: c.lsn, wall: footer.wall, frames });
        self.go_on_behind(&c);
        Ok(())
    }

    fn keep_faulty(&mut self, s: &Suspect, next: Option<&Suspect>) {
        let echo = next.and_then(|n| n.footer.as_ref()).map(Footer::echo);
        let saved = salvage::salvage(&s.payload, s.footer.as_ref(), echo.as_ref());
        let lsn = s.candidate.as_ref().map_or(self.image.next_lsn, |c| c.lsn);
        let at = s.candidate.as_ref().map(|c| (self.survey.number(c), c.at));
        let (seq, damage) = (s.seq, s.damage);
        let (lost, unknown) = (saved.lost, saved.unknown);
        let wall = s.footer.as_ref().and_then(|footer| footer.wall);
        self.image.findings.push(Finding::Faulty { seq, lsn, at, damage, lost, unknown });
        self.image.groups.push(Group { seq, lsn, wall, frames: saved.frames });
        self.image.echo = echo.unwrap_or_default();
        match s.candidate {
            Some(c) => self.go_on_behind(&c),
            None => self.image.next_seq = GroupSeq(s.seq.0 + 1),
        }
    }

    /// The last group may have left blocks of which none is valid. They are where it would have
    /// begun.
    fn judge_traces(&mut self) {
        let tail = self.image.tail;
        let free = self.image.files.iter().filter(|f| f.last.is_none()).map(|f| f.number);
        let free = free.filter(|&number| tail.is_none_or(|t| t.0 != number));
        let Some(trace) = self.survey.traces(tail, free) else { return };
        let (seq, lsn) = (self.image.next_seq, self.image.next_lsn);
        self.image.findings.push(Finding::Cut { seq, lsn, at: trace.at, damage: trace.damage });
    }

    fn go_on_behind(&mut self, c: &Candidate) {
        let number = self.survey.number(c);
        self.image.next_seq = GroupSeq(c.seq.0 + 1);
        self.image.next_lsn = c.end();
        self.image.tail = Some((number, c.at + c.blocks));
        if c.seq >= self.from {
            let file = self.image.files.iter_mut().find(|f| f.number == number);
            file.expect("a group lies in a file of the image").last = Some(c.seq);
        }
    }

    fn place_of(&self, c: &Candidate) -> Where {
        Where { seq: c.seq, lsn: c.lsn, file: self.survey.number(c) }
    }
}

/// The frames of a group whose blocks are all valid.
fn frames_of(payload: &Bytes, footer: &Footer) -> Result<Vec<Frame>, FrameError> {
    let frames = payload.slice(..footer.frames_bytes as usize);
    let mut list = Vec::with_capacity(footer.frames as usize);
    let mut at = 0;
    while at < frames.len() {
        let (frame, next) = Frame::decode(&frames, at)?;
        list.push(frame);
        at = next;
    }
    let count = footer.frames as usize;
    if list.len() == count {
        Ok(list)
    } else {
        Err(FrameError::Count { have: list.len(), want: count })
    }
}
