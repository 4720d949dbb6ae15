//! All fetch sessions of a broker: ids, epochs, and who must make room (KIP-227).
//!
//! Owns: the table of sessions, bounded by `max.incremental.fetch.session.cache.slots` and by the
//! memory of their partitions. A session lost here, or never made, costs the client full fetches,
//! nothing else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use weir_tiering::env::Env;

use super::session::{FetchPartition, FetchSession, PartitionKey, PartitionOutcome};

/// A session that was idle, or exists, for longer than this may be evicted for another.
const EVICTABLE_AFTER: Duration = Duration::from_secs(120);
/// Memory of one partition of a session, bytes: key, what is wanted (twice: see
/// `FetchSession::wanted`), what was told.
const PARTITION_BYTES: usize = 256;
const NO_SESSION: i32 = 0;
const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// The session part of a Fetch request.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    pub session_id: i32,
    pub session_epoch: i32,
    /// Whether topics come by id (v13 and later); must not change within a session.
    pub by_topic_id: bool,
    pub partitions: Vec<FetchPartition>,
    pub forgotten: Vec<PartitionKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("the fetch session does not exist (any more)")]
    NotFound,
    #[error("the epoch of the fetch session is not the expected one")]
    InvalidEpoch,
    #[error("the fetch session mixes topic names and topic ids")]
    TopicIdMismatch,
}

pub struct FetchSessions {
    env: Env,
    slots_max: usize,
    /// Of all sessions together.
    partitions_max: usize,
    sessions: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    slots: HashMap<i32, Slot>,
    /// Of all slots.
    partitions: usize,
}

struct Slot {
    session: Arc<Mutex<FetchSession>>,
    by_topic_id: bool,
    /// Expected from the next request.
    epoch: i32,
    created: Duration,
    used: Duration,
    partitions: usize,
}

/// What one request fetches, and how its answer is told.
pub struct FetchContext {
    pub partitions: Arc<[FetchPartition]>,
    kind: Kind,
}

enum Kind {
    Sessionless,
    Full {
        by_topic_id: bool,
        session: FetchSession,
    },
    Incremental {
        id: i32,
        session: Arc<Mutex<FetchSession>>,
    },
}

impl FetchSessions {
    /// At most `slots_max` sessions, with partitions that take at most `bytes_max` bytes.
    pub fn new(env: Env, slots_max: usize, bytes_max: u64) -> FetchSessions {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        FetchSessions {
            env,
            slots_max,
            partitions_max: bytes_max / PARTITION_BYTES,
            sessions: Mutex::default(),
        }
    }

    /// Finds out what a request asks for. An error is the answer's top-level error.
    pub fn begin(&self, request: SessionRequest) -> Result<FetchContext, SessionError> {
        if !matches!(request.session_epoch, INITIAL_EPOCH | FINAL_EPOCH) {
            return self.continue_session(request);
        }
        if request.session_id != NO_SESSION {
            self.lock().remove(request.session_id);
        }
        if request.session_epoch == FINAL_EPOCH {
            return Ok(FetchContext {
                partitions: request.partitions.into(),
                kind: Kind::Sessionless,
            });
        }
        let mut session = FetchSession::default();
        for partition in request.partitions {
            session.want(partition);
        }
        Ok(FetchContext {
            partitions: session.wanted(),
            kind: Kind::Full {
                by_topic_id: request.by_topic_id,
                session,
            },
        })
    }

    fn continue_session(&self, request: SessionRequest) -> Result<FetchContext, SessionError> {
        let mut sessions = self.lock();
        let id = request.session_id;
        let slot = sessions.slots.get_mut(&id).ok_or(SessionError::NotFound)?;
        if slot.epoch != request.session_epoch {
            return Err(SessionError::InvalidEpoch);
        }
        if slot.by_topic_id != request.by_topic_id {
            return Err(SessionError::TopicIdMismatch);
        }
        let shared = slot.session.clone();
        let mut session = shared.lock().expect("no code panics under this lock");
        for partition in request.partitions {
            session.want(partition);
        }
        session.forget(&request.forgotten);
        let partitions = session.wanted();
        drop(session);
        slot.epoch = next_epoch(slot.epoch);
        slot.used = self.env.clock.boot();
        let before = std::mem::replace(&mut slot.partitions, partitions.len());
        sessions.partitions = sessions.partitions - before + partitions.len();
        if partitions.is_empty() {
            sessions.remove(id);
            return Ok(FetchContext {
                partitions,
                kind: Kind::Sessionless,
            });
        }
        if sessions.partitions > self.partitions_max {
            // The client makes a new session, which may be refused.
            sessions.remove(id);
            return Err(SessionError::NotFound);
        }
        Ok(FetchContext {
            partitions,
            kind: Kind::Incremental {
                id,
                session: shared,
            },
        })
    }

    /// Ends a request: the session id of the answer, and for each outcome (in the order of
    /// `context.partitions`) whether the answer carries it.
    pub fn finish(&self, context: FetchContext, outcomes: &[PartitionOutcome]) -> (i32, Vec<bool>) {
        let everything = vec![true; outcomes.len()];
        match context.kind {
            Kind::Sessionless => (NO_SESSION, everything),
            Kind::Full {
                by_topic_id,
                mut session,
            } => {
                session.remember(&context.partitions, outcomes);
                (self.create(session, by_topic_id), everything)
            }
            Kind::Incremental { id, session } => {
                let mut session = session.lock().expect("no code panics under this lock");
                (id, session.tell(&context.partitions, outcomes))
            }
        }
    }

    /// Sessions in use.
    pub fn len(&self) -> usize {
        self.lock().slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn create(&self, session: FetchSession, by_topic_id: bool) -> i32 {
        let now = self.env.clock.boot();
        let mut sessions = self.lock();
        let partitions = session.len();
        if partitions == 0 || !self.make_room(&mut sessions, partitions, now) {
            return NO_SESSION;
        }
        let id = loop {
            let id = (self.env.random_u64() as i32) & i32::MAX;
            if id != NO_SESSION && !sessions.slots.contains_key(&id) {
                break id;
            }
        };
        let slot = Slot {
            session: Arc::new(Mutex::new(session)),
            by_topic_id,
            epoch: next_epoch(INITIAL_EPOCH),
            created: now,
            used: now,
            partitions,
        };
        sessions.slots.insert(id, slot);
        sessions.partitions += partitions;
        id
    }

    /// Whether a new session of `partitions` fits, evicting at most one: the longest idle one, else
    /// the smallest old one that is smaller than the new one.
    fn make_room(&self, sessions: &mut Table, partitions: usize, now: Duration) -> bool {
        if self.fits(sessions, partitions) {
            return true;
        }
        let slots = &sessions.slots;
        let idle = slots.iter().min_by_key(|(id, slot)| (slot.used, **id));
        let idle = idle
            .filter(|(_, slot)| now - slot.used > EVICTABLE_AFTER)
            .map(|(id, _)| *id);
        let smallest = || {
            slots
                .iter()
                .filter(|(_, slot)| {
                    now - slot.created > EVICTABLE_AFTER && slot.partitions < partitions
                })
                .min_by_key(|(id, slot)| (slot.partitions, **id))
                .map(|(id, _)| *id)
        };
        match idle.or_else(smallest) {
            Some(id) => {
                sessions.remove(id);
                self.fits(sessions, partitions)
            }
            None => false,
        }
    }

    fn fits(&self, sessions: &Table, partitions: usize) -> bool {
        sessions.slots.len() < self.slots_max
            && sessions.partitions + partitions <= self.partitions_max
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Table> {
        self.sessions
            .lock()
            .expect("no code panics under this lock")
    }
}

impl Table {
    fn remove(&mut self, id: i32) {
        if let Some(slot) = self.slots.remove(&id) {
            self.partitions -= slot.partitions;
        }
    }
}

/// Epochs of a session wrap to 1: 0 and -1 have meanings of their own.
pub(super) fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}
