//! The task that takes the answers of puts and moves the log: it alone commits.
//!
//! Owns: the order `on_commit` → atomic → watch. Does not own: starting puts (`wal_writer`). Ends
//! when the log is over and every slot handed out is answered, or when every handle and put is
//! gone.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    put::PutResult,
    wal_state::{EndReason, Ended},
    wal_writer::{OnCommit, Shared},
    window::SlotWindow,
};
use crate::{ids::Slot, store::PutOutcome};

/// What became of one slot that was handed out.
pub(super) enum Answer {
    Put(Slot, PutResult),
    /// The permit was dropped: the log cannot go on without this slot.
    Abandoned(Slot),
    /// The SEAL of a clean stop.
    Seal(Slot, PutResult),
}

/// What the writer and its driver share under one short lock.
pub(super) struct Slots {
    pub(super) window: SlotWindow,
    reason: Option<EndReason>,
    /// Boot time at which each unanswered put began.
    pub(super) puts: BTreeMap<Slot, Duration>,
    /// Slots handed out and not answered, with or without a put; at most P + 1, which bounds the
    /// answers too.
    pub(super) open: usize,
    /// No more slots: a clean stop has begun.
    pub(super) draining: bool,
    pub(super) seal: SealState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealState {
    None,
    Started,
    Done,
}

impl Slots {
    pub(super) fn new(window: SlotWindow) -> Slots {
        Slots {
            window,
            reason: None,
            puts: BTreeMap::new(),
            open: 0,
            draining: false,
            seal: SealState::None,
        }
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        let (at, reason) = match (&self.reason, self.window.ended_at()) {
            (Some(reason), Some(at)) => (at, reason.clone()),
            _ if self.draining => (self.window.next(), EndReason::Closed),
            _ => return None,
        };
        Some(Ended { at, reason })
    }

    /// Over, and nothing is left that could be answered.
    fn is_finished(&self) -> bool {
        let stopped = self.reason.is_some() || self.seal == SealState::Done;
        stopped && self.open == 0
    }

    /// The first reason stays; the end may fall.
    fn end(&mut self, reason: EndReason) {
        self.reason.get_or_insert(reason);
    }

    /// Returns the slots that are committed by this answer, in order.
    fn settle(&mut self, answer: Answer) -> Vec<Slot> {
        self.open -= 1;
        match answer {
            Answer::Abandoned(slot) => {
                self.window.refused(slot);
                self.end(EndReason::Fatal(format!("slot {slot} was abandoned")));
            }
            Answer::Put(slot, result) => {
                self.puts.remove(&slot);
                match result {
                    Ok(PutOutcome::Created) => return self.window.created(slot).collect(),
                    Ok(PutOutcome::Exists) => self.fence(slot),
                    Err(error) => self.fail(error.to_string()),
                }
            }
            Answer::Seal(slot, result) => {
                self.puts.remove(&slot);
                match result {
                    Ok(PutOutcome::Created) => self.seal = SealState::Done,
                    Ok(PutOutcome::Exists) => self.fence(slot),
                    Err(error) => self.fail(error.to_string()),
                }
            }
        }
        Vec::new()
    }

    fn fence(&mut self, slot: Slot) {
        self.window.refused(slot);
        self.end(EndReason::Fenced);
    }

    /// After a failed fsync even the answers of other puts prove nothing, so lower slots are lost
    /// too.
    fn fail(&mut self, message: String) {
        self.window.freeze();
        self.end(EndReason::Fatal(message));
    }
}

pub(super) async fn drive(
    shared: Arc<Shared>,
    mut inbox: mpsc::UnboundedReceiver<Answer>,
    mut on_commit: OnCommit,
) {
    let mut freeze = FreezeOnDrop {
        shared: &shared,
        armed: true,
    };
    while let Some(answer) = inbox.recv().await {
        let before = shared.lock().ended();
        let committed = shared.lock().settle(answer);
        for slot in committed {
            on_commit(slot);
        }
        shared.publish();
        let (ended, finished) = {
            let slots = shared.lock();
            (slots.ended(), slots.is_finished())
        };
        if let Some(ended) = ended.filter(|_| before.is_none()) {
            tracing::warn!(incarnation = %shared.wal.incarnation, lane = shared.wal.lane, "{ended}");
        }
        if finished {
            break;
        }
    }
    freeze.armed = false;
}

/// If `on_commit` panics, nobody may wait for ever.
struct FreezeOnDrop<'a> {
    shared: &'a Shared,
    armed: bool,
}

impl Drop for FreezeOnDrop<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.shared
                .lock()
                .fail("the task that commits slots ended".to_owned());
            self.shared.publish();
        }
    }
}
