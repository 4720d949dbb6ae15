//! What a check of a store found, and how it reads.

use std::fmt::{Display, Write};

use crate::metadata::Verified;

/// What to do about damage.
pub(super) type Advice = &'static str;
pub(super) const RESTORE: Advice = "restore this object from a copy of the store";
pub(super) const MOVE_AWAY: Advice =
    "move it out of the store, and restore the one that belongs here from a copy";
pub(super) const REMOVE: Advice = "it was copied here by hand: move it out of the store";
pub(super) const LOOK: Advice = "restore the objects named above from a copy; if there are none, keep the store and report a bug";

/// Findings of one kind that are listed; the rest is counted.
const LISTED_MAX: usize = 1_000;

#[derive(Clone, Debug, Default)]
struct Findings {
    listed: Vec<String>,
    count: u64,
}

impl Findings {
    fn push(&mut self, finding: String) {
        self.count += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push(finding);
        }
    }
}

/// Sums of what was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// WAL, checkpoint and other data objects.
    pub objects: u64,
    /// Of those objects.
    pub bytes: u64,
    pub wals: u64,
    pub pages: u64,
    pub metadata_entries: u64,
    pub metadata_snapshots: u64,
    /// Partitions with records.
    pub partitions: u64,
    /// Records that consumers can read.
    pub records: u64,
    /// Runs of topics that the metadata does not know (any more).
    pub runs_of_deleted_topics: u64,
}

/// Findings and counts.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub counts: Counts,
    damage: Findings,
    unchecked: Findings,
    void: Findings,
    remarks: Findings,
}

impl Report {
    /// No damage was found.
    pub fn is_sound(&self) -> bool {
        self.damage.count == 0
    }

    /// Everything could be read.
    pub fn is_complete(&self) -> bool {
        self.unchecked.count == 0
    }

    /// Damaged objects and contradictions.
    pub fn damage_count(&self) -> u64 {
        self.damage.count
    }

    /// The damage found first, one line each.
    pub fn damage(&self) -> &[String] {
        &self.damage.listed
    }

    /// What is stored, but was never acknowledged or is nobody's any more; found first.
    pub fn void(&self) -> &[String] {
        &self.void.listed
    }

    /// Anything else that a human may want to look at.
    pub fn remarks(&self) -> &[String] {
        &self.remarks.listed
    }

    pub(super) fn damaged(&mut self, name: impl Display, what: impl Display, advice: Advice) {
        self.damage.push(format!("{name}: {what}. To do: {advice}"));
    }

    /// Something that the store, or this version, could not read.
    pub(super) fn unchecked(&mut self, name: impl Display, why: impl Display) {
        self.unchecked.push(format!("{name}: {why}"));
    }

    pub(super) fn void_thing(&mut self, name: impl Display, why: impl Display) {
        self.void.push(format!("{name}: {why}"));
    }

    pub(super) fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// Counts an object that was read.
    pub(super) fn object(&mut self, len: u64) {
        self.counts.objects += 1;
        self.counts.bytes += len;
    }

    pub(super) fn metadata(&mut self, found: &Verified) {
        self.counts.metadata_entries = found.entries;
        self.counts.metadata_snapshots = found.snapshots;
        for damage in &found.damage {
            self.damaged(&damage.key, &damage.message, RESTORE);
        }
        self.damage.count += found.damage_count - found.damage.len() as u64;
        for slot in &found.void {
            let key = crate::keys::metadata_log(*slot);
            self.void_thing(key, "its writer was fenced before it");
        }
    }

    /// One line per finding, then a summary.
    pub fn render(&self) -> String {
        let mut out = String::new();
        let kinds = [
            ("damage", &self.damage),
            ("not checked", &self.unchecked),
            ("void", &self.void),
            ("remark", &self.remarks),
        ];
        for (kind, findings) in kinds {
            for finding in &findings.listed {
                let _ = writeln!(out, "{kind}: {finding}");
            }
            let more = findings.count - findings.listed.len() as u64;
            if more > 0 {
                let _ = writeln!(out, "{kind}: and {more} more");
            }
        }
        let c = &self.counts;
        let _ = writeln!(
            out,
            "read {} metadata entries, {} metadata snapshots, {} pages, {} objects ({} bytes) of {} \
             write-ahead logs: {} records in {} partitions, {} runs of deleted topics; {} damaged, \
             {} not checked, {} void",
            c.metadata_entries,
            c.metadata_snapshots,
            c.pages,
            c.objects,
            c.bytes,
            c.wals,
            c.records,
            c.partitions,
            c.runs_of_deleted_topics,
            self.damage.count,
            self.unchecked.count,
            self.void.count
        );
        out
    }
}
