//! Rules of topics, configs and producer ids, as tables.

use weir_protocol::types::{PartitionIndex, ProducerId, Uuid};

use super::{
    CommandRejected, Image,
    configs::{AlterConfigs, ConfigResource, ConfigsDelta},
    producer_ids::AllocateProducerIds,
    topics::{CreatePartitions, CreateTopic, DeleteTopic, TopicsDelta},
};
use crate::{
    ids::{PgId, Slot},
    metadata::{
        Command, CommandOutcome,
        testing::{create_topic, incarnation, ok, register, rejected},
    },
    ownership::placement::Placement,
};

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
