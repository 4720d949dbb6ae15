//! One write-ahead log: which slots count, which are missing, which are void.
//!
//! A slot must exist when it lies below the end that the metadata knows, below what a checkpoint
//! covers, below what a later object knew to be committed, or so far below a later object that its
//! writer must have seen it answered (SLOTS_IN_FLIGHT_MAX). Above the contiguous end, or a SEAL, slots
//! are void. So an object can be judged only once those behind it are seen; at most a window of them
//! waits. A missing slot that nothing refers to is only remarked: the collector may have taken it.

use std::collections::BTreeMap;

use super::{
    object::{Checked, SlotContent, SlotData},
    report::{Advice, MOVE_AWAY, RESTORE, Report},
};
use crate::{
    fenced_log::SLOTS_IN_FLIGHT_MAX,
    ids::{Incarnation, Slot},
    keys,
    metadata::image::incarnations::{IncarnationRecord, IncarnationState},
};

/// What a listed slot holds.
enum Content {
    Data(SlotData),
    Seal,
    Damaged(String, Advice),
    Unchecked(String),
}

/// A slot that counts, and what it holds.
pub(super) type Judged = (Slot, SlotData);

/// The walk over the slots of one log, in their order.
pub(super) struct WalWalk {
    writer: Incarnation,
    lane: u16,
    /// Half-open ranges that something refers to; `None`: all are (the metadata is damaged).
    required: Option<Vec<(Slot, Slot)>>,
    /// All slots below were judged.
    next: Slot,
    /// Exclusive: slots below must exist.
    must_exist: Slot,
    /// The end that the metadata knows.
    known_end: Option<Slot>,
    /// The end is final: the metadata knows it, or a SEAL stood at `next`.
    ended: bool,
    seal_at_end: bool,
    waiting: BTreeMap<Slot, Content>,
    /// Slots below were asked for once more.
    asked: Slot,
}

impl WalWalk {
    /// `record`: what the metadata knows of the writer.
    pub fn new(
        writer: Incarnation,
        lane: u16,
        record: Option<&IncarnationRecord>,
        required: Option<Vec<(Slot, Slot)>>,
    ) -> WalWalk {
        let known_end = match record.map(|record| record.state) {
            Some(IncarnationState::Sealed { end } | IncarnationState::Closed { end }) => Some(end),
            _ => None,
        };
        let checkpointed = record.map_or(Slot(0), |record| record.checkpointed);
        WalWalk {
            writer,
            lane,
            required,
            next: Slot(0),
            must_exist: known_end.unwrap_or(checkpointed),
            known_end,
            ended: known_end.is_some(),
            seal_at_end: false,
            waiting: BTreeMap::new(),
            asked: Slot(0),
        }
    }

    /// Slots before `slot` that may have been written since they were not listed; each once.
    pub fn gap_before(&mut self, slot: Slot) -> Vec<Slot> {
        let window = slot.0.saturating_sub(SLOTS_IN_FLIGHT_MAX);
        let from = self.next.max(self.asked).0.max(window);
        self.asked = self.asked.max(slot.next());
        if self.ended {
            // Nothing is written to it any more.
            return Vec::new();
        }
        let missing = (from..slot.0).map(Slot);
        missing
            .filter(|slot| !self.waiting.contains_key(slot))
            .collect()
    }

    /// Takes what was read of `slot`; returns what is certain to count now.
    pub fn take(
        &mut self,
        slot: Slot,
        checked: Checked<SlotContent>,
        report: &mut Report,
    ) -> Vec<Judged> {
        let content = match checked {
            Checked::Missing => return Vec::new(),
            Checked::Damaged(message) => Content::Damaged(message, RESTORE),
            Checked::Foreign(message) => Content::Damaged(message, MOVE_AWAY),
            Checked::Unchecked(message) => Content::Unchecked(message),
            Checked::Sound(content, len) => {
                report.object(len);
                match content {
                    SlotContent::Seal => Content::Seal,
                    SlotContent::Data(data) => Content::Data(data),
                }
            }
        };
        if slot < self.next {
            // It came after a gap that was judged; said to be missing then.
            return Vec::new();
        }
        if self.ended && slot >= self.must_exist.max(self.next) {
            self.above_the_end(slot, &content, report);
            return Vec::new();
        }
        if !self.ended {
            let proven = (slot.0 + 1).saturating_sub(SLOTS_IN_FLIGHT_MAX);
            let known = match &content {
                Content::Data(data) => data.committed.min(slot),
                _ => Slot(0),
            };
            self.must_exist = self.must_exist.max(Slot(proven)).max(known);
        }
        self.waiting.insert(slot, content);
        self.judge(slot, report)
    }

    /// Judges slots from `next` on as far as it is certain what they are. Slots below `listed` that
    /// were not taken do not exist.
    fn judge(&mut self, listed: Slot, report: &mut Report) -> Vec<Judged> {
        let mut counted = Vec::new();
        loop {
            let below_end = self.next < self.must_exist;
            let name = || keys::wal(self.writer, self.lane, self.next);
            match self.waiting.remove(&self.next) {
                Some(Content::Seal) if below_end => {
                    let what = "it is a SEAL below the end of the log: the records are lost";
                    report.damaged(name(), what, RESTORE);
                }
                Some(Content::Seal) => {
                    self.ended = true;
                    self.seal_at_end = true;
                    self.must_exist = self.next;
                    self.rest_is_void(report);
                    return counted;
                }
                Some(Content::Damaged(message, advice)) => report.damaged(name(), message, advice),
                Some(Content::Unchecked(message)) => report.unchecked(name(), message),
                Some(Content::Data(data)) => counted.push((self.next, data)),
                None if below_end && self.next < listed => {
                    let there = self.waiting.keys().next().copied();
                    let end = there.unwrap_or(self.must_exist).min(self.must_exist);
                    self.report_missing(end, report);
                    self.next = end;
                    continue;
                }
                None => return counted,
            }
            self.next = self.next.next();
        }
    }

    /// The slots from `next` to `end` do not exist.
    fn report_missing(&self, end: Slot, report: &mut Report) {
        let (next, name) = (self.next, keys::wal(self.writer, self.lane, self.next));
        let what = match end.0 - next.0 {
            1 => "it is missing".to_owned(),
            count => format!("it and the {} slots behind it are missing", count - 1),
        };
        let referred = match &self.required {
            None => true,
            Some(ranges) => ranges.iter().any(|(from, to)| *from < end && next < *to),
        };
        if referred {
            report.damaged(name, what, RESTORE);
        } else {
            report.remark(format!("{name}: {what}; nothing refers to it"));
        }
    }

    /// The end of the listing: what is still waiting lies above the contiguous end.
    pub fn finish(mut self, report: &mut Report) -> Vec<Judged> {
        let counted = self.judge(self.must_exist, report);
        self.rest_is_void(report);
        if let Some(end) = self.known_end.filter(|_| !self.seal_at_end) {
            report.remark(format!(
                "{}: the SEAL is missing; nothing is lost, the metadata knows the end",
                keys::wal(self.writer, self.lane, end)
            ));
        }
        counted
    }

    fn rest_is_void(&mut self, report: &mut Report) {
        for (slot, content) in std::mem::take(&mut self.waiting) {
            self.above_the_end(slot, &content, report);
        }
    }

    /// A takeover writes SEALs over the whole window; they are what belongs there. The first of them
    /// is the end.
    fn above_the_end(&mut self, slot: Slot, content: &Content, report: &mut Report) {
        let is_end = self.ended && slot == self.must_exist;
        let name = keys::wal(self.writer, self.lane, slot);
        match content {
            Content::Seal => self.seal_at_end |= is_end,
            Content::Unchecked(message) => report.unchecked(name, message),
            Content::Damaged(message, advice) if is_end => {
                self.seal_at_end = true;
                report.damaged(name, message, advice);
            }
            Content::Data(_) if is_end => {
                self.seal_at_end = true;
                let what = "it holds data where the log was sealed";
                report.damaged(name, what, RESTORE);
            }
            _ if self.ended => report.void_thing(name, "it lies above the end of its log"),
            _ => report.void_thing(
                name,
                "a slot before it is missing, so it was never acknowledged",
            ),
        }
    }
}
