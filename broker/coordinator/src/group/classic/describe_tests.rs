//! DescribeGroups and ListGroups.

use super::describe::{DescribeGroups, ListGroups};
use super::state::GroupState::{self, *};
use crate::GroupError::GroupIdNotFound;
use crate::api::{Answer, Request};
use crate::ids::Text;
use crate::testing::*;

#[test]
fn a_stable_group_shows_protocol_subscriptions_and_assignments() {
    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    let described = t.describe(G);
    assert_eq!((described.error, described.state), (None, Stable));
    assert_eq!(&*described.protocol_type, "consumer");
    assert_eq!(&*described.protocol, "range");
    for (member, joined) in described.members.iter().zip(&joined) {
        assert_eq!(member.member, joined.member);
        assert_eq!(&*member.client_id, "client-id");
        assert_eq!(&*member.client_host, "/127.0.0.1");
        assert_eq!(member.metadata, subscription(&["foo", "bar"]));
        assert_eq!(
            member.assignment,
            format!("assignment of {}", joined.member)
        );
    }
}

#[test]
fn a_group_in_another_state_shows_neither_protocol_nor_subscriptions() {
    let mut t = GroupTest::new();
    t.join_all(vec![join()]);
    for state in [CompletingRebalance, PreparingRebalance] {
        if state == PreparingRebalance {
            t.join(join());
        }
        let described = t.describe(G);
        assert_eq!(described.state, state);
        assert_eq!(&*described.protocol_type, "consumer");
        assert_eq!(&*described.protocol, "");
        assert!(described.members.iter().all(|m| m.metadata.is_empty()));
        assert!(!described.members.is_empty());
    }
}

#[test]
fn a_rebalance_shows_the_last_assignment_unless_that_never_came() {
    let mut t = GroupTest::new();
    t.stabilize(vec![join(), join()]);
    t.join(join());
    let described = t.describe(G);
    assert_eq!(described.state, PreparingRebalance);
    let has_part: Vec<bool> = described
        .members
        .iter()
        .map(|m| !m.assignment.is_empty())
        .collect();
    assert_eq!(has_part, [true, true, false]);

    let mut t = GroupTest::new();
    let joined = t.stabilize(vec![join(), join()]);
    for member in &joined {
        t.join(join().member(&member.member));
    }
    assert_eq!(t.state(G), CompletingRebalance);
    assert!(
        t.describe(G)
            .members
            .iter()
            .all(|m| !m.assignment.is_empty())
    );
    t.join(join());
    assert!(
        t.describe(G)
            .members
            .iter()
            .all(|m| m.assignment.is_empty())
    );
}

#[test]
fn a_missing_group_is_dead_and_since_version_6_not_found() {
    let mut t = GroupTest::new();
    for supports_group_id_not_found in [false, true] {
        let token = t.send(Request::DescribeGroups(DescribeGroups {
            groups: vec!["missing".into(), "".into()],
            supports_group_id_not_found,
        }));
        let Answer::DescribeGroups(described) = t.answer(token) else {
            panic!();
        };
        assert_eq!(described.len(), 2);
        assert_eq!(described[0].group.as_str(), "missing");
        for group in described {
            assert_eq!(group.state, Dead);
            let expected = supports_group_id_not_found.then_some(GroupIdNotFound);
            assert_eq!(group.error, expected);
        }
    }
}

/// (group, protocol type, state) of the groups that pass the filters.
fn list(t: &mut GroupTest, states: &[&str], types: &[&str]) -> Vec<(String, String, GroupState)> {
    let texts = |names: &[&str]| names.iter().map(|n| Text::from(*n)).collect();
    let token = t.send(Request::ListGroups(ListGroups {
        states: texts(states),
        types: texts(types),
    }));
    let Answer::ListGroups(listed) = t.answer(token) else {
        panic!();
    };
    assert!(listed.iter().all(|g| g.group_type == "classic"));
    let row = |g: &super::describe::ListedGroup| {
        (g.group.to_string(), g.protocol_type.to_string(), g.state)
    };
    listed.iter().map(row).collect()
}

#[test]
fn groups_are_listed_with_filters_in_any_case() {
    let mut t = GroupTest::new().topic("foo", 1, 1);
    t.commit(commit("simple", "foo", &[(0, 1)]));
    t.stabilize(vec![join()]);
    t.join(join().group("preparing"));

    let simple = ("simple".to_owned(), String::new(), Empty);
    let stable = (G.to_owned(), "consumer".to_owned(), Stable);
    let preparing = (
        "preparing".to_owned(),
        "consumer".to_owned(),
        PreparingRebalance,
    );
    let all = [stable.clone(), preparing.clone(), simple.clone()];
    let of = |rows: &[&(String, String, GroupState)]| -> Vec<_> {
        rows.iter().map(|row| (*row).clone()).collect()
    };

    assert_eq!(list(&mut t, &[], &[]), all);
    assert_eq!(list(&mut t, &["stable"], &[]), of(&[&stable]));
    assert_eq!(
        list(&mut t, &[" STABLE ", "empty"], &[]),
        of(&[&stable, &simple])
    );
    assert_eq!(
        list(&mut t, &["PreparingRebalance"], &["Classic"]),
        of(&[&preparing])
    );
    assert_eq!(list(&mut t, &[], &["classic", "share"]), all);
    assert_eq!(list(&mut t, &[], &["consumer"]), []);
    assert_eq!(list(&mut t, &["Dead"], &[]), []);
    assert_eq!(list(&mut t, &["nonsense"], &["nonsense"]), []);
}

#[test]
fn sizes_are_counted_for_metrics() {
    let mut t = GroupTest::new().topic("foo", 1, 3);
    t.commit(commit("simple", "foo", &[(0, 1), (1, 1)]));
    t.commit(commit("other", "foo", &[(0, 1)]));
    t.stabilize(vec![join()]);
    let stats = t.shard.stats();
    assert_eq!(stats.offset_count, 3);
    let by_state: Vec<_> = stats.groups_by_state.into_iter().collect();
    assert_eq!(by_state, [(Empty, 2), (Stable, 1)]);
}
