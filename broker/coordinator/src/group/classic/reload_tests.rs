//! Loading and unloading: what survives, what starts afresh, what is answered.

use bytes::{Bytes, BytesMut};
use weir_protocol::message::Message;
use weir_protocol::messages::group_metadata_value::MemberMetadata;
use weir_protocol::messages::{GroupMetadataKey, GroupMetadataValue};
use weir_protocol::types::Offset;

use super::state::GroupState::*;
use crate::GroupError::*;
use crate::api::Answer;
use crate::record::RecordError;
use crate::testing::*;
use crate::{JoinRefused, Shard};

#[test]
fn a_stable_group_survives_and_its_sessions_start_afresh() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join().instance("i")]);
    t.sleep_ms(4999);
    t.fail_over();
    assert_eq!(t.state(G), Stable);
    assert_eq!(t.group(G).leader(), Some(&joined[0].member));
    t.sleep_ms(4999);
    assert_eq!(t.heartbeat(&joined[0].member, 1), Ok(()));
    assert_eq!(t.heartbeat_as(&joined[1].member, Some("i"), 1), Ok(()));
    t.sleep_ms(5000);
    assert_eq!(t.state(G), Empty);
}

#[test]
fn the_assignment_can_be_had_again_after_a_reload() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join()]);
    t.fail_over();
    let token = t.sync(&joined[0]);
    let assignment = t.synced(token).unwrap().assignment;
    assert_eq!(assignment, format!("assignment of {}", joined[0].member));
}

#[test]
fn a_rebalance_in_progress_is_forgotten_and_the_last_generation_is_back() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    t.join(join());
    assert_eq!(t.state(G), PreparingRebalance);
    t.fail_over();
    assert_eq!((t.state(G), t.group(G).generation), (Stable, 1));
    assert_eq!(t.member_count(G), 2);
    // The members know only one protocol each now; a rejoin with all of them rebalances.
    let request = join().member(&joined[1].member).offering(&["range", "x"]);
    let token = t.join(request);
    assert!(t.is_parked(token));
}

#[test]
fn a_group_that_was_being_formed_comes_back_empty() {
    let mut t = GroupTest::new();
    t.join_all(vec![join()]);
    assert_eq!(t.state(G), CompletingRebalance);
    t.fail_over();
    assert_eq!((t.state(G), t.group(G).generation), (Empty, 0));
}

#[test]
fn a_group_above_a_lowered_maximum_rebalances_when_loaded() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join(), join()]);
    t.shard.config.members_max = 2;
    t.fail_over();
    assert_eq!(t.state(G), PreparingRebalance);
    let tokens: Vec<_> = joined
        .iter()
        .map(|j| t.join(join().member(&j.member)))
        .collect();
    assert_eq!(t.join_refused(tokens[2]).0, GroupMaxSizeReached);
    t.sleep_ms(10_000);
    assert_eq!(t.joined(tokens[0]).members.len(), 2);
}

#[test]
fn unloading_sends_everybody_to_the_new_coordinator() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    let syncing = t.sync(&joined[1]);
    let joining = t.join(join().group("other"));
    let joining_id = t.group("other").leader().unwrap().clone();
    t.join(join().group("pending").version(4));

    let shard = std::mem::replace(&mut t.shard, Shard::new(Default::default()));
    let out = shard.on_unload();
    t.shard = t.reload();
    assert_eq!(out.records, []);
    let refused = JoinRefused {
        error: NotCoordinator,
        member: joining_id,
    };
    let expected = [
        (syncing, Answer::SyncGroup(Err(NotCoordinator))),
        (joining, Answer::JoinGroup(Err(refused))),
    ];
    assert_eq!(out.answers, expected);
}

/// A partition of one group record.
fn load(value: &GroupMetadataValue, version: i16) -> GroupTest {
    let key = GroupMetadataKey { group: G.into() };
    let mut t = GroupTest::new();
    t.log.push(crate::CoordinatorRecord {
        key: key.to_prefixed_bytes(2, 0).unwrap(),
        value: Some(value.to_prefixed_bytes(version, version).unwrap()),
    });
    t.fail_over();
    t
}

fn stored_member(id: &'static str) -> MemberMetadata {
    MemberMetadata {
        member_id: id.into(),
        client_id: "client".into(),
        client_host: "/10.0.0.1".into(),
        rebalance_timeout: 20_000,
        session_timeout: 7000,
        subscription: subscription(&["foo"]),
        assignment: Bytes::from_static(b"part"),
        ..MemberMetadata::default()
    }
}

fn stored_group(members: Vec<MemberMetadata>) -> GroupMetadataValue {
    GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 5,
        protocol: Some("range".into()),
        leader: Some("m1".into()),
        current_state_timestamp: 123,
        members,
        ..GroupMetadataValue::default()
    }
}

#[test]
fn every_version_of_a_group_record_is_read() {
    for version in 0..=4 {
        let members = vec![stored_member("m0"), stored_member("m1")];
        let mut t = load(&stored_group(members), version);
        assert_eq!(
            (t.state(G), t.group(G).generation),
            (Stable, 5),
            "v{version}"
        );
        assert_eq!(t.group(G).leader().unwrap().as_str(), "m1");
        // Without a rebalance timeout the session timeout counts.
        let rebalance_ms = if version == 0 { 7000 } else { 20_000 };
        assert_eq!(t.group(G).rebalance_timeout().as_millis(), rebalance_ms);
        let since = (version >= 2).then_some(123);
        assert_eq!(t.group(G).state_since_ms, since, "v{version}");
        assert_eq!(t.describe(G).members[1].metadata, subscription(&["foo"]));
        assert_eq!(t.heartbeat(&"m0".into(), 5), Ok(()));
    }
}

#[test]
fn a_leader_that_is_no_member_is_replaced() {
    for leader in [None, Some("gone".into())] {
        let value = GroupMetadataValue {
            leader,
            ..stored_group(vec![stored_member("m0"), stored_member("m1")])
        };
        let t = load(&value, 3);
        assert_eq!(t.group(G).leader().unwrap().as_str(), "m0");
    }
}

#[test]
fn of_a_member_that_is_stored_twice_the_later_counts() {
    let mut twice = stored_member("m1");
    twice.session_timeout = 9000;
    let members = vec![stored_member("m1"), stored_member("m0"), twice];
    let t = load(&stored_group(members), 3);
    assert_eq!(t.member_count(G), 2);
    assert_eq!(t.group(G).member("m1").unwrap().session_timeout_ms, 9000);
}

#[test]
fn an_empty_group_record_keeps_generation_and_type() {
    let value = GroupMetadataValue {
        protocol: None,
        leader: None,
        ..stored_group(Vec::new())
    };
    let mut t = load(&value, 3);
    assert_eq!((t.state(G), t.group(G).generation), (Empty, 5));
    assert_eq!(&*t.describe(G).protocol_type, "consumer");
    let joined = t.join_all(vec![join()]);
    assert_eq!(joined[0].generation, 6);
}

#[test]
fn records_of_other_groups_are_skipped_and_damaged_ones_are_named() {
    let replay = |key: Option<&[u8]>, value: Option<&[u8]>| {
        let bytes = |b: &[u8]| Bytes::copy_from_slice(b);
        let mut shard = Shard::new(Default::default());
        let (key, value) = (key.map(bytes), value.map(bytes));
        let result = shard.replay(Offset(42), key.as_ref(), value.as_ref());
        assert!(shard.stored.groups().is_empty());
        result
    };
    // Types of KIP-848, share and streams groups, and one that does not exist.
    for record_type in [3u8, 5, 10, 16, 23, 99] {
        let key = [0, record_type, 1, 2, 3];
        assert_eq!(replay(Some(&key), Some(b"anything")), Ok(()));
        assert_eq!(replay(Some(&key), None), Ok(()));
    }
    let group = [0, 2, 0, 1, b'g'];
    let error = replay(None, None).unwrap_err();
    assert_eq!(
        (error.offset, error.error),
        (Offset(42), RecordError::NoKey)
    );
    let error = replay(Some(&[0]), None).unwrap_err();
    assert_eq!(error.error, RecordError::NoPrefix(1));
    let error = replay(Some(&[0, 2, 0, 9, b'g']), None).unwrap_err();
    assert!(matches!(error.error, RecordError::Key(_)), "{error}");
    let error = replay(Some(&group), Some(&[0, 3, 0])).unwrap_err();
    assert!(matches!(error.error, RecordError::Value(_)), "{error}");
    let error = replay(Some(&group), Some(&[0, 77, 0, 0])).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("record at offset 42: value: "),
        "{error}"
    );
}

#[test]
fn what_is_kept_does_not_pin_what_it_came_from() {
    let key = GroupMetadataKey { group: G.into() };
    let key = key.to_prefixed_bytes(2, 0).unwrap();
    let value = stored_group(vec![stored_member("m1")]);
    let mut batch = BytesMut::from(&value.to_prefixed_bytes(3, 3).unwrap()[..]);
    batch.extend_from_slice(&[0; 1000]);
    let batch = batch.freeze();
    let mut shard = Shard::new(Default::default());
    let value = batch.slice(..batch.len() - 1000);
    shard.replay(Offset(0), Some(&key), Some(&value)).unwrap();
    drop((value, key));
    assert!(batch.is_unique(), "the shard holds a slice of the batch");
}
