//! Incremental fetch sessions (KIP-227): the client says what changed, the broker answers what did.
//!
//! A session remembers the partitions that a client fetches and what it was last told of each, so that neither
//! side repeats itself. Sessions are a cache: one that is evicted costs its client one full fetch.

use super::{Target, TopicKey};
use sordini_log::Mono;
use std::collections::{BTreeMap, BTreeSet};

/// A session that nobody used for as long gives way to a new one, ms (Kafka's `min.incremental.fetch.session.eviction.ms`).
const EVICTION_MS: u64 = 120_000;

/// What a client was last told of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cached {
    target: Target,
    high_watermark: i64,
    log_start: i64,
}

/// A session.
#[derive(Clone, Debug)]
struct Session {
    /// The epoch that the next request must carry.
    epoch: i32,
    /// Whether it names topics by id; fixed at its start.
    by_id: bool,
    /// In the order in which they are read; one that had data goes to the end.
    cached: Vec<Cached>,
    used: Mono,
}

/// How a fetch uses a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // a variant says what its fields are
pub enum SessionUse {
    /// None: everything is answered, with session id 0.
    None,
    /// The first fetch of a session: everything is answered.
    Full { id: i32 },
    /// A later one: only what changed is answered.
    Incremental { id: i32 },
}

/// Why a session cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// No such session (any more).
    NotFound,
    /// The request repeats or skips an epoch.
    Epoch,
    /// The session names topics the other way.
    TopicId,
}

/// What a request says about its session.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// 0: none.
    pub id: i32,
    /// -1: none, or the end of the session; 0: a new one.
    pub epoch: i32,
    /// Whether topics are named by id.
    pub by_id: bool,
    /// Partitions that are new or changed (all of them in a full fetch).
    pub targets: Vec<Target>,
    /// Partitions that are no longer wanted.
    pub forgotten: Vec<(TopicKey, i32)>,
}

/// All sessions of a node.
#[derive(Clone, Debug, Default)]
pub struct FetchSessions {
    by_id: BTreeMap<i32, Session>,
}

impl FetchSessions {
    /// Finds out which partitions a request reads, and how its answer is shaped. `fresh_id` draws ids for new sessions.
    pub fn open(
        &mut self,
        now: Mono,
        request: SessionRequest,
        sessions_max: usize,
        mut fresh_id: impl FnMut() -> i32,
    ) -> Result<(SessionUse, Vec<Target>), SessionError> {
        if request.epoch <= 0 {
            self.by_id.remove(&request.id);
            if request.epoch < 0 || !self.make_room(now, sessions_max) {
                return Ok((SessionUse::None, deduplicated(request.targets)));
            }
            let id = loop {
                let id = fresh_id();
                if id > 0 && !self.by_id.contains_key(&id) {
                    break id;
                }
            };
            let targets = deduplicated(request.targets);
            let cached = targets.iter().cloned().map(Cached::new).collect();
            let session = Session { epoch: 1, by_id: request.by_id, cached, used: now };
            self.by_id.insert(id, session);
            return Ok((SessionUse::Full { id }, targets));
        }
        let id = request.id;
        let session = self.by_id.get_mut(&id).ok_or(SessionError::NotFound)?;
        if session.epoch != request.epoch {
            return Err(SessionError::Epoch);
        }
        if session.by_id != request.by_id {
            return Err(SessionError::TopicId);
        }
        session.epoch = if session.epoch == i32::MAX { 1 } else { session.epoch + 1 };
        session.used = now;
        session.update(request.targets, &request.forgotten);
        let targets = session.cached.iter().map(|c| c.target.clone()).collect();
        Ok((SessionUse::Incremental { id }, targets))
    }

    /// Says whether a partition belongs into the answer, and remembers what the client is told.
    pub fn tell(
        &mut self,
        session: SessionUse,
        target: &Target,
        high_watermark: i64,
        log_start: i64,
        has_data: bool,
        is_error: bool,
    ) -> bool {
        let (id, full) = match session {
            SessionUse::None => return true,
            SessionUse::Full { id } => (id, true),
            SessionUse::Incremental { id } => (id, false),
        };
        let Some(session) = self.by_id.get_mut(&id) else { return true };
        let same =
            |c: &Cached| c.target.topic == target.topic && c.target.partition == target.partition;
        let Some(at) = session.cached.iter().position(same) else { return true };
        let cached = &mut session.cached[at];
        let news = has_data
            || is_error
            || cached.high_watermark != high_watermark
            || cached.log_start != log_start;
        // An error is told again and again, until it is none any more and that is news too.
        cached.high_watermark = if is_error { -1 } else { high_watermark };
        cached.log_start = log_start;
        if has_data && at + 1 < session.cached.len() {
            let cached = session.cached.remove(at);
            session.cached.push(cached);
        }
        news || full
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Evicts an idle session if there is no room for another.
    fn make_room(&mut self, now: Mono, sessions_max: usize) -> bool {
        if self.by_id.len() < sessions_max {
            return true;
        }
        let idle = self.by_id.iter().min_by_key(|(_, s)| s.used).map(|(id, s)| (*id, s.used));
        match idle {
            Some((id, used)) if now.ms_since(used) >= EVICTION_MS => {
                self.by_id.remove(&id);
                true
            }
            _ => false,
        }
    }
}

impl Session {
    fn update(&mut self, changed: Vec<Target>, forgotten: &[(TopicKey, i32)]) {
        let mut index: BTreeMap<(TopicKey, i32), usize> = BTreeMap::new();
        for (at, c) in self.cached.iter().enumerate() {
            index.insert((c.target.topic.clone(), c.target.partition), at);
        }
        for target in changed {
            let key = (target.topic.clone(), target.partition);
            match index.get(&key) {
                Some(at) => self.cached[*at].target = target,
                None => {
                    index.insert(key, self.cached.len());
                    self.cached.push(Cached::new(target));
                }
            }
        }
        if !forgotten.is_empty() {
            let gone: BTreeSet<&(TopicKey, i32)> = forgotten.iter().collect();
            self.cached.retain(|c| !gone.contains(&(c.target.topic.clone(), c.target.partition)));
        }
    }
}

impl Cached {
    fn new(target: Target) -> Cached {
        Cached { target, high_watermark: -1, log_start: -1 }
    }
}

/// A partition that a request names twice counts once, as it came last.
fn deduplicated(targets: Vec<Target>) -> Vec<Target> {
    if targets.len() < 2 {
        return targets;
    }
    let mut session = Session { epoch: 0, by_id: false, cached: Vec::new(), used: Mono(0) };
    session.update(targets, &[]);
    session.cached.into_iter().map(|c| c.target).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(partition: i32, offset: i64) -> Target {
        Target {
            topic: TopicKey::Name("t".into()),
            partition,
            offset,
            leader_epoch: -1,
            last_fetched_epoch: -1,
            bytes_max: 1,
        }
    }

    fn request(id: i32, epoch: i32, targets: Vec<Target>) -> SessionRequest {
        SessionRequest { id, epoch, by_id: false, targets, forgotten: vec![] }
    }

    fn opened() -> FetchSessions {
        let mut s = FetchSessions::default();
        let (used, targets) =
            s.open(Mono(0), request(0, 0, vec![target(0, 5), target(1, 0)]), 2, || 77).unwrap();
        assert_eq!(used, SessionUse::Full { id: 77 });
        assert_eq!(targets.len(), 2);
        s
    }

    #[test]
    fn an_incremental_fetch_reads_all_partitions_of_its_session() {
        let mut s = opened();
        let (used, targets) = s.open(Mono(0), request(77, 1, vec![target(1, 9)]), 2, || 1).unwrap();
        assert_eq!(used, SessionUse::Incremental { id: 77 });
        assert_eq!(targets, vec![target(0, 5), target(1, 9)]);
    }

    #[test]
    fn only_news_is_told() {
        let mut s = opened();
        let inc = SessionUse::Incremental { id: 77 };
        assert!(s.tell(SessionUse::Full { id: 77 }, &target(0, 5), 10, 0, false, false));
        assert!(!s.tell(inc, &target(0, 5), 10, 0, false, false));
        assert!(s.tell(inc, &target(0, 5), 11, 0, false, false), "a new high watermark");
        assert!(s.tell(inc, &target(0, 5), 11, 3, false, false), "a new log start");
        assert!(s.tell(inc, &target(0, 5), 11, 3, true, false), "data");
        assert!(s.tell(inc, &target(0, 5), -1, -1, false, true), "an error");
        assert!(s.tell(inc, &target(0, 5), -1, -1, false, true), "the same error");
    }

    #[test]
    fn wrong_ids_epochs_and_kinds_are_refused() {
        let mut s = opened();
        assert_eq!(s.open(Mono(0), request(5, 1, vec![]), 2, || 1), Err(SessionError::NotFound));
        assert_eq!(s.open(Mono(0), request(0, 5, vec![]), 2, || 1), Err(SessionError::NotFound));
        assert_eq!(s.open(Mono(0), request(77, 9, vec![]), 2, || 1), Err(SessionError::Epoch));
        let by_id = SessionRequest { by_id: true, ..request(77, 1, vec![]) };
        assert_eq!(s.open(Mono(0), by_id, 2, || 1), Err(SessionError::TopicId));
        assert!(s.open(Mono(0), request(77, 1, vec![]), 2, || 1).is_ok());
        assert_eq!(s.open(Mono(0), request(77, 1, vec![]), 2, || 1), Err(SessionError::Epoch));
        s.open(Mono(0), request(77, -1, vec![]), 2, || 1).unwrap();
        assert_eq!(s.open(Mono(0), request(77, 2, vec![]), 2, || 1), Err(SessionError::NotFound));
    }

    #[test]
    fn a_full_cache_gives_no_session_until_one_is_idle() {
        let mut s = opened();
        s.open(Mono(0), request(0, 0, vec![]), 2, || 78).unwrap();
        let (used, _) = s.open(Mono(1), request(0, 0, vec![target(0, 0)]), 2, || 79).unwrap();
        assert_eq!(used, SessionUse::None);
        let later = Mono(0).after_ms(EVICTION_MS);
        let (used, _) = s.open(later, request(0, 0, vec![target(0, 0)]), 2, || 79).unwrap();
        assert_eq!(used, SessionUse::Full { id: 79 });
    }

    #[test]
    fn forgotten_partitions_are_read_no_more() {
        let mut s = opened();
        let forget = SessionRequest {
            forgotten: vec![(TopicKey::Name("t".into()), 0)],
            ..request(77, 1, vec![])
        };
        let (_, targets) = s.open(Mono(0), forget, 2, || 1).unwrap();
        assert_eq!(targets, vec![target(1, 0)]);
    }
}
