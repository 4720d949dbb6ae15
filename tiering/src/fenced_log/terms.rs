//! Terms of the metadata log: which entries count (design §4.3). A pure decision that every reader
//! makes alike.
//!
//! A fence is an entry that begins a new term: its writer is the controller from there on. An entry
//! of a lower term behind it was written by somebody who had not seen the fence; its commands were
//! validated on another state, so it is void: it occupies its slot, and changes nothing.

/// What the rule needs to know of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryHead {
    pub term: u64,
    /// Begins `term` and names its controller.
    pub is_fence: bool,
}

/// What a reader does with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Apply its commands; if it is a fence, its term is the current one from here on.
    Apply,
    /// Skip it. Everything that chains entries still counts it.
    Void,
    /// No correct writer writes this: it knows a term that the log has not reached.
    Impossible,
}

/// Judges an entry by the term in force before it (0 = no fence yet).
pub fn judge_entry(current_term: u64, entry: EntryHead) -> Verdict {
    let begins = if entry.is_fence { 1 } else { 0 };
    match (entry.term, current_term.checked_add(begins)) {
        (term, Some(due)) if term == due => Verdict::Apply,
        (term, _) if term <= current_term => Verdict::Void,
        _ => Verdict::Impossible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_only_in_its_own_term_and_a_fence_only_as_the_next() {
        for (current, term, is_fence, verdict) in [
            (3, 3, false, Verdict::Apply),
            (3, 2, false, Verdict::Void),
            (3, 4, false, Verdict::Impossible),
            (3, 4, true, Verdict::Apply),
            (3, 3, true, Verdict::Void),
            (3, 5, true, Verdict::Impossible),
            (0, 1, true, Verdict::Apply),
            (u64::MAX, u64::MAX, true, Verdict::Void),
        ] {
            let entry = EntryHead { term, is_fence };
            assert_eq!(judge_entry(current, entry), verdict, "{current} {entry:?}");
        }
    }
}
