//! Marks: places in the core that few runs come to, and how often one did.
//!
//! A swarm that never gets to such a place has tested nothing there, however long it ran. So each has a name here, is counted where it
//! is, and a night names those that were never reached.
//!
//! The counters are a field of whoever has the state, like everything else in the core: a mark belongs to one machine, is forked with
//! it, and needs no static. They are in every build, since what they cost is an addition where hardly anybody comes. Nothing
//! may ever depend on them, and nothing can: outside of tests they are read by who owns the machine.
//!
//! This is a crate of its own and knows nothing, so that every pure room can count in the same table.

macro_rules! table {
    ($($name:ident $about:literal;)*) => {
        /// A rare state.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reach {
            $(#[doc = $about] $name,)*
        }

        /// Every one, with what it stands for.
        pub const REACHES: &[(Reach, &str)] = &[$((Reach::$name, $about),)*];
    };
}

table! {
    RingWrapped "the journal went round its ring";
    GroupQueued "a full group waited behind the one under way";
    GroupRefused "a full disk did not take a group";
    HeaderRewritten "a start made the last group's file durable before it wrote behind it";
    TailCut "recovery cut a group whose sync never returned";
    RottenTailCut "recovery cut a group that may have been acknowledged, and said so";
    GroupLost "recovery found a group damaged that had been durable";
    BlockByBlock "a journal file was read block by block";
    OlderCheckpoint "a start did without the newest checkpoint";
    StartRefused "recovery gave up, and said why";
    RemovalResumed "a start went on removing a deleted log";
    ChangeResumed "a start did what was left of a change of the metadata that a crash cut short";
    SegmentRefused "a full disk did not take a piece of a segment";
    PlateLost "a directory did not say any more whose it is, and does again";
    BatchSplit "a piece of a segment ended with a block, inside a batch";
    PieceOutlived "a piece of a segment was done after its log was gone";
    CacheTrimmed "a batch left the cache";
    CacheHeld "a batch had to stay in a full cache, since its segment lacked it";
    BacklogFull "there was no room for more until segments had caught up, or the ring was emptied";
    ClockDoubted "a step of the wall clock was not believed";
    AnswerExpired "an answer waited for a sync too long, and left without";
    RequestStalled "a request waited for room";
    DuplicateKnown "a batch that came twice was known";
    GapRefused "a batch behind a gap in its producer's sequences was refused";
    ZombieFenced "a batch of an old producer epoch was refused";
    BatchRefused "a batch broke a rule of its topic";
    Recompressed "a batch was compressed anew";
    SegmentsExpired "retention let a log start later";
    FetchExpired "a fetch waited as long as it wanted";
    SuspicionOutlived "a second look at damage came back after its log had changed";
    WriteRefused "a produce was refused on a full disk";
}

/// How often each was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached([u64; REACHES.len()]);

impl Default for Reached {
    fn default() -> Reached {
        Reached([0; REACHES.len()])
    }
}

impl Reached {
    /// Somebody came here.
    pub fn mark(&mut self, reach: Reach) {
        self.0[reach as usize] += 1;
    }

    /// Somebody came here, if so.
    pub fn mark_if(&mut self, reach: Reach, reached: bool) {
        self.0[reach as usize] += u64::from(reached);
    }

    /// How often.
    pub fn of(&self, reach: Reach) -> u64 {
        self.0[reach as usize]
    }

    /// Adds those of another machine.
    pub fn add(&mut self, other: &Reached) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_marked_is_counted_under_its_own_name() {
        let mut one = Reached::default();
        one.mark(Reach::TailCut);
        one.mark_if(Reach::GroupLost, false);
        let mut two = one.clone();
        two.mark_if(Reach::TailCut, true);
        two.add(&one);
        assert_eq!((two.of(Reach::TailCut), two.of(Reach::GroupLost)), (3, 0));
        assert!(REACHES.iter().enumerate().all(|(n, (reach, _))| *reach as usize == n));
    }
}
