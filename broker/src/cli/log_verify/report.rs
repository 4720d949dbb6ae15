//! What `weir log verify` found, and how it says it.

use std::fmt::{Display, Write};

use weir_tiering::metadata::Verified;

/// Findings of one kind that are listed; the rest is counted.
const LISTED_MAX: usize = 1_000;

#[derive(Debug, Default)]
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

/// Findings and counts of one run.
#[derive(Debug, Default)]
pub(super) struct Report {
    damage: Findings,
    void: Findings,
    remarks: Findings,
    objects: u64,
    bytes: u64,
    pub(super) wals: u64,
    pub(super) records: u64,
    entries: u64,
    snapshots: u64,
}

impl Report {
    pub(super) fn damaged(&mut self, name: impl Display, what: impl Display) {
        self.damage.push(format!("{name}: {what}"));
    }

    /// A slot that was never acknowledged and that nobody may read.
    pub(super) fn void(&mut self, name: impl Display) {
        self.void.push(name.to_string());
    }

    pub(super) fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    /// Counts an object that was read.
    pub(super) fn object(&mut self, len: usize) {
        self.objects += 1;
        self.bytes += len as u64;
    }

    pub(super) fn metadata(&mut self, found: &Verified) {
        self.entries = found.entries;
        self.snapshots = found.snapshots;
        for damage in &found.damage {
            self.damaged(&damage.key, &damage.message);
        }
        self.damage.count += found.damage_count - found.damage.len() as u64;
        for slot in &found.void {
            self.void(format!("metadata entry {slot}"));
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.damage.count == 0
    }

    /// One line per finding, then a summary.
    pub(super) fn render(&self) -> String {
        let mut out = String::new();
        let kinds = [
            ("damage", &self.damage),
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
        let _ = writeln!(
            out,
            "{} metadata entries, {} snapshots, {} write-ahead logs, {} records; {} objects of logs \
             and data ({} bytes) were read: {} damaged, {} void",
            self.entries,
            self.snapshots,
            self.wals,
            self.records,
            self.objects,
            self.bytes,
            self.damage.count,
            self.void.count
        );
        out
    }
}
