//! What must hold of the WAL's system in every state.

use weir_tiering::fenced_log::SlotContent;

use crate::wal_system::System;

pub const ACKNOWLEDGED_IS_NEVER_LOST: &str =
    "an acknowledged entry is in its slot, below every end";
pub const ONE_ENTRY_PER_SLOT: &str = "no two entries for a slot";
pub const ONE_END: &str = "one end per log";
pub const ONLY_DATA_BELOW_THE_END: &str = "every slot below the end holds data";
pub const AN_OBJECT_PROVES_WHAT_IS_BELOW: &str = "an object in slot j proves data up to j - P";
pub const AT_REST_THERE_IS_AN_END: &str = "when nothing more can happen, the log has an end";

pub fn acknowledged_is_never_lost(system: &System) -> bool {
    let end = system.ends().chain(system.lowest_seal()).min();
    system.acknowledged.iter().all(|(slot, objects)| {
        let there = system.store[usize::from(*slot)];
        objects.iter().all(|object| there == Some(*object)) && end.is_none_or(|end| *slot < end)
    })
}

pub fn one_entry_per_slot(system: &System) -> bool {
    system
        .acknowledged
        .values()
        .all(|objects| objects.len() == 1)
}

/// Everybody who knows an end knows the same, and the store's SEALs say so too.
pub fn one_end(system: &System) -> bool {
    let mut ends = system.ends();
    match ends.next() {
        None => true,
        Some(end) => ends.all(|other| other == end) && system.lowest_seal() == Some(end),
    }
}

pub fn only_data_below_the_end(system: &System) -> bool {
    system.ends().all(|end| {
        system.contents()[..usize::from(end)]
            .iter()
            .all(|content| *content == SlotContent::Data)
    })
}

pub fn an_object_proves_what_is_below(system: &System, in_flight_max: u8) -> bool {
    let contents = system.contents();
    let Some(last) = contents
        .iter()
        .rposition(|content| *content != SlotContent::Missing)
    else {
        return true;
    };
    let proven = (last + 1).saturating_sub(usize::from(in_flight_max));
    contents[..proven]
        .iter()
        .all(|content| *content == SlotContent::Data)
}

pub fn void_data(system: &System) -> bool {
    let Some(end) = system.sealed else {
        return false;
    };
    system.contents()[usize::from(end)..].contains(&SlotContent::Data)
}
