//! The rules of each domain, as tables.

use weir_protocol::types::{PartitionIndex, ProducerId, Uuid};

use super::{
    CommandRejected, Image,
    configs::{AlterConfigs, ConfigResource, ConfigsDelta},
    incarnations::{FenceIncarnation, IncarnationState, RegisterBroker, SealIncarnation},
    ownership::{AssignPgs, Assignment, OwnershipDelta, ReplayRange},
    producer_ids::AllocateProducerIds,
    topics::{CreatePartitions, CreateTopic, DeleteTopic, TopicsDelta},
};
use crate::{
    ids::{BrokerId, Incarnation, OwnershipEpoch, PgId, Slot},
    metadata::{
        CheckpointOutcome, Command, CommandOutcome,
        testing::{create_topic, incarnation, page, registration},
    },
    ownership::{
        assign,
        checkpoint_record::{CheckpointRecord, PageUpdate},
        placement::Placement,
    },
};

fn ok(image: &mut Image, slot: u64, command: Command) -> CommandOutcome {
    image.apply(&command, Slot(slot)).unwrap()
}

fn rejected(image: &mut Image, command: Command) -> CommandRejected {
    let before = image.state_hash();
    let rejected = image.apply(&command, Slot(1000)).unwrap_err();
    assert_eq!(image.state_hash(), before);
    rejected
}

fn register(broker: u32) -> Command {
    Command::RegisterBroker(RegisterBroker {
        registration: registration(broker, broker as u8),
    })
}

fn seal(incarnation: Incarnation, end: u64, clean: bool, to: &[(u32, Incarnation)]) -> Command {
    Command::SealIncarnation(SealIncarnation {
        incarnation,
        end: Slot(end),
        clean,
        assignments: assignments(to),
    })
}

fn assignments(to: &[(u32, Incarnation)]) -> Vec<Assignment> {
    to.iter()
        .map(|(pg, owner)| Assignment {
            pg: PgId(*pg),
            owner: *owner,
        })
        .collect()
}

fn assign_to(to: &[(u32, Incarnation)]) -> Command {
    Command::AssignPgs(AssignPgs {
        assignments: assignments(to),
    })
}

#[test]
fn topic_names_and_ids_are_unique_and_legal() {
    let mut image = Image::default();
    ok(&mut image, 5, create_topic("my.topic", 1));
    let long = "x".repeat(250);
    let named = |name: &str| CommandRejected::InvalidTopicName(name.into());
    for (name, id, expected) in [
        (
            "my.topic",
            2,
            CommandRejected::TopicExists("my.topic".into()),
        ),
        (
            "my_topic",
            2,
            CommandRejected::NameCollision {
                name: "my_topic".into(),
                existing: "my.topic".into(),
            },
        ),
        ("other", 1, CommandRejected::InvalidTopicId(Uuid([1; 16]))),
        ("other", 0, CommandRejected::InvalidTopicId(Uuid::ZERO)),
        ("", 2, named("")),
        ("..", 2, named("..")),
        ("a b", 2, named("a b")),
        (&long, 2, named(&long)),
    ] {
        assert_eq!(
            rejected(&mut image, create_topic(name, id)),
            expected,
            "{name}"
        );
    }
    let record = image.topics.by_name("my.topic").unwrap();
    assert_eq!((record.id, record.created), (Uuid([1; 16]), Slot(5)));
    assert_eq!(
        image.topics.collision("my_topic").map(|n| &**n),
        Some("my.topic")
    );
    assert_eq!(image.topics.collision("my.topic"), None);
    assert!(record.pg_of(PartitionIndex(2)).is_some());
    assert!(record.pg_of(PartitionIndex(3)).is_none());
}

#[test]
fn a_deleted_topic_frees_its_name_and_takes_its_configs_along() {
    let mut image = Image::default();
    ok(&mut image, 1, create_topic("a.b", 1));
    let old = image.clone();
    let configs = |id: u8| {
        Command::AlterConfigs(AlterConfigs {
            resource: ConfigResource::Topic(Uuid([id; 16])),
            replace: false,
            changes: vec![("retention.ms".into(), Some("5".into()))],
        })
    };
    ok(&mut image, 2, configs(1));
    assert_eq!(
        image.topic_config(&Uuid([1; 16]), "retention.ms"),
        Some("5")
    );
    let delta = TopicsDelta::between(&old.topics, &image.topics);
    assert_eq!((delta.created.len(), delta.changed.len()), (0, 1));
    ok(
        &mut image,
        3,
        Command::DeleteTopic(DeleteTopic { id: Uuid([1; 16]) }),
    );
    assert_eq!(
        rejected(&mut image, configs(1)),
        CommandRejected::UnknownTopic(Uuid([1; 16]))
    );
    ok(&mut image, 4, create_topic("a_b", 2));
    let delta = TopicsDelta::between(&old.topics, &image.topics);
    let names = |list: &[std::sync::Arc<super::topics::TopicRecord>]| {
        list.iter().map(|r| r.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&delta.created), ["a_b"]);
    assert_eq!(names(&delta.deleted), ["a.b"]);
    assert_eq!(image.topic_config(&Uuid([2; 16]), "retention.ms"), None);
}

#[test]
fn partitions_only_grow_and_placements_stay_in_range() {
    let mut image = Image::default();
    ok(&mut image, 1, create_topic("a", 1));
    let grow = |partitions, overrides: &[(i32, u32)]| {
        Command::CreatePartitions(CreatePartitions {
            id: Uuid([1; 16]),
            partitions,
            overrides: overrides
                .iter()
                .map(|(p, pg)| (PartitionIndex(*p), PgId(*pg)))
                .collect(),
        })
    };
    let pg_before = image.topics.by_name("a").unwrap().pg_of(PartitionIndex(1));
    ok(&mut image, 2, grow(5, &[(4, 999)]));
    let record = image.topics.by_name("a").unwrap();
    assert_eq!(record.partitions, 5);
    assert_eq!(record.pg_of(PartitionIndex(4)), Some(PgId(999)));
    assert_eq!(record.pg_of(PartitionIndex(1)), pg_before);
    for partitions in [5, 4, 0, -1] {
        let expected = CommandRejected::PartitionsNotIncreased {
            current: 5,
            requested: partitions,
        };
        assert_eq!(rejected(&mut image, grow(partitions, &[])), expected);
    }
    let misplaced = CommandRejected::InvalidPlacement(Uuid([1; 16]));
    assert_eq!(rejected(&mut image, grow(6, &[(1, 3)])), misplaced);
    assert_eq!(rejected(&mut image, grow(6, &[(6, 3)])), misplaced);
    assert_eq!(rejected(&mut image, grow(6, &[(5, 70_000)])), misplaced);
    let mut create = CreateTopic {
        name: "b".into(),
        id: Uuid([2; 16]),
        partitions: 0,
        placement: Placement::default(),
        configs: Default::default(),
        internal: false,
    };
    assert_eq!(
        rejected(&mut image, Command::CreateTopic(create.clone())),
        CommandRejected::InvalidPartitionCount(0)
    );
    (create.partitions, create.placement.pg_count) = (1, 0);
    assert_eq!(
        rejected(&mut image, Command::CreateTopic(create)),
        CommandRejected::InvalidPlacement(Uuid([2; 16]))
    );
}

#[test]
fn config_changes_add_delete_and_replace() {
    let mut image = Image::default();
    let alter = |resource: ConfigResource, replace, changes: &[(&str, Option<&str>)]| {
        Command::AlterConfigs(AlterConfigs {
            resource,
            replace,
            changes: changes
                .iter()
                .map(|(name, value)| (name.to_string(), value.map(str::to_owned)))
                .collect(),
        })
    };
    let group = || ConfigResource::Group("g".into());
    ok(
        &mut image,
        1,
        alter(group(), false, &[("a", Some("1")), ("b", Some("2"))]),
    );
    ok(
        &mut image,
        2,
        alter(group(), false, &[("a", None), ("c", Some("3"))]),
    );
    let values = |image: &Image| {
        let found = image.configs.get(&group()).map(|values| (**values).clone());
        found.map(|v| {
            v.into_iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(values(&image), Some(vec!["b=2".into(), "c=3".into()]));
    let before = image.clone();
    ok(&mut image, 3, alter(group(), true, &[("d", Some("4"))]));
    ok(
        &mut image,
        3,
        alter(ConfigResource::ClusterDefault, false, &[("x", Some(""))]),
    );
    assert_eq!(values(&image), Some(vec!["d=4".into()]));
    assert_eq!(
        ConfigsDelta::between(&before.configs, &image.configs).changed,
        [ConfigResource::ClusterDefault, group()]
    );
    ok(&mut image, 4, alter(group(), true, &[]));
    assert_eq!(values(&image), None);
    assert!(matches!(
        rejected(&mut image, alter(group(), false, &[("", Some("1"))])),
        CommandRejected::InvalidConfig(_)
    ));
}

#[test]
fn a_new_registration_fences_the_one_before_and_the_first_broker_stays_first() {
    let mut image = Image::default();
    assert_eq!(image.incarnations.first_registered_broker(), None);
    ok(&mut image, 3, register(7));
    ok(&mut image, 5, register(2));
    ok(&mut image, 8, register(7));
    assert_eq!(
        image.incarnations.first_registered_broker(),
        Some(BrokerId(7))
    );
    let state = |image: &Image, i| image.incarnations.get(&i).unwrap().state;
    assert_eq!(state(&image, incarnation(7, 3)), IncarnationState::Fenced);
    assert_eq!(state(&image, incarnation(7, 8)), IncarnationState::Active);
    assert_eq!(state(&image, incarnation(2, 5)), IncarnationState::Active);
    let latest = image.incarnations.latest(BrokerId(7)).unwrap();
    assert_eq!(latest.incarnation, incarnation(7, 8));
    let to_seal: Vec<_> = image
        .incarnations
        .to_seal()
        .map(|r| r.incarnation)
        .collect();
    assert_eq!(to_seal, [incarnation(7, 3)]);
    let fence = |i| Command::FenceIncarnation(FenceIncarnation { incarnation: i });
    assert_eq!(
        rejected(&mut image, fence(incarnation(7, 3))),
        CommandRejected::NotActive(incarnation(7, 3))
    );
    assert_eq!(
        rejected(&mut image, fence(incarnation(9, 9))),
        CommandRejected::UnknownIncarnation(incarnation(9, 9))
    );
    assert_eq!(
        rejected(&mut image, seal(incarnation(7, 3), 4, true, &[])),
        CommandRejected::NotActive(incarnation(7, 3))
    );
    ok(&mut image, 9, seal(incarnation(7, 3), 4, false, &[]));
    assert_eq!(
        state(&image, incarnation(7, 3)),
        IncarnationState::Sealed { end: Slot(4) }
    );
    assert_eq!(
        rejected(&mut image, seal(incarnation(7, 3), 5, false, &[])),
        CommandRejected::AlreadySealed {
            incarnation: incarnation(7, 3),
            end: Slot(4)
        }
    );
}

#[test]
fn a_live_owner_keeps_its_groups_and_a_sealed_one_hands_them_on() {
    let mut image = Image::default();
    let (one, two) = (incarnation(1, 0), incarnation(2, 1));
    ok(&mut image, 0, register(1));
    ok(&mut image, 1, register(2));
    ok(&mut image, 2, assign_to(&[(3, one), (4, one)]));
    assert_eq!(
        rejected(&mut image, assign_to(&[(5, two), (3, two)])),
        CommandRejected::PgOwned {
            pg: PgId(3),
            owner: one
        }
    );
    for bad in [&[(5, two), (5, two)][..], &[(65_536, two)]] {
        let invalid = rejected(&mut image, assign_to(bad));
        assert!(
            matches!(invalid, CommandRejected::InvalidPg(_)),
            "{invalid}"
        );
    }
    assert_eq!(
        rejected(&mut image, seal(one, 6, false, &[(3, one)])),
        CommandRejected::NotActive(one)
    );
    let before = image.clone();
    ok(&mut image, 3, seal(one, 6, false, &[(3, two)]));
    let (three, four) = (image.ownership.get(PgId(3)), image.ownership.get(PgId(4)));
    let (three, four) = (three.unwrap(), four.unwrap());
    assert_eq!((three.owner, three.epoch), (Some(two), OwnershipEpoch(1)));
    let range = |wal, to: Option<u64>, epoch| ReplayRange {
        wal,
        from: Slot(0),
        to: to.map(Slot),
        epoch: OwnershipEpoch(epoch),
    };
    assert_eq!(three.replay, [range(one, Some(6), 0), range(two, None, 1)]);
    assert_eq!((four.owner, four.epoch), (None, OwnershipEpoch(0)));
    assert_eq!(four.replay, [range(one, Some(6), 0)]);
    let delta = OwnershipDelta::between(&before.ownership, &image.ownership);
    assert_eq!(delta.changed, [PgId(3), PgId(4)]);
    let assign = assign::all_to(&image, two).unwrap();
    assert_eq!(assign.assignments.len(), 255);
    ok(&mut image, 4, Command::AssignPgs(assign));
    assert_eq!(assign::all_to(&image, two), None);
    assert_eq!(assign::inherit(&image, two, one).len(), 256);
    assert_eq!(
        image.ownership.get(PgId(4)).unwrap().epoch,
        OwnershipEpoch(1)
    );
    assert_eq!(
        image.ownership.get(PgId(9)).unwrap().epoch,
        OwnershipEpoch(0)
    );
}

fn update(pg: u32, epoch: i32, previous: Option<u64>, number: u64, by: Incarnation) -> PageUpdate {
    PageUpdate {
        pg: PgId(pg),
        epoch: OwnershipEpoch(epoch),
        previous: previous.map(|n| page(by, n)),
        page: page(by, number),
    }
}

fn checkpoint(by: Incarnation, k: u64, floors: (u64, u64), pages: Vec<PageUpdate>) -> Command {
    Command::Checkpoint(CheckpointRecord {
        incarnation: by,
        committed: Slot(k),
        data_floor: floors.0,
        wal_floor: Slot(floors.1),
        pages,
    })
}

#[test]
fn a_checkpoint_moves_every_owned_group_and_counts_page_by_page() {
    let mut image = Image::default();
    let (one, two) = (incarnation(1, 0), incarnation(2, 1));
    ok(&mut image, 0, register(1));
    ok(&mut image, 1, register(2));
    ok(&mut image, 2, assign_to(&[(0, one), (1, one), (2, one)]));
    ok(
        &mut image,
        2,
        seal(one, 5, false, &[(0, two), (1, two), (2, two)]),
    );
    ok(&mut image, 2, assign_to(&[(3, two)]));
    let pages = vec![
        update(0, 1, None, 1, two),
        update(1, 0, None, 1, two),    // another epoch
        update(2, 1, Some(9), 1, two), // another page before
        update(7, 0, None, 1, two),    // not owned
    ];
    let record = checkpoint(two, 10, (2, 4), pages);
    let outcome = CheckpointOutcome {
        accepted: 1,
        refused: vec![PgId(1), PgId(2), PgId(7)],
    };
    assert_eq!(
        ok(&mut image, 3, record.clone()),
        CommandOutcome::Checkpoint(outcome.clone())
    );
    let replay = |image: &Image, pg| {
        let record = image.ownership.get(PgId(pg)).unwrap();
        record
            .replay
            .iter()
            .map(|r| (r.wal, r.from.0, r.to))
            .collect::<Vec<_>>()
    };
    // Accepted: earlier owners' ranges are in the page.
    assert_eq!(replay(&image, 0), [(two, 10, None)]);
    assert_eq!(
        image.ownership.get(PgId(0)).unwrap().page,
        Some(page(two, 1))
    );
    // Refused: all stays.
    for pg in [1, 2] {
        assert_eq!(
            replay(&image, pg),
            [(one, 0, Some(Slot(5))), (two, 0, None)]
        );
    }
    // Not dirty: moved all the same.
    assert_eq!(replay(&image, 3), [(two, 10, None)]);
    let current = image.incarnations.get(&two).unwrap();
    assert_eq!(
        (current.checkpointed, current.data_floor, current.wal_floor),
        (Slot(10), 2, Slot(4))
    );
    // Repeated word for word: nothing changes.
    let before = image.state_hash();
    assert_eq!(
        ok(&mut image, 4, record),
        CommandOutcome::Checkpoint(outcome)
    );
    assert_eq!(image.state_hash(), before);
    // A grant begins at the last checkpoint.
    ok(&mut image, 5, assign_to(&[(4, two)]));
    assert_eq!(replay(&image, 4), [(two, 10, None)]);
}

#[test]
fn a_checkpoint_that_is_late_or_names_what_it_promised_not_to_is_void() {
    let mut image = Image::default();
    let one = incarnation(1, 0);
    ok(&mut image, 0, register(1));
    ok(&mut image, 1, assign_to(&[(0, one)]));
    ok(
        &mut image,
        2,
        checkpoint(one, 10, (5, 4), vec![update(0, 0, None, 4, one)]),
    );
    let stale = CommandRejected::StaleCheckpoint {
        last: Slot(10),
        committed: Slot(9),
    };
    assert_eq!(
        rejected(&mut image, checkpoint(one, 9, (5, 4), vec![])),
        stale
    );
    for floors in [(4, 4), (5, 3), (5, 12)] {
        let bad = CommandRejected::BadFloor(one);
        assert_eq!(
            rejected(&mut image, checkpoint(one, 11, floors, vec![])),
            bad
        );
    }
    let below = |number| CommandRejected::OutputBelowFloor {
        incarnation: one,
        number,
        floor: 5,
    };
    let named = vec![update(0, 0, Some(4), 3, one)];
    assert_eq!(
        rejected(&mut image, checkpoint(one, 11, (5, 4), named)),
        below(3)
    );
    let foreign = vec![update(0, 0, Some(4), 8, incarnation(9, 9))];
    assert_eq!(
        rejected(&mut image, checkpoint(one, 11, (5, 4), foreign)),
        below(8)
    );
    let twice = vec![update(0, 0, Some(4), 6, one), update(0, 0, Some(4), 7, one)];
    assert_eq!(
        rejected(&mut image, checkpoint(one, 11, (5, 4), twice)),
        CommandRejected::InvalidPg(PgId(0))
    );
    assert_eq!(
        rejected(&mut image, seal(one, 9, false, &[])),
        CommandRejected::SealedBelowCheckpoint {
            incarnation: one,
            checkpointed: Slot(10),
            end: Slot(9)
        }
    );
    ok(
        &mut image,
        3,
        Command::FenceIncarnation(FenceIncarnation { incarnation: one }),
    );
    let late = checkpoint(one, 12, (6, 4), vec![update(0, 0, Some(4), 9, one)]);
    assert_eq!(rejected(&mut image, late), CommandRejected::NotActive(one));
}

#[test]
fn a_clean_stop_at_its_checkpoint_leaves_nothing_to_replay() {
    let mut image = Image::default();
    let one = incarnation(1, 0);
    ok(&mut image, 0, register(1));
    ok(&mut image, 1, assign_to(&[(0, one), (1, one)]));
    ok(
        &mut image,
        2,
        checkpoint(one, 10, (5, 4), vec![update(0, 0, None, 4, one)]),
    );
    ok(&mut image, 3, seal(one, 10, true, &[]));
    let closed = IncarnationState::Closed { end: Slot(10) };
    assert_eq!(image.incarnations.get(&one).unwrap().state, closed);
    assert_eq!(image.incarnations.to_seal().count(), 0);
    for (_, record) in image.ownership.iter() {
        assert_eq!((record.owner, record.replay.len()), (None, 0));
    }
}

#[test]
fn producer_id_blocks_never_overlap() {
    let mut image = Image::default();
    let one = incarnation(1, 0);
    let allocate = || Command::AllocateProducerIds(AllocateProducerIds { incarnation: one });
    assert_eq!(
        rejected(&mut image, allocate()),
        CommandRejected::UnknownIncarnation(one)
    );
    ok(&mut image, 0, register(1));
    for n in 0..3 {
        let CommandOutcome::ProducerIds(block) = ok(&mut image, 1, allocate()) else {
            panic!("no block");
        };
        assert_eq!((block.first, block.len), (ProducerId(n * 1000), 1000));
    }
    image.producer_ids.next = ProducerId(i64::MAX - 10);
    assert_eq!(
        rejected(&mut image, allocate()),
        CommandRejected::ProducerIdsExhausted
    );
}
