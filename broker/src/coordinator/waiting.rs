//! Answers that wait until what they tell is durable.
//!
//! A queue in the order of the calls; slots and deadlines never decrease along it, so only its
//! front matters. An entry whose time is up loses its answers but stays until its slot is
//! committed, because its bytes still wait for the store.

use std::{collections::VecDeque, time::Duration};

use weir_coordinator::{Answer, Token};
use weir_tiering::ids::Slot;

#[derive(Debug)]
struct Entry {
    slot: Slot,
    /// Boot time.
    deadline: Duration,
    bytes: usize,
    answers: Vec<(Token, Answer)>,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    entries: VecDeque<Entry>,
    /// So many at the front have lost their answers.
    expired: usize,
}

impl Waiting {
    /// `answers` leave once `slot` is committed; `bytes` were appended with them.
    pub(super) fn push(
        &mut self,
        slot: Slot,
        deadline: Duration,
        bytes: usize,
        answers: Vec<(Token, Answer)>,
    ) {
        if let Some(last) = self.entries.back() {
            assert!(last.slot <= slot, "appends go to ever later slots");
        }
        self.entries.push_back(Entry {
            slot,
            deadline,
            bytes,
            answers,
        });
    }

    /// The slot to wait for.
    pub(super) fn slot(&self) -> Option<Slot> {
        self.entries.front().map(|entry| entry.slot)
    }

    /// When the next answers have waited long enough; boot time.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.entries.get(self.expired).map(|entry| entry.deadline)
    }

    /// Everything up to `slot` is durable: the answers that may leave, and how many bytes were
    /// written.
    pub(super) fn committed(&mut self, slot: Slot) -> (Vec<(Token, Answer)>, usize) {
        let (mut answers, mut bytes) = (Vec::new(), 0);
        while let Some(entry) = self.entries.pop_front_if(|entry| entry.slot <= slot) {
            self.expired = self.expired.saturating_sub(1);
            bytes += entry.bytes;
            answers.extend(entry.answers);
        }
        (answers, bytes)
    }

    /// The requests whose answers have waited long enough; they are dropped.
    pub(super) fn expire(&mut self, now: Duration) -> Vec<Token> {
        let mut tokens = Vec::new();
        while let Some(entry) = self.entries.get_mut(self.expired)
            && entry.deadline <= now
        {
            tokens.extend(entry.answers.drain(..).map(|(token, _)| token));
            self.expired += 1;
        }
        tokens
    }

    /// Bytes that wait for the store.
    pub(super) fn bytes(&self) -> usize {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }
}
