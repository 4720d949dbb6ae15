//! The bytes of the records, as Kafka 4.3 writes them.

use bytes::Bytes;
use proptest::prelude::*;
use weir_protocol::types::{LeaderEpoch, Offset, PartitionIndex, Uuid};

use crate::record::*;
use crate::stored::CommittedOffset;
use crate::testing::{G, GroupTest, join, subscription, uuid};

fn committed() -> CommittedOffset {
    CommittedOffset {
        offset: Offset(0x0102),
        leader_epoch: Some(LeaderEpoch(7)),
        metadata: "md".into(),
        commit_timestamp_ms: 0x0304,
        expire_timestamp_ms: None,
        topic_id: uuid(9),
    }
}

/// Concatenates hex digits, spaces ignored, and texts.
fn bytes(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        match part.strip_prefix('\'') {
            Some(text) => bytes.extend(text.as_bytes()),
            None => {
                let digits: String = part.split_whitespace().collect();
                for at in (0..digits.len()).step_by(2) {
                    bytes.push(u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
                }
            }
        }
    }
    bytes
}

#[test]
fn an_offset_is_written_in_version_4() {
    let record = offset_commit(
        &"grp".into(),
        &"foo".into(),
        PartitionIndex(5),
        &committed(),
    );
    let key = bytes(&["0001", "0003", "'grp", "0003", "'foo", "00000005"]);
    assert_eq!(record.key, key);
    let value = bytes(&[
        "0004",
        "0000000000000102",
        "00000007",
        "03",
        "'md",
        "0000000000000304",
        // One tagged field: 0, 16 bytes, the topic id.
        "01 00 10",
        "09090909 09090909 09090909 09090909",
    ]);
    assert_eq!(record.value.unwrap(), value);
}

#[test]
fn an_offset_without_topic_id_and_epoch_has_their_defaults() {
    let value = CommittedOffset {
        leader_epoch: None,
        topic_id: Uuid::ZERO,
        ..committed()
    };
    let record = offset_commit(&"grp".into(), &"foo".into(), PartitionIndex(5), &value);
    let expected = bytes(&[
        "0004",
        "0000000000000102",
        "ffffffff",
        "03",
        "'md",
        "0000000000000304",
        "00",
    ]);
    assert_eq!(record.value.unwrap(), expected);
}

#[test]
fn an_offset_with_an_expiry_is_written_in_version_1() {
    let value = CommittedOffset {
        expire_timestamp_ms: Some(0x0506),
        ..committed()
    };
    let record = offset_commit(&"grp".into(), &"foo".into(), PartitionIndex(5), &value);
    let expected = bytes(&[
        "0001",
        "0000000000000102",
        "0002",
        "'md",
        "0000000000000304",
        "0000000000000506",
    ]);
    assert_eq!(record.value.unwrap(), expected);
}

#[test]
fn tombstones_have_a_key_and_nothing_else() {
    let record = offset_tombstone(&"grp".into(), &"foo".into(), PartitionIndex(5));
    let key = bytes(&["0001", "0003", "'grp", "0003", "'foo", "00000005"]);
    assert_eq!((&record.key[..], record.value), (&key[..], None));
    let record = group_tombstone(&"grp".into());
    assert_eq!(record.key, bytes(&["0002", "0003", "'grp"]));
    assert_eq!(record.value, None);
}

#[test]
fn a_group_is_written_in_version_3() {
    let mut t = GroupTest::new();
    t.now.wall_ms = 0x0a0b;
    t.stabilize(vec![join().instance("i")]);
    let group_key = bytes(&["0002", "0008", "'group-id"]);
    let [created, stable] = &t.log[..] else {
        panic!("{:?}", t.log);
    };
    assert_eq!(
        (&created.key, &stable.key),
        (&group_key.clone().into(), &group_key.into())
    );

    let empty = bytes(&[
        "0003",
        "0000",     // protocol type
        "00000000", // generation
        "ffff",     // protocol
        "ffff",     // leader
        "0000000000000a0b",
        "00000000", // members
    ]);
    assert_eq!(created.value.as_ref().unwrap(), &empty);

    let id = "'i-00000000-0000-0000-0000-000000000001";
    let assignment = format!("'assignment of {}", &id[1..]);
    let mut expected = bytes(&[
        "0003",
        "0008",
        "'consumer",
        "00000001",
        "0005",
        "'range",
        "0026",
        id,
        // When the generation began: 3 s after the join.
        "00000000000015c3",
        "00000001",
        "0026",
        id,
        "0001",
        "'i",
        "0009",
        "'client-id",
        "000a",
        "'/127.0.0.1",
        "00002710",
        "00001388",
    ]);
    let metadata = subscription(&["foo", "bar"]);
    expected.extend(u32::try_from(metadata.len()).unwrap().to_be_bytes());
    expected.extend(metadata);
    expected.extend(u32::try_from(assignment.len() - 1).unwrap().to_be_bytes());
    expected.extend(bytes(&[&assignment]));
    assert_eq!(stable.value.as_ref().unwrap(), &expected);
    assert_eq!(t.group(G).generation, 1);
}

/// Key and value of an offset record, and what it says.
fn read(key: &[&str], value: &[&str]) -> (String, CommittedOffset) {
    let (key, value) = (Bytes::from(bytes(key)), Bytes::from(bytes(value)));
    match GroupRecord::decode(Some(&key), Some(&value)) {
        Ok(GroupRecord::Offset {
            group,
            topic,
            partition,
            value: Some(value),
        }) => (format!("{group} {topic} {partition}"), value),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_version_of_an_offset_is_read() {
    let key = ["0001", "0003", "'grp", "0003", "'foo", "00000005"];
    let legacy_key = ["0000", "0003", "'grp", "0003", "'foo", "00000005"];
    let base = CommittedOffset {
        leader_epoch: None,
        topic_id: Uuid::ZERO,
        ..committed()
    };
    let offset = "0000000000000102";
    let epoch = "00000007";
    let time = "0000000000000304";
    let cases: Vec<(&[&str], Vec<&str>, CommittedOffset)> = vec![
        (
            &legacy_key,
            vec!["0000", offset, "0002", "'md", time],
            base.clone(),
        ),
        (
            &key,
            vec!["0000", offset, "0002", "'md", time],
            base.clone(),
        ),
        (
            &key,
            vec!["0001", offset, "0002", "'md", time, "0000000000000506"],
            CommittedOffset {
                expire_timestamp_ms: Some(0x0506),
                ..base.clone()
            },
        ),
        (
            &key,
            vec!["0002", offset, "0002", "'md", time],
            base.clone(),
        ),
        (
            &key,
            vec!["0003", offset, epoch, "0002", "'md", time],
            CommittedOffset {
                leader_epoch: Some(LeaderEpoch(7)),
                ..base.clone()
            },
        ),
        // An unknown tagged field of a newer Kafka beside the known one.
        (
            &key,
            vec![
                "0004",
                offset,
                epoch,
                "03",
                "'md",
                time,
                "02 00 10",
                "09090909",
                "09090909",
                "09090909",
                "09090909",
                "63 02 aabb",
            ],
            committed(),
        ),
    ];
    for (key, value, expected) in cases {
        let (name, read) = read(key, &value);
        assert_eq!(name, "grp foo 5");
        assert_eq!(read, expected, "{value:?}");
    }
}

fn any_offset() -> impl Strategy<Value = CommittedOffset> {
    let expiry = prop::option::of(0..i64::MAX);
    let fields = (
        any::<i64>(),
        any::<i32>(),
        ".{0,40}",
        any::<i64>(),
        expiry,
        any::<u8>(),
    );
    fields.prop_map(
        |(offset, epoch, metadata, time, expiry, id)| CommittedOffset {
            offset: Offset(offset),
            // Version 1 has neither epoch nor id.
            leader_epoch: (epoch >= 0 && expiry.is_none()).then_some(LeaderEpoch(epoch)),
            metadata: metadata.as_str().into(),
            commit_timestamp_ms: time,
            expire_timestamp_ms: expiry,
            topic_id: uuid(if expiry.is_none() { id } else { 0 }),
        },
    )
}

proptest! {
    #[test]
    fn an_offset_is_read_as_it_was_written(
        group in ".{0,20}", topic in ".{1,20}", partition in any::<i32>(), value in any_offset()
    ) {
        let (group, topic) = (group.as_str().into(), topic.as_str().into());
        let record = offset_commit(&group, &topic, PartitionIndex(partition), &value);
        let read = GroupRecord::decode(Some(&record.key), record.value.as_ref()).unwrap();
        let value = Some(value);
        let partition = PartitionIndex(partition);
        prop_assert_eq!(read, GroupRecord::Offset { group, topic, partition, value });
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(
        record_type in 0u8..4, key in prop::collection::vec(any::<u8>(), 0..40),
        version in 0u8..6, value in prop::collection::vec(any::<u8>(), 0..80)
    ) {
        let with_prefix = |prefix: u8, rest: &[u8]| Bytes::from([&[0, prefix], rest].concat());
        let group_key = with_prefix(2, &[0, 1, b'g']);
        let value = with_prefix(version, &value);
        let _ = GroupRecord::decode(Some(&with_prefix(record_type, &key)), Some(&value));
        let _ = GroupRecord::decode(Some(&group_key), Some(&value));
    }

    #[test]
    fn damaged_group_records_load_or_fail_but_never_panic(at in 0usize..400, bit in 0u8..8) {
        let mut t = GroupTest::new();
        t.stabilize(vec![join(), join().instance("i")]);
        let record = t.log.last().unwrap();
        let mut value = record.value.clone().unwrap().to_vec();
        let at = at % value.len();
        value[at] ^= 1 << bit;
        let mut shard = crate::Shard::new(Default::default());
        let value = Bytes::from(value);
        if shard.replay(Offset(0), Some(&record.key), Some(&value)).is_ok() {
            let _ = shard.on_loaded(t.now);
        }
    }
}
