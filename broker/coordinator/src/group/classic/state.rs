//! The states of a classic group and the legal moves between them.

/// State of a classic group, with Kafka's names.
///
/// ```text
///            first member joins          all joined, or time is up
///   Empty ───────────────────▶ PreparingRebalance ──────────────▶ CompletingRebalance
///     ▲                          │      ▲       ▲                      │     │
///     └──────────────────────────┘      │       └──────────────────────┘     │ the leader's
///        time is up, nobody there       │   join, leave or failure           │ assignment
///                                       │                                    ▼
///                                       └───────────────────────────────── Stable
///                                            join, leave or failure
///   any ──▶ Dead: the group was deleted, or the shard unloaded
/// ```
///
/// Only `Empty` and `Stable` are durable: a reload finds a group with members `Stable`, one
/// without `Empty`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupState {
    /// No members. May have offsets and pending members.
    Empty,
    /// Waits for the members to join; those that do are parked.
    PreparingRebalance,
    /// All members know the new generation; waits for the leader's assignment.
    CompletingRebalance,
    /// Every member can have its assignment.
    Stable,
    /// Not a group any more. Seen only in answers about groups that do not exist.
    Dead,
}

use GroupState::{CompletingRebalance, Dead, Empty, PreparingRebalance, Stable};

/// Every legal move. Whatever is not listed is a bug of this crate.
const TRANSITIONS: &[(GroupState, GroupState)] = &[
    (Empty, PreparingRebalance),
    (Empty, Dead),
    (PreparingRebalance, CompletingRebalance),
    (PreparingRebalance, Empty),
    (PreparingRebalance, Dead),
    (CompletingRebalance, Stable),
    (CompletingRebalance, PreparingRebalance),
    (CompletingRebalance, Dead),
    (Stable, PreparingRebalance),
    (Stable, Dead),
    (Dead, Dead),
];

impl GroupState {
    pub const ALL: [GroupState; 5] = [Empty, PreparingRebalance, CompletingRebalance, Stable, Dead];

    /// Kafka's name, as DescribeGroups and ListGroups show it.
    pub fn name(self) -> &'static str {
        match self {
            Empty => "Empty",
            PreparingRebalance => "PreparingRebalance",
            CompletingRebalance => "CompletingRebalance",
            Stable => "Stable",
            Dead => "Dead",
        }
    }

    pub(crate) fn may_become(self, next: GroupState) -> bool {
        TRANSITIONS.contains(&(self, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legal_moves_are_kafkas() {
        // Rows: from; columns: to, both in the order of ALL.
        let legal = [
            [false, true, false, false, true],
            [true, false, true, false, true],
            [false, true, false, true, true],
            [false, true, false, false, true],
            [false, false, false, false, true],
        ];
        for (from, row) in GroupState::ALL.into_iter().zip(legal) {
            for (to, expected) in GroupState::ALL.into_iter().zip(row) {
                assert_eq!(from.may_become(to), expected, "{from:?} to {to:?}");
            }
        }
    }
}
