//! What the tests of the metadata share: registrations, topics, pages, random commands.

use std::sync::Arc;

use weir_protocol::types::{PartitionIndex, Uuid};

use super::{
    Command, CommandOutcome, CommandRejected, Image, MetadataLog,
    image::{
        configs::{AlterConfigs, ConfigResource, ConfigValues},
        incarnations::{
            Endpoint, FenceIncarnation, IncarnationState, RegisterBroker, Registration,
            SealIncarnation,
        },
        ownership::{AssignPgs, Assignment},
        producer_ids::AllocateProducerIds,
        topics::{CreatePartitions, CreateTopic, DeleteTopic},
    },
    open,
};
use crate::{
    env::{
        Env, Rand,
        testing::{self, SeededRand},
    },
    format::{ObjectKind, ObjectRef, PageRef, StoreId},
    ids::{BrokerEpoch, BrokerId, ClusterId, Incarnation, OwnershipEpoch, PgId, ProcessId, Slot},
    ownership::{
        checkpoint_record::{CheckpointRecord, PageUpdate},
        placement::Placement,
    },
    store::{DynStore, faulty::FaultyStore, memory::MemoryStore, put::Patience},
};

pub const CLUSTER: ClusterId = ClusterId(Uuid([9; 16]));

pub fn process(n: u8) -> ProcessId {
    ProcessId(Uuid([n; 16]))
}

pub fn incarnation(broker: u32, epoch: u64) -> Incarnation {
    Incarnation {
        broker: BrokerId(broker),
        epoch: BrokerEpoch(epoch),
    }
}

pub fn registration(broker: u32, process_number: u8) -> Registration {
    Registration {
        broker: BrokerId(broker),
        process_id: process(process_number),
        host: "host".into(),
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".into(),
            protocol: "PLAINTEXT".into(),
            host: "127.0.0.1".into(),
            port: 9092,
        }],
        host_boot_id: "boot".into(),
        network_namespace: "4026531840".into(),
        rack: (process_number % 2 == 1).then(|| "r1".into()),
        start_ms: 1_700_000_000_000,
    }
}

pub fn create_topic(name: &str, id: u8) -> Command {
    Command::CreateTopic(CreateTopic {
        name: name.into(),
        id: Uuid([id; 16]),
        partitions: 3,
        placement: Placement::default(),
        configs: ConfigValues::new(),
        internal: false,
    })
}

pub fn page(writer: Incarnation, number: u64) -> PageRef {
    PageRef {
        object: ObjectRef {
            store: StoreId(0),
            origin: CLUSTER,
            kind: ObjectKind::Checkpoint,
            writer,
            lane: 0,
            number,
            len: 4096,
            footer_crc: number as u32 ^ 0x5555,
        },
        position: 96,
        len: 1000,
        crc: 7,
    }
}

/// Commands of every kind over so few names, brokers and groups that many meet and some are rejected.
pub struct Commands(pub SeededRand);

impl Commands {
    fn below(&self, bound: u64) -> u64 {
        testing::below(&self.0, bound)
    }

    fn topic_id(&self) -> Uuid {
        Uuid([self.below(6) as u8 + 1; 16])
    }

    fn incarnation(&self, image: &Image) -> Incarnation {
        let all: Vec<_> = image.incarnations.iter().map(|r| r.incarnation).collect();
        match all.len() {
            0 => incarnation(1, 0),
            len => all[self.below(len as u64) as usize],
        }
    }

    fn assignments(&self, image: &Image) -> Vec<Assignment> {
        let owner = self.incarnation(image);
        let first = self.below(8) as u32;
        let pgs = first..first + self.below(4) as u32;
        pgs.map(|pg| Assignment {
            pg: PgId(pg),
            owner,
        })
        .collect()
    }

    pub fn next(&self, image: &Image) -> Command {
        match self.below(11) {
            0 => Command::RegisterBroker(RegisterBroker {
                registration: registration(self.below(3) as u32, self.below(200) as u8),
            }),
            1 if self.below(4) == 0 => Command::FenceIncarnation(FenceIncarnation {
                incarnation: self.incarnation(image),
            }),
            2 => Command::SealIncarnation(self.seal(image)),
            3 => Command::AssignPgs(AssignPgs {
                assignments: self.assignments(image),
            }),
            4 | 5 => Command::CreateTopic(self.topic()),
            6 => Command::DeleteTopic(DeleteTopic {
                id: self.topic_id(),
            }),
            7 => Command::CreatePartitions(CreatePartitions {
                id: self.topic_id(),
                partitions: self.below(8) as i32,
                overrides: Vec::new(),
            }),
            8 => Command::AlterConfigs(self.configs()),
            9 => Command::AllocateProducerIds(AllocateProducerIds {
                incarnation: self.incarnation(image),
            }),
            _ => Command::Checkpoint(self.checkpoint(image)),
        }
    }

    fn seal(&self, image: &Image) -> SealIncarnation {
        let incarnation = self.incarnation(image);
        let active = image
            .incarnations
            .get(&incarnation)
            .is_some_and(|r| r.state == IncarnationState::Active);
        SealIncarnation {
            incarnation,
            end: Slot(self.below(40)),
            clean: active && self.below(2) == 0,
            assignments: self.assignments(image),
        }
    }

    fn topic(&self) -> CreateTopic {
        let names = ["a", "b.c", "b_c", "d", "", "e.f.g"];
        let partitions = self.below(5) as i32;
        let overrides = (self.below(3) == 0).then_some((PartitionIndex(0), PgId(500)));
        CreateTopic {
            name: names[self.below(6) as usize].into(),
            id: self.topic_id(),
            partitions,
            placement: Placement {
                overrides: overrides.into_iter().collect(),
                ..Placement::default()
            },
            configs: [("retention.ms".to_owned(), "1".to_owned())].into(),
            internal: self.below(2) == 0,
        }
    }

    fn configs(&self) -> AlterConfigs {
        let resource = match self.below(4) {
            0 => ConfigResource::ClusterDefault,
            1 => ConfigResource::Broker(BrokerId(self.below(3) as u32)),
            2 => ConfigResource::Group(format!("g{}", self.below(3))),
            _ => ConfigResource::Topic(self.topic_id()),
        };
        let changes = (0..self.below(4)).map(|_| {
            let value = (self.below(3) > 0).then(|| self.below(9).to_string());
            (format!("k{}", self.below(4)), value)
        });
        AlterConfigs {
            resource,
            replace: self.below(3) == 0,
            changes: changes.collect(),
        }
    }

    fn checkpoint(&self, image: &Image) -> CheckpointRecord {
        let incarnation = self.incarnation(image);
        let current = image.incarnations.get(&incarnation);
        let last = current.map_or((0, 0, 0), |r| {
            (r.checkpointed.0, r.data_floor, r.wal_floor.0)
        });
        let mut pages = Vec::new();
        for pg in 0..8 {
            let record = image.ownership.get(PgId(pg));
            if self.below(3) > 0 {
                continue;
            }
            pages.push(PageUpdate {
                pg: PgId(pg),
                epoch: record.map_or(OwnershipEpoch(0), |r| r.epoch),
                previous: record.and_then(|r| r.page).filter(|_| self.below(5) > 0),
                page: page(incarnation, last.1 + self.below(3)),
            });
        }
        CheckpointRecord {
            incarnation,
            committed: Slot((last.0 + self.below(5)).saturating_sub(u64::from(self.below(6) == 0))),
            data_floor: last.1 + self.below(2),
            wal_floor: Slot(last.2 + self.below(2)),
            pages,
        }
    }
}

impl Commands {
    pub fn seeded(seed: u64) -> Commands {
        Commands(SeededRand::new(seed))
    }

    pub fn byte(&self) -> u8 {
        let mut byte = [0];
        self.0.fill(&mut byte);
        byte[0]
    }
}

/// An environment, and a memory store that disturbs nothing until told.
pub fn setup() -> (Env, Arc<FaultyStore>, DynStore) {
    let env = testing::env(11);
    let store = FaultyStore::new(Arc::new(MemoryStore::default()), env.clone());
    (env, store.clone(), store)
}

/// Opens the log and registers broker 1.
pub async fn started(env: &Env, store: &DynStore, process_number: u8) -> MetadataLog {
    let replayed = open(env.clone(), store.clone(), CLUSTER, Patience::Forever)
        .await
        .unwrap();
    let (log, epoch) = replayed
        .register(registration(1, process_number))
        .await
        .unwrap();
    assert_eq!(log.incarnation(), incarnation(1, epoch.0));
    log
}

/// A topic with an id of its own.
pub fn topic(n: u32) -> Command {
    let Command::CreateTopic(mut command) = create_topic(&format!("t{n}"), 1) else {
        unreachable!("create_topic creates a topic");
    };
    let mut id = [1; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    command.id = Uuid(id);
    Command::CreateTopic(command)
}

/// Applies a command that is allowed.
pub fn ok(image: &mut Image, slot: u64, command: Command) -> CommandOutcome {
    image.apply(&command, Slot(slot)).unwrap()
}

/// Applies a command that is not allowed.
pub fn rejected(image: &mut Image, command: Command) -> CommandRejected {
    let before = image.state_hash();
    let rejected = image.apply(&command, Slot(1000)).unwrap_err();
    assert_eq!(image.state_hash(), before);
    rejected
}

pub fn register(broker: u32) -> Command {
    Command::RegisterBroker(RegisterBroker {
        registration: registration(broker, broker as u8),
    })
}
