//! Which slots of a log its one writer may use, and which are committed: a pure value.
//!
//! ```text
//!        committed            next
//! … data    │  ?  data  ?  ?   │  free …
//!           └── window ≤ limit ┘
//! ```
//! Owns: the order of slots and the contiguous prefix. Does not own: puts, time, waking anybody.
//! Invariant: the *window* is bounded, not the number of open answers: if slots ran ahead of an
//! unanswered one, an object in slot j would no longer prove that all slots up to j − limit hold
//! data, on which the search for the end of a dead log relies.

use crate::ids::Slot;

/// At most this many slots of a log lie between the first uncommitted one and the next free one. A
/// constant of the format: a taker must know it of a writer that it never met.
pub const SLOTS_IN_FLIGHT_MAX: u64 = 16;

/// The slots of one log as its writer sees them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SlotWindow {
    /// Exclusive: slots below are committed.
    committed: Slot,
    /// The slot that is reserved next.
    next: Slot,
    /// Bit i: slot `committed + i` was created by us.
    created: u64,
    /// Slots from here on are never committed; the log is over.
    ended_at: Option<Slot>,
    in_flight_max: u64,
}

impl SlotWindow {
    /// A log whose slots below `first` are committed and whose other slots are free.
    pub fn new(first: Slot, in_flight_max: u64) -> SlotWindow {
        assert!(
            (1..=SLOTS_IN_FLIGHT_MAX).contains(&in_flight_max),
            "1 to {SLOTS_IN_FLIGHT_MAX} slots in flight, not {in_flight_max}"
        );
        SlotWindow {
            committed: first,
            next: first,
            created: 0,
            ended_at: None,
            in_flight_max,
        }
    }

    /// The next slot, or none while the window is full or once the log is over.
    pub fn reserve(&mut self) -> Option<Slot> {
        if self.ended_at.is_some() || self.in_flight() >= self.in_flight_max {
            return None;
        }
        let slot = self.next;
        self.next = slot.next();
        Some(slot)
    }

    /// Slot `slot` holds our object. Returns the slots that are committed by this, in order.
    pub fn created(&mut self, slot: Slot) -> impl Iterator<Item = Slot> + use<> {
        assert!(slot < self.next, "slot {slot} was never reserved");
        let from = self.committed;
        if let Some(offset) = slot.0.checked_sub(from.0) {
            self.created |= 1 << offset;
        }
        while self.created & 1 == 1 && self.ended_at.is_none_or(|end| self.committed < end) {
            self.created >>= 1;
            self.committed = self.committed.next();
        }
        (from.0..self.committed.0).map(Slot)
    }

    /// Slot `slot` holds somebody else's object: the log is over, and nothing at or above `slot` is
    /// ever committed. Lower slots that are still unanswered may be.
    pub fn refused(&mut self, slot: Slot) {
        self.ended_at = Some(self.ended_at.map_or(slot, |end| end.min(slot)));
    }

    /// Nothing that isn't committed yet ever will be.
    pub fn freeze(&mut self) {
        self.refused(self.committed);
    }

    /// Exclusive end of the committed prefix.
    pub fn committed(&self) -> Slot {
        self.committed
    }

    /// The slot that would be reserved next.
    pub fn next(&self) -> Slot {
        self.next
    }

    pub fn ended_at(&self) -> Option<Slot> {
        self.ended_at
    }

    /// Length of the window: slots reserved and not committed.
    pub fn in_flight(&self) -> u64 {
        self.next.0 - self.committed.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn committed(window: &mut SlotWindow, slot: u64) -> Vec<u64> {
        window.created(Slot(slot)).map(|slot| slot.0).collect()
    }

    #[test]
    fn slots_commit_in_order_whatever_the_order_of_answers() {
        let mut window = SlotWindow::new(Slot(7), 4);
        let reserved: Vec<_> = std::iter::from_fn(|| window.reserve()).collect();
        assert_eq!(reserved, [Slot(7), Slot(8), Slot(9), Slot(10)]);
        assert!(committed(&mut window, 9).is_empty());
        assert_eq!(window.reserve(), None, "the window counts from the hole");
        assert!(committed(&mut window, 8).is_empty());
        assert_eq!(committed(&mut window, 7), [7, 8, 9]);
        assert_eq!(window.reserve(), Some(Slot(11)));
        assert_eq!(committed(&mut window, 10), [10]);
        assert_eq!((window.committed(), window.in_flight()), (Slot(11), 1));
    }

    #[test]
    fn a_refused_slot_ends_the_log_there_and_lower_ones_still_commit() {
        let mut window = SlotWindow::new(Slot(0), 4);
        while window.reserve().is_some() {}
        window.refused(Slot(2));
        assert!(committed(&mut window, 3).is_empty());
        assert_eq!(committed(&mut window, 0), [0]);
        assert_eq!(window.reserve(), None);
        assert_eq!(committed(&mut window, 1), [1]);
        window.refused(Slot(3));
        assert_eq!(window.ended_at(), Some(Slot(2)));
    }

    #[test]
    fn a_frozen_window_commits_nothing_more() {
        let mut window = SlotWindow::new(Slot(0), 4);
        while window.reserve().is_some() {}
        assert_eq!(committed(&mut window, 0), [0]);
        window.freeze();
        assert!(committed(&mut window, 1).is_empty());
        assert_eq!(window.committed(), Slot(1));
    }
}
