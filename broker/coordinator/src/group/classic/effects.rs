//! What the state machine of one group may do to the world: answer, write, set a deadline.

use std::time::Duration;

use crate::api::{Answer, Now, Output, Token};
use crate::config::GroupConfig;
use crate::error::GroupError;
use crate::group::classic::join::{JoinRefused, Joined};
use crate::group::classic::sync::Synced;
use crate::ids::MemberId;
use crate::record::CoordinatorRecord;
use crate::timer::{TimerKey, TimerQueue};

pub(crate) struct Effects<'a> {
    pub(crate) now: Now,
    pub(crate) config: &'a GroupConfig,
    pub(crate) timers: &'a mut TimerQueue,
    pub(crate) out: &'a mut Output,
}

impl Effects<'_> {
    pub(crate) fn write(&mut self, record: CoordinatorRecord) {
        self.out.records.push(record);
    }

    pub(crate) fn joined(&mut self, token: Token, joined: Joined) {
        self.answer(token, Answer::JoinGroup(Ok(joined)));
    }

    /// `member` is what the answer shows as member id: often empty, so that the client starts
    /// afresh.
    pub(crate) fn join_refused(&mut self, token: Token, error: GroupError, member: MemberId) {
        self.answer(token, Answer::JoinGroup(Err(JoinRefused { error, member })));
    }

    pub(crate) fn synced(&mut self, token: Token, result: Result<Synced, GroupError>) {
        self.answer(token, Answer::SyncGroup(result));
    }

    pub(crate) fn answer(&mut self, token: Token, answer: Answer) {
        self.out.answers.push((token, answer));
    }

    pub(crate) fn schedule(&mut self, key: TimerKey, after: Duration) {
        self.timers
            .schedule(key, self.now.boot.saturating_add(after));
    }
}

/// A duration of the protocol; negative ones count as 0.
pub(crate) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
