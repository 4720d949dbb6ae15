//! One write-ahead log, slot by slot: what counts, what is missing, what is void.

use super::{
    object::{Checked, SlotContent, SlotData},
    report::Report,
    wal::WalWalk,
};
use crate::{
    ids::{BrokerEpoch, BrokerId, Incarnation, ProcessId, Slot},
    keys,
    metadata::image::incarnations::{IncarnationRecord, IncarnationState, Registration},
};

const WRITER: Incarnation = Incarnation {
    broker: BrokerId(1),
    epoch: BrokerEpoch(0),
};

fn record(state: IncarnationState, checkpointed: u64) -> IncarnationRecord {
    IncarnationRecord {
        incarnation: WRITER,
        registration: Registration {
            broker: WRITER.broker,
            process_id: ProcessId(weir_protocol::types::Uuid([1; 16])),
            host: String::new(),
            endpoints: Vec::new(),
            host_boot_id: String::new(),
            network_namespace: String::new(),
            rack: None,
            start_ms: 0,
        },
        state,
        checkpointed: Slot(checkpointed),
        data_floor: 0,
        // As a broker writes it: the floor says nothing about what may be gone.
        wal_floor: Slot(checkpointed),
    }
}

/// What a slot holds: data whose writer knew `committed`, or a SEAL.
#[derive(Clone, Copy)]
enum Holds {
    Data(u64),
    Seal,
    Torn,
}
use Holds::{Data, Seal, Torn};

fn walk(record: Option<&IncarnationRecord>, slots: &[(u64, Holds)]) -> (Vec<u64>, Vec<String>) {
    walk_required(record, None, slots)
}

/// The slots that count, and the findings.
fn walk_required(
    record: Option<&IncarnationRecord>,
    required: Option<Vec<(Slot, Slot)>>,
    slots: &[(u64, Holds)],
) -> (Vec<u64>, Vec<String>) {
    let mut report = Report::default();
    let mut walk = WalWalk::new(WRITER, 0, record, required);
    let mut counted = Vec::new();
    for &(slot, holds) in slots {
        let _ = walk.gap_before(Slot(slot));
        let checked = match holds {
            Torn => Checked::Damaged("torn".to_owned()),
            Seal => Checked::Sound(SlotContent::Seal, 1),
            Data(committed) => {
                let data = SlotData {
                    committed: Slot(committed),
                    rows: Vec::new(),
                    producers: Vec::new(),
                };
                Checked::Sound(SlotContent::Data(data), 1)
            }
        };
        counted.extend(walk.take(Slot(slot), checked, &mut report));
    }
    counted.extend(walk.finish(&mut report));
    let text = report
        .render()
        .replace(&keys::wal_log_prefix(WRITER, 0), "");
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.split(". To do").next().unwrap().to_owned())
        .collect();
    lines.pop();
    (counted.iter().map(|(slot, _)| slot.0).collect(), lines)
}

fn name(slot: u64) -> String {
    format!("000000000000/{slot:020}")
}

fn missing(slot: u64) -> String {
    format!("damage: {}: it is missing", name(slot))
}

#[test]
fn slots_up_to_a_hole_or_a_seal_count_and_the_rest_is_void() {
    let (counted, found) = walk(None, &[(0, Data(0)), (1, Data(0)), (3, Data(1)), (4, Torn)]);
    let void = |n| {
        format!(
            "void: {}: a slot before it is missing, so it was never acknowledged",
            name(n)
        )
    };
    assert_eq!((counted, found), (vec![0, 1], vec![void(3), void(4)]));
    let above = |n| format!("void: {}: it lies above the end of its log", name(n));
    let slots = [(0, Data(0)), (1, Seal), (2, Data(0)), (3, Torn), (4, Seal)];
    assert_eq!(walk(None, &slots), (vec![0], vec![above(2), above(3)]));
}

#[test]
fn a_hole_below_what_was_certainly_committed_is_damage() {
    let known = [(0, Data(0)), (1, Data(0)), (3, Data(0)), (4, Data(4))];
    // What is lost does not make the rest void.
    assert_eq!(walk(None, &known), (vec![0, 1, 3, 4], vec![missing(2)]));
    // Nobody said that slot 1 was committed, but 17 slots later its writer must have known.
    let (counted, found) = walk(None, &[(0, Data(0)), (18, Data(0))]);
    let gap = format!(
        "damage: {}: it and the 1 slots behind it are missing",
        name(1)
    );
    assert_eq!((counted, found[0].as_str()), (vec![0], gap.as_str()));
    let active = record(IncarnationState::Active, 3);
    let covered = [(0, Data(0)), (2, Data(0)), (3, Data(0))];
    assert_eq!(
        walk(Some(&active), &covered),
        (vec![0, 2, 3], vec![missing(1)])
    );
    let nothing = format!(
        "damage: {}: it and the 2 slots behind it are missing",
        name(0)
    );
    assert_eq!(walk(Some(&active), &[]), (vec![], vec![nothing]));
}

#[test]
fn the_end_that_the_metadata_knows_overrides_what_objects_say() {
    let sealed = record(IncarnationState::Sealed { end: Slot(3) }, 1);
    let data = |slots: std::ops::Range<u64>| slots.map(|n| (n, Data(0))).collect::<Vec<_>>();
    let mut slots = data(0..3);
    slots.push((3, Seal));
    slots.push((4, Data(0)));
    let (counted, found) = walk(Some(&sealed), &slots);
    assert_eq!(counted, [0, 1, 2]);
    assert_eq!(
        found,
        [format!(
            "void: {}: it lies above the end of its log",
            name(4)
        )]
    );
    let (_, found) = walk(Some(&sealed), &data(0..4));
    assert_eq!(
        found,
        [format!(
            "damage: {}: it holds data where the log was sealed",
            name(3)
        )]
    );
    let (_, found) = walk(
        Some(&sealed),
        &[(0, Data(0)), (1, Seal), (2, Data(0)), (3, Seal)],
    );
    let seal = format!(
        "damage: {}: it is a SEAL below the end of the log: the records are lost",
        name(1)
    );
    assert_eq!(found, [seal]);
    let (_, found) = walk(Some(&sealed), &data(0..2));
    assert_eq!(found[0], missing(2));
    assert!(found[1].starts_with(&format!("remark: {}: the SEAL is missing", name(3))));
}

#[test]
fn what_nothing_refers_to_may_be_gone() {
    let closed = record(IncarnationState::Closed { end: Slot(4) }, 4);
    let required = Some(vec![(Slot(2), Slot(4))]);
    let slots = [(2, Data(0)), (3, Data(0)), (4, Seal)];
    let (counted, found) = walk_required(Some(&closed), required.clone(), &slots);
    assert_eq!(counted, [2, 3]);
    let gone = "it and the 1 slots behind it are missing; nothing refers to it";
    assert_eq!(found, [format!("remark: {}: {gone}", name(0))]);
    let (_, found) = walk_required(
        Some(&closed),
        required,
        &[(0, Data(0)), (3, Data(0)), (4, Seal)],
    );
    let gap = format!(
        "damage: {}: it and the 1 slots behind it are missing",
        name(1)
    );
    assert_eq!(found, [gap]);
}

#[test]
fn damage_below_the_floor_is_found() {
    let active = record(IncarnationState::Active, 3);
    let slots = [(0, Data(0)), (1, Torn), (2, Data(0)), (3, Data(0))];
    assert_eq!(
        walk(Some(&active), &slots).1,
        [format!("damage: {}: torn", name(1))]
    );
}
