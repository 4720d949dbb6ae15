//! Where the committed records of a partition lie: one 32-byte entry per run, in offset order.
//!
//! Owns: the entries and their lookups by offset and time. Does not own: reading the bytes.
//! Invariant: entries are contiguous; an entry ends where the next begins, the last one at
//! [`RunIndex::offset_end`].

use weir_protocol::types::Offset;

use crate::ids::Slot;

/// Number of a WAL in the process's table of WALs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WalIndex(pub u16);

/// Where a run is and what it holds. Offsets: first inclusive, end exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub wal: WalIndex,
    pub slot: Slot,
    /// Absolute position of its first byte in the object.
    pub position: u32,
    /// Length in bytes.
    pub len: u32,
    pub offset_first: Offset,
    pub offset_end: Offset,
    /// Largest timestamp, milliseconds.
    pub max_timestamp: i64,
}

/// The stored form; 40 bits of slot are 34 years at a thousand objects a second.
#[derive(Clone, Copy)]
struct Entry {
    offset_first: i64,
    max_timestamp: i64,
    slot_low: u32,
    position: u32,
    len: u32,
    wal: u16,
    slot_high: u8,
}

/// Bytes of memory per run.
pub const RUN_BYTES: usize = std::mem::size_of::<Entry>();
const _: () = assert!(RUN_BYTES == 32);

#[derive(Default)]
pub struct RunIndex {
    entries: Vec<Entry>,
    offset_end: i64,
}

impl RunIndex {
    /// Appends a run, which must begin at [`RunIndex::offset_end`] unless it is the first.
    ///
    /// # Panics
    /// When it does not, or when its slot does not fit 40 bits: both are errors of the caller.
    pub fn push(&mut self, run: &Run) {
        assert!(
            self.entries.is_empty() || run.offset_first.0 == self.offset_end,
            "a run at {} behind the end {}",
            run.offset_first,
            self.offset_end
        );
        assert!(run.slot.0 >> 40 == 0, "slot {} is beyond 40 bits", run.slot);
        self.entries.push(Entry {
            offset_first: run.offset_first.0,
            max_timestamp: run.max_timestamp,
            slot_low: run.slot.0 as u32,
            position: run.position,
            len: run.len,
            wal: run.wal.0,
            slot_high: (run.slot.0 >> 32) as u8,
        });
        self.offset_end = run.offset_end.0;
    }

    /// Exclusive; 0 when nothing was ever pushed.
    pub fn offset_end(&self) -> Offset {
        Offset(self.offset_end)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The run that holds `offset`.
    pub fn find(&self, offset: Offset) -> Option<Run> {
        self.position_of(offset).map(|i| self.run(i))
    }

    /// The run that holds `offset` and those behind it, until together they have `bytes_min` bytes,
    /// at most `runs_max`.
    pub fn span(&self, offset: Offset, bytes_min: u64, runs_max: usize) -> Vec<Run> {
        let Some(start) = self.position_of(offset) else {
            return Vec::new();
        };
        let mut bytes = 0;
        let mut runs = Vec::new();
        for i in start..self.entries.len() {
            if runs.len() == runs_max || (bytes >= bytes_min && !runs.is_empty()) {
                break;
            }
            bytes += u64::from(self.entries[i].len);
            runs.push(self.run(i));
        }
        runs
    }

    /// Runs from the one that holds `from` on whose largest timestamp is ≥ `timestamp`: the first one
    /// may still hold no such record at or behind `from`.
    pub fn next_with_timestamp(&self, from: Offset, timestamp: i64) -> Option<Run> {
        let start = self.position_of(from)?;
        (start..self.entries.len())
            .find(|i| self.entries[*i].max_timestamp >= timestamp)
            .map(|i| self.run(i))
    }

    /// The first of the runs with the largest timestamp among those that end behind `from`.
    pub fn with_max_timestamp(&self, from: Offset) -> Option<Run> {
        let start = self.position_of(from)?;
        let mut best = start;
        for i in start..self.entries.len() {
            if self.entries[i].max_timestamp > self.entries[best].max_timestamp {
                best = i;
            }
        }
        Some(self.run(best))
    }

    fn position_of(&self, offset: Offset) -> Option<usize> {
        if offset.0 >= self.offset_end {
            return None;
        }
        self.entries
            .partition_point(|e| e.offset_first <= offset.0)
            .checked_sub(1)
    }

    fn run(&self, i: usize) -> Run {
        let entry = &self.entries[i];
        let end = self
            .entries
            .get(i + 1)
            .map_or(self.offset_end, |next| next.offset_first);
        Run {
            wal: WalIndex(entry.wal),
            slot: Slot(u64::from(entry.slot_high) << 32 | u64::from(entry.slot_low)),
            position: entry.position,
            len: entry.len,
            offset_first: Offset(entry.offset_first),
            offset_end: Offset(end),
            max_timestamp: entry.max_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> RunIndex {
        let mut index = RunIndex::default();
        for (i, (first, end, time)) in [(5, 10, 100), (10, 12, 90), (12, 20, 300), (20, 21, 300)]
            .into_iter()
            .enumerate()
        {
            index.push(&Run {
                wal: WalIndex(1),
                slot: Slot((1 << 32) + i as u64),
                position: 96,
                len: 100,
                offset_first: Offset(first),
                offset_end: Offset(end),
                max_timestamp: time,
            });
        }
        index
    }

    #[test]
    fn a_run_is_found_by_any_of_its_offsets() {
        let index = index();
        let first_of = |offset| {
            index
                .find(Offset(offset))
                .map(|r| (r.offset_first.0, r.offset_end.0))
        };
        assert_eq!(first_of(4), None);
        assert_eq!(first_of(5), Some((5, 10)));
        assert_eq!(first_of(9), Some((5, 10)));
        assert_eq!(first_of(20), Some((20, 21)));
        assert_eq!(first_of(21), None);
        assert_eq!(
            index.find(Offset(11)).map(|r| r.slot),
            Some(Slot((1 << 32) + 1))
        );
    }

    #[test]
    fn a_span_stops_at_bytes_or_count() {
        let index = index();
        assert_eq!(index.span(Offset(6), 150, 10).len(), 2);
        assert_eq!(index.span(Offset(6), 0, 10).len(), 1);
        assert_eq!(index.span(Offset(6), 10_000, 3).len(), 3);
        assert!(index.span(Offset(21), 1, 1).is_empty());
    }

    #[test]
    fn times_are_found_in_offset_order_though_they_are_not_sorted() {
        let index = index();
        let first_of = |from, time| {
            index
                .next_with_timestamp(Offset(from), time)
                .map(|r| r.offset_first.0)
        };
        assert_eq!(first_of(5, 95), Some(5));
        assert_eq!(first_of(10, 95), Some(12));
        assert_eq!(first_of(5, 301), None);
        assert_eq!(
            index
                .with_max_timestamp(Offset(5))
                .map(|r| r.offset_first.0),
            Some(12)
        );
    }

    #[test]
    #[should_panic(expected = "behind the end")]
    fn a_hole_between_runs_is_a_programmer_error() {
        let mut index = index();
        let run = Run {
            offset_first: Offset(22),
            ..index.find(Offset(20)).expect("it was pushed")
        };
        index.push(&run);
    }
}
