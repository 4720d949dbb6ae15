//! The loop around [`Store::put_if_absent`] that gives only clear answers (design §3).
//!
//! Owns: repeating the identical bytes until the store's answer is clear; recognising our own
//! earlier success behind "already exists". Does not own: what a caller does about `Exists`.
//! Invariant: `Created` means that the object under the name is the caller's; `Exists` means that
//! it is somebody else's. After an error the outcome is unknown for ever: nobody may use the name
//! for other bytes.
//! Crash: the put has happened or not, or is still on its way; a later reader of the name decides.

use std::time::Duration;

use super::{
    Body, Key, PutIdentity, PutOutcome, Store, StoreError, StoreErrorKind, backoff::Backoff,
};
use crate::{
    env::Env,
    format::envelope::{HEADER_LEN, TRAILER_LEN, decode_header, decode_trailer},
};

/// How long to go on without a clear answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// After the ready line: no store error but `Fatal` ends it. Drop the future to stop.
    Forever,
    /// Before the ready line: `Refused` is returned at once, anything else after this time.
    Limited(Duration),
}

/// Before the ready line, an unreachable store is retried for this long.
pub const START_PATIENCE: Patience = Patience::Limited(Duration::from_secs(10));

/// Puts `body` under `key` until it is clear who has the name.
///
/// # Errors
/// `Fatal` always; with [`Patience::Limited`] also the last of the others. The caller's writes under
/// that name are over then, since the put may still land.
pub async fn put_if_absent_until_clear(
    env: &Env,
    store: &dyn Store,
    key: &Key,
    body: &Body,
    identity: PutIdentity,
    patience: Patience,
) -> Result<PutOutcome, StoreError> {
    let mut repeats = Repeats::new(env, patience);
    let mut unreadable_left = UNREADABLE_MAX;
    loop {
        let error = match store.put_if_absent(key, body, identity).await {
            Ok(PutOutcome::Created) => break repeats.cleared(key, PutOutcome::Created),
            Ok(PutOutcome::Exists) => match who_is_there(store, key, identity).await {
                Ok(outcome) => break repeats.cleared(key, outcome),
                Err(error) if error.kind == StoreErrorKind::Corrupt => {
                    unreadable_left -= 1;
                    if unreadable_left == 0 {
                        tracing::error!(%key, %error, "the object in the way is damaged");
                        break Ok(PutOutcome::Exists);
                    }
                    error
                }
                // Not found is not final: the name was taken a moment ago.
                Err(error) => error,
            },
            Err(error) => error,
        };
        repeats.pause(key, error).await?;
    }
}

/// What cannot be read as an object of ours so many times is not ours.
const UNREADABLE_MAX: u32 = 3;

/// Reads header and trailer of what has the name.
async fn who_is_there(
    store: &dyn Store,
    key: &Key,
    identity: PutIdentity,
) -> Result<PutOutcome, StoreError> {
    let (tail, total_len) = store.get_suffix(key, TRAILER_LEN as u64).await?;
    let header = store.get_range(key, 0..HEADER_LEN as u64).await?;
    let corrupt = |error: crate::format::envelope::FormatError| {
        let kind = StoreErrorKind::Corrupt;
        StoreError::new(kind, "put_if_absent", key, error.to_string())
    };
    let header = decode_header(&header).map_err(corrupt)?;
    let trailer = decode_trailer(&tail, total_len).map_err(corrupt)?;
    let ours =
        header.identity.put_id == identity.put_id && trailer.footer_crc == identity.footer_crc;
    Ok(if ours {
        PutOutcome::Created
    } else {
        PutOutcome::Exists
    })
}

/// Pauses between attempts, and says so now and then.
pub(super) struct Repeats<'a> {
    env: &'a Env,
    patience: Patience,
    started: Duration,
    backoff: Backoff,
    /// When the last WARN was written.
    warned: Option<Duration>,
}

/// Between two WARN lines about the same put.
const WARN_EVERY: Duration = Duration::from_secs(30);
/// Attempts that fail before the first WARN: a single lost answer is ordinary.
const QUIET_PAUSES: u32 = 3;

impl<'a> Repeats<'a> {
    pub(super) fn new(env: &'a Env, patience: Patience) -> Repeats<'a> {
        Repeats {
            env,
            patience,
            started: env.clock.boot(),
            backoff: Backoff::default(),
            warned: None,
        }
    }

    /// Waits, unless `error` ends the attempts.
    pub(super) async fn pause(&mut self, key: &Key, error: StoreError) -> Result<(), StoreError> {
        let now = self.env.clock.boot();
        let waited = now.saturating_sub(self.started);
        let over = match self.patience {
            Patience::Forever => false,
            Patience::Limited(limit) => error.kind == StoreErrorKind::Refused || waited >= limit,
        };
        if over || error.kind == StoreErrorKind::Fatal {
            return Err(error);
        }
        let quiet = self.backoff.pauses() < QUIET_PAUSES && error.kind == StoreErrorKind::Retry;
        let due = self
            .warned
            .is_none_or(|at| now.saturating_sub(at) >= WARN_EVERY);
        if due && !quiet {
            self.warned = Some(now);
            let (attempts, waited_ms) = (self.backoff.pauses() + 1, waited.as_millis() as u64);
            tracing::warn!(%key, %error, attempts, waited_ms, "the store does not take an object");
        }
        let pause = self.backoff.next(self.env);
        self.env.clock.sleep(pause).await;
        Ok(())
    }

    fn cleared(&self, key: &Key, outcome: PutOutcome) -> Result<PutOutcome, StoreError> {
        if self.warned.is_some() {
            let waited = self.env.clock.boot().saturating_sub(self.started);
            let waited_ms = waited.as_millis() as u64;
            tracing::info!(%key, ?outcome, waited_ms, "the store answered");
        }
        Ok(outcome)
    }
}
