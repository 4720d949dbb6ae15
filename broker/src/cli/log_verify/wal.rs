//! One write-ahead log: which slots count, which are missing, which are void.
//!
//! A slot must exist when it lies below the end that the metadata knows, below what a checkpoint
//! covers, below what a later object knew to be committed, or so far below a later object that its
//! writer must have seen it answered (SLOTS_IN_FLIGHT_MAX). Above the contiguous end, or a SEAL, slots
//! are void. So an object can be judged only once those behind it are seen; at most a window of them
//! waits.

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_tiering::{
    fenced_log::SLOTS_IN_FLIGHT_MAX,
    format::{
        FormatError, ObjectIdentity, ObjectKind,
        envelope::decode_header,
        seal::decode_seal,
        wal::{RunRow, verify_wal_object},
    },
    ids::{ClusterId, Incarnation, Slot},
    keys,
    metadata::image::incarnations::{IncarnationRecord, IncarnationState},
};

use super::{Read, offsets::Offsets, report::Report};

/// What stands in a slot.
enum Content {
    Data { rows: Vec<RunRow>, records: u64 },
    Seal,
    Damaged(String),
}

/// The walk over the slots of one log, in their order.
pub(super) struct WalWalk {
    cluster: ClusterId,
    writer: Incarnation,
    lane: u16,
    /// All slots below were judged.
    next: Slot,
    /// Exclusive: slots below must exist.
    must_exist: Slot,
    /// The end is final: the metadata knows it, or a SEAL stood at `next`.
    ended: bool,
    waiting: BTreeMap<Slot, Content>,
    /// Slots below were asked for once more.
    asked: Slot,
}

impl WalWalk {
    /// `record`: what the metadata knows of the writer.
    pub(super) fn new(
        cluster: ClusterId,
        writer: Incarnation,
        lane: u16,
        record: Option<&IncarnationRecord>,
    ) -> WalWalk {
        let end = match record.map(|record| record.state) {
            Some(IncarnationState::Sealed { end } | IncarnationState::Closed { end }) => Some(end),
            _ => None,
        };
        let floor = record.map_or(Slot(0), |record| record.wal_floor);
        let checkpointed = record.map_or(Slot(0), |record| record.checkpointed);
        WalWalk {
            cluster,
            writer,
            lane,
            next: floor,
            must_exist: end.unwrap_or(checkpointed),
            ended: end.is_some(),
            waiting: BTreeMap::new(),
            asked: floor,
        }
    }

    pub(super) fn is_of(&self, writer: Incarnation, lane: u16) -> bool {
        (self.writer, self.lane) == (writer, lane)
    }

    /// Slots before `slot` that may have been written since they were not listed; each once.
    pub(super) fn gap_before(&mut self, slot: Slot) -> Vec<Slot> {
        let window = SLOTS_IN_FLIGHT_MAX;
        let from = self
            .next
            .max(self.asked)
            .0
            .max(slot.0.saturating_sub(window));
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

    /// Takes what was read of `slot`.
    pub(super) fn take(
        &mut self,
        slot: Slot,
        read: Read,
        report: &mut Report,
        offsets: &mut Offsets,
    ) {
        let content = match read {
            Read::Missing => return,
            Read::Damaged(message) => Content::Damaged(message),
            Read::Bytes(bytes) => {
                report.object(bytes.len());
                self.content(slot, &bytes)
                    .unwrap_or_else(|error| Content::Damaged(error.to_string()))
            }
        };
        if slot < self.next {
            // Below the floor: nobody reads it any more.
            return;
        }
        if self.ended && slot >= self.must_exist.max(self.next) {
            return self.above_the_end(slot, &content, report);
        }
        self.waiting.insert(slot, content);
        if !self.ended {
            let proven = (slot.0 + 1).saturating_sub(SLOTS_IN_FLIGHT_MAX);
            self.must_exist = self.must_exist.max(Slot(proven));
        }
        self.judge(slot, report, offsets);
    }

    fn content(&mut self, slot: Slot, bytes: &Bytes) -> Result<Content, FormatError> {
        let header = decode_header(bytes)?;
        if header.identity.kind == ObjectKind::Seal {
            let seal = decode_seal(bytes)?;
            let found = (seal.cluster, seal.sealed, seal.lane, seal.slot);
            if found == (self.cluster, self.writer, self.lane, slot) {
                return Ok(Content::Seal);
            }
            return Err(another_object(&header.identity));
        }
        let verified = verify_wal_object(bytes)?;
        let found = header.identity;
        let expected = (self.cluster, self.writer, self.lane, slot.0);
        if (found.cluster, found.writer, found.lane, found.number) != expected {
            return Err(another_object(&found));
        }
        let footer = verified.object.footer;
        if !self.ended {
            self.must_exist = self.must_exist.max(footer.committed.min(slot));
        }
        Ok(Content::Data {
            rows: footer.rows,
            records: verified.record_count,
        })
    }

    /// Judges slots from `next` on as far as it is certain what they are. Slots below `listed` that
    /// were not taken do not exist.
    fn judge(&mut self, listed: Slot, report: &mut Report, offsets: &mut Offsets) {
        loop {
            let below_end = self.next < self.must_exist;
            match self.waiting.remove(&self.next) {
                Some(Content::Seal) if below_end => {
                    report.damaged(
                        self.name(self.next),
                        "a SEAL stands below the end of the log",
                    );
                }
                Some(Content::Seal) => {
                    self.ended = true;
                    self.must_exist = self.next;
                    return self.rest_is_void(report);
                }
                Some(Content::Damaged(message)) => report.damaged(self.name(self.next), message),
                Some(Content::Data { rows, records }) => {
                    report.records += records;
                    rows.iter().for_each(|row| offsets.add(row));
                }
                None if below_end && self.next < listed => {
                    let there = self
                        .waiting
                        .keys()
                        .next()
                        .copied()
                        .unwrap_or(self.must_exist);
                    let end = there.min(self.must_exist);
                    self.report_missing(end, report);
                    self.next = end;
                    continue;
                }
                None => return,
            }
            self.next = self.next.next();
        }
    }

    fn report_missing(&self, end: Slot, report: &mut Report) {
        let count = end.0 - self.next.0;
        let name = self.name(self.next);
        match count {
            1 => report.damaged(name, "it is missing"),
            _ => report.damaged(
                name,
                format!("it and the {} slots behind it are missing", count - 1),
            ),
        }
    }

    /// The end of the listing: what is still waiting lies above the contiguous end.
    pub(super) fn finish(mut self, report: &mut Report, offsets: &mut Offsets) {
        self.judge(self.must_exist, report, offsets);
        self.rest_is_void(report);
    }

    fn rest_is_void(&mut self, report: &mut Report) {
        for (slot, content) in std::mem::take(&mut self.waiting) {
            self.above_the_end(slot, &content, report);
        }
    }

    /// A takeover writes SEALs over the whole window; they are what belongs there. The first of them
    /// is the end.
    fn above_the_end(&self, slot: Slot, content: &Content, report: &mut Report) {
        let is_end = self.ended && slot == self.must_exist;
        match content {
            Content::Seal => {}
            Content::Damaged(message) if is_end => report.damaged(self.name(slot), message),
            Content::Data { .. } if is_end => {
                report.damaged(self.name(slot), "it holds data where the log was sealed");
            }
            _ => report.void(self.name(slot)),
        }
    }

    fn name(&self, slot: Slot) -> String {
        keys::wal(self.writer, self.lane, slot).to_string()
    }
}

fn another_object(found: &ObjectIdentity) -> FormatError {
    FormatError::Invalid {
        what: "object",
        message: format!("it is another one: {found:?}"),
    }
}
