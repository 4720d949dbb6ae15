//! JoinGroup: who may join, with which id, and when that starts a rebalance.

use super::join::JoinGroup;
use super::state::GroupState::*;
use crate::GroupError::{self, *};
use crate::api::Token;
use crate::ids::{MemberId, Text};
use crate::record::GroupRecord;
use crate::stored::StoredGroup;
use crate::testing::*;

#[test]
fn the_first_join_of_a_group_is_written_and_parked_until_the_delay_ends() {
    let mut t = GroupTest::new();
    let token = t.join(join());
    let since = t.now.wall_ms;
    let empty = StoredGroup {
        state_since_ms: Some(since),
        ..StoredGroup::default()
    };
    let written = GroupRecord::Group {
        group: G.into(),
        value: Some(empty),
    };
    assert_eq!(t.take_records(), [written]);
    t.sleep_ms(2999);
    assert!(t.is_parked(token));
    t.sleep_ms(1);

    let joined = t.joined(token);
    assert_eq!(joined.generation, 1);
    assert_eq!(joined.leader, joined.member);
    assert_eq!(joined.protocol_type.as_deref(), Some("consumer"));
    assert_eq!(joined.protocol.as_deref(), Some("range"));
    assert!(!joined.skip_assignment);
    assert_eq!(joined.members.len(), 1);
    assert_eq!(joined.members[0].metadata, subscription(&["foo", "bar"]));
    assert_eq!(t.state(G), CompletingRebalance);
    t.expect_no_records();
}

#[test]
fn a_refused_join_creates_no_group_and_writes_nothing() {
    let long = "x".repeat(32_768);
    let with_type = |kind: &str| JoinGroup {
        protocol_type: Text::from(kind),
        ..join()
    };
    let cases: Vec<(&str, JoinGroup, GroupError)> = vec![
        ("no group id", join().group(""), InvalidGroupId),
        ("a group id too long", join().group(&long), InvalidGroupId),
        (
            "a session too short",
            join().session_ms(5999),
            InvalidSessionTimeout,
        ),
        (
            "a negative session",
            join().session_ms(-1),
            InvalidSessionTimeout,
        ),
        (
            "a session too long",
            join().session_ms(1_800_001),
            InvalidSessionTimeout,
        ),
        (
            "a member of no group",
            join().session_ms(6000).member(&"m".into()),
            UnknownMemberId,
        ),
        (
            "no protocol type",
            with_type("").session_ms(6000),
            InconsistentGroupProtocol,
        ),
        (
            "no protocols",
            join().session_ms(6000).offering(&[]),
            InconsistentGroupProtocol,
        ),
        (
            "a long type",
            with_type(&long).session_ms(6000),
            InvalidRequest,
        ),
        (
            "a long protocol",
            join().session_ms(6000).offering(&[&long]),
            InvalidRequest,
        ),
        (
            "a long instance",
            join().session_ms(6000).instance(&long),
            InvalidRequest,
        ),
    ];
    for (what, request, expected) in cases {
        let mut t = GroupTest::with(|c| c.session_timeout_min_ms = 6000);
        let member = request.member.clone();
        let token = t.join(request);
        assert_eq!(t.join_refused(token), (expected, member), "{what}");
        assert!(t.shard.groups.is_empty(), "{what}");
        t.expect_no_records();
    }
}

#[test]
fn the_limits_of_the_session_timeout_are_inclusive() {
    for ms in [6000, 1_800_000] {
        let mut t = GroupTest::with(|c| c.session_timeout_min_ms = 6000);
        let token = t.join(join().session_ms(ms));
        assert!(t.is_parked(token), "{ms}");
    }
}

#[test]
fn a_member_without_a_protocol_in_common_is_refused() {
    let connect = JoinGroup {
        protocol_type: Text::from("connect"),
        ..join()
    };
    let cases = [
        ("another type", connect),
        ("other protocols", join().offering(&["roundrobin"])),
        ("no protocols", join().offering(&[])),
    ];
    for (what, request) in cases {
        let mut t = GroupTest::new();
        let first = t.join(join().offering(&["range", "sticky"]));
        let token = t.join(request);
        assert_eq!(t.join_refused(token).0, InconsistentGroupProtocol, "{what}");
        t.sleep_ms(3000);
        assert_eq!(t.joined(first).members.len(), 1);
    }
}

#[test]
fn a_new_dynamic_member_must_come_back_with_its_id_since_version_4() {
    let mut t = GroupTest::new();
    let token = t.join(join().version(4));
    let (error, id) = t.join_refused(token);
    assert_eq!(error, MemberIdRequired);
    assert_eq!(
        id.as_str(),
        "client-id-00000000-0000-0000-0000-000000000001"
    );
    assert_eq!(t.state(G), Empty);
    assert_eq!(t.group(G).pending.len(), 1);
    assert_eq!(t.take_records().len(), 1);

    // A mistake does not cost the id.
    let token = t.join(join().version(4).member(&id).offering(&[]));
    assert_eq!(
        t.join_refused(token),
        (InconsistentGroupProtocol, id.clone())
    );
    let token = t.join(join().version(4).member(&id));
    assert_eq!(t.state(G), PreparingRebalance);
    assert!(t.group(G).pending.is_empty());
    t.sleep_ms(3000);
    assert_eq!(t.joined(token).member, id);
}

#[test]
fn an_old_or_static_member_joins_at_once() {
    for request in [join().version(3), join().version(9).instance("i")] {
        let mut t = GroupTest::new();
        let token = t.join(request);
        assert!(t.is_parked(token));
        assert_eq!(t.member_count(G), 1);
    }
}

#[test]
fn a_member_id_begins_with_what_the_client_calls_itself() {
    let long = "é".repeat(16_383);
    let named = |name: &str| JoinGroup {
        client_id: Text::from(name),
        ..join().version(4)
    };
    let mut t = GroupTest::new();
    let token = t.join(named("consumer-1"));
    assert!(
        t.join_refused(token)
            .1
            .as_str()
            .starts_with("consumer-1-0000")
    );
    let token = t.join(named("consumer-1"));
    let second = t.join_refused(token).1;
    assert!(second.as_str().ends_with("-000000000002"), "{second}");
    // Cut at a character so that it fits a record.
    let token = t.join(named(&long));
    let id = t.join_refused(token).1;
    assert!(id.as_str().starts_with("ééé") && id.as_str().len() <= 32_767);

    let token = t.join(join().instance("instance"));
    t.sleep_ms(60_000);
    let id = t.joined(token).member;
    assert!(id.as_str().starts_with("instance-0000"), "{id}");
}

#[test]
fn a_pending_id_belongs_to_a_dynamic_member() {
    let mut t = GroupTest::new();
    let token = t.join(join().version(5));
    let (_, id) = t.join_refused(token);
    let token = t.join(join().version(5).member(&id).instance("i"));
    assert_eq!(t.join_refused(token), (InvalidRequest, id));
}

#[test]
fn pending_ids_are_bounded() {
    let mut t = GroupTest::with(|c| c.pending_members_max = 2);
    let tokens = [(); 3].map(|()| t.join(join().version(4)));
    let errors = tokens.map(|token| t.join_refused(token).0);
    assert_eq!(
        errors,
        [MemberIdRequired, MemberIdRequired, GroupMaxSizeReached]
    );
    // Their time runs out, and there is room again.
    t.sleep_ms(5000);
    let token = t.join(join().version(4));
    assert_eq!(t.join_refused(token).0, MemberIdRequired);
}

#[test]
fn an_unknown_member_of_a_group_is_refused() {
    let mut t = GroupTest::new();
    t.stabilize(vec![join()]);
    let token = t.join(join().member(&"other".into()));
    assert_eq!(t.join_refused(token), (UnknownMemberId, "other".into()));
}

#[test]
fn a_member_of_an_emptied_group_must_start_anew() {
    let mut t = GroupTest::new();
    let id = t.stabilize(vec![join()])[0].member.clone();
    assert_eq!(t.leave_errors(&[(id.as_str(), None)]), [None]);
    assert_eq!(t.state(G), Empty);
    let token = t.join(join().member(&id));
    assert_eq!(t.join_refused(token), (UnknownMemberId, id));
}

#[test]
fn a_repeated_join_in_completing_rebalance_is_answered_again() {
    let mut t = GroupTest::new();
    for joined in t.join_all(vec![join(), join()]) {
        let token = t.join(join().member(&joined.member));
        assert_eq!(t.joined(token), joined);
    }
    assert_eq!(t.state(G), CompletingRebalance);
}

#[test]
fn a_changed_join_in_completing_rebalance_starts_another() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join(), join()]);
    let waiting = t.sync(&joined[1]);
    let token = t.join(join().member(&joined[0].member).offering(&["range", "x"]));
    assert!(t.is_parked(token));
    assert_eq!(t.state(G), PreparingRebalance);
    assert_eq!(t.synced(waiting), Err(RebalanceInProgress));
    let other = t.join(join().member(&joined[1].member));
    assert_eq!(t.joined(token).generation, 2);
    assert_eq!(t.joined(other).generation, 2);
}

#[test]
fn a_rejoin_in_stable_rebalances_for_the_leader_or_with_other_protocols() {
    // (who, what they offer, whether it rebalances)
    let cases: [(usize, &[&str], bool); 4] = [
        (0, &["range"], true),
        (0, &["range", "roundrobin"], true),
        (1, &["range", "roundrobin"], true),
        (1, &["range"], false),
    ];
    for (who, offering, rebalances) in cases {
        let mut t = GroupTest::new();
        let joined = t.stabilize(vec![join(), join()]);
        t.take_records();
        let token = t.join(join().member(&joined[who].member).offering(offering));
        assert_eq!(t.is_parked(token), rebalances, "{who} {offering:?}");
        if rebalances {
            assert_eq!(t.state(G), PreparingRebalance);
        } else {
            assert_eq!(t.state(G), Stable);
            assert_eq!(t.joined(token), joined[who]);
        }
        t.expect_no_records();
    }
}

#[test]
fn a_join_that_replaces_a_parked_one_answers_it() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    let given_up = t.join(join().member(&joined[0].member));
    let token = t.join(join().member(&joined[0].member));
    let refused = (RebalanceInProgress, joined[0].member.clone());
    assert_eq!(t.join_refused(given_up), refused);
    assert!(t.is_parked(token));
    t.join(join().member(&joined[1].member));
    assert_eq!(t.joined(token).generation, 2);
}

#[test]
fn a_protocol_that_a_member_names_twice_counts_once() {
    let mut t = GroupTest::new();
    let joined = t.join_all(vec![join().offering(&["range", "range"]), join()]);
    assert_eq!(joined[0].protocol.as_deref(), Some("range"));
}

/// Sends the same request for each of the ids, or as new members.
fn join_each(t: &mut GroupTest, requests: impl IntoIterator<Item = JoinGroup>) -> Vec<Token> {
    requests.into_iter().map(|r| t.join(r)).collect()
}

fn refusals(t: &GroupTest, tokens: &[Token]) -> Vec<GroupError> {
    let answered = tokens.iter().filter(|token| {
        let answer = t.answer(**token);
        matches!(answer, crate::Answer::JoinGroup(Err(_)))
    });
    answered.map(|token| t.join_refused(*token).0).collect()
}

#[test]
fn new_members_beyond_the_maximum_size_are_refused() {
    for request in [join(), join().version(9).instance("i")] {
        let mut t = GroupTest::with(|c| c.members_max = 3);
        let numbered = (0..4).map(|i| match &request.instance {
            Some(_) => request.clone().instance(&format!("i{i}")),
            None => request.clone(),
        });
        let tokens = join_each(&mut t, numbered.collect::<Vec<_>>());
        assert_eq!(t.join_refused(tokens[3]), (GroupMaxSizeReached, "".into()));
        t.sleep_ms(10_000);
        assert_eq!(refusals(&t, &tokens), [GroupMaxSizeReached]);
        assert_eq!(t.member_count(G), 3);
    }
}

#[test]
fn ids_are_given_out_beyond_the_maximum_size_but_only_so_many_can_join() {
    let mut t = GroupTest::with(|c| c.members_max = 3);
    let tokens = join_each(&mut t, (0..4).map(|_| join().version(4)));
    assert_eq!(refusals(&t, &tokens), [MemberIdRequired; 4]);
    let ids: Vec<MemberId> = tokens
        .iter()
        .map(|token| t.join_refused(*token).1)
        .collect();
    let rejoin = |id: &MemberId| join().version(4).member(id);

    let second = join_each(&mut t, ids.iter().map(rejoin));
    // Those who have joined may join again while the others wait.
    let third = join_each(&mut t, ids.iter().map(rejoin));
    t.sleep_ms(10_000);
    assert_eq!(t.state(G), CompletingRebalance);
    assert_eq!(t.join_refused(second[3]).0, GroupMaxSizeReached);
    assert_eq!(t.join_refused(third[3]).0, GroupMaxSizeReached);
    assert_eq!(refusals(&t, &third).len(), 1);
    assert_eq!(t.member_count(G), 3);
    assert!(t.group(G).pending.is_empty());
}

#[test]
fn a_full_stable_group_takes_its_members_back_but_nobody_else() {
    let mut t = GroupTest::with(|c| c.members_max = 2);
    let joined = t.stabilize(vec![join(), join()]);
    let token = t.join(join());
    assert_eq!(t.join_refused(token).0, GroupMaxSizeReached);
    assert_eq!(t.state(G), Stable);
    let token = t.join(join().member(&joined[1].member));
    assert_eq!(t.joined(token).generation, 1);
}

#[test]
fn when_the_maximum_shrinks_the_last_to_rejoin_are_kicked_out() {
    let mut t = GroupTest::new();
    let joined = t.stabilize((0..4).map(|_| join().session_ms(50_000)).collect());
    t.shard.config.members_max = 2;
    let tokens: Vec<Token> = joined
        .iter()
        .map(|j| t.join(join().member(&j.member).session_ms(50_000)))
        .collect();
    for kicked in &tokens[2..] {
        assert_eq!(t.join_refused(*kicked), (GroupMaxSizeReached, "".into()));
    }
    assert_eq!(t.state(G), PreparingRebalance);
    t.sleep_ms(10_000);
    assert_eq!(t.state(G), CompletingRebalance);
    let left: Vec<_> = t
        .joined(tokens[0])
        .members
        .into_iter()
        .map(|m| m.member)
        .collect();
    assert_eq!(left, [joined[0].member.clone(), joined[1].member.clone()]);
}
