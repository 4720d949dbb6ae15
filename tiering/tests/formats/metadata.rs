//! A metadata entry with a command of every kind, and the snapshot of the state behind it.

use std::collections::BTreeMap;

use weir_protocol::types::{PartitionIndex, Uuid};
use weir_tiering::{
    format::{ObjectKind, PageRef, SealedObject},
    ids::{BrokerEpoch, BrokerId, Incarnation, OwnershipEpoch, PgId, ProcessId, PutId, Slot},
    metadata::{
        Command, EntryHash, Fence, StateHash, Term,
        entry::Entry,
        image::{
            configs::{AlterConfigs, ConfigResource},
            features::{FeatureLevel, FinalizeFeatures},
            incarnations::{
                Endpoint, FenceIncarnation, RegisterBroker, Registration, SealIncarnation,
            },
            ownership::{AssignPgs, Assignment},
            producer_ids::AllocateProducerIds,
            topics::{CreatePartitions, CreateTopic, DeleteTopic},
        },
        snapshot,
        tail::Tail,
    },
    ownership::{
        checkpoint_record::{CheckpointRecord, PageUpdate},
        placement::Placement,
    },
};

use crate::{
    checkpoint::small_checkpoint,
    wal::{CLUSTER, WRITER},
};

const SLOT: Slot = Slot(42);
const PROCESS: ProcessId = ProcessId(Uuid([7; 16]));
/// Of another broker, registered by the same entry; fenced and sealed by it, too.
const OTHER: Incarnation = Incarnation {
    broker: BrokerId(9),
    epoch: BrokerEpoch(42),
};

fn registration(broker: BrokerId) -> Command {
    Command::RegisterBroker(RegisterBroker {
        registration: Registration {
            broker,
            process_id: PROCESS,
            host: "host".into(),
            endpoints: vec![Endpoint {
                listener: "PLAINTEXT".into(),
                protocol: "PLAINTEXT".into(),
                host: "127.0.0.1".into(),
                port: 9092,
            }],
            host_boot_id: "boot".into(),
            network_namespace: "4026531840".into(),
            rack: (broker == OTHER.broker).then(|| "r1".into()),
            start_ms: 1_700_000_000_000,
        },
    })
}

fn topics() -> [Command; 3] {
    let create = |name: &str, id, internal| {
        Command::CreateTopic(CreateTopic {
            name: name.into(),
            id: Uuid([id; 16]),
            partitions: 3,
            placement: Placement {
                overrides: vec![(PartitionIndex(1), PgId(200))],
                ..Placement::default()
            },
            configs: BTreeMap::from([("retention.ms".into(), "1000".into())]),
            internal,
        })
    };
    [
        create("orders", 1, false),
        create("__consumer_offsets", 2, true),
        create("gone", 3, false),
    ]
}

fn configs(resource: ConfigResource) -> Command {
    Command::AlterConfigs(AlterConfigs {
        resource,
        replace: true,
        changes: vec![
            ("message.max.bytes".into(), Some("2000".into())),
            ("flush.ms".into(), None),
        ],
    })
}

fn checkpoint(page: PageRef) -> Command {
    Command::Checkpoint(CheckpointRecord {
        incarnation: WRITER,
        committed: Slot(12),
        data_floor: 2,
        wal_floor: Slot(3),
        pages: vec![PageUpdate {
            pg: PgId(3),
            epoch: OwnershipEpoch(0),
            previous: None,
            page,
        }],
    })
}

/// All kinds, in an order that a fresh state allows.
fn every_command() -> Vec<Command> {
    let assign = |owner, pgs: std::ops::Range<u32>| {
        pgs.map(|pg| Assignment {
            pg: PgId(pg),
            owner,
        })
        .collect()
    };
    let mut commands = vec![
        Command::Fence(Fence {
            term: Term(1),
            controller: WRITER,
            process: PROCESS,
        }),
        registration(WRITER.broker),
        registration(OTHER.broker),
        Command::AssignPgs(AssignPgs {
            assignments: assign(WRITER, 0..4),
        }),
        Command::AssignPgs(AssignPgs {
            assignments: assign(OTHER, 4..6),
        }),
    ];
    commands.extend(topics());
    commands.extend([
        Command::CreatePartitions(CreatePartitions {
            id: Uuid([1; 16]),
            partitions: 5,
            overrides: vec![(PartitionIndex(4), PgId(7))],
        }),
        Command::DeleteTopic(DeleteTopic { id: Uuid([3; 16]) }),
        configs(ConfigResource::ClusterDefault),
        configs(ConfigResource::Broker(BrokerId(7))),
        configs(ConfigResource::Group("group".into())),
        configs(ConfigResource::Topic(Uuid([1; 16]))),
        Command::AllocateProducerIds(AllocateProducerIds {
            incarnation: WRITER,
        }),
        checkpoint(small_checkpoint().0.pages[0].1),
        Command::FenceIncarnation(FenceIncarnation { incarnation: OTHER }),
        Command::SealIncarnation(SealIncarnation {
            incarnation: OTHER,
            end: Slot(5),
            clean: false,
            assignments: assign(WRITER, 4..5),
        }),
        Command::FinalizeFeatures(FinalizeFeatures {
            level: FeatureLevel::LATEST,
        }),
    ]);
    commands
}

pub fn some_entry() -> Entry {
    Entry {
        term: Term(1),
        writer: WRITER,
        process: PROCESS,
        previous: EntryHash(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        state: StateHash(0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_feff),
        commands: every_command(),
    }
}

pub fn entry_object() -> SealedObject {
    some_entry().encode(CLUSTER, SLOT, PutId([4; 16]))
}

pub fn some_state() -> Tail {
    let mut tail = Tail::default();
    for command in every_command() {
        if matches!(command, Command::FinalizeFeatures(_)) {
            continue; // there is no higher level yet
        }
        if let Err(rejected) = tail.image.apply(&command, SLOT) {
            panic!("{command:?}: {rejected}");
        }
    }
    tail.image.next_slot = SLOT.next();
    tail.last = EntryHash(77);
    tail
}

pub fn snapshot_object() -> SealedObject {
    snapshot::encode(&some_state(), SLOT, CLUSTER, WRITER, PutId([5; 16]))
}

pub fn check_golden(entry: &bytes::Bytes, stored_snapshot: &bytes::Bytes) {
    assert_eq!(Entry::decode(entry, CLUSTER, SLOT), Ok(some_entry()));
    let read = snapshot::decode(stored_snapshot, CLUSTER, SLOT).unwrap();
    let state = some_state();
    assert_eq!(read.image.state_hash(), state.image.state_hash());
    assert!(read == state, "{read:?}");
}

/// Whoever adds a kind adds a golden file with it.
#[test]
fn the_golden_entry_has_every_kind_of_command() {
    let mut kinds: Vec<String> = every_command()
        .iter()
        .map(|command| {
            format!("{command:?}")
                .split('(')
                .next()
                .unwrap()
                .to_string()
        })
        .collect();
    kinds.sort();
    kinds.dedup();
    let proto = include_str!("../../proto/metadata.proto");
    let oneof = proto
        .split("oneof kind {")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap();
    assert_eq!(kinds.len(), oneof.matches('=').count(), "{kinds:?}");
    assert_eq!(snapshot_object().put.put_id, PutId([5; 16]));
    assert_eq!(snapshot_object().trailer.kind, ObjectKind::MetadataSnapshot);
}
