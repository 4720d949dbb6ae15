//! Where a log ends: pure decisions over what its slots hold.
//!
//! Owns: the search for the first open slot, and the rule that the lowest SEAL is the end. Does not
//! own: reads, SEAL puts and their order (`takeover`). Both sides of the search lean on the window
//! rule (`window`): an object in slot j, data or SEAL, valid or void, proves that every slot up to
//! j − P holds data. For a SEAL, because a taker starts sealing at a slot below which all is data
//! and goes P further only when those P hold data; for data above a SEAL, because its writer was at
//! most P ahead of the first slot that it could not commit.

use crate::{fenced_log::SLOTS_IN_FLIGHT_MAX, ids::Slot};

/// What stands in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlotContent {
    Missing,
    /// An object of the log's own writer.
    Data,
    /// Ends the log, whoever wrote it.
    Seal,
}

/// The first slot of `contents`, which begin at `first`, that isn't data; where the log ends if
/// that is a SEAL, and where to seal it if it is missing. `None`: all are data.
pub fn first_open_slot(first: Slot, contents: &[SlotContent]) -> Option<(Slot, SlotContent)> {
    (first.0..)
        .map(Slot)
        .zip(contents.iter().copied())
        .find(|(_, content)| *content != SlotContent::Data)
}

/// The end, once a SEAL was tried in every slot of a round that began at `first` and every answer
/// is there: the lowest slot that holds a SEAL, ours or another taker's. `None`: all hold data, so
/// the next round begins right behind them.
///
/// Every slot below `first` must hold data. A missing slot means that an answer is still out, which
/// is a programmer's error.
pub fn end_of_seal_round(first: Slot, contents: &[SlotContent]) -> Option<Slot> {
    assert!(
        !contents.contains(&SlotContent::Missing),
        "an end was asked for before every SEAL was answered"
    );
    first_open_slot(first, contents).map(|(slot, _)| slot)
}

/// Finds the first slot that isn't data, when all below `from` are, in a few rounds of parallel
/// probes.
///
/// Repeat [`EndSearch::probes`] and [`EndSearch::learn`] until [`EndSearch::scan`] answers; then
/// look at those slots one by one ([`first_open_slot`]). While the writer lives the answer is true
/// of some moment during the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndSearch {
    /// Every slot below holds data.
    data_below: u64,
    /// A slot that was missing when we looked.
    missing: Option<u64>,
    /// The last object that a LIST showed; believed only once a read found it.
    hint: Option<u64>,
    in_flight_max: u64,
}

/// Probes of one round at most.
const PROBES_MAX: u64 = 16;
/// Slots of the final scan at most.
const SCAN_MAX: u64 = 2 * SLOTS_IN_FLIGHT_MAX;

impl EndSearch {
    /// All slots below `from` are known to hold data. `hint`: a slot that probably holds the last
    /// object.
    pub fn new(from: Slot, hint: Option<Slot>) -> EndSearch {
        EndSearch {
            data_below: from.0,
            missing: None,
            hint: hint.map(|slot| slot.0).filter(|slot| *slot >= from.0),
            in_flight_max: SLOTS_IN_FLIGHT_MAX,
        }
    }

    /// Slots to look at now, in no order that matters. Empty once [`EndSearch::scan`] answers.
    pub fn probes(&self) -> Vec<Slot> {
        if self.scan().is_some() {
            return Vec::new();
        }
        if let Some(hint) = self.hint {
            return vec![Slot(hint), Slot(hint.saturating_add(1))];
        }
        let from = self.data_below;
        match self.missing {
            None => (0..12)
                .map(|power| Slot(from.saturating_add(SLOTS_IN_FLIGHT_MAX << (2 * power))))
                .collect(),
            Some(missing) => {
                let step = ((missing - from) / (PROBES_MAX + 1)).max(1);
                (1..=PROBES_MAX)
                    .map(|n| Slot(from + n * step))
                    .filter(|slot| slot.0 < missing)
                    .collect()
            }
        }
    }

    /// What a probe found. SEALs count as present.
    pub fn learn(&mut self, slot: Slot, content: SlotContent) {
        self.hint = None;
        if content == SlotContent::Missing {
            if slot.0 >= self.data_below {
                self.missing = Some(self.missing.map_or(slot.0, |known| known.min(slot.0)));
            }
        } else {
            let proven = (slot.0 + 1).saturating_sub(self.in_flight_max);
            self.data_below = self.data_below.max(proven);
        }
        // While the writer lives, a slot may have been filled since it was missing.
        if self.missing.is_some_and(|slot| slot < self.data_below) {
            self.missing = None;
        }
    }

    /// The few slots, from and to (exclusive), among which the first open one is: `to` itself was
    /// missing.
    pub fn scan(&self) -> Option<(Slot, Slot)> {
        let missing = self.missing?;
        (missing - self.data_below <= SCAN_MAX).then_some((Slot(self.data_below), Slot(missing)))
    }
}

#[cfg(test)]
mod tests {
    use super::{SlotContent::*, *};

    #[test]
    fn the_lowest_seal_is_the_end_and_data_only_goes_on() {
        for (contents, end) in [
            (&[Seal, Seal, Seal][..], Some(5)),
            (&[Data, Seal, Data, Seal], Some(6)),
            (&[Data, Data, Data], None),
        ] {
            assert_eq!(end_of_seal_round(Slot(5), contents), end.map(Slot));
        }
    }

    /// A log with data below `committed`, any pattern of `holes` in the window above, then nothing.
    fn content_of(committed: u64, pattern: u64, slot: u64) -> SlotContent {
        match slot.checked_sub(committed) {
            None => Data,
            Some(0) => Missing,
            Some(above) if above < SLOTS_IN_FLIGHT_MAX && pattern >> above & 1 == 1 => Data,
            Some(_) => Missing,
        }
    }

    fn search(mut search: EndSearch, content: impl Fn(u64) -> SlotContent) -> (u64, u32) {
        let mut rounds = 0;
        loop {
            if let Some((from, to)) = search.scan() {
                let contents: Vec<_> = (from.0..to.0).map(&content).collect();
                let open = first_open_slot(from, &contents).map_or(to, |(slot, _)| slot);
                return (open.0, rounds);
            }
            rounds += 1;
            assert!(rounds < 20, "the search does not end: {search:?}");
            for slot in search.probes() {
                search.learn(slot, content(slot.0));
            }
        }
    }

    #[test]
    fn the_search_finds_the_first_open_slot_from_any_bound_with_any_hint() {
        for committed in [0, 1, 15, 16, 17, 100, 4_095, 20_000, 3_000_000] {
            for pattern in [0, 0b10, 0xfffe, 0x8000, 0xaaaa] {
                for from in [0, committed / 2, committed] {
                    for hint in [
                        None,
                        Some(0),
                        Some(committed),
                        Some(committed + 15),
                        Some(1 << 40),
                    ] {
                        let start = EndSearch::new(Slot(from), hint.map(Slot));
                        let (found, rounds) =
                            search(start, |slot| content_of(committed, pattern, slot));
                        assert_eq!(found, committed, "from {from}, hint {hint:?}");
                        assert!(rounds <= 12, "{rounds} rounds for {committed} from {from}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_right_hint_needs_one_round() {
        let start = EndSearch::new(Slot(0), Some(Slot(19_999)));
        assert_eq!(
            search(start, |slot| content_of(20_000, 0, slot)),
            (20_000, 1)
        );
    }
}
